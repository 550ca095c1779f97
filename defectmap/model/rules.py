"""What differs in the verdict between the planes of a raw mosaic and of a JPEG."""

from __future__ import annotations

from dataclasses import dataclass

FALSE_ALARMS = 0.05
"""What healthy photosites exceed so often per map is nothing to measure healthy ones by."""


@dataclass(frozen=True, slots=True)
class PlaneRules:
    """What differs between the planes of a raw mosaic and of a JPEG.

    Attributes
    ----------
    period : tuple of int
        Rows and columns of the pattern whose positions have nulls of their own.
    spare_votes : int
        Votes demanded above the Poisson threshold.
    reach : int
        A weaker candidate within so many rows and columns of a stronger one may be its echo.
    dominance : float
        How many times more prominent the other must be to explain it.
    smeared : bool
        Whether a defect spreads over its neighbours (a JPEG), so that the contrast of the mean picture, not
        the score, tells where its centre is, and so that structures cannot be told.
    spare_alarms : float
        False alarms per map that are accepted however little there is to find.
    """

    period: tuple[int, int]
    spare_votes: int
    reach: int
    dominance: float
    smeared: bool
    spare_alarms: float = 0.0


# Shared by three planes. The tails of JPEGs are taken wider than those of simulated ones are.
JPEG_LUMA = PlaneRules((1, 1), spare_votes=3, reach=8, dominance=3.0, smeared=True, spare_alarms=FALSE_ALARMS)
JPEG_CHROMA = JPEG_LUMA


def mosaic_rules(period: tuple[int, int]) -> PlaneRules:
    """Return the rules of an undemosaiced plane with that CFA period."""
    return PlaneRules(period, spare_votes=1, reach=2, dominance=2.0, smeared=False)
