import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from defectmap.errors import FailedPhotoError, SkippedPhotoError
from defectmap.media import writing
from defectmap.media.discover import content_digest
from defectmap.media.writing import replace_with_backup, restore, write_new

OLD, NEW = b"original content" * 1000, b"repaired content, longer" * 1000
TIME_NS = 1_262_304_000_123_456_789


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Make an original with a mode and a time of its own."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(OLD)
    path.chmod(0o640)
    os.utime(path, ns=(TIME_NS, TIME_NS))
    return path


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Name a place for its backup."""
    return tmp_path / "backups" / "photo.jpg"


def everything(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def fail_with(number: int) -> Callable[..., int]:
    """Make a stand-in for a system call that fails."""

    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def test_new_file_is_like_its_model(tmp_path: Path, photo: Path) -> None:
    """A new file has its content, and mode, nanosecond time and attributes of the file that it is like."""
    try:
        os.setxattr(photo, "user.rating", b"5")
    except (OSError, AttributeError):
        attributes = False
    else:
        attributes = True
    target = tmp_path / "new" / "folder" / "photo.jpg"
    write_new(target, NEW, like=photo)
    status = target.stat()
    assert target.read_bytes() == NEW
    assert (status.st_mtime_ns, status.st_nlink) == (TIME_NS, 1)
    if os.name == "posix":
        assert stat.S_IMODE(status.st_mode) == 0o640
    if attributes:
        assert os.getxattr(target, "user.rating") == b"5"
    assert sorted(everything(tmp_path)) == ["new/folder/photo.jpg", "photo.jpg"]


def test_new_file_without_model_has_ordinary_mode(tmp_path: Path) -> None:
    """A new file that is like no other has the mode of any new file of the user."""
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_new(tmp_path / "new", NEW, like=None)
    assert (tmp_path / "new").stat().st_mode == ordinary.stat().st_mode


def test_nothing_is_overwritten_unless_asked(tmp_path: Path, photo: Path) -> None:
    """An existing file is kept, and named as the reason; with overwrite it is replaced."""
    with pytest.raises(FailedPhotoError, match="already there"):
        write_new(photo, NEW, like=None)
    assert everything(tmp_path) == {"photo.jpg": OLD}
    write_new(photo, NEW, like=photo, overwrite=True)
    assert everything(tmp_path) == {"photo.jpg": NEW}
    assert photo.stat().st_mtime_ns == TIME_NS


def test_nothing_is_overwritten_on_a_disk_without_hard_links(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk knows no hard links, files still appear whole and overwrite nothing."""
    monkeypatch.setattr(writing.os, "link", fail_with(errno.EPERM))
    write_new(tmp_path / "new.jpg", NEW, like=photo)
    with pytest.raises(FailedPhotoError, match="already there"):
        write_new(photo, NEW, like=None)
    assert everything(tmp_path) == {"photo.jpg": OLD, "new.jpg": NEW}


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EIO, os.strerror(errno.EIO).lower()),
    ],
)
def test_full_disk_leaves_nothing_behind(
    tmp_path: Path,
    photo: Path,
    backup: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    reason: str,
) -> None:
    """When the disk is full or broken, every way of writing says so and leaves all files as they were."""
    backup.parent.mkdir()
    put_away = tmp_path / "put away"
    put_away.write_bytes(NEW)
    before = everything(tmp_path)
    monkeypatch.setattr(writing.os, call, fail_with(number))
    with pytest.raises(FailedPhotoError, match=reason):
        write_new(tmp_path / "new.jpg", NEW, like=photo)
    with pytest.raises(FailedPhotoError, match=reason):
        write_new(photo, NEW, like=photo, overwrite=True)
    with pytest.raises(FailedPhotoError, match=reason):
        replace_with_backup(photo, NEW, backup)
    with pytest.raises(FailedPhotoError, match=reason):
        restore(photo, put_away, content_digest(NEW))
    assert everything(tmp_path) == before


