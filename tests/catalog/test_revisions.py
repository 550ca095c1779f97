"""Promises of the revisions and repairs of a catalog."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from defectmap.catalog.records import RepairRecord, RevisionRecord, StoredRepair
from defectmap.model.defects import Defect, DefectMap, Kind, Period, Structure, StructureKind
from defectmap.model.sensor import Grid

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
HOT = Defect(
    3,
    4,
    Kind.HOT,
    "R",
    41.5,
    "DN/s at ISO 100",
    12.25,
    40,
    9,
    periods=(
        Period(last_bad=datetime(2009, 1, 1), first_good=datetime(2009, 2, 1), healed=datetime(2009, 1, 9)),
        Period(
            first_bad=datetime(2009, 5, 1, 1, 2, 3, 4),
            onset=datetime(2009, 5, 1, 1, 2, 3, 4),
            confidence=0.75,
        ),
    ),
)
SUSPECT = Defect(
    1,
    7,
    Kind.NOISY,
    "W",
    2.0,
    "DN",
    float("inf"),
    2,
    1,
    certain=False,
    missing="seen in 1 of 3 scenes",
    periods=(Period(datetime(2008, 1, 1), datetime(2009, 1, 1), datetime(2010, 1, 1), datetime(2011, 1, 1)),),
)
COLUMN = Structure(
    StructureKind.COLUMN, 0, 5, 6, 6, (2, 1), ((1, 0),), 8.25, -1, first_bad=datetime(2009, 5, 1, 1, 2, 3, 4)
)
PAIR = Structure(StructureKind.CLUSTER, 1, 3, 3, 5, (2, 2), ((0, 1), (1, 0)), 5.0)


@pytest.fixture
def revision(stream):
    """Return a revision with one defect and one suspect."""
    return RevisionRecord(
        {stream.id: DefectMap(stream.grid, (HOT, SUSPECT))},
        NOON,
        "1.2.3",
        5,
        68,
        12,
        {"threshold": 6.2, "epochs": [0, 3]},
    )


@pytest.fixture
def repair(catalog, stream, revision):
    """Return a repair in place by a saved revision."""
    catalog.revisions.save(stream.sensor_id, revision)
    revision_id = catalog.revisions.latest(stream.sensor_id).id
    path = Path("/photos/\udcff.jpg")
    return RepairRecord(
        path, path, Path("/photos/defectmap-originals/1"), b"a" * 32, b"b" * 32, revision_id, NOON
    )


def test_revision_comes_back(catalog, stream, revision):
    """A revision keeps every field of its defects and what it rests on."""
    assert catalog.revisions.latest(stream.sensor_id) is None

    number = catalog.revisions.save(stream.sensor_id, revision)

    stored = catalog.revisions.latest(stream.sensor_id)
    assert (1, stream.sensor_id) == (number, stored.sensor_id)
    assert revision == stored.content
    assert [asdict(SUSPECT), asdict(HOT)] == [asdict(defect) for defect in stored.maps[stream.id]]
    assert isinstance(stored.maps[stream.id].entries[0].kind, Kind)


def test_structures_come_back(catalog, stream, revision):
    """A revision keeps every field of its structures, also where there is no single defect."""
    alone = DefectMap(stream.grid, (), (PAIR, COLUMN))

    catalog.revisions.save(stream.sensor_id, replace(revision, maps={stream.id: alone}))

    assert {stream.id: alone} == catalog.revisions.latest(stream.sensor_id).maps


def test_revisions_count_up_for_each_sensor(catalog, stream, revision, d80):
    """Revisions are numbered from 1 for each sensor, and earlier ones stay as they were."""
    other = catalog.sensors.sensor(replace(d80, serial=None))
    later = replace(revision, maps={stream.id: DefectMap(stream.grid)})

    assert catalog.revisions.save(stream.sensor_id, revision) == 1
    assert catalog.revisions.save(stream.sensor_id, later) == 2
    assert catalog.revisions.save(other.id, replace(revision, maps={})) == 1
    assert catalog.revisions.numbers(stream.sensor_id) == [1, 2]
    assert revision == catalog.revisions.numbered(stream.sensor_id, 1).content
    assert catalog.revisions.latest(stream.sensor_id).number == 2
    with pytest.raises(KeyError, match="no revision 3"):
        catalog.revisions.numbered(stream.sensor_id, 3)


def test_stream_without_defects_is_remembered(catalog, stream, revision):
    """A stream that was judged and found clean has an empty map on its grid; others have none."""
    catalog.sensors.stream(stream.sensor_id, Grid("jpeg", 1, 1), None, method=1)

    catalog.revisions.save(stream.sensor_id, replace(revision, maps={stream.id: DefectMap(stream.grid)}))

    assert {stream.id: DefectMap(stream.grid)} == catalog.revisions.latest(stream.sensor_id).maps


def test_repair_comes_back(catalog, stream, repair):
    """A repair is found by either of its files and by its sensor."""
    beside = replace(repair, source=Path("/a.nef"), output=Path("/defectmap/a.nef"), backup=None)
    first, second = catalog.repairs.record(repair), catalog.repairs.record(beside)

    in_place, copied = StoredRepair(first, repair, undone=False), StoredRepair(second, beside, undone=False)
    assert [copied, in_place] == catalog.repairs.select()
    assert [in_place] == catalog.repairs.select(path=repair.source)
    assert (
        [copied] == catalog.repairs.select(path=beside.output) == catalog.repairs.select(path=beside.source)
    )
    assert [copied, in_place] == catalog.repairs.select(sensor_id=stream.sensor_id)
    assert catalog.repairs.select(sensor_id=99) == []


def test_undone_repair_is_kept_but_not_offered_again(catalog, repair):
    """A repair that was undone is listed only where those are asked for."""
    repair_id = catalog.repairs.record(repair)

    catalog.repairs.mark_undone(repair_id)

    assert catalog.repairs.select() == []
    assert [StoredRepair(repair_id, repair, undone=True)] == catalog.repairs.select(undone=True)


def test_repairs_are_found_by_what_they_made_and_when_it_was_taken(
    catalog, stream, repair, frame, sightings, monkeypatch
):
    """Of any number of files, those that repairs made are found by content and by moment, undone or not."""
    monkeypatch.setattr("defectmap.catalog.repairs._PAGE", 2)
    frames = [frame(name, hour=hour) for name, hour in (("a", 0), ("b", 1), ("c", 1), ("d", None))]
    made = []
    for one in frames:
        catalog.frames.add(stream.id, one, sightings())
        made.append(replace(repair, source_digest=one.digest, output_digest=one.digest[::-1]))
        catalog.repairs.mark_undone(catalog.repairs.record(made[-1]))

    digests = [one.output_digest for one in made]
    assert catalog.repairs.of_outputs([b"x" * 32, *digests]) == dict(zip(digests, made, strict=True))
    assert catalog.repairs.of_outputs(digests[1:2]) == {digests[1]: made[1]}
    moments = [one.conditions.captured for one in frames[:2]]
    assert catalog.repairs.of_moments(moments[1:]) == [
        (made[2], stream.id, moments[1]),
        (made[1], stream.id, moments[1]),
    ]
    assert [one for one, _, _ in catalog.repairs.of_moments([NOON, NOON, *moments])] == [
        made[2],
        made[1],
        made[0],
    ]
    assert catalog.repairs.of_moments([]) == []


def test_of_two_repairs_to_one_content_the_first_is_meant(catalog, repair):
    """Where two repairs made the same bytes, the older one is told."""
    for output in ("/1.jpg", "/2.jpg"):
        catalog.repairs.record(replace(repair, output=Path(output)))
    assert catalog.repairs.of_outputs([repair.output_digest])[repair.output_digest].output == Path("/1.jpg")


def test_of_one_content_the_newest_repair_is_found(catalog, repair):
    """A content leads to the repair that wrote it last, to any place or to one; undone or not."""
    places = [Path(f"/{number}.jpg") for number in range(3)]
    for place in places[:2]:
        catalog.repairs.mark_undone(catalog.repairs.record(replace(repair, output=place)))

    assert catalog.repairs.of_content(repair.output_digest).output == places[1]
    assert catalog.repairs.of_content(repair.output_digest, places[0]).output == places[0]
    assert catalog.repairs.of_content(repair.output_digest, places[2]) is None
    assert catalog.repairs.of_content(b"x" * 32) is None
    assert [catalog.repairs.wrote(place) for place in places] == [True, True, False]
