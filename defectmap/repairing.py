"""What one worker does to repair photos: read, decide, correct, prove.

It knows no catalog and writes nothing.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import FailedPhotoError, PhotoError, SkippedPhotoError
from defectmap.media.discover import content_digest, read_photo
from defectmap.media.jpegcodec.errors import (
    CorruptJpegError,
    JpegLengthError,
    MissingSymbolError,
    UnsupportedJpegError,
)
from defectmap.model.choosing import line_sites, mosaic_sites, rendered_sites
from defectmap.model.defects import Defect, Structure
from defectmap.model.footprints import Footprints
from defectmap.model.frame import Conditions, RawFrame
from defectmap.model.registration import Registration
from defectmap.model.sensor import Grid, SensorIdentity
from defectmap.serving import interruptions_held, serve_parent

Sites = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """One photo to be corrected.

    Attributes
    ----------
    source : Path
        File to read.
    digest : bytes
        Of the content that the file must have.
    grid : Grid
        That of `defects`.
    identity : SensorIdentity
    conditions : Conditions
    defects : tuple of Defect
        Those that may have been bad when the photo was taken.
    form : {"same", "dng", "tiff", "jpeg"}
        What is written of a raw: its own format, a DNG, or a picture rendered from it.
    structures : tuple of Structure
        Bad columns and rows, which are repaired in raw files, and lattices, whose sites are left as they are
        and help to repair no other. There is at least one defect or line.
    registrations : tuple of Registration
        How JPEGs of the camera lie on the grid of its raw files, for the previews inside of these.
    footprints : Footprints
        What sites do to the JPEGs of this stream, as far as it is known.
    """

    source: Path
    digest: bytes
    grid: Grid
    identity: SensorIdentity
    conditions: Conditions
    defects: tuple[Defect, ...]
    form: Literal["same", "dng", "tiff", "jpeg"] = "same"
    structures: tuple[Structure, ...] = ()
    registrations: tuple[Registration, ...] = ()
    footprints: Footprints = field(default_factory=Footprints)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of it.

    Attributes
    ----------
    data : bytes or None
        The whole repaired file; None where nothing had to be changed, or could be.
    repaired : tuple of (row, col)
        Sites that were changed, on the stored grid, ordered.
    reason : str
        Why nothing was changed, as the end of a sentence that begins with the file; else "". Of a repaired
        file, what in it was left as it is.
    """

    data: bytes | None
    repaired: Sites
    reason: str = ""


def correct(task: Correction) -> Corrected:
    """Correct one photo in memory and prove that nothing else changed.

    Parameters
    ----------
    task : Correction

    Returns
    -------
    Corrected

    Raises
    ------
    PhotoError
        If the file cannot be read, is not what was planned for, or cannot be repaired.
    """
    data = read_photo(task.source)
    if content_digest(data) != task.digest:
        raise FailedPhotoError("has changed since it was planned for; run the command again")
    return _correct_raw(data, task) if task.grid.kind == "raw" else _correct_jpeg(data, task)


def correct_all(tasks: Sequence[Correction], workers: int) -> Generator[Corrected | PhotoError]:
    """Correct photos, in the given order; the trouble of one does not stop the others.

    Parameters
    ----------
    tasks : sequence of Correction
    workers : int
        Processes. Files are the same for any number; memory holds two repaired files per process.

    Yields
    ------
    Corrected or PhotoError
    """
    if workers <= 1 or len(tasks) <= 1:
        yield from map(_guarded, tasks)
        return
    crew = _Crew(min(workers, len(tasks)))
    try:
        waiting: deque[tuple[Correction, Future[Corrected | PhotoError]]] = deque()
        for task in tasks:
            waiting.append((task, crew.submit(task)))
            if len(waiting) >= 2 * workers:
                yield crew.result(*waiting.popleft())
        while waiting:
            yield crew.result(*waiting.popleft())
    finally:
        crew.close()


def corrected_frame(frame: RawFrame, task: Correction) -> tuple[RawFrame, Sites]:
    """Return a raw frame with the sites replaced that it shows to be bad, and those that really changed.

    Parameters
    ----------
    frame : RawFrame
        On the grid of the task.
    task : Correction
        Its `source` and `digest` do not count.
    """
    sites = mosaic_sites(frame, task.defects, task.conditions.captured)
    lines = line_sites(frame, [s for s in task.structures if s.is_line])
    return _fixed(frame, tuple(sorted({*sites, *lines})), task)


