"""What a report is about, before it is put into words and charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from defectmap.catalog.records import Revision, StreamRecord
from defectmap.model.defects import Defect, DefectMap
from defectmap.model.events import Event
from defectmap.model.growth import Growth
from defectmap.reporting.crops import Crop
from defectmap.reporting.needs import PhotoNeed
from defectmap.reporting.scores import ScoreHistogram

Strip = tuple[tuple[PhotoNeed, Crop], ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the catalog and some photos say of one grid of a camera.

    Attributes
    ----------
    camera : str
    stream : StreamRecord
    revision : Revision
        The newest.
    found : DefectMap
        Its map of the grid.
    scenes : int
        Of the grid.
    noise : float or None
        Of the photos at ISO 100 in DN.
    events : tuple of Event
    growth : Growth or None
        None where no photo is dated.
    doubtful : int
        Photos whose clock and shutter count do not agree.
    photos : tuple of PhotoNeed
        In order of capture.
    featured : tuple of Defect
        Those that are shown in pictures, where there are any.
    strips : mapping of (row, col) to Strip
        In order of capture.
    opened : int
        Photos that the pictures are of.
    troubles : tuple of (str, str)
        Photos that were looked for in vain, and why, as the end of a sentence that begins with the name.
    scores : ScoreHistogram or None
    """

    camera: str
    stream: StreamRecord
    revision: Revision
    found: DefectMap
    scenes: int
    noise: float | None
    events: tuple[Event, ...]
    growth: Growth | None
    doubtful: int
    photos: tuple[PhotoNeed, ...]
    featured: tuple[Defect, ...]
    strips: Mapping[tuple[int, int], Strip]
    opened: int
    troubles: tuple[tuple[str, str], ...]
    scores: ScoreHistogram | None
