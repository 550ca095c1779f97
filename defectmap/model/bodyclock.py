"""Which capture times of a body can be believed: its clock against its shutter count.

An empty backup battery sets a clock back to the year it was made in, and owners mistype years; the shutter
count goes on. The longest run of frames whose clock went forward with the count is believed (the longest
non-decreasing subsequence, by patience sorting: C. Schensted, Canad. J. Math. 13 (1961) 179-191), and with it
every frame whose time fits between its neighbours by count. The answer depends on the set of frames alone, in
whatever order they came.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Literal

from defectmap.model.frame import Conditions

_Counted = tuple[int, datetime, int]
"""Count, time and index of a frame."""

TOLERANCE = timedelta(hours=26)
"""Travellers set their clocks by as much: time zones reach from UTC-12 to UTC+14."""

EARLIEST = datetime(1995, 10, 1)
"""No digital camera wrote an earlier date: the first version of Exif is of that month."""

_NEW_SHUTTERS = 2
_LOW = 0.05
_SPAN = 0.05
"""A count that begins anew falls to less than `_LOW` of what it was, seldom, and goes on for more than
`_SPAN` of the frames: single frames of a reset clock would look alike."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Frames of which clock and shutter count do not tell the same.

    Attributes
    ----------
    reason : {"clock", "count", "date"}
        The clock went back while the count went on; the count went back while the clock went on; the date is
        earlier than any digital photo.
    frames : tuple of int
        Indices of the frames, in order of count; with "count" the last frame before and the first after.
    first, last : datetime
        Earliest and latest time that the clock gave them.
    after, before : datetime or None
        Between these believed times they were taken, by their count; None where nothing is known.
    """

    reason: Literal["clock", "count", "date"]
    frames: tuple[int, ...]
    first: datetime
    last: datetime
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class BodyClock:
    """The believed times of a body by its shutter count.

    Attributes
    ----------
    counts : tuple of int
    times : tuple of datetime
        As many, neither ever going back. Empty where no frame has a count, or counts are not to be believed.
    """

    counts: tuple[int, ...] = ()
    times: tuple[datetime, ...] = ()

    @classmethod
    def of(cls, frames: Iterable[Conditions]) -> BodyClock:
        """Return the clock of a body.

        Where the count begins anew, as with a new shutter, the clock is believed alone.

        Parameters
        ----------
        frames : iterable of Conditions
            Of all frames of one body, in any order.
        """
        pairs = sorted(
            (frame.shutter_count, frame.captured)
            for frame in frames
            if frame.shutter_count and frame.captured is not None and frame.captured >= EARLIEST
        )
        if _counts_anew(pairs):
            return cls()
        chain = _longest_run([time for _, time in pairs])
        return cls(tuple(pairs[i][0] for i in chain), tuple(pairs[i][1] for i in chain))

    def date(self, frame: Conditions) -> datetime | None:
        """Return when a frame was taken; None where it has no time, or one that is not to be believed."""
        when = frame.captured
        if when is None or when < EARLIEST:
            return None
        after, before = self.between(frame)
        fits = (after is None or when >= after - TOLERANCE) and (before is None or when <= before + TOLERANCE)
        return when if fits else None

    def place(self, frame: Conditions) -> datetime | None:
        """Return where a frame stands among the others: its time, else that of the frame before by count."""
        return self.date(frame) or self.between(frame)[0]

    def between(self, frame: Conditions) -> tuple[datetime | None, datetime | None]:
        """Return the believed times of the frames before and after by count; None where there is none."""
        if not frame.shutter_count:
            return None, None
        before = bisect_left(self.counts, frame.shutter_count)
        after = bisect_right(self.counts, frame.shutter_count)
        return (
            self.times[before - 1] if before else None,
            self.times[after] if after < len(self.times) else None,
        )

    def contradictions(self, frames: Sequence[Conditions]) -> tuple[Contradiction, ...]:
        """Return what is not believed of some frames of the body, a run of frames at a time.

        Parameters
        ----------
        frames : sequence of Conditions

        Returns
        -------
        tuple of Contradiction
            Ordered by reason and place.
        """
        doubted = [
            (frame.shutter_count or 0, frame.captured, index)
            for index, frame in enumerate(frames)
            if frame.captured is not None and self.date(frame) is None
        ]
        result = []
        for _, run in groupby(sorted(doubted), key=lambda one: bisect_left(self.counts, one[0])):
            members = list(run)
            times = [time for _, time, _ in members]
            after, before = self.between(frames[members[0][2]])
            reason: Literal["clock", "date"] = "clock" if (after or before) else "date"
            indices = tuple(index for *_, index in members)
            result.append(Contradiction(reason, indices, min(times), max(times), after, before))
        if not self.counts:
            counted = [
                (frame.shutter_count, frame.captured, index)
                for index, frame in enumerate(frames)
                if frame.shutter_count and frame.captured is not None and frame.captured >= EARLIEST
            ]
            for (_, last, one), (_, first, other) in _falls(counted):
                result.append(Contradiction("count", (one, other), last, first, last, first))
        return tuple(result)


def _counts_anew(pairs: Sequence[tuple[int, datetime]]) -> bool:
    """Whether it is the count that was reset, not the clock."""
    ordered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    falls = [0, *(i for i in range(1, len(pairs)) if ordered[i][0] < ordered[i - 1][0]), len(pairs)]
    back = sum(later < earlier - TOLERANCE for (_, earlier), (_, later) in pairwise(pairs))
    return (
        0 < len(falls) - 2 <= min(_NEW_SHUTTERS, back)
        and all(ordered[i][0] < _LOW * ordered[i - 1][0] for i in falls[1:-1])
        and all(stop - start > _SPAN * len(pairs) for start, stop in pairwise(falls))
    )


def _falls(frames: Iterable[_Counted]) -> list[tuple[_Counted, _Counted]]:
    """Return the neighbours in time of which the later has the lower count."""
    ordered = sorted(frames, key=lambda one: (one[1], one[0], one[2]))
    return [(one, other) for one, other in pairwise(ordered) if other[0] < one[0]]


def _longest_run(times: Sequence[datetime]) -> list[int]:
    """Return the indices of the longest non-decreasing subsequence."""
    tails: list[datetime] = []
    ends: list[int] = []
    before: list[int | None] = []
    for index, time in enumerate(times):
        at = bisect_right(tails, time)
        before.append(ends[at - 1] if at else None)
        if at == len(tails):
            tails.append(time)
            ends.append(index)
        else:
            tails[at], ends[at] = time, index
    chain = []
    index_ = ends[-1] if ends else None
    while index_ is not None:
        chain.append(index_)
        index_ = before[index_]
    return chain[::-1]