class _Crew:
    """Processes that correct; made anew after one of them died."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = self._started()

    def submit(self, task: Correction) -> Future[Corrected | PhotoError]:
        with interruptions_held():
            try:
                return self._pool.submit(_guarded, task)
            except BrokenProcessPool:
                self._pool = self._started()
                return self._pool.submit(_guarded, task)

    def result(self, task: Correction, future: Future[Corrected | PhotoError]) -> Corrected | PhotoError:
        try:
            return future.result()
        except BrokenProcessPool:
            # Whose fault it was shows when each of those that were under way is tried by itself.
            with self._started(1) as alone:
                try:
                    with interruptions_held():
                        again = alone.submit(_guarded, task)
                    return again.result()
                except BrokenProcessPool:
                    return FailedPhotoError("cannot be repaired: the decoder crashed on it")

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _started(self, workers: int | None = None) -> ProcessPoolExecutor:
        # Not fork: LibRaw's threads do not survive it.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers or self._workers, context, initializer=serve_parent)


def _guarded(task: Correction) -> Corrected | PhotoError:
    try:
        return correct(task)
    except CorruptJpegError as error:
        return FailedPhotoError(f"cannot be repaired: {error.reason}")
    except (JpegLengthError, MissingSymbolError, UnsupportedJpegError) as error:
        return SkippedPhotoError(f"cannot be repaired: {error.reason}")
    except PhotoError as error:
        return error
    except MemoryError:
        return FailedPhotoError("does not fit into memory")
    except Exception as error:
        # Of thousands of photos one that nobody foresaw must not keep the others from being repaired.
        fault = f"{type(error).__name__}: {error}".rstrip(": ")
        return FailedPhotoError(f"cannot be repaired, by a fault of this program; please report it ({fault})")


def _correct_raw(data: bytes, task: Correction) -> Corrected:
    from defectmap.media.raw import decode_raw  # noqa: PLC0415 - LibRaw loads slowly
    from defectmap.media.rawforms import write_mosaic  # noqa: PLC0415

    frame = decode_raw(data)
    if frame.grid != task.grid:
        raise SkippedPhotoError(
            f"stores {frame.grid.width} x {frame.grid.height} photosites, but the map is of "
            f"{task.grid.width} x {task.grid.height}"
        )
    fixed, changed = corrected_frame(frame, task)
    if not changed:
        return Corrected(None, (), "shows none of its known defects")
    note = ""
    if task.form == "same":
        data, note = _with_previews(data, changed, task)
    repaired, held = write_mosaic(
        data,
        frame,
        fixed.mosaic,
        task.form,
        identity=task.identity,
        orientation=task.conditions.orientation or 1,
    )
    if not held:
        return Corrected(None, (), "cannot hold better values of its known defects")
    return Corrected(repaired, held, note)


def _with_previews(data: bytes, changed: Sites, task: Correction) -> tuple[bytes, str]:
    """Return a raw file with its previews repaired, and a sentence on those that were not."""
    from defectmap.media.rawpreviews import repair_previews  # noqa: PLC0415 - loads the codec of JPEGs

    # A line is too long for a guess of what it did to a JPEG.
    places = set(changed)
    defects = [d for d in task.defects if (d.row, d.col) in places]
    sites = rendered_sites(defects, task.conditions)
    repair = repair_previews(data, task.grid, sites, task.registrations)
    left = [f"the preview of {grid.width} x {grid.height} pixels ({reason})" for grid, reason in repair.left]
    return repair.data, f"holds a preview that was left as it is: {', '.join(left)}" if left else ""


def _untrusted(task: Correction) -> NDArray[np.bool_]:
    """Mark all bad sites on the full stored frame, also those that this photo need not show."""
    marked = np.zeros((task.grid.height, task.grid.width), np.bool_)
    for defect in task.defects:
        marked[defect.row, defect.col] = True
    for structure in task.structures:
        for members in structure.slices():
            marked[members] = True
    return marked


def _fixed(frame: RawFrame, sites: Sites, task: Correction) -> tuple[RawFrame, Sites]:
    """Return the frame with the sites replaced, and those that really changed.

    No bad site predicts another.
    """
    from defectmap.model.restoration import restored_values  # noqa: PLC0415 - only raw files need it

    top, left = frame.geometry.top, frame.geometry.left
    values = restored_values(frame, sites, task.defects, task.conditions, _untrusted(task))
    mosaic = frame.mosaic.copy()
    changed = []
    for (row, col), value in zip(sites, values, strict=True):
        if mosaic[row - top, col - left] != value:
            mosaic[row - top, col - left] = value
            changed.append((row, col))
    return replace(frame, mosaic=mosaic), tuple(changed)


def _correct_jpeg(data: bytes, task: Correction) -> Corrected:
    from defectmap.media.embedded import repair_embedded  # noqa: PLC0415
    from defectmap.media.jpegcodec import repair_jpeg  # noqa: PLC0415
    from defectmap.media.jpegheader import read_header  # noqa: PLC0415

    header = read_header(data)
    if (header.height, header.width) != (task.grid.height, task.grid.width):
        raise SkippedPhotoError(
            f"is {header.width} x {header.height} pixels, but the map is of "
            f"{task.grid.width} x {task.grid.height}"
        )
    sites = rendered_sites(task.defects, task.conditions, task.footprints.usual_dn)
    repair = repair_jpeg(data, sites, footprints=task.footprints)
    if not repair.repaired or repair.data == data:
        reasons = sorted({reason for _, reason in repair.left})
        seen = "shows none of its known defects"
        return Corrected(None, (), seen if reasons == ["not visible in this photo"] else "; ".join(reasons))
    shown = [site for site in sites if (site.row, site.col) in repair.repaired]
    return Corrected(repair_embedded(repair.data, shown).data, repair.repaired)
