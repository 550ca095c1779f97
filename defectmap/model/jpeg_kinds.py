"""Dead and stuck photosites in demosaiced pictures, where neither reads one value.

The luma over a bad photosite is mixed with what demosaicing takes from its neighbours, so that a dead one is
not black and a stuck one not still. How much is mixed in depends on the colour of the photosite. Coding then
makes spots flatter and wider, by how much is measured on the spots themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from defectmap.model.classify import SiteRecord, Verdict
from defectmap.model.defects import Kind
from defectmap.model.prediction import chroma_model, luma_model
from defectmap.model.sums import Sums

_TINT = {"R": 0.5 / 0.299, "B": 0.5 / 0.114}
"""Change of chroma over that of luma where one primary alone changes (ITU-T T.871, JFIF)."""

_TINTED = 0.009
"""Share of that by which red and blue photosites show, most of whose colour their neighbours give."""

_ALL_LOST = {"R": 0.54, "G": 0.91, "B": 0.30}
"""Share of the neighbours' luma, see `_lost`, from whose loss on a photosite of a colour is dead.

Measured where missing colours are estimated along edges from the differences of the colours, at qualities 92
and 80: dead sites lose 0.55 to 0.67, 0.88 to 0.98 and 0.28 to 0.37, and a gain of 0.05 to 0.1 leaves some
0.05 to 0.1 of it. Where the colours are estimated apart from each other, dead sites keep more luma and are
called dim.
"""

_AROUND = 2.0
"""Weight of the four nearest pixels in a loss: what coding takes from the peak of a spot, they show."""

_DARK = 0.92
"""A pixel that has less than this share of its neighbours' level tells how wide the spots are."""

_STILL, _STEADY = 0.62, 0.7
"""Swing of a stuck site, less than the one as a share of its neighbours', and than the other of its level."""


def jpeg_kind(site: SiteRecord, colour: str, spread: float = 0.0) -> Verdict | None:
    """Tell dead and stuck sites of a luma plane from those that follow the light.

    Parameters
    ----------
    site : SiteRecord
        Of the luma plane.
    colour : str
        See `site_colour`.
    spread : float
        See `spot_spread`, of that colour.

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
    if level < 1.0 and colour in _ALL_LOST and _lost(site) * (1.0 + _AROUND * spread) > _ALL_LOST[colour]:
        return Verdict(Kind.DEAD, site.mean, "DN")
    return None


def _lost(site: SiteRecord) -> float:
    """Return which share of the light a site loses.

    It is the mean of two measures: of the loss in the mean picture, in which all frames count, and of that in
    the brighter half of the sightings, in which coding, that cuts small changes off, takes least of it.
    """
    lost = 1.0 - site.mean / site.near_mean
    if site.light.size < 3:
        return lost
    bright = site.light >= np.median(site.light)
    light, excess = site.light[bright], site.excess[bright]
    return 0.5 * (lost - float((excess * light).sum() / max(float((light**2).sum()), 1.0)))


def spot_spread(planes: Mapping[str, Sums], places: Iterable[tuple[int, int]]) -> dict[str, float]:
    """Measure how much of a spot's depth its four nearest pixels share, by the colour of its photosite.

    The coarser the coding, the flatter and wider the spots. The sum over a spot it hardly changes.

    Parameters
    ----------
    planes : mapping of plane name to Sums
    places : iterable of (row, col)
        Candidates, of the luma grid; the dark ones tell.

    Returns
    -------
    dict of str to float
        By the letters of `site_colour`; those of colours without a dark candidate are left out.
    """
    luma = planes["luma"]
    height, width = luma.shape
    peaks: dict[str, float] = {}
    sides: dict[str, float] = {}
    for row, col in places:
        centre = np.array([row * width + col])
        usual = float(np.median(luma.value_at(luma_model().neighbours(centre, luma.shape)).mean))
        peak = usual - float(luma.value_at(centre).mean[0])
        if peak <= (1.0 - _DARK) * usual or not (0 < row < height - 1 and 0 < col < width - 1):
            continue
        near = luma.value_at(centre + np.array([-width, -1, 1, width])).mean
        colour = site_colour(planes, row, col)
        peaks[colour] = peaks.get(colour, 0.0) + peak
        sides[colour] = sides.get(colour, 0.0) + usual - float(near.mean())
    return {colour: max(sides[colour] / peak, 0.0) for colour, peak in peaks.items()}


def site_colour(planes: Mapping[str, Sums], row: int, col: int) -> str:
    """Return the colour of the photosite under a pixel, by what it does to the mean chroma.

    Parameters
    ----------
    planes : mapping of plane name to Sums
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
    shares = {letter: share / _TINT[letter] for letter, share in shares.items()}
    letter = max(shares, key=lambda name: shares[name])
    return letter if shares[letter] > _TINTED else "G"


def mean_contrast(planes: Mapping[str, Sums], name: str, row: int, col: int) -> float:
    """Return the mean value at a pixel of the luma grid less the median of its neighbours', in DN."""
    plane = planes[name]
    scale, model = (1, luma_model()) if name == "luma" else (2, chroma_model())
    site = np.array([row // scale * plane.shape[1] + col // scale])
    around = plane.value_at(model.neighbours(site, plane.shape)).mean
    return float(plane.value_at(site).mean[0] - np.median(around))
