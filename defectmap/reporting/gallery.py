"""The pictures of a report: the surest defects of each kind, photo by photo."""

from __future__ import annotations

from defectmap.model.defects import Defect
from defectmap.model.visibility import visible
from defectmap.reporting import words
from defectmap.reporting.findings import Findings
from defectmap.reporting.listing import anchor, seen
from defectmap.reporting.needs import PhotoNeed
from defectmap.reporting.page import Card, Part, Shot, picture
from defectmap.reporting.words import count, day


def picture_part(it: Findings) -> Part:
    """Return what the pictures are of, and which photos could not be read."""
    notes = []
    if it.opened:
        notes.append(
            f"{count(it.opened, 'photo')} of the catalog, around the surest defects of each kind, by date: "
            "the photo as it is and, where it is changed there, as `fix` would write it. Both are lit "
            "alike, to show what is there; the ring marks the site."
        )
    if it.troubles:
        first, reason = it.troubles[0]
        several = "One photo" if len(it.troubles) == 1 else count(len(it.troubles), "photo")
        notes.append(f"{several} could not be looked at: {first} {reason}.")
    return Part(tuple(notes))


def cards(it: Findings) -> tuple[Card, ...]:
    """Return the defects that there are pictures of."""
    return tuple(_card(it, defect) for defect in it.featured if it.strips.get((defect.row, defect.col)))


def _card(it: Findings, defect: Defect) -> Card:
    colour = words.COLOUR_WORDS.get(defect.colour, defect.colour)
    sd = f" (± {defect.strength_sd:.2g})" if defect.strength_sd else ""
    return Card(
        anchor(defect),
        defect.kind.value,
        f"row {defect.row}, column {defect.col}, {colour}",
        (
            ("what it does", words.effect(defect)),
            ("strength", f"{words.strength(defect)}{sd}"),
            ("dates", words.dates(defect)),
            ("shows", visible(defect, it.noise)),
            ("stood out", seen(defect)),
            ("confidence", f"{defect.confidence:.1f} standard deviations"),
        ),
        tuple(
            Shot(
                words.shortened(photo.frame.name),
                day(photo.day) or "undated",
                words.exposure(photo.frame.conditions),
                _state(defect, photo),
                picture(crop.before),
                picture(crop.after) if crop.after else None,
            )
            for photo, crop in it.strips[defect.row, defect.col]
        ),
    )


def _state(defect: Defect, photo: PhotoNeed) -> str:
    if photo.day is None:
        return ""
    if defect.surely_bad_on(photo.day):
        return "bad"
    return "perhaps bad" if defect.bad_on(photo.day) else "good"
