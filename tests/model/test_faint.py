"""What is kept of photosites that stand out faintly."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.evidence import Z_UNIT
from defectmap.model.faint import FAINTEST, LOUDEST, MOST, STEP, FaintSightings, glimpses
from defectmap.model.frame import RawFrame
from defectmap.model.prediction import planes_of
from defectmap.model.sensor import MosaicGeometry

SCORES = st.lists(st.integers(int(FAINTEST * STEP * Z_UNIT), int(LOUDEST * STEP * Z_UNIT)), max_size=40)


@given(SCORES, st.lists(st.sampled_from([-1, 1]), min_size=40, max_size=40), st.integers(1000, 40000))
def test_largest_are_kept(scores, signs, frame_size):
    """As many of the largest scores are kept as the frame may keep, and all of one size or none."""
    signed = np.array(scores, np.int64) * np.array(signs[: len(scores)], np.int64)
    seen = FaintSightings.chosen(np.arange(len(scores)), signed, frame_size)
    steps = np.array([int(score / (STEP * Z_UNIT)) for score in scores], np.int64)
    assert len(seen.records) <= MOST * frame_size
    assert sorted(abs(seen.records["score"].astype(int))) == sorted(steps[steps >= seen.least])
    if seen.least > FAINTEST:
        assert int((steps >= seen.least - 1).sum()) > MOST * frame_size


def test_frame_keeps_what_its_scores_say():
    """The faint sightings of a mosaic are the photosites of its score plane between 3.5 and 5."""
    rng = np.random.default_rng(1)
    geometry = MosaicGeometry(300, 400, 0, 0, 300, 400, ("RG", "GB"), (0,) * 4, 16383, "test")
    plane = planes_of(RawFrame(rng.normal(4000, 60, (300, 400)).astype(np.uint16), geometry))["mosaic"]
    sizes = np.abs(plane.score().z.astype(int))
    faint = plane.faint()
    within = (sizes >= STEP * Z_UNIT * faint.least) & (sizes <= 5 * Z_UNIT)
    np.testing.assert_array_equal(faint.records["site"], np.flatnonzero(within))
    assert 0 < len(faint.records) <= MOST * sizes.size


def test_glimpses_are_those_of_the_wanted_sites():
    """Of each wanted site the frames and scores come in order; how common each score is counts all sites."""
    first = FaintSightings.chosen(np.array([3, 8, 9]), np.array([-60, 56, 70]), 10**5)
    third = FaintSightings.chosen(np.array([8, 11]), np.array([-64, 80]), 10**5)
    found = glimpses([11, 8, 4], [(2, third), (0, first)], 4, 10**5)
    listed = {site: (frames.tolist(), steps.tolist()) for site, (frames, steps) in found.of_site.items()}
    assert listed == {4: ([], []), 8: ([0, 2], [14, -16]), 11: ([2], [20])}
    assert found.least.tolist() == [14, 21, 14, 21]
    np.testing.assert_allclose(found.shares * 2e5, [1, 1, 1, 1, 0, 0, 1])
