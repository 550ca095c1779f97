"""The words of a report: dates, strengths, exposures."""

from __future__ import annotations

from datetime import datetime

from defectmap.model.defects import Defect, Period, Structure
from defectmap.model.events import periods_of
from defectmap.model.frame import Conditions
from defectmap.model.listed import is_listed
from defectmap.model.visibility import duration

KIND_WORDS = {
    "hot": "too bright the longer the exposure",
    "offset": "too bright by the same amount at any exposure time",
    "stuck": "reads the same whatever the light",
    "dead": "stays near black whatever the light",
    "dim": "takes up less light than its neighbours",
    "bright": "takes up more light than its neighbours",
    "noisy": "right on the whole, but restless",
}
COLOUR_WORDS = {"R": "red", "G": "green", "B": "blue", "W": "white"}
_LONGEST = 48
ONLY_LISTED = "only in lists"


def kind_of(defect: Defect) -> str:
    """Return the kind of a defect; of a site that only lists name nobody knows it."""
    return ONLY_LISTED if is_listed(defect) else defect.kind.value


def effect(defect: Defect) -> str:
    """Return what a defect does to the photos."""
    less = defect.strength < 0
    return KIND_WORDS[defect.kind.value].replace("too bright", "too dark" if less else "too bright")


def verdict(defect: Defect) -> str:
    """Return what an entry of a map is."""
    if is_listed(defect):
        return "listed"
    return "defect" if defect.certain else f"suspect, lacks {defect.missing}"


def strength(defect: Defect) -> str:
    """Return how strong a defect is, with its unit."""
    return "" if is_listed(defect) else f"{float(f'{defect.strength:.3g}'):g} {defect.unit}"


def day(moment: datetime | None) -> str:
    """Return a day; nothing for none."""
    return moment.date().isoformat() if moment else ""


def bad(entry: Defect | Structure) -> str:
    """Return when an entry was bad."""
    return ", ".join(map(_span, periods_of(entry)))


def _span(period: Period) -> str:
    if period.last_good:
        since = f"since {day(period.onset or period.first_bad)}"
    else:
        since = f"before {day(period.first_bad)}" if period.first_bad else "always"
    return f"{since} until {day(period.healed or period.last_bad)}" if period.first_good else since


def dates(defect: Defect) -> str:
    """Return between which photos a defect went bad and came back, in a sentence without full stop."""
    return "; ".join(map(_dates, defect.periods))


def _dates(period: Period) -> str:
    if period.last_good:
        since = f"went bad between {day(period.last_good)} and {day(period.first_bad)}"
    elif period.first_bad:
        since = f"bad before {day(period.first_bad)}, perhaps from the first photo on"
    else:
        since = "bad from the first photo on"
    if period.first_good:
        return f"{since}; came back between {day(period.last_bad)} and {day(period.first_good)}"
    if period.last_bad:
        return f"{since}; surely until {day(period.last_bad)}, and perhaps still"
    return f"{since}, and still is"


def exposure(conditions: Conditions) -> str:
    """Return exposure time and sensitivity as photographers write them."""
    parts = []
    if conditions.exposure_s:
        parts.append(duration(conditions.exposure_s))
    if conditions.iso:
        parts.append(f"ISO {conditions.iso:.0f}")
    return ", ".join(parts)


def shortened(name: str) -> str:
    """Return a name of a file, without its middle if it is very long.

    Examples
    --------
    >>> shortened("DSC_0001.NEF")
    'DSC_0001.NEF'
    >>> len(shortened("x" * 255))
    48
    """
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 17]}…{name[-16:]}"


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count(1, "defect"), count(2000, "defect")
    ('1 defect', '2,000 defects')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
