"""Writing files so that, whatever happens meanwhile, either the old or the new content is whole.

Everything is written under a hidden temporary name in the target's own folder, forced to disk, and only then
given its name. An original is replaced after its backup was written, forced to disk and read back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from defectmap.errors import FailedPhotoError, SkippedPhotoError
from defectmap.media.discover import content_digest

_REASONS = {
    errno.ENOSPC: "the disk is full",
    getattr(errno, "EDQUOT", errno.ENOSPC): "the disk quota is used up",
    errno.EFBIG: "the file is too large for this disk",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EEXIST: "a file of this name is already there and is not overwritten",
}


def write_new(path: Path, data: bytes, like: Path | None, overwrite: bool = False) -> None:
    """Write a file that appears under its name only when it is complete.

    Parameters
    ----------
    path : Path
        The file to write; missing folders are made.
    data : bytes
        Its content.
    like : Path or None
        File whose mode, times and extended attributes the new one gets, and owner where that is allowed.
    overwrite : bool
        Whether a file of this name may be replaced.

    Raises
    ------
    FailedPhotoError
        The file exists already, the disk is full, or the folder cannot be written to. Nothing is left behind.
    """
    with _written(f"cannot be written to {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path.parent, data, like) as temporary:
            if overwrite:
                temporary.replace(path)
            else:
                _name_without_overwriting(temporary, path)
        _sync_folder(path.parent)


def replace_with_backup(path: Path, data: bytes, backup: Path, source_digest: bytes | None = None) -> None:
    """Replace a file's content, after its present content was put away safely.

    A backup with the same content that is already there, from a run that was interrupted, is used.

    Parameters
    ----------
    path : Path
        The file to change. It keeps its mode, times and extended attributes.
    data : bytes
        New content.
    backup : Path
        Where the present content goes; missing folders are made, and no other file is overwritten.
    source_digest : bytes or None
        :func:`~defectmap.media.discover.content_digest` of the content that `data` was made from.

    Raises
    ------
    SkippedPhotoError
        The file is a symbolic link or has further hard links, which would be torn apart; or another file is
        where the backup should go.
    FailedPhotoError
        The file changed meanwhile, or cannot be read or written. It is as it was.
    """
    with _written("cannot be replaced"):
        before = _sole_regular_file(path)
        content = path.read_bytes()
        digest = content_digest(content)
        if source_digest is not None and digest != source_digest:
            raise FailedPhotoError("has changed since it was read; run the command again")
        made = _back_up(path, content, backup)
        try:
            if content_digest(backup.read_bytes()) != digest:
                raise FailedPhotoError("was left as it is: its backup could not be read back")
            with _temporary(path.parent, data, path) as temporary:
                if _fingerprint(_sole_regular_file(path)) != _fingerprint(before):
                    raise FailedPhotoError("changed while it was being replaced and was left as it is")
                temporary.replace(path)
        except BaseException:
            if made and _still_has(path, digest):
                _unlink(backup)
            raise
        _sync_folder(path.parent)


def replace(path: Path, data: bytes, source_digest: bytes) -> None:
    """Replace a file's content; for one whose original is put away already.

    Parameters
    ----------
    path : Path
        The file to change. It keeps its mode, times and extended attributes.
    data : bytes
        New content.
    source_digest : bytes
        :func:`~defectmap.media.discover.content_digest` of the present content.

    Raises
    ------
    SkippedPhotoError
        The file is a symbolic link or has further hard links.
    FailedPhotoError
        The file has other content, changed meanwhile, or cannot be read or written. It is as it was.
    """
    with _written("cannot be replaced"):
        before = _sole_regular_file(path)
        if content_digest(path.read_bytes()) != source_digest:
            raise FailedPhotoError("has changed since it was read; run the command again")
        with _temporary(path.parent, data, path) as temporary:
            if _fingerprint(_sole_regular_file(path)) != _fingerprint(before):
                raise FailedPhotoError("changed while it was being replaced and was left as it is")
            temporary.replace(path)
        _sync_folder(path.parent)


def restore(path: Path, backup: Path, expected_digest: bytes, repaired_digest: bytes | None = None) -> None:
    """Bring an original back bit for bit, times included, and remove its backup.

    Parameters
    ----------
    path : Path
        Where the original belongs; whatever is there is replaced.
    backup : Path
        Where :func:`replace_with_backup` put it.
    expected_digest : bytes
        :func:`~defectmap.media.discover.content_digest` of the original.
    repaired_digest : bytes or None
        Digest of the repaired file. If it is given, a file with any other content is not replaced.

    Raises
    ------
    SkippedPhotoError
        The file is a symbolic link, has further hard links, or was changed after it was repaired.
    FailedPhotoError
        The backup is gone or damaged, or the file cannot be written. Backup and file are as they were.
    """
    with _written("cannot be restored"):
        try:
            content = backup.read_bytes()
        except FileNotFoundError:
            raise FailedPhotoError(f"cannot be restored: its backup {backup} is gone") from None
        if content_digest(content) != expected_digest:
            raise FailedPhotoError(f"cannot be restored: its backup {backup} is damaged")
        if os.path.lexists(path):
            _sole_regular_file(path)
            if repaired_digest is not None and content_digest(path.read_bytes()) not in {
                repaired_digest,
                expected_digest,
            }:
                raise SkippedPhotoError(f"was changed after it was repaired; the original is in {backup}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path.parent, content, backup) as temporary:
            temporary.replace(path)
        _sync_folder(path.parent)
        if content_digest(path.read_bytes()) != expected_digest:
            raise FailedPhotoError(
                f"could not be read back after it was restored; the original is in {backup}"
            )
        _unlink(backup)
        _sync_folder(backup.parent)


@contextmanager
def _written(failure: str) -> Iterator[None]:
    """Turn the troubles of the operating system into sentences."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()
        raise FailedPhotoError(f"{failure}: {reason}") from error


