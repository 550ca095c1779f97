"""How strong the spot of a known defect is going to be in a JPEG, before that is looked at.

The map tells what a defect adds per second and sensitivity, or its share of the light; the photo's own
exposure tells how much that is here. It passes the tone curve last: what shows much in shade shows little in
sunshine.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np

from defectmap.model.classify import OWN_SPREAD
from defectmap.model.defects import Defect, Kind
from defectmap.model.frame import Conditions
from defectmap.model.tone import behind_curve

_CURVE: Final = 0.2
"""Relative error of what an unknown tone curve does, and of the light that is guessed under the spot."""

_ROUNDING_DN: Final = 1.0
_KNOWN: Final = 0.5
"""Relative error from which the photo tells more than the map."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a defect does to the luma of its own pixel.

    Attributes
    ----------
    share : float
        Of the light, that it adds; negative for a loss.
    added_dn : float
        DN of luma that it adds where the light is as usual, before the tone curve.
    usual_dn : float
        That level of luma.
    unsure : float
        Relative standard deviation of either.
    """

    share: float
    added_dn: float
    usual_dn: float
    unsure: float

    def amplitude(self, light_dn: float) -> tuple[float, float]:
        """Return the change of luma where the scene has that level, and its standard deviation.

        Examples
        --------
        >>> amplitude, sd = Expected(-0.5, 0.0, 110.0, 0.2).amplitude(80.0)
        >>> round(amplitude, 1), round(sd, 1)
        (-40.0, 8.1)
        """
        change = self.share * light_dn
        if self.added_dn:
            change += float(behind_curve(np.array([light_dn]), np.array([self.added_dn]), self.usual_dn)[0])
        change = min(max(change, -light_dn), 255.0 - light_dn)
        return change, hypot(self.unsure * change, _ROUNDING_DN)


def expected(defect: Defect, conditions: Conditions, usual_dn: float | None) -> Expected | None:
    """Return what a map lets expect of a defect in a photo.

    Parameters
    ----------
    defect : Defect
        Of the stream of the photo.
    conditions : Conditions
        Of the photo.
    usual_dn : float or None
        Mean luma of the photos that the map was made from.

    Returns
    -------
    Expected or None
        None where the photo tells more: of stuck, dead and noisy sites, of such as were found on another
        grid, where exposure or onset are uncertain, and where the strength is.
    """
    if usual_dn is None or defect.origin or not defect.certain or not _in_force(defect, conditions):
        return None
    share = added = 0.0
    if defect.kind is Kind.HOT and conditions.dose is not None:
        size = added = defect.strength * conditions.dose
    elif defect.kind is Kind.OFFSET and conditions.gain is not None:
        size = added = defect.strength * conditions.gain
    elif defect.kind in {Kind.DIM, Kind.BRIGHT}:
        size = share = defect.strength - 1.0
    else:
        return None
    if not size:
        return None
    reference = abs(defect.strength - 1.0) if share else abs(defect.strength)
    measured = (defect.strength_sd or 0.0) / reference
    spread = OWN_SPREAD[Kind.BRIGHT if share else defect.kind]
    unsure = float(np.sqrt(_CURVE**2 + spread**2 + measured**2))
    return Expected(share, added, usual_dn, unsure) if unsure < _KNOWN else None


def sign(defect: Defect) -> int:
    """Return 1 for a defect whose spot can only be bright, -1 for dark, 0 for either."""
    if defect.kind in {Kind.HOT, Kind.OFFSET} and defect.strength:
        return 1 if defect.strength > 0 else -1
    return {Kind.BRIGHT: 1, Kind.DIM: -1, Kind.DEAD: -1}.get(defect.kind, 0)


def _in_force(defect: Defect, conditions: Conditions) -> bool:
    """Whether the defect was seen on both sides of that moment."""
    return defect.surely_bad_on(conditions.captured)
