"""Defects as rows of tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from defectmap.cli.rows import entry_row, short_row, short_visible
from defectmap.model.defects import Defect, Kind, Period

HOT = Defect(3, 4, Kind.HOT, "R", 61_600.0, "DN/s at ISO 100", 9.04, 5, 6)


def test_short_rows_say_the_same() -> None:
    """A row for a terminal has the figures of the long one, with colour and unit beside them."""
    assert entry_row(HOT) == [3, 4, "hot", "R", 61600.0, "DN/s at ISO 100", 9.0, 5, 6, "always"]
    assert short_row(HOT) == [3, 4, "hot R", "61600 DN/s", 9.0, 5, 6, "always"]


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({}, "always"),
        ({"first_bad": datetime(2020, 5, 1)}, "before 2020-05-01"),
        ({"last_good": datetime(2020, 4, 1), "first_bad": datetime(2020, 5, 1)}, "since 2020-05-01"),
    ],
)
def test_open_onset_is_not_called_always(known: dict[str, datetime], words: str) -> None:
    """A site that may have been bad before the first photo, but is not known to have been, is "before"."""
    assert entry_row(replace(HOT, periods=(Period(**known),)))[-1] == words


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("above 1/4 s at ISO 100, 1/23 s at ISO 3200", "above 1/4 s"),
        ("above 30 s at ISO 100, 5.3 s at ISO 3200", "above 30 s"),
        ("above 12 s at ISO 3200", "above 12 s at ISO 3200"),
        ("in even, light areas", "in even, light areas"),
        ("from ISO 400", "from ISO 400"),
    ],
)
def test_exposure_times_are_those_at_iso_100(long: str, short: str) -> None:
    """For a terminal the times at ISO 100 are enough; of another sensitivity its number stays."""
    assert short_visible(long) == short
