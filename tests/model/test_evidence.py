"""Scoring and summing frames."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.model import evidence as ev
from defectmap.model.evidence import (
    FIELDS,
    RAW_WEIGHTS,
    RENDERED_WEIGHTS,
    PlaneEvidence,
    Widened,
    named_arrays,
    plane_names,
    regressor_weights,
)
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.prediction import (
    PlaneScoring,
    chroma_model,
    luma_model,
    planes_of,
)
from defectmap.model.sensor import MosaicGeometry
from defectmap.model.tally import BATCH, Tally

BAYER = MosaicGeometry(64, 80, 0, 0, 64, 80, ("RG", "GB"), (100,) * 4, 4000, "test")
SECOND = Conditions(exposure_s=1.0, iso=100.0)
XTRANS = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")


def noise(seed: int, shape: tuple[int, int] = (64, 80), level: float = 1000.0) -> np.ndarray:
    """Return a flat frame with noise of 20 DN."""
    return np.random.default_rng(seed).normal(level, 20.0, shape).clip(0, 65535).astype(np.uint16)


def planes(mosaic: np.ndarray, geometry: MosaicGeometry = BAYER) -> PlaneScoring:
    """Return the plane of a mosaic."""
    return planes_of(RawFrame(mosaic, geometry))["mosaic"]


def sightings_of(plane: PlaneScoring) -> np.ndarray:
    """Score a plane and return its sightings."""
    plane.score()
    return plane.sightings()


def summed(frames: list[tuple[PlaneScoring, Conditions]]) -> PlaneEvidence:
    """Return the sums of some frames."""
    evidence = PlaneEvidence.empty(frames[0][0].shape)
    for start in range(0, len(frames), BATCH):
        tally, batch = Tally(evidence.shape, frames[0][0].values_type), frames[start : start + BATCH]
        tally.add([plane.score for plane, _ in batch], [when for _, when in batch])
        evidence.add(PlaneEvidence(tally.sums))
    return evidence


def test_scores_of_noise_are_standard() -> None:
    """On a flat noisy frame the scores have about unit width and stand out nowhere."""
    plane = planes(
        noise(1, (512, 512)), MosaicGeometry(512, 512, 0, 0, 512, 512, ("RG", "GB"), (100,) * 4, 4000, "t")
    )
    assert 0.75 < (plane.score().z / ev.Z_UNIT).std() < 1.1
    assert len(plane.sightings()) == 0


@pytest.mark.parametrize("geometry", [BAYER, replace(BAYER, cfa=XTRANS, black=(100,) * 36)])
def test_rows_score_as_they_do_in_the_whole(geometry: MosaicGeometry) -> None:
    """Scored some rows at a time, a plane has the scores, codes and sightings of one scored at once."""
    mosaic = noise(9)
    mosaic[11, 7], mosaic[12, 50], mosaic[40, 3] = 3000, 100, 1150
    whole, parted = planes(mosaic, geometry), planes(mosaic, geometry)
    every = whole.score()
    for first, past in ((0, 1), (1, 12), (12, 13), (13, 60), (60, 64)):
        part, rows = parted.score(slice(first, past)), slice(first, past)
        for one, other in (
            (part.z, every.z),
            (part.noise_code, every.noise_code),
            (part.light_code, every.light_code),
            (part.values, mosaic),
        ):
            assert np.array_equal(one, other[rows])
    assert np.array_equal(parted.sightings(), whole.sightings())
    assert np.array_equal(parted.faint().records, whole.faint().records)
    assert len(whole.sightings()) >= 2


@pytest.mark.parametrize("site", [(0, 0), (0, 33), (63, 79), (30, 79), (31, 40), (1, 1)])
@pytest.mark.parametrize("offset", [600, -600])
def test_one_bad_site_is_sighted_alone(site: tuple[int, int], offset: int) -> None:
    """A single site far off is sighted at its place with value and prediction, at corners and edges too."""
    mosaic = noise(2)
    mosaic[site] += np.int16(offset)
    (sighting,) = sightings_of(planes(mosaic))
    assert divmod(int(sighting["site"]), 80) == site
    assert sighting["value"] == mosaic[site]
    assert abs(sighting["prediction"] - 1000) < 40
    assert 5 < sighting["sigma"] < 40


def test_spike_shared_with_other_colours_is_the_scene() -> None:
    """A point of light through a lens reaches neighbours of other colours and is no sighting."""
    mosaic = noise(3)
    mosaic[29:32, 39:42] += np.outer([0.4, 1.0, 0.4], [800, 2000, 800]).astype(np.uint16)
    assert (30, 40) not in [divmod(int(s), 80) for s in sightings_of(planes(mosaic))["site"]]


@pytest.mark.parametrize("step", [16, 64])
def test_coarse_rounding_is_noise(step: int) -> None:
    """Values in steps wider than the noise give hardly a sighting, and a bad site still does."""
    mosaic = (noise(8) // step * step).astype(np.uint16)
    assert len(sightings_of(planes(mosaic))) <= 3
    mosaic[30, 40] += 20 * step
    assert (30, 40) in [divmod(int(s), 80) for s in sightings_of(planes(mosaic))["site"]]


def test_a_block_of_bad_sites_makes_no_scene() -> None:
    """All four sites of a bad block of two by two are sighted."""
    mosaic = noise(3)
    mosaic[30:32, 40:42] += 900
    sites = {divmod(int(s), 80) for s in sightings_of(planes(mosaic))["site"]}
    assert sites == {(30, 40), (30, 41), (31, 40), (31, 41)}


def test_a_bad_neighbour_makes_no_scene() -> None:
    """A bad site is sighted though the site beside it, of another colour, is worse."""
    mosaic = noise(3)
    mosaic[30, 40] += 600
    mosaic[30, 41] += 2500
    sites = [divmod(int(s), 80) for s in sightings_of(planes(mosaic))["site"]]
    assert (30, 40) in sites
    assert (30, 41) in sites


def test_clipped_surroundings_say_nothing() -> None:
    """Where the neighbours may be clipped a site is neither counted nor sighted, whatever it reads."""
    mosaic = noise(4, level=3990.0)
    mosaic[30, 40] = 100
    plane = planes(mosaic)
    evidence = summed([(plane, SECOND)])
    assert evidence.sums["n"][30, 40] == 0
    assert len(plane.sightings()) == 0


def test_larger_patterns_use_the_same_code() -> None:
    """In a 6x6 pattern with colours of different brightness a bad site is sighted alone too."""
    geometry = MosaicGeometry(66, 84, 0, 0, 66, 84, XTRANS, (100,) * 36, 4000, "test")
    levels = {"R": 600.0, "G": 1200.0, "B": 800.0}
    cells = np.array([[levels[letter] for letter in row] for row in XTRANS])
    mosaic = (np.tile(cells, (11, 14)) + np.random.default_rng(5).normal(0, 10, (66, 84))).astype(np.uint16)
    mosaic[32, 41] += 900
    assert [divmod(int(s), 84) for s in sightings_of(planes(mosaic, geometry))["site"]] == [(32, 41)]


@pytest.mark.parametrize("model", [luma_model(), chroma_model()])
def test_rings_sight_a_smeared_spot(model: object) -> None:
    """In a JPEG plane a spot of three by three is sighted at its centre."""
    plane = np.full((40, 50), 90, np.uint8)
    plane[19:22, 29:32] += np.array([[20, 60, 20], [60, 140, 60], [20, 60, 20]], np.uint8)
    sightings = sightings_of(PlaneScoring(plane, model, "luma"))  # type: ignore[arg-type]
    strongest = sightings[np.argmax(sightings["value"])]
    assert divmod(int(strongest["site"]), 50) == (20, 30)


@pytest.mark.parametrize("beside", [(2, 2), (1, 0)])
def test_ties_are_counted_where_cameras_clamp(beside: tuple[int, int]) -> None:
    """A site clamped to its largest neighbour, of its colour or of any, is counted in long exposures only."""
    mosaic = noise(6)
    mosaic[30, 40] = 0
    near = mosaic[28:33, 38:43] if beside == (1, 0) else mosaic[28:33:2, 38:43:2]
    mosaic[30, 40] = near.max()
    evidence = summed([(planes(mosaic), SECOND), (planes(mosaic), Conditions(exposure_s=0.01, iso=100.0))])
    assert evidence.sums["ties"][30, 40] == 1
    assert evidence.sums["tie_frames"][30, 40] == 1
    assert evidence.sums["ties"].mean() < 0.1


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)), st.lists(st.integers(1, 5), max_size=3))
def test_sums_do_not_depend_on_order_or_batches(order: list[int], cuts: list[int]) -> None:
    """Any order of the frames, cut into any batches and parts, gives the same sums to the bit."""
    frames = [
        (planes(noise(seed, level=500.0 * (seed + 1))), Conditions(exposure_s=0.01 * 3.7**seed, iso=100.0))
        for seed in range(6)
    ]
    whole = summed(frames)
    total = PlaneEvidence.empty((64, 80))
    edges = sorted({0, 6, *cuts})
    for start, stop in pairwise(edges):
        total.add(summed([frames[i] for i in order[start:stop]]))
    for name in FIELDS:
        assert np.array_equal(total.sums[name], whole.sums[name]), name


def test_frames_without_exposure_stay_out_of_the_weighted_sums() -> None:
    """A photo without exposure time or ISO counts for the value statistics alone."""
    evidence = summed([(planes(noise(7)), Conditions())])
    assert evidence.sums["n"].mean() > 0.95
    assert not evidence.sums["hot_weight"].any()
    assert np.array_equal(regressor_weights(None, RAW_WEIGHTS), np.zeros(128))


def test_weights_grow_with_dose_and_fall_with_noise() -> None:
    """The exposure weight is dose over noise, limited."""
    for scale in (RAW_WEIGHTS, RENDERED_WEIGHTS):
        short, long = regressor_weights(0.001, scale), regressor_weights(10.0, scale)
        assert (long >= short).all()
        assert (np.diff(short) <= 0).all()
        assert long.max() ** 2 * 500_000 < 2**64


def test_names_of_arrays_tell_their_plane() -> None:
    """Stored arrays are named after their plane and sum."""
    arrays = named_arrays({"luma": PlaneEvidence.empty((2, 2)).sums, "red": PlaneEvidence.empty((1, 1)).sums})
    assert plane_names(arrays) == ["luma", "red"]
    assert arrays["red.n"].shape == (1, 1)


def test_narrow_arrays_are_widened_to_what_is_stored() -> None:
    """Asked for by name, the sums of a tally have the types of the catalog and the same numbers."""
    tally = Tally((3, 4), np.dtype(np.uint8))
    tally.sums["value_sum"][1, 2] = 32640
    wide = Widened(named_arrays({"luma": tally.sums}))
    assert {name: array.dtype for name, array in wide.items()} == {f"luma.{n}": t for n, t in FIELDS.items()}
    assert wide["luma.value_sum"][1, 2] == 32640
