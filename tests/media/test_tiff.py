import io
import struct

import numpy as np
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from defectmap.media.tiff import MAKE, PHOTOMETRIC, directories


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
