"""Find, date and repair the bad photosites of a camera sensor from ordinary photos."""

__version__ = "0.1.0"

__all__ = ["__version__"]
