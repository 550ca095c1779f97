"""Lattices of phase detection among candidates."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.lattices import find_lattices, on_structures

SHAPE = (800, 1200)


def lattice(top: int, left: int, bottom: int, right: int, rows: int, cols: int) -> set[int]:
    """Return the flat sites of a lattice."""
    return {r * SHAPE[1] + c for r in range(top, bottom, rows) for c in range(left, right, cols)}


def found_in(*parts: set[int], stray: int = 200, fill: float = 1.0):
    """Find the lattices among strewn sites and some of these parts; return also the strewn sites left."""
    rng = np.random.default_rng(4)
    members = np.array(sorted(set().union(*parts)), np.int64)
    members = members[rng.random(members.size) < fill]
    strewn = rng.choice(SHAPE[0] * SHAPE[1], stray, replace=False)
    sites = np.union1d(members, strewn)
    structures = find_lattices(sites, -np.ones(sites.size), SHAPE, np.full(sites.size, 9.0, np.float32))
    left = sites[~on_structures(structures, *np.divmod(sites, SHAPE[1]))]
    return structures, set(left.tolist()), set(strewn.tolist()) - set().union(*parts)


@pytest.mark.parametrize("fill", [1.0, 0.8, 0.6])
def test_a_lattice_is_one_structure(fill):
    """Low sites on every 24th row and 12th column are one structure; strewn defects stay."""
    members = lattice(101, 205, 700, 1000, 24, 12)
    (one,), left, strewn = found_in(members, fill=fill)
    assert (one.kind.value, one.period, one.sign, one.strength) == ("lattice", (24, 12), -1, 9.0)
    sites = {r * SHAPE[1] + c for r, c in one.sites()}
    assert len(sites) == len(one)
    assert sites <= members and len(sites) > 0.93 * len(members)
    assert strewn <= left and len(left - strewn) < 0.07 * len(members)


def test_interleaved_lattices_are_one():
    """Several phases over the same rectangle are one structure with several offsets."""
    parts = lattice(101, 205, 700, 1000, 24, 12), lattice(109, 209, 700, 1000, 24, 12)
    (one,), left, strewn = found_in(*parts)
    assert one.offsets == ((0, 0), (8, 4))
    assert {r * SHAPE[1] + c for r, c in one.sites()} == set().union(*parts)
    assert left == strewn


def test_two_zones():
    """Zones apart from each other, and lattices of other periods, are structures of their own."""
    parts = (
        lattice(101, 50, 700, 400, 24, 12),
        lattice(101, 800, 700, 1150, 24, 12),
        lattice(300, 500, 500, 700, 16, 8),
    )
    structures, left, strewn = found_in(*parts)
    assert sorted(one.period for one in structures) == [(16, 8), (24, 12), (24, 12)]
    assert left == strewn


def test_too_few_or_too_thin():
    """Fewer than fifty sites, three rows of them, or a third of the positions are no lattice."""
    assert found_in(lattice(100, 100, 260, 172, 24, 12))[0] == ()
    assert found_in(lattice(100, 100, 160, 1000, 24, 12))[0] == ()
    assert found_in(lattice(101, 205, 700, 1000, 24, 12), fill=0.33)[0] == ()


def test_chance_makes_no_lattice():
    """A thousand random sets of sites, sparse and dense, make none."""
    rng = np.random.default_rng(8)
    for _ in range(1000):
        shape = tuple(rng.integers(100, 1200, 2).tolist())
        size = shape[0] * shape[1]
        sites = np.sort(rng.choice(size, min(int(10 ** rng.uniform(1.5, 3.7)), size // 10), replace=False))
        assert find_lattices(sites, rng.choice([-1, 1], sites.size), shape) == ()
