"""The pairs of exposures that repairs are measured with."""

import numpy as np

from benchmarks.detection.scenes import DrawnScenes
from benchmarks.repair.captures import captures, planted


def test_pairs_differ_around_defects_only():
    """The damaged picture is the sound one but for the surroundings of the defects; both repeat."""
    truths = planted(5, 3)
    assert len(truths) == 36
    first, again = (next(captures(5, truths, DrawnScenes().draw, range(1))) for _ in range(2))
    np.testing.assert_array_equal(first.sound, again.sound)
    np.testing.assert_array_equal(first.damaged, again.damaged)
    different = (first.sound != first.damaged).any(axis=2)
    assert different.any()
    for t in truths:
        different[t.row - 8 : t.row + 9, t.col - 8 : t.col + 9] = False
        assert first.peak(t) >= abs(first.change(t)) - 1e-9
    assert not different.any()
