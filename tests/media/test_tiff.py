import io
import struct
from datetime import datetime

import numpy as np
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from defectmap.media.nefnote import nikon_note
from defectmap.media.nefwriter import nef_bytes
from defectmap.media.tiff import MAKE, PHOTOMETRIC, byte_order, directories, directory_at


def test_all_directories_are_read() -> None:
    """Every directory is read, sub-directories too, with integers, text and the end of its data."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=">") as writer:
        writer.write(
            np.zeros((4, 6), np.uint8), subifds=1, metadata=None, extratags=[(MAKE, 2, 0, "Test", True)]
        )
        writer.write(np.zeros((8, 6), np.uint16), metadata=None, rowsperstrip=3)
        writer.write(np.zeros((16, 16), np.uint8), metadata=None, tile=(16, 16))
    data = file.getvalue()
    first, sub, tiled = sorted(directories(data), key=lambda directory: directory.first(257) or 0)
    assert [directory.first(257) for directory in (first, sub, tiled)] == [4, 8, 16]
    assert first.fields[MAKE] == b"Test\0"
    assert first.integers(MAKE) == ()
    assert first.first(PHOTOMETRIC) == 1
    with tifffile.TiffFile(io.BytesIO(data)) as reader:
        pages = [reader.pages[0], reader.pages[0].pages[0], reader.pages[1]]
        expected = [max(o + n for o, n in zip(p.dataoffsets, p.databytecounts, strict=True)) for p in pages]
    assert [directory.data_end for directory in (first, sub, tiled)] == expected


def test_loops_end() -> None:
    """A directory that names itself as the next one, and as its own sub-directory, is read once."""
    entry = struct.pack("<HHII", 330, 4, 1, 8)
    data = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8)
    assert len(list(directories(data))) == 1


@given(st.sampled_from([b"II*\0", b"MM\0*", b"IIU\0"]), st.binary(max_size=300))
def test_no_bytes_are_trusted(head: bytes, rest: bytes) -> None:
    """Whatever the bytes, the walk ends without an error and with few directories."""
    assert len(list(directories(head + b"\x08\0\0\0" + rest))) <= 65


def test_opaque_values_are_found() -> None:
    """Where a value lies that only its tag defines is told, also within the MakerNote of a Nikon."""
    data = nef_bytes(np.full((24, 30), 700, np.uint16), captured=datetime(2010, 5, 6))
    note = nikon_note(data)
    assert note is not None
    assert note.opaque(data, 0x0001) == b"0210"
    table = note.opaque(data, 0x0096)
    assert table is not None and table.startswith(b"\x46\x30")
    assert note.opaque(data, 0x7777) is None
    assert note.sub_directory(data, 0x0011).fields == {}


@given(st.sampled_from([b"II*\0", b"MM\0*", b"JUNK"]), st.binary(max_size=300), st.integers(-5, 400))
def test_no_offset_is_trusted(head: bytes, rest: bytes, offset: int) -> None:
    """A directory anywhere, within the file or not, is read without an error, and names values within it."""
    data = head + b"\x08\0\0\0" + rest
    found = directory_at(data, offset)
    assert all(start + length <= len(data) for start, length in found.opaque.values())
    assert (byte_order(data) is None) == (head == b"JUNK")
    assert nikon_note(data) is None
