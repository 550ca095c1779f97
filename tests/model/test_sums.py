"""The sums of a plane as decisions read them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from defectmap.model.evidence import FIELDS, PlaneEvidence
from defectmap.model.sums import Sums, around

SHAPE = (40, 30)


def evidence() -> PlaneEvidence:
    """Return sums that differ from site to site."""
    part = PlaneEvidence.empty(SHAPE)
    rng = np.random.default_rng(1)
    for name in FIELDS:
        part.sums[name][:] = rng.integers(1, 60, SHAPE)
    return part


def test_bands_are_the_whole_plane() -> None:
    """All bands put together are the sums as they were."""
    part = evidence()
    bands = list(Sums.of(part).bands("n", "z_sum"))
    assert bands[0].rows.start == 0
    for name in ("n", "z_sum"):
        np.testing.assert_array_equal(np.concatenate([band.sums[name] for band in bands]), part.sums[name])


@given(st.lists(hnp.arrays(np.int64, st.integers(0, 9), elements=st.integers(0, SHAPE[0] * SHAPE[1] - 1))))
def test_any_site_can_be_looked_up(requests: list[np.ndarray]) -> None:
    """Whatever was held before, sites are told as the whole plane has them, in their order and type."""
    part = evidence()
    sums = Sums.of(part)
    for number, sites in enumerate(requests):
        if number % 2:
            sums.hold({"n": sites, "over": sites[:3]})
        found = sums.at("n", sites)
        np.testing.assert_array_equal(found, part.sums["n"].ravel()[sites])
        assert not sites.size or found.dtype == np.uint32
        own, whole = sums.value_at(sites), part.value_at(sites)
        np.testing.assert_array_equal(own.mean, whole.mean)
        np.testing.assert_array_equal(own.m2, whole.m2)


def test_surroundings_stay_within_the_plane() -> None:
    """The sites around one in a corner are those of the plane alone."""
    found = around(np.array([SHAPE[1] - 1]), SHAPE, 2)
    assert found.tolist() == [
        row * SHAPE[1] + col for row in range(3) for col in range(SHAPE[1] - 3, SHAPE[1])
    ]
