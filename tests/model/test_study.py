"""The model on plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model import study
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.sensor import MosaicGeometry


def test_frames_of_two_grids_do_not_mix() -> None:
    """A frame of another size is refused with both sizes."""
    gathered = study.Study()
    for side in (64, 66):
        geometry = MosaicGeometry(side, side, 0, 0, side, side, ("RG", "GB"), (0,) * 4, 4095, "test")
        frame = RawFrame(np.full((side, side), 100, np.uint16), geometry)
        if side == 64:
            gathered.add(frame, Conditions())
        else:
            with pytest.raises(ValueError, match="cannot join"):
                gathered.add(frame, Conditions())


def test_no_frames_no_map() -> None:
    """A map of nothing is refused."""
    with pytest.raises(ValueError, match="add some first"):
        study.Study().map()
