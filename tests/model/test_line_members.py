"""Single members of bad lines."""

from __future__ import annotations

import numpy as np

from defectmap.model.defects import Structure, StructureKind
from defectmap.model.line_members import worse_than_their_line

SHAPE = (96, 120)
COLUMN = Structure(StructureKind.COLUMN, 0, 40, 96, 41, strength=6.0, sign=1)
ROW = Structure(StructureKind.ROW, 30, 0, 31, 120, strength=6.0, sign=1)


def worse(score: np.ndarray, *lines: Structure) -> list[tuple[int, int]]:
    """Return the members that are worse than their lines."""
    found, strength = worse_than_their_line(lines, score.astype(np.float32), np.isfinite(score), (2, 2), 5.8)
    assert (strength > 1).all()
    return [divmod(int(site), SHAPE[1]) for site in found]


def test_what_is_worse_than_its_line_is_found() -> None:
    """Stuck and dead members of a line stand out from it, also at its ends; its other members do not."""
    rng = np.random.default_rng(1)
    picture = rng.normal(0, 1, SHAPE) + 0.02 * np.arange(SHAPE[0])[:, None]
    picture[:, 40] += 12
    picture[::2, 40] += 20
    picture[30] += 5
    bad = [(0, 40), (30, 7), (51, 40), (95, 40)]
    for site in bad:
        picture[site] += 30
    picture[52, 40] = np.nan
    assert worse(picture, COLUMN, ROW) == sorted(bad)


def test_no_line_has_a_worse_member_by_chance() -> None:
    """Of two hundred lines of noise on slopes no member is worse than its line."""
    rng = np.random.default_rng(2)
    for _ in range(200):
        slope = rng.uniform(-0.1, 0.1) * np.arange(SHAPE[0])[:, None]
        picture = slope + rng.normal(0, 2, SHAPE)
        assert worse(picture, COLUMN) == []
