"""Find files, read them, and tell by content what they are."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from defectmap.errors import FailedPhotoError, SkippedPhotoError
from defectmap.media import tiff
from defectmap.model.sensor import StreamKind

#: Folder that repaired photos are written to; never walked into, its files are no evidence.
OUTPUT_FOLDER = "defectmap"

#: Folder that the originals of photos repaired in place are kept in; never walked into either.
ORIGINALS_FOLDER = "defectmap-originals"

#: Files above this size are not read; the largest raws of today have a third of it.
LARGEST_BYTES = 1 << 30

DIGEST_BYTES = 32

_UNSETTLED_NS = 5_000_000_000
"""A file that changed so short a time before may change once more without its times telling."""

_HEAD_BYTES = 64
_RAW_HEADS = (
    b"FUJIFILMCCD-RAW",
    b"IIRO",  # Olympus
    b"IIRS",
    b"MMOR",
    b"IIU\0",  # Panasonic, Leica
    b"\0MRM",  # Minolta
    b"FOVb",  # Sigma
    b"IIIITwaR",  # Phase One
    b"MMMMRawT",
    b"DSC-Image",  # Rollei
    b"NOKIARAW",
    b"ARRI\x12\x34\x56\x78",
)
_TIFF_HEADS = (b"II*\0", b"MM\0*")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file, not opened yet.

    Attributes
    ----------
    path : Path
        Absolute; symbolic links are left in it.
    size : int
        Bytes.
    mtime_ns : int
        Time of last change in nanoseconds since 1970.
    """

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class TroubledFile:
    """A path that could not be looked at.

    Attributes
    ----------
    path : Path
    reason : str
        Why, as the end of a sentence that begins with the path.
    """

    path: Path
    reason: str


_BESIDE_A_CATALOG = ("-wal", "-shm", "-journal")  # what SQLite keeps beside an open file


def discover(
    paths: Iterable[Path], known: Callable[[str, int, int], bool] = lambda path, size, mtime_ns: False
) -> Iterator[FoundFile | TroubledFile]:
    """Walk files and folders, each once, without opening a file.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders, in any order. A path that is named here is taken whatever it is called; below it,
        hidden entries, what SQLite keeps beside a catalog, and folders named `OUTPUT_FOLDER` or
        `ORIGINALS_FOLDER` are passed over, as are pipes, sockets and devices.
    known : callable, optional
        Asked about every file by its path, size and time of last change; those it knows are passed over, and
        cost no more than that.

    Yields
    ------
    FoundFile or TroubledFile
        In the order of the sorted paths, names within a folder sorted, whatever order the disk has them in.
        Symbolic links are followed; a file or folder that is reached twice comes once. What cannot be looked
        at is reported and the walk goes on.
    """
    seen: set[tuple[int, int]] = set()
    for root in sorted({absolute(path) for path in paths}):
        waiting = [os.fspath(root)]
        while waiting:
            path = waiting.pop()
            try:
                status = os.stat(path)  # noqa: PTH116 - a Path would cost more than the disk
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                if stat.S_ISDIR(status.st_mode):
                    waiting += _worthwhile_paths(path)
                    continue
            except (OSError, ValueError) as error:  # ValueError: a NUL in a name
                yield TroubledFile(Path(path), _trouble(error))
                continue
            if stat.S_ISREG(status.st_mode):
                if not known(path, status.st_size, status.st_mtime_ns):
                    yield FoundFile(Path(path), status.st_size, status.st_mtime_ns)
            elif path == os.fspath(root):
                yield TroubledFile(root, "is neither a file nor a folder")


def absolute(path: Path) -> Path:
    """Return a path as :func:`discover` does: links are resolved only where ".." would lead astray."""
    path = Path(path).absolute()
    return path.resolve() if ".." in path.parts else path


def _worthwhile_paths(folder: str) -> list[str]:
    """List a folder in reverse order, as a stack wants it, without what is never walked into."""
    with os.scandir(folder) as entries:
        return sorted(
            (
                entry.path
                for entry in entries
                if not entry.name.startswith(".")
                and not entry.name.endswith(_BESIDE_A_CATALOG)
                and not (entry.name in {OUTPUT_FOLDER, ORIGINALS_FOLDER} and entry.is_dir())
            ),
            reverse=True,
        )


