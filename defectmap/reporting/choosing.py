"""Which defects are shown in pictures, and which photos the pictures come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import Defect
from defectmap.reporting.needs import PhotoNeed

_NEAREST = 6
"""So many photos may stand for a moment, the nearest counts most."""

_SPREAD = 8
"""So many moments are spread over the time in which a defect was bad."""

_TRIES = 4
"""So many times as many photos as are wanted may be looked for in vain: network drives answer slowly."""

_DATED = 3.0
"""So many of these is a moment worth at which a defect went bad or came back."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A moment of a defect that a strip should show, and the photos that do, the best first."""

    photos: tuple[int, ...]
    weight: float


def featured(defects: Iterable[Defect], most: int) -> tuple[Defect, ...]:
    """Choose defects to be shown: of each kind the strongest, then of each kind the next, and so on."""
    ordered = sorted(defects, key=lambda d: (-d.confidence, d.row, d.col))
    taken: dict[str, int] = {}
    ranks: list[tuple[int, int, Defect]] = []
    for defect in ordered:
        rank = taken.get(defect.kind.value, 0)
        taken[defect.kind.value] = rank + 1
        ranks.append((rank, len(ranks), defect))
    return tuple(defect for _, _, defect in sorted(ranks, key=lambda one: one[:2])[:most])


def choose_photos(
    defects: Sequence[Defect],
    photos: Sequence[PhotoNeed],
    telling: NDArray[np.bool_],
    most: int,
    is_there: Callable[[int], bool],
) -> tuple[int, ...]:
    """Choose photos that show many defects just before and after they changed, and others in between.

    Parameters
    ----------
    defects : sequence of Defect
    photos : sequence of PhotoNeed
        In order of capture.
    telling : ndarray of shape (defects, photos), bool
        Whether a photo shows the defect, or would have if it had been bad then.
    most : int
    is_there : callable
        Whether a photo, by its index, can be read; asked of chosen ones only.

    Returns
    -------
    tuple of int
        Indices of photos, in order.
    """
    wishes = [
        wish
        for index, defect in enumerate(defects)
        for wish in _wishes(defect, photos, np.flatnonzero(telling[index]).tolist())
    ]
    chosen: list[int] = []
    gone: set[int] = set()
    others = np.flatnonzero(telling.any(axis=0)).tolist()
    while len(chosen) < most and len(gone) <= _TRIES * most:
        best = _most_wanted(wishes, chosen, gone)
        if best is None:
            best = _farthest([one for one in others if one not in gone], chosen)
        if best is None:
            break
        (chosen.append if is_there(best) else gone.add)(best)
    return tuple(sorted(chosen))


def _most_wanted(wishes: Sequence[_Wish], chosen: Sequence[int], gone: Collection[int]) -> int | None:
    """Return the photo that fulfils most of what is left to wish for; None where nothing is."""
    worth: dict[int, float] = {}
    for wish in wishes:
        if not set(wish.photos).intersection(chosen):
            for place, photo in enumerate(one for one in wish.photos if one not in gone):
                worth[photo] = worth.get(photo, 0.0) + wish.weight / (1 + place)
    return min(worth, key=lambda photo: (-worth[photo], photo), default=None)


def _farthest(photos: Sequence[int], chosen: Sequence[int]) -> int | None:
    """Return the photo with most photos between it and the nearest chosen one; None where all are chosen."""
    left = [photo for photo in photos if photo not in chosen]
    return max(
        left, key=lambda photo: (min((abs(photo - one) for one in chosen), default=0), -photo), default=None
    )


def _wishes(defect: Defect, photos: Sequence[PhotoNeed], telling: list[int]) -> list[_Wish]:
    """Return the moments of a defect: each date of its periods, and some spread over its time."""
    dated = [(day, one) for one in telling if (day := photos[one].day) is not None]
    bad = [one for one in telling if defect.bad_on(photos[one].day)]
    when_bad = set(bad)
    groups: list[list[int]] = []
    for period in defect.periods:
        if period.last_good is not None:
            groups.append([one for day, one in dated if day <= period.last_good][::-1])
        if period.first_bad is not None:
            groups.append([one for day, one in dated if day >= period.first_bad and one in when_bad])
        if period.last_bad is not None:
            groups.append([one for day, one in dated if day <= period.last_bad and one in when_bad][::-1])
        if period.first_good is not None:
            groups.append([one for day, one in dated if day >= period.first_good and one not in when_bad])
    wishes = [_Wish(tuple(group[:_NEAREST]), _DATED) for group in groups if group]
    for place in np.unique(np.linspace(0, len(bad) - 1, _SPREAD).astype(int)).tolist() if bad else ():
        wishes.append(_Wish(tuple(sorted(bad, key=lambda one: (abs(one - bad[place]), one))[:2]), 1.0))
    return wishes
