"""OpcodeList1 of DNG files."""

from __future__ import annotations

import io
import struct
from functools import cache

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from defectmap.errors import FailedPhotoError, PhotoError, SkippedPhotoError
from defectmap.media.dngopcodes import read_image, with_opcodes

LIST = struct.pack(">IIIII", 1, 99, 0x01030000, 1, 0)


@cache
def _dng(*, order: str = "<", sub: bool = False, version: bool = True, photometric: int = 32803) -> bytes:
    """Return a DNG whose mosaic is in the first directory, or in a SubIFD below a thumbnail."""
    stream = io.BytesIO()
    mosaic = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48)
    tags = [(50706, 1, 4, (1, 4, 0, 0), True)] if version else []
    cfa = [
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, (0, 1, 1, 2), True),
        (50829, 4, 4, (2, 4, 30, 44), True),
    ]
    with tifffile.TiffWriter(stream, byteorder=order) as writer:
        if sub:
            thumbnail = np.zeros((8, 12, 3), np.uint8)
            writer.write(
                thumbnail, photometric="rgb", subifds=1, subfiletype=1, metadata=None, extratags=tags
            )
            tags = []
        writer.write(mosaic, photometric=photometric, metadata=None, subfiletype=0, extratags=[*tags, *cfa])
    return stream.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("sub", [False, True])
@settings(max_examples=25)
@given(first=st.binary(min_size=4, max_size=99), second=st.binary(min_size=4, max_size=99))
def test_a_list_is_added_and_replaced(order: str, sub: bool, first: bytes, second: bytes) -> None:
    """Wherever the mosaic's directory is, and however its numbers are stored, the list reads back."""
    source = _dng(order=order, sub=sub)
    assert read_image(source).opcodes == b""
    once = with_opcodes(source, first)
    twice = with_opcodes(once, second)
    assert (read_image(once).opcodes, read_image(twice).opcodes) == (first, second)
    for copy in (once, twice):
        image = read_image(copy)
        assert (image.height, image.width, image.active) == (32, 48, (2, 4, 30, 44))
        with tifffile.TiffFile(io.BytesIO(copy)) as file:
            page = file.pages[0].pages[0] if sub else file.pages[0]
            assert np.array_equal(page.asarray().ravel(), np.arange(32 * 48))
            tags = [tag.code for tag in page.tags]
            assert tags == sorted(tags) and tags.count(51008) == 1


def test_what_has_no_mosaic_is_refused() -> None:
    """Other files, and DNGs that hold a finished picture, are left alone."""
    for data, reason in (
        (b"", "not a DNG"),
        (b"\xff\xd8\xff\xe0", "not a DNG"),
        (_dng(version=False), "not a DNG"),
        (_dng(photometric=1), "no mosaic"),
    ):
        with pytest.raises(SkippedPhotoError, match=reason):
            with_opcodes(data, LIST)


def test_a_list_outside_of_the_file_is_damage() -> None:
    """A DNG that was cut off behind its directory says so."""
    copy = with_opcodes(_dng(), LIST)
    at = copy.index(struct.pack("<HHI", 51008, 7, len(LIST))) + 8
    damaged = copy[:at] + struct.pack("<I", len(copy) - 2) + copy[at + 4 :]
    with pytest.raises(FailedPhotoError, match="outside"):
        read_image(damaged)


@given(st.data())
def test_damage_is_told_or_borne(data: st.DataObject) -> None:
    """Whatever bytes are overwritten or cut off, there is a result or a reason."""
    source = bytearray(with_opcodes(_dng(sub=data.draw(st.booleans())), LIST))
    for _ in range(data.draw(st.integers(1, 6))):
        source[data.draw(st.integers(0, len(source) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(source[: data.draw(st.integers(0, len(source)))])
    try:
        read_image(with_opcodes(damaged, LIST))
    except PhotoError as error:
        assert error.reason
