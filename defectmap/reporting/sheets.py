"""Findings put together to a page: its head, its parts, and where all of it comes from."""

from __future__ import annotations

import shlex

from defectmap import __version__
from defectmap.model.listed import is_listed
from defectmap.reporting.aging import time_part
from defectmap.reporting.charts import score_chart
from defectmap.reporting.findings import Findings
from defectmap.reporting.gallery import cards, picture_part
from defectmap.reporting.listing import list_part, map_part
from defectmap.reporting.page import Part, Sheet, Table
from defectmap.reporting.scores import FARTHEST
from defectmap.reporting.waiting import photo_part
from defectmap.reporting.words import count, day

_ENOUGH_FOR_A_RATE_DAYS = 90
"""Of a shorter time it is not told how fast a sensor goes bad."""


def sheet_of(it: Findings) -> Sheet:
    """Return the page of some findings."""
    return Sheet(
        it.camera,
        _subtitle(it),
        f"defectmap {__version__}",
        tuple(_figures(it)),
        {
            "map": map_part(it),
            "time": time_part(it),
            "pictures": picture_part(it),
            "list": list_part(it),
            "scores": _score_part(it),
            "photos": photo_part(it),
            "provenance": _provenance(it),
        },
        cards(it),
        (
            (_command(it, "fix", "--dry-run"), "lists what would be repaired"),
            (_command(it, "fix"), "writes repaired copies; originals are left alone"),
            (_command(it, "explain", "ROW,COL"), "says why a photosite is on the map, or is not"),
        ),
    )


def _grid(it: Findings) -> str:
    kind = "raw" if it.stream.grid.kind == "raw" else "JPEG"
    return f"{kind} files of {it.stream.grid.width} x {it.stream.grid.height}"


def _subtitle(it: Findings) -> str:
    span = f", {day(it.growth.since)} to {day(it.growth.until)}" if it.growth else ""
    return f"{count(len(it.photos), 'photo')}, {_grid(it)}{span}; map revision {it.revision.number}"


def _figures(it: Findings) -> list[tuple[str, str]]:
    known = [defect for defect in it.found.defects if not is_listed(defect)]
    still = sum(defect.first_good is None for defect in known)
    figures = [
        (f"{len(known):,}", "defects"),
        (f"{still:,}", "of them bad still"),
        (f"{len(it.found.suspects):,}", "suspects"),
        (f"{sum(photo.needs_repair for photo in it.photos):,}", "photos to be repaired"),
    ]
    if it.found.structures:
        figures.append((f"{len(it.found.structures):,}", "structures"))
    grown = it.growth
    if grown and grown.rates[0].onsets and (grown.until - grown.since).days >= _ENOUGH_FOR_A_RATE_DAYS:
        rate = grown.rates[0]
        per_year, low, high = (f"{float(f'{one:.2g}'):,g}" for one in (rate.per_year, rate.low, rate.high))
        figures.append((per_year, f"more each year ({low} to {high})"))
    return figures


def _score_part(it: Findings) -> Part:
    found = it.scores
    if found is None:
        return Part()
    beyond = sum(
        number for edge, number in zip(found.edges, found.others, strict=True) if edge >= found.threshold
    )
    lies = "lies" if beyond == 1 else "lie"
    return Part(
        (
            "The largest score of every photosite over all photos, in standard deviations of healthy "
            f"ones; the last bar holds all from {FARTHEST:.0f} on. The dashed line is what chance alone "
            f"would make of a healthy sensor; beyond the dotted one, at {found.threshold:.1f}, it would "
            "leave a photosite in one of twenty maps. How often a site stands out is decided on as well, "
            "and tails heavier than chance ask for more.",
            f"Beyond it {lies} {count(beyond, 'photosite')} that the map does not list."
            if beyond
            else "Beyond it lies none that the map does not list.",
        ),
        score_chart(found),
    )


def _provenance(it: Findings) -> Part:
    content = it.revision.content
    told = content.provenance
    rows: list[tuple[object, ...]] = [
        ("map", f"revision {it.revision.number}, made {content.created:%Y-%m-%d %H:%M} UTC"),
        ("map made by", f"defectmap {content.program_version}, method {content.method}"),
        ("report made by", f"defectmap {__version__}"),
        ("the map rests on", f"{count(content.frames, 'photo')}, {count(content.scenes, 'scene')}"),
        ("this grid", f"{count(len(it.photos), 'photo')}, {count(it.scenes, 'scene')}, {_grid(it)}"),
    ]
    if it.stream.geometry is not None:
        g = it.stream.geometry
        rows.append(
            (
                "sensor",
                f"visible {g.visible_width} x {g.visible_height} from row {g.top}, column {g.left}; colours "
                f"{'/'.join(g.cfa)}; white at {g.white} DN; {g.decoder}",
            )
        )
    for one in told.get("streams", ()):
        span = f", {one['first'][:10]} to {one['last'][:10]}" if one["first"] else ""
        photos = f"{count(one['frames'], 'photo')}, {count(one['scenes'], 'scene')}"
        rows.append((f"{one['kind']} {one['width']} x {one['height']}", f"{photos}{span}"))
    rows += [
        ("grids", one["text"] if one["registered"] else f"kept apart: {one['reason']}")
        for one in told.get("registrations", ())
    ]
    rows += [
        ("imported list", f"{one['name']} ({one['format']}, {count(one['sites'], 'site')})")
        for one in told.get("lists", ())
    ]
    return Part(_outdated(it), None, {"provenance": Table(("what", "figures"), (False, False), tuple(rows))})


def _outdated(it: Findings) -> tuple[str, ...]:
    grid = it.stream.grid
    for one in it.revision.content.provenance.get("streams", ()):
        same = (one["kind"], one["height"], one["width"]) == (grid.kind, grid.height, grid.width)
        if same and one["frames"] != len(it.photos):
            return ("The map does not rest on all photos: `defectmap detect` brings it up to date.",)
    return ()


def _command(it: Findings, command: str, *words: str) -> str:
    return shlex.join(("defectmap", command, "--camera", it.camera, *words))
