"""What the program reaches, measured; not part of the package and not timed by its tests."""
