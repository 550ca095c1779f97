"""When a site was bad, from the frames that showed it."""

from __future__ import annotations

import numpy as np
import pytest

from defectmap.model.dating import date_site
from defectmap.model.periods import BadPeriod

BACKGROUND = 3e-4


def shown(rng: np.random.Generator, frames: int, onset: int, healed: int, chance: float) -> np.ndarray:
    """Draw in which frames a site that was bad from onset until healed stood out."""
    inside = (np.arange(frames) >= onset) & (np.arange(frames) < healed)
    return inside & (rng.random(frames) < chance)


def plainly(seen: np.ndarray) -> tuple[BadPeriod, ...]:
    """Date a site that any exposure shows, in frames of different scenes."""
    return date_site(seen, (), np.arange(len(seen)), BACKGROUND)


@pytest.mark.parametrize("chance", [0.3, 0.6, 0.9])
def test_interval_covers_the_truth(chance: float) -> None:
    """Onset and healing lie in their intervals for 97 of 100 sites at least, and these are not too wide."""
    rng = np.random.default_rng(1)
    covered = 0
    widths = []
    for _ in range(100):
        onset, healed = int(rng.integers(40, 120)), int(rng.integers(180, 260))
        (*_, period) = plainly(shown(rng, 300, onset, healed, chance))
        assert None not in (period.last_good, period.first_bad, period.last_bad, period.first_good)
        covered += (
            period.last_good < onset <= period.first_bad and period.last_bad < healed <= period.first_good
        )
        widths.append(period.first_bad - period.last_good)
    assert covered >= 97
    assert np.median(widths) <= 12 / chance


def test_site_bad_all_along_has_no_dates() -> None:
    """A site that shows from the first frame to the last was bad before, and still is."""
    rng = np.random.default_rng(2)
    dated = [plainly(shown(rng, 200, 0, 200, 0.5)) for _ in range(100)]
    assert sum(len(periods) > 1 or periods[0].last_good is not None for periods in dated) <= 2
    assert all((periods[0].first_bad or 0) < 20 for periods in dated)


def test_short_exposures_are_no_proof_of_health() -> None:
    """A hot site that shows in long exposures alone is not called healed during a year of short ones."""
    rng = np.random.default_rng(3)
    dose = np.concatenate([rng.choice([0.002, 3.0], 150), np.full(100, 0.002)])
    seen = (dose > 1) & (rng.random(250) < 0.9)
    assert date_site(seen, (dose,), np.arange(250), BACKGROUND)[-1].first_good is None


def test_early_speck_does_not_move_the_onset() -> None:
    """A chance speck long before the onset is not the onset."""
    rng = np.random.default_rng(4)
    seen = shown(rng, 300, 200, 300, 0.8)
    seen[10] = True
    (*_, period) = plainly(seen)
    assert period.last_good is not None
    assert 190 < period.last_good < 200


@pytest.mark.parametrize("hits", [0, 1, 2])
def test_too_few_sightings_say_nothing(hits: int) -> None:
    """A site seen in fewer than three frames is not dated."""
    seen = np.zeros(50, bool)
    seen[20 : 20 + hits] = True
    assert plainly(seen) == (BadPeriod(first_bad=49),)


def test_one_scene_is_one_witness_of_health() -> None:
    """Ten frames of one scene that hides a site heal it no more than one does; ten of ten scenes do."""
    seen = np.ones(60, bool)
    seen[30:40] = False
    several = np.arange(60)
    one = np.where((several >= 30) & (several < 40), 30, several)

    def periods(scene: np.ndarray) -> int:
        return len(date_site(seen, (), scene, BACKGROUND))

    assert (periods(several), periods(one)) == (2, 1)


def test_other_exposures_are_no_proof_of_health() -> None:
    """A site that shows at high sensitivity alone is neither healed nor new for a year at a low one."""
    rng = np.random.default_rng(5)
    gain = np.concatenate([rng.choice([16.0, 32.0, 64.0], 80), rng.choice([1.0, 2.0], 80)])
    dose = gain * 0.01
    seen = (gain > 8) & (rng.random(160) < 0.7)
    for order in (slice(None), slice(None, None, -1)):
        (period,) = date_site(seen[order], (gain[order], dose[order]), np.arange(160), BACKGROUND)
        assert period.last_good is None
        assert period.first_good is None


def test_blinking_is_no_healing() -> None:
    """Of sites that blink, silent for eight frames on end, few are dated where frames are trusted half."""
    rng = np.random.default_rng(6)
    dated = 0
    for _ in range(60):
        on = np.logical_xor.accumulate(np.append(rng.random() < 0.5, rng.random(159) < 1 / 8))
        periods = date_site(on & (rng.random(160) < 0.8), (), np.arange(160), BACKGROUND, 0.5)
        dated += len(periods) > 1 or periods[0].last_good is not None or periods[0].first_good is not None
    assert dated <= 12
