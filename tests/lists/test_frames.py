"""Frames of coordinates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from defectmap.lists.frames import Frame, frame_of
from defectmap.model.sensor import Grid, MosaicGeometry

# A body with margins on all sides, as Canon's have them.
CANON = MosaicGeometry(60, 90, 8, 12, 46, 70, ("RG", "GB"), (0,) * 4, 4095, "test")


@given(
    st.integers(-5, 20), st.integers(-5, 20), st.integers(1, 40), st.integers(1, 40), st.booleans(), st.data()
)
def test_there_and_back(top: int, left: int, height: int, width: int, bottom_up: bool, data) -> None:
    """A position goes from a frame to the grid and back, whatever the frame; none outside of it does."""
    frame = Frame(top, left, height, width, bottom_up)
    row, col = data.draw(st.integers(-3, height + 2)), data.draw(st.integers(-3, width + 2))
    place = frame.to_grid(row, col)
    if 0 <= row < height and 0 <= col < width:
        assert place is not None and frame.from_grid(*place) == (row, col)
    else:
        assert place is None


@given(st.integers(0, 60), st.integers(0, 90), st.integers(1, 60), st.integers(1, 90), st.booleans())
def test_a_box_is_its_sites(top: int, left: int, rows: int, cols: int, bottom_up: bool) -> None:
    """A rectangle in a frame holds just those of its sites that are in the frame."""
    frame = frame_of(CANON.grid, CANON, "visible", bottom_up=bottom_up)
    sites = {
        place
        for row in range(top, top + rows)
        for col in range(left, left + cols)
        if (place := frame.from_grid(row, col)) is not None
    }
    box = frame.box_from_grid(top, left, top + rows, left + cols)
    if box is None:
        assert not sites
    else:
        assert {(r, c) for r in range(box[0], box[2]) for c in range(box[1], box[3])} == sites


def test_margins() -> None:
    """The first visible photosite is (0, 0) of the visible area, and the last row of it from below."""
    assert frame_of(CANON.grid, CANON, "visible").from_grid(8, 12) == (0, 0)
    assert frame_of(CANON.grid, CANON, "visible", bottom_up=True).from_grid(8, 12) == (45, 0)
    assert frame_of(CANON.grid, CANON, "visible").from_grid(7, 12) is None
    assert frame_of(CANON.grid, CANON, "stored").from_grid(7, 12) == (7, 12)
    jpeg = Grid("jpeg", 30, 40)
    assert frame_of(jpeg, None, "visible") == frame_of(jpeg, None, "stored") == Frame(0, 0, 30, 40)
