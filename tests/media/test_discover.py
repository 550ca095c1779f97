import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.errors import FailedPhotoError, SkippedPhotoError
from defectmap.media import discover as discover_module
from defectmap.media.discover import (
    FoundFile,
    TroubledFile,
    content_digest,
    discover,
    read_photo,
    read_stamped,
    sniff,
)

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)


def plant(root: Path, *names: str) -> None:
    """Make files, with the folders that they need."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def names(root: Path, *paths: Path) -> list[str]:
    """List what is found below a folder, relative to it."""
    return [str(found.path.relative_to(root)) for found in discover(paths or [root])]


def test_walk_is_sorted_deep_and_complete(tmp_path: Path) -> None:
    """Folders are walked to any depth in sorted order, with size and time of every file."""
    deep = "/".join("d" * (1 + n % 3) for n in range(60))
    plant(tmp_path, "b.nef", "a/2.jpg", "a/1.jpg", "c.txt", f"{deep}/z.jpg")
    found = list(discover([tmp_path]))
    assert names(tmp_path) == ["a/1.jpg", "a/2.jpg", "b.nef", "c.txt", f"{deep}/z.jpg"]
    assert all(isinstance(file, FoundFile) and file.path.is_absolute() for file in found)
    first = found[0]
    assert isinstance(first, FoundFile)
    assert (first.size, first.mtime_ns) == (7, (tmp_path / "a/1.jpg").stat().st_mtime_ns)


def test_order_of_the_arguments_does_not_matter(tmp_path: Path) -> None:
    """Whatever the order and overlap of the named paths, each file comes once and in the same order."""
    plant(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.jpg")
    expected = ["a/1.jpg", "a/2.jpg", "b/3.jpg"]
    assert names(tmp_path, tmp_path / "b", tmp_path / "a") == expected
    assert names(tmp_path, tmp_path / "a", tmp_path, tmp_path / "a/1.jpg") == expected
    assert names(tmp_path, tmp_path / "b/../a", tmp_path / "b") == expected


def test_walk_is_lazy(tmp_path: Path) -> None:
    """The first file comes before later folders are looked at."""
    plant(tmp_path, "a/1.jpg", "b/2.jpg")
    walk = discover([tmp_path])
    assert next(walk).path.name == "1.jpg"
    shutil.rmtree(tmp_path / "b")
    assert isinstance(next(walk), TroubledFile)


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is found under its absolute name."""
    plant(tmp_path, "a/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert [file.path for file in discover([Path("a")])] == [tmp_path / "a/1.jpg"]


def test_hidden_and_own_output_are_passed_over_unless_named(tmp_path: Path) -> None:
    """Hidden entries and the folder of repaired photos are not walked into, but are taken when named."""
    plant(tmp_path, ".hidden.jpg", ".cache/1.jpg", "x/defectmap/2.jpg", "x/3.jpg", "y/defectmap")
    assert names(tmp_path) == ["x/3.jpg", "y/defectmap"]
    assert names(tmp_path, tmp_path / ".cache", tmp_path / ".hidden.jpg") == [".cache/1.jpg", ".hidden.jpg"]
    assert names(tmp_path, tmp_path / "x/defectmap") == ["x/defectmap/2.jpg"]


def test_known_files_are_passed_over(tmp_path: Path) -> None:
    """Every file is asked about once, by path, size and time; what is known does not come."""
    plant(tmp_path, "a/1.jpg", "a/2.jpg", "3.jpg", ".hidden")
    asked: list[tuple[str, int, int]] = []

    def known(path: str, size: int, mtime_ns: int) -> bool:
        asked.append((path, size, mtime_ns))
        return path.endswith("1.jpg")

    found = [file for file in discover([tmp_path], known) if isinstance(file, FoundFile)]
    assert [file.path.name for file in found] == ["3.jpg", "2.jpg"]
    assert [Path(path).name for path, _, _ in asked] == ["3.jpg", "1.jpg", "2.jpg"]
    assert asked[2] == (str(found[1].path), found[1].size, found[1].mtime_ns)


def test_links_are_followed_once(tmp_path: Path) -> None:
    """Symbolic links are followed without looping, and no file comes twice by links of either kind."""
    plant(tmp_path, "a/1.jpg", "outside/2.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(tmp_path / "a")
    (root / "again").symlink_to(tmp_path / "a")
    (root / "loop").symlink_to(root)
    (root / "file").symlink_to(tmp_path / "outside/2.jpg")
    os.link(tmp_path / "a/1.jpg", root / "hard.jpg")
    assert [file.path for file in discover([root])] == [root / "a/1.jpg", root / "file"]


def test_links_that_lead_nowhere_are_reported(tmp_path: Path) -> None:
    """A link that leads nowhere or to itself is reported, and the walk goes on."""
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    plant(tmp_path, "z.jpg")
    gone, loop, last = discover([tmp_path])
    assert gone == TroubledFile(tmp_path / "gone", "does not exist, or is a link that leads nowhere")
    assert isinstance(loop, TroubledFile)
    assert last.path == tmp_path / "z.jpg"


def test_missing_path_is_reported(tmp_path: Path) -> None:
    """A named path that does not exist is reported."""
    assert list(discover([tmp_path / "no"])) == [
        TroubledFile(tmp_path / "no", "does not exist, or is a link that leads nowhere")
    ]
    assert isinstance(next(discover([Path("nul\0byte")])), TroubledFile)


def test_pipes_and_sockets_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes and sockets are passed over when walking, and reported when named."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        assert list(discover([tmp_path])) == []
        assert list(discover([tmp_path / "pipe.jpg"])) == [
            TroubledFile(tmp_path / "pipe.jpg", "is neither a file nor a folder")
        ]
    with pytest.raises(FailedPhotoError, match="is not a file"):
        read_photo(tmp_path / "pipe.jpg")


def test_unreadable_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be listed is reported, and the walk goes on."""
    plant(tmp_path, "a/1.jpg", "locked/2.jpg", "z.jpg")
    scandir = os.scandir

    def guarded(folder: Path):
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(discover_module.os, "scandir", guarded)
    assert list(discover([tmp_path]))[1] == TroubledFile(
        tmp_path / "locked", "cannot be read: permission denied"
    )
    assert names(tmp_path) == ["a/1.jpg", "locked", "z.jpg"]


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    """A file name in another encoding is found, and the file can be read under it."""
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg"))).write_bytes(JPEG)
    except OSError:
        pytest.skip("this disk takes UTF-8 names only")
    (found,) = discover([tmp_path])
    assert os.fsencode(found.path).endswith(b"caf\xe9.jpg")
    assert read_photo(found.path) == JPEG


def test_discovery_needs_no_image_library() -> None:
    """Finding files starts quickly: it loads no decoder, no numpy and no numba."""
    code = (
        "import sys, defectmap.media.discover; "
        "print(sorted({'numpy', 'numba', 'rawpy', 'PIL', 'exiv2'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_reading_a_photo(tmp_path: Path) -> None:
    """A photo is read whole; a missing, empty, locked or foreign file ends in a reason."""
    plant(tmp_path, "text.jpg")
    (tmp_path / "photo").write_bytes(JPEG)
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert read_photo(tmp_path / "photo") == JPEG
    with pytest.raises(FailedPhotoError, match="is empty"):
        read_photo(tmp_path / "empty.jpg")
    with pytest.raises(FailedPhotoError, match="does not exist"):
        read_photo(tmp_path / "gone.jpg")
    with pytest.raises(FailedPhotoError):
        read_photo(tmp_path)
    with pytest.raises(SkippedPhotoError, match="is not a photo"):
        read_photo(tmp_path / "text.jpg")


def test_permission_denied_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo that may not be read ends in a reason."""

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(discover_module.os, "open", denied)
    with pytest.raises(FailedPhotoError, match="cannot be read: permission denied"):
        read_photo(tmp_path / "photo")


def test_absurdly_large_files_are_not_read(tmp_path: Path) -> None:
    """A file that begins like a photo but is larger than any is refused; a large video is only skipped."""
    photo, video = tmp_path / "photo", tmp_path / "video"
    for path, head in ((photo, JPEG), (video, b"\0\0\0\x18ftypmp42")):
        path.write_bytes(head)
        os.truncate(path, 3 << 30)
    with pytest.raises(FailedPhotoError, match="3072 MiB"):
        read_photo(photo)
    with pytest.raises(SkippedPhotoError):
        read_photo(video)


@given(st.binary(max_size=300))
def test_digest_is_blake2b(data: bytes) -> None:
    """The digest of a content is its 32-byte BLAKE2b."""
    assert content_digest(data) == hashlib.blake2b(data, digest_size=32).digest()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe1", "jpeg"),
        (b"FUJIFILMCCD-RAW 0201", "raw"),
        (b"IIRO\x08\0\0\0", "raw"),
        (b"IIRS\x08\0\0\0", "raw"),
        (b"MMOR\0\0\0\x08", "raw"),
        (b"IIU\0\x18\0\0\0", "raw"),
        (b"\0MRM\0\0", "raw"),
        (b"FOVb", "raw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw"),
        (b"II\x1a\0\0\0HEAPCCDR", "raw"),
        (b"II*\0\x10\0\0\0CR\2\0", "raw"),
        (b"II*\0\x08\0\0\0IIIITwaR", "raw"),
        (b"", None),
        (b"\xff\xd8", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"\0\0\0\x18ftypheic", None),
        (b"\0\0\0\x18ftypmp42", None),
        (b"GIF89a", None),
        (b"II*\0\x08\0\0\0", None),
        (b"MM\0*\0\0\0\x08\0\1", None),
        (b"II+\0\x08\0\0\0", None),
        (b"#!/bin/sh\n", None),
    ],
)
def test_kinds_are_told_by_content(head: bytes, kind: str | None) -> None:
    """Raw formats and JPEG are recognised by how they begin, other files are not photos."""
    assert sniff(head + bytes(200 if head else 0)) == kind


