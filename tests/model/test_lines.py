"""Bad columns and rows, against planes of scores and frames whose lines are known."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.decide import decide, gaussian_threshold
from defectmap.model.defects import StructureKind
from defectmap.model.evidence import PlaneEvidence
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.lines import Lines, find_lines, visible_threshold, without_fixed_pattern
from defectmap.model.prediction import mosaic_model
from defectmap.model.rules import mosaic_rules
from defectmap.model.sensor import MosaicGeometry
from defectmap.model.study import Study

BAYER, XTRANS = (2, 2), (6, 6)
THRESHOLD = 3.2
XTRANS_CFA = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")


def plane(seed: int = 1, shape: tuple[int, int] = (600, 800)) -> np.ndarray:
    """Return scores of healthy sites."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def everywhere(score: np.ndarray) -> np.ndarray:
    """Say that all scores are known."""
    return np.ones(score.shape, bool)


def places(lines: Lines) -> list[tuple[str, int, int, int, int, tuple[int, int], int]]:
    """Return what the bad lines are."""
    return [(s.kind.value, s.top, s.left, s.bottom, s.right, s.period, s.sign) for s in lines.bad]


@pytest.mark.parametrize("period", [BAYER, XTRANS])
def test_healthy_planes_have_no_lines(period):
    """Noise, strewn defects, heaps and an ordinary pattern of columns and rows are no lines, in ten draws."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        score = plane(seed)
        score += rng.normal(size=800).astype(np.float32) * (1 + seed % 3)
        score += rng.normal(size=(600, 1)).astype(np.float32)
        score.ravel()[rng.choice(score.size, 500)] += 40
        score[300:309, 400:409] += 40
        assert find_lines(score, everywhere(score), period, THRESHOLD).bad == ()


@pytest.mark.parametrize("period", [BAYER, XTRANS])
def test_whole_and_partial_lines(period):
    """Whole and partial columns and rows are found, their ends to three sites, and their strength."""
    score = plane()
    score[:, 100] += 6
    score[150:260, 300] -= 6
    score[420, 50:700] += 7
    found = find_lines(score, everywhere(score), period, THRESHOLD)
    column, part, row = found.bad
    assert (column.left, column.top, column.bottom, column.sign) == (100, 0, 600, 1)
    assert (part.kind, part.left, part.sign) == (StructureKind.COLUMN, 300, -1)
    assert abs(part.top - 150) <= 3 and abs(part.bottom - 260) <= 3
    assert (row.kind, row.top) == (StructureKind.ROW, 420)
    assert abs(row.left - 50) <= 3 and abs(row.right - 700) <= 3
    assert [round(line.strength) for line in found.bad] == [6, 6, 7]


def test_lines_of_one_colour():
    """A column of which every second site is bad is listed as that."""
    score = plane()
    score[1::2, 100] += 8
    score[300, 50:400:2] -= 8
    assert places(find_lines(score, everywhere(score), BAYER, THRESHOLD)) == [
        ("column", 1, 100, 600, 101, (2, 1), 1),
        ("row", 300, 50, 301, 399, (1, 2), -1),
    ]


def test_a_column_of_two_parts():
    """A column that recovers for a hundred sites is two lines."""
    score = plane()
    score[50:250, 100] += 8
    score[350:550, 100] += 8
    first, second = find_lines(score, everywhere(score), BAYER, THRESHOLD).bad
    assert abs(first.bottom - 250) <= 3 and abs(second.top - 350) <= 3


def test_the_echo_of_a_line():
    """What a bad column does to the prediction of those beside it is levelled, not listed."""
    score = plane()
    score[100:300, 200] += 20
    score[100:300, 198] -= 4
    score[100:300, 202] -= 4
    found = find_lines(score, everywhere(score), BAYER, THRESHOLD)
    assert [line.left for line in found.bad] == [200]
    assert {line.left for line in found.slight} >= {198, 202}
    without_fixed_pattern(score, everywhere(score), BAYER, found)
    assert np.abs(score).max() < 5.5
    assert abs(score[100:300, 198].mean()) < 0.3


def test_unknown_sites_are_no_evidence():
    """Sites without score neither make a line nor end one, and stay without."""
    score = plane()
    score[:, 100] += 6
    known = everywhere(score)
    known[200:300, 50:150] = False
    score *= known
    (column,) = find_lines(score, known, BAYER, THRESHOLD).bad
    assert (column.top, column.bottom) == (0, 600)
    without_fixed_pattern(score, known, BAYER)
    assert not score[~known].any()


@pytest.mark.parametrize("period", [BAYER, XTRANS])
def test_fixed_pattern_is_taken_out(period):
    """The pattern of columns and rows goes, per phase; a defect and its size stay."""
    rng = np.random.default_rng(3)
    score, columns, rows = plane(), rng.normal(size=(period[0], 800)), rng.normal(size=(600, period[1]))
    score[100, 100] = 30
    flat = score.copy()
    for phase in range(period[0]):
        score[phase :: period[0]] += columns[phase].astype(np.float32)
    for phase in range(period[1]):
        score[:, phase :: period[1]] += rows[:, phase : phase + 1].astype(np.float32)
    without_fixed_pattern(score, everywhere(score), period)
    assert np.abs(score).max() > 29
    assert np.sqrt(np.mean((score - flat) ** 2)) < (0.12 if period == BAYER else 0.25)


def test_nothing_is_taken_from_a_sensor_without_pattern():
    """Where columns differ by chance alone, scores are left as they are to a fiftieth of the noise."""
    score = plane()
    flat = score.copy()
    without_fixed_pattern(score, everywhere(score), BAYER)
    assert np.sqrt(np.mean((score - flat) ** 2)) < 0.02


def test_a_partial_column_is_not_eaten():
    """A third of a column keeps nine tenths of its score, even where nobody says that it is a line."""
    score = plane()
    score[100:300, 200] += 8
    without_fixed_pattern(score, everywhere(score), BAYER)
    assert score[100:300, 200].mean() > 7.2


def test_what_is_visible():
    """With few frames half of a defect's score makes a line, with many a visible shift in each frame."""
    assert visible_threshold(6.4, 30) == 3.2
    assert visible_threshold(6.4, 400) == 10.0