def test_file_size_limit_is_a_reason(tmp_path: Path, photo: Path, backup: Path) -> None:
    """A real limit of the system, met in the middle of writing, leaves all files as they were."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(OLD) + 100, hard))
    try:
        with pytest.raises(FailedPhotoError, match="too large"):
            replace_with_backup(photo, NEW, backup)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert everything(tmp_path) == {"photo.jpg": OLD}


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes only part of what is written at a time still gets all of it."""
    write = os.write
    monkeypatch.setattr(writing.os, "write", lambda number, data: write(number, data[:777]))
    write_new(tmp_path / "new", NEW, like=None)
    assert (tmp_path / "new").read_bytes() == NEW


def test_replace_and_restore_bring_everything_back(tmp_path: Path, photo: Path, backup: Path) -> None:
    """A replaced file keeps mode and time; restoring it brings back every bit and removes the backup."""
    replace_with_backup(photo, NEW, backup, source_digest=content_digest(OLD))
    assert everything(tmp_path) == {"photo.jpg": NEW, "backups/photo.jpg": OLD}
    assert photo.stat().st_mtime_ns == backup.stat().st_mtime_ns == TIME_NS
    assert photo.stat().st_mode == backup.stat().st_mode
    restore(photo, backup, content_digest(OLD), repaired_digest=content_digest(NEW))
    assert everything(tmp_path) == {"photo.jpg": OLD}
    assert photo.stat().st_mtime_ns == TIME_NS


def test_read_only_files_can_be_replaced_and_restored(tmp_path: Path, photo: Path, backup: Path) -> None:
    """A read-only original is replaced and restored, and stays read-only."""
    photo.chmod(0o444)
    replace_with_backup(photo, NEW, backup)
    assert stat.S_IMODE(photo.stat().st_mode) == 0o444
    restore(photo, backup, content_digest(OLD))
    assert stat.S_IMODE(photo.stat().st_mode) == 0o444
    assert everything(tmp_path) == {"photo.jpg": OLD}