@contextmanager
def _temporary(folder: Path, data: bytes, like: Path | None) -> Iterator[Path]:
    """Write content to a hidden file, forced to disk, that is gone afterwards unless it was renamed."""
    temporary = folder / f".defectmap-{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    number = os.open(temporary, flags, 0o666)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(number, rest) :]
            os.fsync(number)
        finally:
            os.close(number)
        if like is not None:
            _dress(temporary, like)
        yield temporary
    finally:
        _unlink(temporary)


def _unlink(path: Path) -> None:
    """Remove a file if it is there; Windows wants it to be writable for that."""
    with contextlib.suppress(FileNotFoundError):
        try:
            path.unlink()
        except PermissionError:
            path.chmod(stat.S_IWUSR | stat.S_IRUSR)
            path.unlink()


def _dress(path: Path, like: Path) -> None:
    """Give a file the owner, mode, times and extended attributes of another."""
    if hasattr(os, "chown"):
        status = like.stat()
        # Another owner can be set by the superuser only, another group by its members.
        with contextlib.suppress(PermissionError):
            os.chown(path, status.st_uid, status.st_gid)
    shutil.copystat(like, path)


def _name_without_overwriting(temporary: Path, path: Path) -> None:
    """Give a file its name; FileExistsError if something has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # A disk without hard links (exFAT, some network disks): claim the name first, then take it over.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            temporary.replace(path)
        except BaseException:
            path.unlink()
            raise


def _back_up(path: Path, content: bytes, backup: Path) -> bool:
    """Write the backup; False if a file with the same content is there already."""
    if os.path.lexists(backup):
        if _still_has(backup, content_digest(content)):
            return False
        raise SkippedPhotoError(
            f"cannot be backed up: another original is kept at {backup}; bring that back with "
            "`defectmap undo`, or move it away"
        )
    backup.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(backup.parent, content, path) as temporary:
        _name_without_overwriting(temporary, backup)
    _sync_folder(backup.parent)
    return True


def _still_has(path: Path, digest: bytes) -> bool:
    """Whether a regular file, not a link to one, has this content."""
    try:
        return stat.S_ISREG(path.lstat().st_mode) and content_digest(path.read_bytes()) == digest
    except OSError:
        return False


def _sole_regular_file(path: Path) -> os.stat_result:
    """Stat a file that replacing would not tear away from other names of it."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise SkippedPhotoError("is a symbolic link; name the file that it leads to")
    if not stat.S_ISREG(status.st_mode):
        raise SkippedPhotoError("is not a file")
    if status.st_nlink > 1:
        raise SkippedPhotoError(
            f"has {status.st_nlink} names (hard links), of which only one would be changed"
        )
    return status


def _fingerprint(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what tells that a file is still the same."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    """Force a folder's list of names to disk, where the system has that (not on Windows)."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
