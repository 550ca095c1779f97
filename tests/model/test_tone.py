"""What is added to the light, before and behind a tone curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.tone import before_curve, behind_curve


@given(
    light=st.floats(2, 250),
    usual=st.floats(10, 250),
    excess=st.floats(-200, 200),
)
def test_there_and_back(light: float, usual: float, excess: float) -> None:
    """What was added before the curve gives the excess behind it again, within black and white."""
    excess = float(np.clip(light + excess, 0.0, 255.0)) - light
    added = before_curve(np.array([light]), np.array([excess]), usual)
    assert behind_curve(np.array([light]), added, usual)[0] == pytest.approx(excess, abs=1e-3)


def test_like_the_curve_of_srgb() -> None:
    """A small addition shows in light and shade as the transfer curve of IEC 61966-2-1 has it, to a sixth."""

    def srgb(linear: float) -> float:
        return 255 * (1.055 * linear ** (1 / 2.4) - 0.055)

    usual = srgb(0.2)
    unit = srgb(0.2005) - usual
    for linear in (0.03, 0.05, 0.5, 0.8):
        expected = (srgb(linear + 0.0005) - srgb(linear)) / unit
        shown = behind_curve(np.array([srgb(linear)]), np.array([unit]), usual)[0] / unit
        assert shown == pytest.approx(expected, rel=0.16)


def test_white_is_the_end() -> None:
    """However much is added, a pixel becomes no brighter than white."""
    assert behind_curve(np.array([200.0]), np.array([1e6]), 100.0)[0] == pytest.approx(55.0)
