"""Records of many frames, taken some frames at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.batches import TOGETHER, batches, joined

RECORD = np.dtype([("site", "<u4"), ("score", "i1")])


@given(st.integers(0, 3 * TOGETHER))
def test_every_frame_has_its_turn(frames):
    """Frames come in order, each once, no more than some at a time."""
    told = list(batches((i, -i) for i in range(frames)))
    assert [i for indices, _ in told for i in indices] == list(range(frames))
    assert [one for _, seen in told for one in seen] == [-i for i in range(frames)]
    assert all(len(indices) <= TOGETHER for indices, _ in told)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.booleans())
def test_joined_records_know_their_frames(sizes, wider):
    """Records keep their order and their frames, also where some are of another layout."""
    rng = np.random.default_rng(sum(sizes))
    parts = []
    for size in sizes:
        part = np.zeros(size, RECORD)
        part["site"], part["score"] = rng.integers(0, 99, size), rng.integers(-9, 9, size)
        parts.append(part)
    if wider:
        parts[0] = parts[0].astype([("site", "<u8"), ("score", "<i2")])
    frame, records = joined(range(7, 7 + len(sizes)), parts)
    assert frame.tolist() == [7 + i for i, size in enumerate(sizes) for _ in range(size)]
    for name in ("site", "score"):
        assert records[name].tolist() == [one for part in parts for one in part[name].tolist()]