def test_interrupted_replacement_can_be_repeated(
    tmp_path: Path, photo: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut between backup and replacement, the same command completes the work."""
    replace = Path.replace

    class PowerCutError(BaseException):
        pass

    def cut(self: Path, target: Path) -> Path:
        assert backup.read_bytes() == OLD, "the backup is complete before the original is touched"
        monkeypatch.setattr(writing, "_unlink", lambda _: None)  # nothing is tidied up in a power cut
        raise PowerCutError

    monkeypatch.setattr(Path, "replace", cut)
    with pytest.raises(PowerCutError):
        replace_with_backup(photo, NEW, backup)
    monkeypatch.undo()
    assert (photo.read_bytes(), backup.read_bytes()) == (OLD, OLD)
    assert Path.replace is replace
    replace_with_backup(photo, NEW, backup)
    assert (photo.read_bytes(), backup.read_bytes()) == (NEW, OLD)


def test_every_step_is_forced_to_disk_in_order(
    photo: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backup, its folder, new content, new name: each is on disk before the next step is taken."""
    steps: list[str] = []
    fsync, link, replace = os.fsync, os.link, Path.replace

    def record(step: str, call: Callable[..., object]) -> Callable[..., object]:
        def recorded(*arguments: object) -> object:
            steps.append(step)
            return call(*arguments)

        return recorded

    monkeypatch.setattr(writing.os, "fsync", record("fsync", fsync))
    monkeypatch.setattr(writing.os, "link", record("name backup", link))
    monkeypatch.setattr(Path, "replace", record("replace", replace))
    replace_with_backup(photo, NEW, backup)
    assert steps == ["fsync", "name backup", "fsync", "fsync", "replace", "fsync"]


def test_other_backups_are_never_overwritten(tmp_path: Path, photo: Path, backup: Path) -> None:
    """A different file where the backup should go is kept, and nothing is replaced."""
    backup.parent.mkdir()
    backup.write_bytes(b"an older original")
    with pytest.raises(SkippedPhotoError, match="another original is kept at"):
        replace_with_backup(photo, NEW, backup)
    assert everything(tmp_path) == {"photo.jpg": OLD, "backups/photo.jpg": b"an older original"}


def test_links_are_refused(tmp_path: Path, photo: Path, backup: Path) -> None:
    """Files with further names are refused by replacing and restoring, and nothing is touched."""
    link = tmp_path / "link.jpg"
    link.symlink_to(photo)
    with pytest.raises(SkippedPhotoError, match="symbolic link"):
        replace_with_backup(link, NEW, backup)
    link.unlink()
    os.link(photo, link)
    with pytest.raises(SkippedPhotoError, match="2 names"):
        replace_with_backup(link, NEW, backup)
    put_away = tmp_path / "put away"
    put_away.write_bytes(NEW)
    with pytest.raises(SkippedPhotoError, match="2 names"):
        restore(link, put_away, content_digest(NEW))
    with pytest.raises(SkippedPhotoError, match="is not a file"):
        replace_with_backup(tmp_path, NEW, backup)
    assert everything(tmp_path) == {"photo.jpg": OLD, "link.jpg": OLD, "put away": NEW}


def test_changed_source_is_not_replaced(
    tmp_path: Path, photo: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another program changes meanwhile is left as that program wrote it."""
    with pytest.raises(FailedPhotoError, match="has changed since it was read"):
        replace_with_backup(photo, NEW, backup, source_digest=content_digest(b"something else"))
    assert everything(tmp_path) == {"photo.jpg": OLD}

    dress = writing._dress

    def meddle(path: Path, like: Path) -> None:
        dress(path, like)
        if path.parent == photo.parent:
            photo.write_bytes(b"written by another program")

    monkeypatch.setattr(writing, "_dress", meddle)
    with pytest.raises(FailedPhotoError, match="changed while it was being replaced"):
        replace_with_backup(photo, NEW, backup)
    assert photo.read_bytes() == b"written by another program"
    assert backup.read_bytes() == OLD


def test_unreadable_backup_stops_the_replacement(
    tmp_path: Path, photo: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that does not read back as it was written means that the original is not touched."""
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path)[:-1] if path == backup else read(path))
    with pytest.raises(FailedPhotoError, match="could not be read back"):
        replace_with_backup(photo, NEW, backup)
    monkeypatch.undo()
    assert everything(tmp_path) == {"photo.jpg": OLD}


def test_damaged_or_missing_backup_is_not_restored(tmp_path: Path, photo: Path, backup: Path) -> None:
    """A backup that is gone or no longer what was put away is refused, and the file stays."""
    with pytest.raises(FailedPhotoError, match=r"its backup .* is gone"):
        restore(photo, backup, content_digest(OLD))
    backup.parent.mkdir()
    backup.write_bytes(NEW[:-1])
    with pytest.raises(FailedPhotoError, match=r"its backup .* is damaged"):
        restore(photo, backup, content_digest(NEW))
    assert everything(tmp_path) == {"photo.jpg": OLD, "backups/photo.jpg": NEW[:-1]}


def test_later_edits_are_not_undone_with_the_repair(tmp_path: Path, photo: Path, backup: Path) -> None:
    """A file that was edited after its repair is not thrown away for the original."""
    replace_with_backup(photo, NEW, backup)
    photo.write_bytes(b"edited later")
    with pytest.raises(SkippedPhotoError, match="was changed after it was repaired"):
        restore(photo, backup, content_digest(OLD), repaired_digest=content_digest(NEW))
    assert everything(tmp_path) == {"photo.jpg": b"edited later", "backups/photo.jpg": OLD}


def test_deleted_file_can_be_restored(tmp_path: Path, photo: Path, backup: Path) -> None:
    """An original comes back even if the repaired file was deleted."""
    replace_with_backup(photo, NEW, backup)
    photo.unlink()
    restore(photo, backup, content_digest(OLD), repaired_digest=content_digest(NEW))
    assert everything(tmp_path) == {"photo.jpg": OLD}