def test_real_raw_files_are_recognised() -> None:
    """Every real raw file is recognised, a truncated and a demosaiced one too."""
    paths = sorted((DATA / "raw").glob("*"))
    if not paths:
        pytest.skip("real raw files are not here")
    for path in paths:
        data = path.read_bytes()
        assert sniff(data) == "raw"
        assert sniff(data[: len(data) // 2]) == "raw"


def test_tiff_scans_are_no_photos() -> None:
    """A TIFF picture is not a raw file, whether or not it names a camera."""
    tifffile = pytest.importorskip("tifffile")
    np = pytest.importorskip("numpy")
    import io

    for make in ([], [(271, 2, 0, "NIKON CORPORATION", True)]):
        for pixels in (np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), np.uint16)):
            file = io.BytesIO()
            tifffile.imwrite(file, pixels, metadata=None, extratags=make)
            assert sniff(file.getvalue()) is None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"II*\0", b"MM\0*", b"IIRO", b"\xff\xd8\xff", b"II"]), st.binary(max_size=400))
def test_sniffing_never_fails(head: bytes, rest: bytes) -> None:
    """Whatever the bytes, telling their kind gives an answer."""
    assert sniff(head + rest) in {"raw", "jpeg", None}


def test_what_sqlite_keeps_beside_a_catalog_is_passed_over(tmp_path: Path) -> None:
    """A catalog among the photos brings no troubled files with it while it is open."""
    for name in (
        "a.jpg",
        "catalog.sqlite",
        "catalog.sqlite-wal",
        "catalog.sqlite-shm",
        "catalog.sqlite-journal",
    ):
        (tmp_path / name).write_bytes(b"")
    assert [found.path.name for found in discover([tmp_path])] == ["a.jpg", "catalog.sqlite"]


def test_a_stamp_tells_a_changed_file_even_if_its_time_was_set_back(tmp_path, monkeypatch) -> None:
    """With the same stamp a file is the same; one of the same size and time of change is not."""
    monkeypatch.setattr(discover_module, "_UNSETTLED_NS", 0)
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    time.sleep(0.05)  # longer than the steps of a file system's clock
    before = path.stat()
    data, stamp = read_stamped(path)
    assert data == JPEG
    assert stamp is not None
    assert read_stamped(path)[1] == stamp
    path.write_bytes(JPEG[:-1] + b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    time.sleep(0.05)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert read_stamped(path)[1] not in {None, stamp}


def test_a_file_that_changed_just_now_has_no_stamp(tmp_path: Path) -> None:
    """A file may change again within one step of the clock: while it is new, no stamp vouches for it."""
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    assert read_stamped(path) == (JPEG, None)
