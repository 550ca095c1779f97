"""Which photos need repair: on how many defects of the map each of them should show, and did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from defectmap.catalog.records import StoredFrame
from defectmap.model.bodyclock import BodyClock
from defectmap.model.defects import Defect, Kind
from defectmap.model.visibility import lowest_iso, shortest_exposure_s

Mask = NDArray[np.bool_]
Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class PhotoNeed:
    """One photo and what the map says of it.

    Attributes
    ----------
    frame : StoredFrame
    day : datetime or None
        When it was taken, as far as the clock can be believed.
    bad : int
        Defects that may have been bad then.
    shows : int
        Those of them that a photo of its exposure should show.
    seen : int
        Photosites of the map that stood out in it.
    repaired : bool
        With the newest map.
    """

    frame: StoredFrame
    day: datetime | None
    bad: int
    shows: int
    seen: int
    repaired: bool

    @property
    def needs_repair(self) -> bool:
        """Whether a defect should show in it or did, and it was not repaired."""
        return not self.repaired and self.visible > 0

    @property
    def visible(self) -> int:
        """Defects that show, as far as is known: what stood out tells at the least."""
        return max(self.shows, self.seen)


@dataclass(frozen=True, slots=True)
class Shows:
    """In which photos each defect was bad, should show, and stood out.

    Attributes
    ----------
    bad, expected, seen : ndarray of shape (defects, photos), bool
    """

    bad: Mask
    expected: Mask
    seen: Mask

    @classmethod
    def of(
        cls,
        defects: Sequence[Defect],
        frames: Sequence[StoredFrame],
        clock: BodyClock,
        noise: float | None,
        seen_in: Mapping[tuple[int, int], Collection[int]],
    ) -> Shows:
        """Compare defects with photos.

        Parameters
        ----------
        defects : sequence of Defect
        frames : sequence of StoredFrame
        clock : BodyClock
        noise : float or None
            Of the photos at ISO 100 in DN.
        seen_in : mapping of (row, col) to collection of int
            Ids of the frames in which a site stood out.
        """
        days = np.array([clock.date(frame.conditions) for frame in frames], "datetime64[us]")
        exposure_s = _known(frame.conditions.exposure_s for frame in frames)
        iso = _known(frame.conditions.iso or None for frame in frames)
        places = {frame.id: index for index, frame in enumerate(frames)}
        shape = len(defects), len(frames)
        result = cls(np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape, bool))
        for index, defect in enumerate(defects):
            result.bad[index] = bad_on(defect, days)
            result.expected[index] = result.bad[index] & would_show(defect, exposure_s, iso, noise)
            here = [places[one] for one in seen_in.get((defect.row, defect.col), ()) if one in places]
            result.seen[index, here] = True
        return result


def bad_on(defect: Defect, days: Times) -> Mask:
    """Return what :meth:`Defect.bad_on` says of many moments (NaT: unknown, so yes)."""
    result = np.zeros(days.shape, bool)
    for period in defect.periods:
        within = np.ones(days.shape, bool)
        if period.last_good is not None:
            within &= ~(days <= np.datetime64(period.last_good, "us"))
        if period.first_good is not None:
            within &= ~(days >= np.datetime64(period.first_good, "us"))
        result |= within
    return result


def would_show(
    defect: Defect, exposure_s: NDArray[np.float64], iso: NDArray[np.float64], noise: float | None
) -> Mask:
    """Return what :func:`defectmap.model.visibility.would_show` says of many photos (NaN: unknown)."""
    told = noise if noise is not None and noise > 0 and not defect.origin else None
    if defect.kind is Kind.HOT:
        # Comparisons with NaN are false, as they should be where nothing is known.
        least = np.inf if told is None else shortest_exposure_s(defect.strength, told, 100.0)
        return np.asarray(exposure_s * np.sqrt(iso / 100.0) >= least)
    if defect.kind is Kind.OFFSET:
        return np.asarray(iso >= (np.inf if told is None else lowest_iso(defect.strength, told)))
    return np.ones(iso.shape, bool)


def would_show_in(defect: Defect, frames: Iterable[StoredFrame], noise: float | None) -> Mask:
    """Return in which frames a defect would show if it were bad then."""
    conditions = [frame.conditions for frame in frames]
    return would_show(
        defect,
        _known(one.exposure_s for one in conditions),
        _known(one.iso or None for one in conditions),
        noise,
    )


def in_order(frames: Iterable[StoredFrame], clock: BodyClock) -> list[StoredFrame]:
    """Return frames in order of capture; those whose place is not known are last."""
    return sorted(
        frames,
        key=lambda frame: (
            clock.place(frame.conditions) or datetime.max,
            frame.conditions.shutter_count or 0,
            frame.name,
            frame.digest,
        ),
    )


def photo_needs(
    frames: Sequence[StoredFrame], clock: BodyClock, shows: Shows, repaired: Collection[bytes]
) -> tuple[PhotoNeed, ...]:
    """Count, photo by photo.

    Parameters
    ----------
    frames : sequence of StoredFrame
    clock : BodyClock
    shows : Shows
        Of these frames.
    repaired : collection of bytes
        Digests of the photos that were repaired with the newest map.
    """
    counts = zip(
        *(plane.sum(axis=0).tolist() for plane in (shows.bad, shows.expected, shows.seen)), strict=True
    )
    return tuple(
        PhotoNeed(frame, clock.date(frame.conditions), bad, expected, seen, frame.digest in repaired)
        for frame, (bad, expected, seen) in zip(frames, counts, strict=True)
    )


def _known(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)
