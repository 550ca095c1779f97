"""What the map lets expect of a spot in a JPEG."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.defects import Defect, Kind, Period
from defectmap.model.expecting import Expected, expected, sign
from defectmap.model.frame import Conditions

DAYS = [datetime(2012, 5, day) for day in range(1, 6)]
PHOTO = Conditions(DAYS[2], exposure_s=0.5, iso=400.0)


def defect(kind, strength, **more):
    """Return a certain defect."""
    return Defect(9, 9, kind, "R", strength, "", 9.0, 9, 9, **more)


@given(st.floats(-0.95, 3.0), st.floats(-50, 200), st.floats(1, 250), st.floats(0.05, 0.5))
def test_spots_stay_within_the_scale(share, added, light, unsure):
    """No spot is expected darker than black or lighter than white, and none to be known exactly."""
    amplitude, sd = Expected(share, added, 100.0, unsure).amplitude(light)
    assert -light <= amplitude <= 255 - light
    assert sd >= max(1.0, unsure * abs(amplitude))


def test_offset_grows_with_gain_and_shows_in_shade():
    """An offset is four times as much at ISO 400 as at ISO 100, and more in shade than in light."""
    known = expected(defect(Kind.OFFSET, 2.0), PHOTO, 100.0)
    assert known is not None
    assert known.added_dn == 8.0
    assert known.amplitude(100.0)[0] == pytest.approx(8.0, rel=0.1)
    assert known.amplitude(30.0)[0] > 1.5 * known.amplitude(100.0)[0]


def test_gain_is_a_share_of_the_light():
    """A site that responds by half loses half of the light, whatever the exposure."""
    known = expected(defect(Kind.DIM, 0.5), Conditions(), 100.0)
    assert known is not None
    assert known.amplitude(80.0)[0] == pytest.approx(-40.0)


@pytest.mark.parametrize(
    ("bad", "photo", "usual"),
    [
        (defect(Kind.STUCK, 200.0), PHOTO, 100.0),
        (defect(Kind.DEAD, 2.0), PHOTO, 100.0),
        (defect(Kind.NOISY, 9.0), PHOTO, 100.0),
        (defect(Kind.HOT, 9.0), PHOTO, 100.0),
        (defect(Kind.OFFSET, 2.0), replace(PHOTO, iso=None), 100.0),
        (defect(Kind.OFFSET, 2.0, origin="raw:3904x2616"), PHOTO, 100.0),
        (defect(Kind.OFFSET, 2.0, certain=False), PHOTO, 100.0),
        (defect(Kind.OFFSET, 2.0, periods=(Period(DAYS[1], DAYS[3]),)), PHOTO, 100.0),
        (defect(Kind.OFFSET, 2.0, periods=(Period(last_bad=DAYS[1], first_good=DAYS[3]),)), PHOTO, 100.0),
        (defect(Kind.OFFSET, 2.0, strength_sd=1.5), PHOTO, 100.0),
        (defect(Kind.OFFSET, 0.0), PHOTO, 100.0),
        (defect(Kind.OFFSET, 2.0), PHOTO, None),
    ],
)
def test_the_photo_tells_more(bad, photo, usual):
    """Nothing is expected where the photo itself tells more than the map does."""
    assert expected(bad, photo, usual) is None


def test_dates_that_leave_no_doubt():
    """Between its first and its last bad day a defect is expected to show."""
    bad = defect(Kind.OFFSET, 2.0, periods=(Period(DAYS[0], DAYS[1], DAYS[3], DAYS[4]),))
    assert expected(bad, PHOTO, 100.0) is not None
    assert expected(bad, replace(PHOTO, captured=None), 100.0) is None


def test_signs():
    """Spots of light and of its lack are told apart by kind, and by strength where that has a sign."""
    signs = {Kind.BRIGHT: 1, Kind.DIM: -1, Kind.DEAD: -1, Kind.STUCK: 0, Kind.NOISY: 0}
    assert {kind: sign(defect(kind, 1.2)) for kind in signs} == signs
    assert [sign(defect(kind, s)) for kind in (Kind.HOT, Kind.OFFSET) for s in (3.0, -3.0)] == [1, -1, 1, -1]