def _trouble(error: OSError | ValueError) -> str:
    """Say what is wrong as the end of a sentence."""
    if isinstance(error, FileNotFoundError):
        return "does not exist, or is a link that leads nowhere"
    if isinstance(error, PermissionError):
        return "cannot be read: permission denied"
    text = getattr(error, "strerror", None) or str(error)
    return f"cannot be read: {text[:1].lower()}{text[1:]}"


Stamp = tuple[int, ...]


def read_photo(path: Path) -> bytes:
    """Read a whole file, unless its first bytes are not those of a photo; see :func:`read_stamped`."""
    return read_stamped(path)[0]


def read_stamped(path: Path) -> tuple[bytes, Stamp | None]:
    """Read a whole file, unless its first bytes are not those of a photo.

    Parameters
    ----------
    path : Path

    Returns
    -------
    data : bytes
    stamp : tuple of int or None
        Device, number, size and times of the file: with the same stamp it has the same content. None where
        that cannot be told, since the file changed only just now, or while it was read.

    Raises
    ------
    SkippedPhotoError
        The file begins unlike any photo; the rest of it is not read.
    FailedPhotoError
        The file cannot be read, is empty, or is larger than `LARGEST_BYTES`.
    """
    try:
        with open(path, "rb", buffering=0, opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FailedPhotoError("is not a file")
            if status.st_size == 0:
                raise FailedPhotoError("is empty")
            head = file.read(_HEAD_BYTES)
            if not _begins_like_a_photo(head):
                raise SkippedPhotoError("is not a photo that this program reads")
            if status.st_size > LARGEST_BYTES:
                raise FailedPhotoError(f"is larger than any photo: {status.st_size >> 20} MiB")
            file.seek(0)
            data = file.readall()
            return data, _stamp(status, os.fstat(file.fileno()))
    except (OSError, ValueError, MemoryError) as error:
        reason = "does not fit into memory" if isinstance(error, MemoryError) else _trouble(error)
        raise FailedPhotoError(reason) from error


def _stamp(before: os.stat_result, after: os.stat_result) -> Stamp | None:
    # The time of change of a file's record cannot be set by a program, as that of its content can.
    stamps = [(s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in (before, after)]
    settled = max(after.st_mtime_ns, after.st_ctime_ns) < time.time_ns() - _UNSETTLED_NS
    return stamps[0] if settled and stamps[0] == stamps[1] else None


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; of a pipe that took its place, do not wait for the other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def content_digest(data: bytes) -> bytes:
    """Return the BLAKE2b digest (RFC 7693) of a file's content, `DIGEST_BYTES` long."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def sniff(data: bytes) -> StreamKind | None:
    """Tell by content alone what a file is.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    {"raw", "jpeg"} or None
        None for what is not a photo of a camera: other pictures, video, text, scans as TIFF.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if not _begins_like_a_photo(data):
        return None
    return "raw" if not data.startswith(_TIFF_HEADS) or _is_raw_tiff(data) else None


def _begins_like_a_photo(head: bytes) -> bool:
    """Whether the first bytes are those of a JPEG, a raw, or a TIFF that may be a raw."""
    return (
        head.startswith((b"\xff\xd8\xff", *_TIFF_HEADS, *_RAW_HEADS))
        or head[4:12] == b"ftypcrx "  # Canon CR3; other brands are video and HEIC
        or (head.startswith((b"II", b"MM")) and head[6:14] == b"HEAPCCDR")  # Canon CRW
    )


def _is_raw_tiff(data: bytes) -> bool:
    """Whether a TIFF holds what a camera's sensor saw, or did before it was cut short."""
    if data[8:10] == b"CR" or data[8:12] in {b"IIII", b"MMMM"}:  # Canon CR2, Phase One IIQ
        return True
    for directory in tiff.directories(data):
        if (
            directory.first(tiff.PHOTOMETRIC) in {tiff.CFA, tiff.LINEAR_RAW}
            or tiff.DNG_VERSION in directory.fields
        ):
            return True
        if tiff.MAKE in directory.fields and max(directory.integers(tiff.SUB_DIRECTORIES), default=0) >= len(
            data
        ):
            return True
    return False
