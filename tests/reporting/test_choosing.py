"""Pictures show defects of every kind, and photos that tell something of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from defectmap.catalog.records import StoredFrame
from defectmap.model.defects import Defect, Kind, Period
from defectmap.model.frame import Conditions
from defectmap.reporting.choosing import choose_photos, featured
from defectmap.reporting.needs import PhotoNeed

START = datetime(2015, 1, 1)
SITE = Defect(3, 4, Kind.STUCK, "R", 1.0, "DN", 9.0, 5, 5)


def photo(number: int) -> PhotoNeed:
    """Return a photo of a day."""
    frame = StoredFrame(number, 1, b"", f"{number}.NEF", Conditions(), None, True, 0, None, None, number)
    return PhotoNeed(frame, START + timedelta(days=number), 0, 0, 0, False)


def test_no_kind_is_left_out_for_another() -> None:
    """The strongest of each kind come before the second of any."""
    stuck = [replace(SITE, row=row, confidence=50.0 - row) for row in range(4)]
    weak = [replace(SITE, row=row, kind=Kind.DIM, confidence=5.0 - row / 10) for row in (7, 8)]
    assert featured([*weak, *stuck], 5) == (stuck[0], weak[0], stuck[1], weak[1], stuck[2])
    assert featured([], 5) == ()


def test_photos_about_the_onset_come_first() -> None:
    """The last photo before a defect and the first with it are chosen, in order."""
    defect = replace(SITE, periods=(Period(START + timedelta(days=11), START + timedelta(days=12)),))
    photos = [photo(number) for number in range(30)]
    telling = np.ones((1, 30), bool)
    chosen = choose_photos([defect], photos, telling, 2, lambda _: True)
    assert chosen == (11, 12)
    more = choose_photos([defect], photos, telling, 8, lambda _: True)
    assert {11, 12} <= set(more) and len(more) == 8 and list(more) == sorted(more)


def test_others_stand_in_for_photos_that_are_gone() -> None:
    """A photo that is not there is asked for once; where none is there, none is chosen."""
    photos = [photo(number) for number in range(30)]
    asked: list[int] = []

    def is_there(number: int) -> bool:
        asked.append(number)
        return number % 2 == 1

    chosen = choose_photos([SITE], photos, np.ones((1, 30), bool), 4, is_there)
    assert len(chosen) == 4 and all(number % 2 for number in chosen)
    assert len(asked) == len(set(asked))
    assert choose_photos([SITE], photos, np.ones((1, 30), bool), 4, lambda _: False) == ()
    assert choose_photos([SITE], photos, np.zeros((1, 30), bool), 4, lambda _: True) == ()
    assert choose_photos([], photos, np.zeros((0, 30), bool), 4, lambda _: True) == ()
