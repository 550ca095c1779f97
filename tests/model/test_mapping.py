"""From evidence to a defect map, against a simulated sensor whose defects are known."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from defectmap.media.jpeg import decode_jpeg
from defectmap.model import sums
from defectmap.model.decide import gaussian_threshold
from defectmap.model.defects import DefectMap, Kind
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.facts import FrameFacts
from defectmap.model.frame import Conditions, JpegFrame, RawFrame
from defectmap.model.mapping import build_map
from defectmap.model.sensor import MosaicGeometry
from defectmap.model.study import Study
from defectmap.simulation import Habits, Planting, SimulatedCamera

HEIGHT, WIDTH, FRAMES = 400, 600, 70
PLANTING = Planting(per_stratum=4, late_share=0.0, healed_share=0.0)


@dataclass(frozen=True)
class Judged:
    """A map, and what went into it."""

    map: DefectMap
    planes: dict[str, PlaneEvidence]
    facts: list[FrameFacts]


def judge(frames: Iterable[tuple[RawFrame | JpegFrame, Conditions]]) -> Judged:
    """Do in memory what ingest and detect do with files."""
    study = Study()
    for frame, conditions in frames:
        study.add(frame, conditions)
    return Judged(study.map(), study.planes(), study.facts())


@pytest.fixture(scope="module")
def camera() -> SimulatedCamera:
    """Return a camera with four defects of each stratum, bad for all its life."""
    return SimulatedCamera(
        seed=21, height=HEIGHT, width=WIDTH, planting=PLANTING, habits=Habits(tripod_share=0.2)
    )


@pytest.fixture(scope="module")
def raw(camera: SimulatedCamera) -> Judged:
    """Judge its raw files."""
    return judge(camera.frames_raw(FRAMES))


@pytest.fixture(scope="module")
def jpeg(camera: SimulatedCamera) -> Judged:
    """Judge its JPEG files."""
    return judge(camera.frames_jpeg(FRAMES))


def found_kinds(
    camera: SimulatedCamera, judged: Judged, reach: int
) -> tuple[Counter[str], list[object], int]:
    """Count planted strata found within `reach`; return also the false alarms and the right kinds."""
    planted = {(d.row, d.col): d for d in camera.truth.defects}
    hits: dict[tuple[int, int], object] = {}
    false, right = [], 0
    for defect in judged.map.defects:
        near = [p for p in planted if max(abs(p[0] - defect.row), abs(p[1] - defect.col)) <= reach]
        if not near:
            false.append(defect)
            continue
        hits[near[0]] = defect
        right += planted[near[0]].kind == defect.kind
    return Counter(f"{planted[p].kind} {planted[p].strength}" for p in hits), false, right


def test_raw_recall_without_false_alarms(camera: SimulatedCamera, raw: Judged) -> None:
    """From 70 raw photos all strong defects and most others are found, at their place, and nothing else."""
    hits, false, right = found_kinds(camera, raw, reach=0)
    assert false == []
    for kind in ("stuck", "dead", "offset", "dim", "bright"):
        assert hits[f"{kind} strong"] == 4, kind
    assert sum(hits.values()) >= 0.74 * len(camera.truth.defects)
    assert right >= 0.95 * sum(hits.values())


def test_jpeg_recall_without_false_alarms(camera: SimulatedCamera, jpeg: Judged) -> None:
    """From 70 JPEG photos half of the defects are found within a pixel, each once, and nothing else."""
    hits, false, _ = found_kinds(camera, jpeg, reach=1)
    assert false == []
    assert len(jpeg.map.defects) == sum(hits.values())
    assert sum(hits.values()) >= 0.54 * len(camera.truth.defects)


def test_defects_say_what_they_are(camera: SimulatedCamera, raw: Judged) -> None:
    """Colour, gain and level of the defects are those that were planted."""
    planted = {(d.row, d.col): d for d in camera.truth.defects}
    letters = {(0, 0): "R", (0, 1): "G", (1, 0): "G", (1, 1): "B"}
    for defect in raw.map.defects:
        truth = planted[defect.row, defect.col]
        assert defect.colour == letters[defect.row % 2, defect.col % 2]
        assert defect.scenes >= 3
        if defect.kind is Kind.DIM and truth.kind is Kind.DIM:
            assert abs(defect.strength - truth.gain) < 0.08
        if defect.kind is Kind.BRIGHT and truth.kind is Kind.BRIGHT:
            assert abs(defect.strength / truth.gain - 1) < 0.15


def test_clean_sensor_has_no_defect() -> None:
    """A sensor without defects has an empty map, raw and JPEG."""
    clean = SimulatedCamera(seed=22, height=HEIGHT, width=WIDTH, defects=())
    assert judge(clean.frames_raw(40)).map.entries == ()
    assert judge(clean.frames_jpeg(40)).map.entries == ()


def test_one_scene_never_makes_a_defect() -> None:
    """A tripod series of one scene, however long, names no defect."""
    still = SimulatedCamera(
        seed=23, height=HEIGHT, width=WIDTH, defects=(), habits=Habits(tripod_share=1.0, tripod_run=(40, 40))
    )
    judged = judge(still.frames_raw(40))
    assert len({fact.scene for fact in judged.facts}) <= 3
    assert judged.map.defects == ()


def stamped(frames: Iterable[tuple[JpegFrame, Conditions]]) -> Iterator[tuple[JpegFrame, Conditions]]:
    """Print the date into pictures, as cameras do."""
    for frame, condition in frames:
        assert condition.captured is not None
        text = condition.captured.strftime("%d.%m.%Y %H:%M")
        luma = Image.fromarray(frame.luma)
        ImageDraw.Draw(luma).text((WIDTH - 190, HEIGHT - 40), text, 200, ImageFont.load_default(20))
        file = io.BytesIO()
        luma.save(file, "JPEG", quality=92)
        yield decode_jpeg(file.getvalue()), condition


def test_date_stamp_is_no_heap_of_defects(camera: SimulatedCamera) -> None:
    """What is printed into every picture is suspect at most, and the defects elsewhere are still found."""
    judged = judge(stamped(camera.frames_jpeg(40)))
    inside = [e for e in judged.map if HEIGHT - 50 < e.row < HEIGHT - 10 and e.col > WIDTH - 200]
    assert len(inside) > 10
    assert sum(e.certain for e in inside) <= 2
    assert any("date stamp" in e.missing for e in inside)
    assert len(judged.map.defects) >= 15


def test_masked_border_shifts_the_coordinates() -> None:
    """Defects are named in the full stored frame, its masked border included."""
    rng = np.random.default_rng(24)
    geometry = MosaicGeometry(130, 170, 6, 8, 120, 160, ("RG", "GB"), (0,) * 4, 4000, "test")
    frames = []
    for _ in range(12):
        mosaic = rng.normal(rng.uniform(300, 2000), 15, (120, 160)).astype(np.uint16)
        mosaic[40, 51] = 77
        frames.append((RawFrame(mosaic, geometry), Conditions(exposure_s=0.01, iso=100)))
    (defect,) = judge(frames).map.defects
    assert (defect.row, defect.col, defect.colour) == (46, 59, "G")


def test_threshold_follows_the_number_of_photosites() -> None:
    """More photosites want a higher threshold, so that false alarms stay as rare."""
    thresholds = [gaussian_threshold(n) for n in (10**6, 10**7, 6 * 10**7)]
    assert thresholds == sorted(thresholds)
    assert 5.5 < thresholds[0] < 6.2 < thresholds[2] < 6.9


@pytest.mark.parametrize("kind", ["raw", "jpeg"])
def test_bands_of_any_height_give_the_same_map(
    camera: SimulatedCamera, raw: Judged, jpeg: Judged, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many rows of the sums are read at a time makes no difference to the map."""
    judged = raw if kind == "raw" else jpeg
    geometry = camera.geometry if kind == "raw" else None
    maps = []
    for rows in (1, 7, HEIGHT):
        monkeypatch.setattr(sums, "_HELD_SITES", rows * WIDTH)
        maps.append(build_map(judged.map.grid, geometry, judged.planes, judged.facts, ()))
    assert len(maps[0]) > 10
    assert maps[0] == maps[1] == maps[2]
