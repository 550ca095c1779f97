"""A seeded camera whose defects are known: the ground truth of the demo and of the tests."""
