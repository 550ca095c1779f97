"""The history of a sensor is the same whatever the order in which its photos came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from defectmap.catalog.store import Catalog, open_catalog
from defectmap.detect import detect
from defectmap.history import history
from defectmap.ingest import ingest
from defectmap.merge import merge
from defectmap.model.defects import Kind
from defectmap.simulation import TWELVE_BIT, Habits, PlantedDefect
from defectmap.simulation.files import write_shoot

from .conftest import small_camera

DEFECTS = (
    PlantedDefect(20, 30, Kind.DEAD, "strong", gain=0.0),
    PlantedDefect(60, 81, Kind.STUCK, "strong", level=0.9, onset=datetime(2011, 1, 1)),
    PlantedDefect(40, 60, Kind.STUCK, "strong", level=0.9, healed=datetime(2010, 11, 1)),
)
SHOTS = 30


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of two years, in order."""
    camera = small_camera(
        seed=8,
        height=64,
        width=96,
        defects=DEFECTS,
        electronics=TWELVE_BIT,
        start=datetime(2010, 7, 1),
        days=360,
        habits=Habits(tripod_share=0.2, isos=(100, 200), exposures_s=((1 / 200, 1 / 50, 1.0),)),
    )
    folder = tmp_path_factory.mktemp("cards")
    write_shoot(camera, folder, SHOTS, ("nef",), compressions=("packed",))
    return sorted(folder.glob("*.NEF"))


def told(catalog: Catalog) -> tuple[object, ...]:
    """Return all that a history says, and what the catalog holds for it."""
    (sensor,) = catalog.sensors.all()
    detect(catalog, sensor)
    life = history(catalog, sensor)
    (stream,) = catalog.sensors.streams()
    assert len(catalog.evidence.epochs(stream.id)) <= 2
    return life.events, life.growth, life.doubts, life.revision.maps[stream.id]


@pytest.fixture(scope="module")
def in_order(cards: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """Return what is told of the photos ingested at once."""
    with open_catalog(tmp_path_factory.mktemp("order") / "catalog.sqlite", create=True) as catalog:
        ingest(catalog, cards)
        return told(catalog)


def test_the_history_of_the_cards(in_order: tuple[object, ...]) -> None:
    """There is something to tell."""
    assert in_order[0] and in_order[1] is not None


@settings(max_examples=5, phases=[Phase.generate])
@given(
    st.permutations(range(SHOTS)), st.lists(st.integers(1, SHOTS - 1), min_size=1, max_size=2, unique=True)
)
def test_any_order_of_cards_and_shards(
    cards: list[Path], in_order: tuple[object, ...], order: Sequence[int], cuts: list[int]
) -> None:
    """Cards in any order, ingested or merged, tell the same as all photos in order."""
    bounds = [0, *sorted(cuts), SHOTS]
    parts = [[cards[i] for i in order[a:b]] for a, b in pairwise(bounds)]
    with TemporaryDirectory() as name:
        shard = Path(name, "shard.sqlite")
        with open_catalog(shard, create=True) as other:
            ingest(other, parts[-1])
        with open_catalog(Path(name, "catalog.sqlite"), create=True) as catalog:
            for part in parts[:-1]:
                ingest(catalog, part)
            merge(catalog, [shard])
            assert told(catalog) == in_order


def test_last_year_after_this_year(cards: list[Path], in_order: tuple[object, ...], tmp_path: Path) -> None:
    """Last year's card, found after this year's was ingested and judged, leads to the same history."""
    with open_catalog(tmp_path / "catalog.sqlite", create=True) as catalog:
        for part in (cards[SHOTS // 2 :], cards[: SHOTS // 2]):
            ingest(catalog, part)
            found = told(catalog)
        assert found == in_order
