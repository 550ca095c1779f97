"""Bring the originals of photos that were repaired in place back, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from defectmap.catalog.records import FileRecord, SensorRecord, StoredRepair
from defectmap.catalog.store import Catalog
from defectmap.errors import FailedPhotoError, PhotoError, SkippedPhotoError, UsageError
from defectmap.media.discover import TroubledFile, absolute, content_digest, discover
from defectmap.media.originals import forget, original_of, read_note
from defectmap.media.writing import restore


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one photo.

    Attributes
    ----------
    path : Path
    status : {"restored", "skipped", "failed"}
    reason : str
        Why it was not restored, as the end of a sentence that begins with the path; else "".
    """

    path: Path
    status: Literal["restored", "skipped", "failed"]
    reason: str = ""


def undo(catalog: Catalog, paths: Sequence[Path], sensors: Sequence[SensorRecord] = ()) -> tuple[Undone, ...]:
    """Bring originals back.

    Repaired copies, written beside their sources or elsewhere, are left where they are.

    Parameters
    ----------
    catalog : Catalog
    paths : sequence of Path
        Photos that were repaired in place, and folders with such photos, also ones that were moved since
        together with their folder `defectmap-originals`, or that this catalog does not know. If empty, every
        photo of `sensors` is meant.
    sensors : sequence of SensorRecord
        The cameras whose photos are meant; with `paths` it may be empty, for any camera.

    Returns
    -------
    tuple of Undone
        One per photo, ordered by path.

    Raises
    ------
    UsageError
        If neither photos nor cameras are named.
    CatalogError
        If the catalog cannot be written; no further photo is touched then.
    """
    if not paths and not sensors:
        raise UsageError("name the photos to restore, or their camera with --camera")
    run = _Run(catalog, sensors)
    return tuple(run.restore(path) for path in sorted(run.below(paths) if paths else run.all()))


@dataclass(frozen=True, slots=True)
class _Kept:
    """An original and what the photo in its place was made of it."""

    backup: Path
    original: bytes
    repaired: bytes


class _Run:
    """The repairs that may be undone."""

    def __init__(self, catalog: Catalog, sensors: Sequence[SensorRecord]) -> None:
        self._catalog = catalog
        self._any_camera = not sensors
        ids: list[int | None] = [*(sensor.id for sensor in sensors)] or [None]
        repairs = [s for one in ids for s in catalog.repairs.select(sensor_id=one)]
        # Oldest first, so that the newest of several repairs of one photo wins.
        repairs.sort(key=lambda stored: stored.id)
        in_place = [s.repair for s in repairs if s.repair.backup is not None]
        self._by_path = {repair.output: repair for repair in in_place}
        self._by_digest = {repair.output_digest: repair for repair in in_place}
        self._made_of: dict[Path, set[bytes]] = {}
        for repair in in_place:
            self._made_of.setdefault(repair.output, set()).add(repair.output_digest)
        self._in_place_of: dict[bytes, list[StoredRepair]] = {}
        for stored in repairs:
            if stored.repair.backup is not None:
                self._in_place_of.setdefault(stored.repair.source_digest, []).append(stored)
        self._source_of = {s.repair.output: s.repair.source for s in repairs if s.repair.backup is None}
        self._copy_of = {source: output for output, source in self._source_of.items()}

    def all(self) -> Iterable[Path]:
        """Return every photo that was repaired in place."""
        return self._by_path

    def below(self, paths: Iterable[Path]) -> Iterable[Path]:
        """Return the repaired photos in some folders, and every file that is named itself."""
        wanted: set[Path] = set()
        for root in map(absolute, paths):
            wanted |= {path for path in self._by_path if path.is_relative_to(root)}
            found = [f.path for f in discover([root]) if not isinstance(f, TroubledFile)]
            wanted |= {path for path in found if original_of(path).is_file()} if root.is_dir() else {root}
        return wanted

    def restore(self, path: Path) -> Undone:
        """Bring one original back and put the catalog right."""
        try:
            kept = self._kept(path)
            restore(path, kept.backup, kept.original, kept.repaired)
        except PhotoError as error:
            failed = isinstance(error, FailedPhotoError)
            return Undone(path, "failed" if failed else "skipped", error.reason)
        forget(kept.backup)
        self._note(path, kept)
        return Undone(path, "restored")

    def _kept(self, path: Path) -> _Kept:
        """Find the original of a photo: by the catalog, by what the file holds, by the note beside it."""
        beside = original_of(path)
        present = _digest(path)
        repair = self._by_path.get(path) or self._by_digest.get(present)
        if repair is not None and repair.backup is not None:
            there = next((file for file in (beside, repair.backup) if file.is_file()), repair.backup)
            # The original of a photo that is still in its place must not go to a mere copy of it.
            if there != beside and path != repair.output and repair.output.exists():
                raise SkippedPhotoError(
                    f"is a copy of {repair.output}, which was repaired in place: undo that, or copy its "
                    f"original {repair.backup}"
                )
            if present == repair.source_digest and not there.is_file():
                # Undone by a run that was stopped before it noted so; say it once.
                forget(there)
                self._note(path, _Kept(there, repair.source_digest, present))
                raise SkippedPhotoError("is its own original, so there is nothing to undo")
            # A run that was stopped in the middle leaves the file as an earlier one had made it.
            ours = self._made_of[repair.output]
            return _Kept(there, repair.source_digest, present if present in ours else repair.output_digest)
        note = read_note(beside) if self._any_camera else None
        if note is not None:
            return _Kept(beside, note.original, note.repaired)
        raise SkippedPhotoError(self._nothing_to_undo(path, beside))

    def _nothing_to_undo(self, path: Path, beside: Path) -> str:
        if path in self._source_of:
            return f"is a repaired copy: its source {self._source_of[path]} was left as it was"
        if path in self._copy_of:
            return f"was left as it was: its repaired copy is {self._copy_of[path]}"
        if beside.is_file():
            return f"was repaired in an unknown way: its original is {beside}"
        return "was not repaired in place, so there is nothing to undo"

    def _note(self, path: Path, kept: _Kept) -> None:
        frame = self._catalog.frames.by_digest(kept.original)
        with self._catalog.transaction():
            for stored in self._in_place_of.get(kept.original, ()):
                output = stored.repair.output
                if output == path or not output.exists():
                    self._catalog.repairs.mark_undone(stored.id)
            if frame is not None:
                status = path.stat()
                self._catalog.files.remember(
                    FileRecord(
                        path,
                        status.st_size,
                        status.st_mtime_ns,
                        kept.original,
                        "frame",
                        frame_id=frame.id,
                    )
                )


def _digest(path: Path) -> bytes:
    try:
        return content_digest(path.read_bytes())
    except OSError:
        return b""
