"""Dead and stuck photosites in demosaiced pictures, where neither reads one value.

The luma over a bad photosite is mixed with what demosaicing takes from its neighbours, so that a dead one is
not black and a stuck one not still. How much is mixed in depends on the colour of the photosite.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from defectmap.model.classify import SiteRecord, Verdict
from defectmap.model.defects import Kind
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.prediction import chroma_model, luma_model

_TINTED = 0.03
"""Change of chroma, as a share of that of luma, by which red and blue photosites show."""

_DEAD = {"R": (0.51, 0.74), "G": (0.23, 0.42), "B": (0.78, 0.85)}
"""Level and swing, as shares of the neighbours', below which a photosite of a colour is dead.

Measured where missing colours are estimated along edges from the differences of the colours, at quality 92:
levels of dead sites are 0.42 to 0.47, 0.12 to 0.17 and 0.73 to 0.79, those of a gain of 0.05 to 0.5 begin at
0.55, 0.27 and 0.77. Where the colours are estimated apart from each other, and where coding is coarse, dead
sites keep more luma and are called dim.
"""

_STILL, _STEADY = 0.62, 0.7
"""Swing of a stuck site, less than the one as a share of its neighbours', and than the other of its level."""


def jpeg_kind(site: SiteRecord, colour: str) -> Verdict | None:
    """Tell dead and stuck sites of a luma plane from those that follow the light.

    Parameters
    ----------
    site : SiteRecord
        Of the luma plane.
    colour : str
        See `site_colour`.

    Returns
    -------
    Verdict or None
        None where the sightings have to tell.
    """
    if site.near_variance <= 0 or site.near_mean <= 0:
        return None
    swing, level = float(np.sqrt(site.variance / site.near_variance)), site.mean / site.near_mean
    if swing < min(_STILL, _STEADY * level):
        return Verdict(Kind.STUCK, site.mean, "DN")
    if colour in _DEAD:
        least_level, least_swing = _DEAD[colour]
        if level < least_level and swing < least_swing:
            return Verdict(Kind.DEAD, site.mean, "DN")
    return None


def site_colour(planes: Mapping[str, PlaneEvidence], row: int, col: int) -> str:
    """Return the colour of the photosite under a pixel, by what it does to the mean chroma.

    Parameters
    ----------
    planes : mapping of plane name to PlaneEvidence
    row, col : int
        Of the luma grid.

    Returns
    -------
    str
        R, G or B; "" for grey pictures.
    """
    if "blue" not in planes or "red" not in planes:
        return ""
    luma = mean_contrast(planes, "luma", row, col)
    if luma == 0:
        return ""
    shares = {
        "R": mean_contrast(planes, "red", row, col) / luma,
        "B": mean_contrast(planes, "blue", row, col) / luma,
    }
    letter = max(shares, key=lambda name: shares[name])
    return letter if shares[letter] > _TINTED else "G"


def mean_contrast(planes: Mapping[str, PlaneEvidence], name: str, row: int, col: int) -> float:
    """Return the mean value at a pixel of the luma grid less the median of its neighbours', in DN."""
    plane = planes[name]
    scale, model = (1, luma_model()) if name == "luma" else (2, chroma_model())
    site = np.array([row // scale * plane.shape[1] + col // scale])
    around = plane.value_at(model.neighbours(site, plane.shape)).mean
    return float(plane.value_at(site).mean[0] - np.median(around))
