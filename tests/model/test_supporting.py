"""Promises of maps that support each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from defectmap.model.defects import Defect, DefectMap, Kind
from defectmap.model.registration import Registration
from defectmap.model.sensor import Grid, MosaicGeometry
from defectmap.model.supporting import FIELDS, carry_down, carry_up, confirm

RAW, JPEG, HALF = Grid("raw", 110, 160), Grid("jpeg", 96, 144), Grid("jpeg", 48, 72)
GEOMETRY = MosaicGeometry(110, 160, 4, 6, 100, 150, ("RG", "GB"), (0,) * 4, 4095, "test")
LIES = Registration(RAW, JPEG, 1.0, 6.0, 9.0, 9, 9, 1e-9)
SMALL = Registration(RAW, HALF, 0.5, 6.0, 9.0, 9, 9, 1e-9)


def defect(row: int, col: int, **changes: object) -> Defect:
    """Return a hot site."""
    return replace(Defect(row, col, Kind.HOT, "R", 40.0, "DN", 12.0, 9, 9), **changes)


def suspect(row: int, col: int, **changes: object) -> Defect:
    """Return a site that is not certain."""
    return defect(row, col, certain=False, missing="seen in 1 of 3 scenes", **changes)


def sums(place: tuple[int, int] | None, sigma: float = 12.0) -> dict[str, np.ndarray]:
    """Return sums of the visible area in which one stored site stands out."""
    rng = np.random.default_rng(1)
    plane = {"n": np.full((100, 150), 25), "z_sum": np.rint(rng.normal(0, 80, (100, 150)))}
    if place is not None:
        plane["z_sum"][place[0] - 4, place[1] - 6] = sigma * 80
    return plane | {"hot_sum": plane["z_sum"], "hot_weight": plane["n"]}


def look(plane: dict[str, np.ndarray]):
    """Return what hands out windows of the sums."""
    assert set(plane) == set(FIELDS)
    return lambda rows, cols: {name: array[rows, cols] for name, array in plane.items()}


def test_what_one_grid_is_certain_of_the_other_need_not_suspect() -> None:
    """A suspect that is a defect of the other grid becomes one, in both directions."""
    raw = DefectMap(RAW, (defect(26, 39), suspect(56, 69)))
    jpeg = DefectMap(JPEG, (suspect(20, 31), defect(50, 60)))
    ours, theirs = confirm(raw, jpeg, LIES)
    assert ours.sites == {(26, 39), (56, 69)}
    assert theirs.sites == {(20, 31), (50, 60)}
    assert {d.missing for d in (*ours, *theirs)} == {""}


def test_what_does_not_match_stays_suspect() -> None:
    """Two suspects, a suspect elsewhere, one of the other sign and one too faint stay what they are."""
    raw = DefectMap(RAW, (suspect(26, 39), defect(46, 49), defect(56, 69), defect(66, 79)))
    jpeg = DefectMap(
        JPEG,
        (
            suspect(20, 30),
            suspect(40, 43),
            suspect(50, 60, kind=Kind.DEAD),
            suspect(60, 70, confidence=3.0),
        ),
    )
    assert confirm(raw, jpeg, LIES) == (raw, jpeg)


def test_raw_defects_are_carried_into_a_jpeg() -> None:
    """A raw defect that the JPEG does not show is on its map at its pixel, and says where it is from."""
    raw = DefectMap(RAW, (defect(26, 39), defect(56, 69), suspect(36, 49), defect(2, 2)))
    jpeg = DefectMap(JPEG, (defect(51, 61),))
    found = carry_down(raw, jpeg, LIES)
    assert [(d.row, d.col, d.origin) for d in found] == [(20, 30, "raw:160x110"), (51, 61, "")]
    assert [(d.row, d.col) for d in carry_down(raw, DefectMap(HALF), SMALL)] == [(10, 15), (25, 30)]


def test_the_raw_sums_choose_the_photosite() -> None:
    """A JPEG's defect goes to the photosite nearby that stands out, with that one's colour."""
    jpeg = DefectMap(JPEG, (defect(20, 30, colour="W"),))
    for place in ((26, 39), (27, 38), (25, 40)):
        (found,) = carry_up(jpeg, DefectMap(RAW), LIES, GEOMETRY, look(sums(place)))
        assert (found.row, found.col, found.origin) == (*place, "jpeg:144x96")
        assert found.colour == GEOMETRY.colour(*place)
    half = DefectMap(HALF, (defect(10, 15),))
    (found,) = carry_up(half, DefectMap(RAW), SMALL, GEOMETRY, look(sums((25, 41))))
    assert (found.row, found.col) == (25, 41)


def test_what_the_raw_sums_contradict_is_not_carried() -> None:
    """Where no photosite nearby stands out, or in the wrong direction, the raw map stays as it is."""
    jpeg, empty = DefectMap(JPEG, (defect(20, 30),)), DefectMap(RAW)
    for plane in (sums(None), sums((29, 39)), sums((26, 39), sigma=-12.0), sums((26, 39), sigma=3.0)):
        assert carry_up(jpeg, empty, LIES, GEOMETRY, look(plane)) == empty
    nothing = {name: np.zeros((100, 150)) for name in FIELDS}
    assert carry_up(jpeg, empty, LIES, GEOMETRY, look(nothing)) == empty


def test_what_a_map_knows_is_not_carried_again() -> None:
    """An entry of the map within reach stands for the same defect, also a suspect."""
    jpeg = DefectMap(JPEG, (defect(20, 30),))
    for there in (DefectMap(RAW, (defect(27, 40),)), DefectMap(RAW, (suspect(26, 39),))):
        assert carry_up(jpeg, there, LIES, GEOMETRY, look(sums((26, 39)))) == there