def shoot(cfa: tuple[str, ...], spoil, frames: int = 30) -> PlaneEvidence:
    """Return the evidence of frames of soft scenes, each spoilt by a function of (mosaic, noise)."""
    geometry = MosaicGeometry(240, 300, 0, 0, 240, 300, cfa, (512,) * len(cfa) * len(cfa[0]), 16383, "test")
    rng, study = np.random.default_rng(5), Study()
    rows, cols = np.mgrid[:240, :300]
    for _ in range(frames):
        slopes = rng.normal(size=4) * 0.02
        scene = 1500 * np.exp(np.sin(slopes[0] * rows + slopes[1] * cols) * 0.5 + np.cos(slopes[2] * cols))
        noise = np.sqrt(0.5 * scene + 25)
        mosaic = 512 + scene + rng.normal(size=scene.shape) * noise
        spoil(mosaic, noise)
        frame = RawFrame(mosaic.round().clip(0, 16383).astype(np.uint16), geometry)
        study.add(frame, Conditions(exposure_s=0.01, iso=100))
    return study.planes()["mosaic"]


def judged(evidence: PlaneEvidence, period: tuple[int, int]) -> tuple[Lines, np.ndarray]:
    """Return the lines, and the single sites that stand out beside them."""
    n = evidence.sums["n"]
    score = (evidence.sums["z_sum"] / np.sqrt(np.maximum(n, 1)) / 16).astype(np.float32)
    limit = gaussian_threshold(n.size)
    lines = find_lines(score, n > 0, period, visible_threshold(limit, int(n.max())))
    without_fixed_pattern(score, n > 0, period, lines)
    for r, c in np.ndindex(period):
        phase, known = score[r :: period[0], c :: period[1]], n[r :: period[0], c :: period[1]] > 0
        phase /= 1.4826 * np.median(np.abs(phase[known]))
    return lines, np.argwhere(np.abs(score) > 1.1 * limit)


@pytest.mark.parametrize("cfa", [("RG", "GB"), XTRANS_CFA], ids=["Bayer", "X-Trans"])
def test_lines_of_frames(cfa):
    """A bad column, a partial one and a single defect are found in frames, and nothing beside them."""

    def spoil(mosaic, noise):
        mosaic[:, 120] += 2 * noise[:, 120]
        mosaic[80:150, 200] += 3 * noise[80:150, 200]
        mosaic[60, 61] += 400

    lines, single = judged(shoot(cfa, spoil), (len(cfa), len(cfa[0])))
    whole, part = lines.bad
    assert (whole.left, part.left) == (120, 200)
    assert len(whole) >= 225
    assert abs(part.top - 80) <= 6 and abs(part.bottom - 150) <= 6
    assert single.tolist() == [[60, 61]]


@pytest.mark.parametrize("cfa", [("RG", "GB"), XTRANS_CFA], ids=["Bayer", "X-Trans"])
def test_the_healthy_rest_of_a_column(cfa):
    """A column that is bad over more than half of its length leaves no candidate in its healthy rest."""

    def spoil(mosaic, noise):
        mosaic[60:200, 200] += 3 * noise[60:200, 200]

    geometry = MosaicGeometry(240, 300, 0, 0, 240, 300, cfa, (512,) * len(cfa) * len(cfa[0]), 16383, "test")
    found = decide(shoot(cfa, spoil), mosaic_model(geometry), mosaic_rules(geometry.period))
    assert [line.left for line in found.structures] == [200]
    assert 200 not in found.sites % 300


def test_a_site_that_is_worse_than_its_line_is_listed_too():
    """A stuck site on a slightly bad column is a defect beside the column, and no other member is."""

    def spoil(mosaic, noise):
        mosaic[:, 120] += 2 * noise[:, 120]
        mosaic[91, 120] = 9000

    geometry = MosaicGeometry(240, 300, 0, 0, 240, 300, ("RG", "GB"), (512,) * 4, 16383, "test")
    found = decide(shoot(("RG", "GB"), spoil), mosaic_model(geometry), mosaic_rules(geometry.period))
    assert [line.left for line in found.structures] == [120]
    assert [divmod(int(site), 300) for site in found.sites[found.strength >= 1]] == [(91, 120)]


def test_column_pattern_of_frames():
    """A fixed pattern of 0.3 sigma of a frame on every column gives neither lines nor defects."""
    columns = np.random.default_rng(9).normal(size=300) * 0.3
    lines, single = judged(shoot(("RG", "GB"), lambda m, noise: m.__iadd__(noise * columns), 60), BAYER)
    assert lines.bad == ()
    assert single.size == 0
