"""Heaps of bad photosites, judged by healthy neighbours."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from defectmap.model.clusters import cluster_structures, grow_clusters
from defectmap.model.defects import Defect, Kind

SHAPE = (60, 80)
BAYER = np.array([[0, 1], [1, 2]], np.int8)


def grown(
    bad: dict[tuple[int, int], float],
    candidates: dict[tuple[int, int], float],
    silent: Collection[tuple[int, int]] = (),
):
    """Grow candidates, with their strengths, on a sloping mean picture with bad sites."""
    picture = np.random.default_rng(2).normal(size=SHAPE) * 5 + 1000 + 3.0 * np.arange(SHAPE[1])
    for site, off in bad.items():
        picture[site] += off
    for site in silent:
        picture[site] = np.nan
    sites = np.array([r * SHAPE[1] + c for r, c in candidates], np.int64)
    result = grow_clusters(
        sites, np.array(list(candidates.values())), lambda s: picture.ravel()[s], SHAPE, BAYER
    )
    kept = {site for site, keep in zip(candidates, result.kept, strict=True) if keep}
    return kept, {divmod(int(s), SHAPE[1]) for s in result.added}


def block(size: int) -> dict[tuple[int, int], float]:
    """Return the sites of a block."""
    return {(20 + r, 30 + c): 200.0 for r in range(size) for c in range(size)}


def test_hidden_members_are_found():
    """Of a block of 5x5 the members that their own colour hides are added, and nothing else."""
    bad = block(5)
    hidden = {(22, 32), (20, 32), (22, 30), (22, 34), (24, 32), (21, 32), (22, 31), (22, 33), (23, 32)}
    kept, added = grown(bad, dict.fromkeys(bad.keys() - hidden, 9.0))
    assert kept | added == set(bad)
    assert added == hidden


def test_members_of_small_blocks_stay():
    """Blocks of 2x2 and 3x3 keep all of their members, weak ones beside strong ones too."""
    for size in (2, 3):
        bad = block(size)
        strengths = {site: 4.0 + 5.0 * (i % 3) for i, site in enumerate(bad)}
        assert grown(bad, strengths) == (set(bad), set())


def test_echoes_are_dropped():
    """A healthy site beside bad ones that only the prediction makes a candidate is dropped."""
    bad = block(3)
    kept, added = grown(bad, dict.fromkeys(bad, 20.0) | {(20, 34): 6.0, (24, 30): 6.0})
    assert (kept, added) == (set(bad), set())


def test_healthy_sites_swayed_by_a_block_are_dropped():
    """Beside a large block, healthy sites that stand out as much as its members do are no part of it."""
    bad = block(6)
    swayed = {(18, 32): 9.0, (23, 28): 9.0, (22, 37): 9.0}
    assert grown(bad, dict.fromkeys(bad, 9.0) | swayed) == (set(bad), set())


def test_members_taken_for_the_scene_are_found():
    """Members that no frame counts, since adjacent colours share their spike, join; silent borders do not."""
    bad = block(3)
    corners = {(20, 30), (20, 32), (22, 30), (22, 32)}
    never = bad.keys() - corners
    kept, added = grown(bad, dict.fromkeys(corners, 9.0), silent=never)
    assert (kept, added) == (corners, never)
    border = {(r, c) for r in (0, 1, 2) for c in range(SHAPE[1])}
    beside = {(3, 40): 9.0, (3, 42): 9.0, (4, 41): 9.0}
    assert grown(dict.fromkeys(beside, 200.0), beside, silent=border) == (set(beside), set())


def test_lone_candidates_are_left_alone():
    """A candidate with no other near is kept whatever its mean says: it may be bad in few frames."""
    assert grown({}, {(10, 10): 6.5, (40, 70): 7.0}) == ({(10, 10), (40, 70)}, set())


def test_defects_that_touch_are_a_cluster():
    """Certain defects side by side or corner to corner are one structure whose sites are they."""

    def defect(row: int, col: int, **changes: object) -> Defect:
        return Defect(row, col, Kind.DIM, "R", 0.5, "gain", 9.0, 5, 5, **changes)

    four = [defect(3, 4), defect(3, 5), defect(4, 4), defect(5, 5)]
    others = [defect(20, 20), defect(20, 22), defect(3, 6, certain=False)]
    (one,) = cluster_structures([*four, *others])
    assert list(one.sites()) == [(d.row, d.col) for d in four]
    assert (one.kind.value, len(one), one.sign, one.strength) == ("cluster", 4, -1, 9.0)
