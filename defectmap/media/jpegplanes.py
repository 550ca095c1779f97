"""The planes of a sequential JPEG, decoded without colour conversion and without moving pixels about.

What is decoded here equals what Pillow makes of the file, bit for bit. Whatever is unusual or damaged is left
to Pillow.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from defectmap.errors import PhotoError
from defectmap.media.jpegcodec.markers import Component, Header, parse_header
from defectmap.media.jpegcodec.picture import ZIGZAG
from defectmap.media.jpegcodec.tables import HuffmanTable, huffman_table
from defectmap.model.frame import JpegFrame

_Indexed = tuple[NDArray[np.uint16], NDArray[np.uint16]]

_END_OF_IMAGE = 0xD9

_NUMBERS = 160
"""Numbers of coefficients that a garbled stream may reach, those up to 64 being right."""


def decode_planes(data: bytes) -> JpegFrame | None:
    """Decode a sequential JPEG of the usual kinds: grey, or with chroma at half the columns or half of both.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    JpegFrame or None
        As :func:`defectmap.media.jpeg.decode_jpeg` describes it; None for other kinds, and for files that are
        not sound from the first bit to the last.
    """
    try:
        header = parse_header(data)
    except PhotoError:
        return None
    planes = (
        _planes(header, np.frombuffer(data, np.uint8)[header.scan_start :]) if _is_usual(header) else None
    )
    if planes is None:
        return None
    luma = np.ascontiguousarray(planes[0][: header.height, : header.width])
    if len(planes) == 1:
        return JpegFrame(luma, None, None)
    blue, red = (_halved(plane, header) for plane in planes[1:])
    return JpegFrame(luma, blue, red)


def _is_usual(header: Header) -> bool:
    """Whether the samples are laid out as nearly all cameras do it."""
    first, *others = ((c.across, c.down) for c in header.components)
    if not others:
        return first == (1, 1)
    # Of two columns and fewer libjpeg makes no triangle.
    return first in {(2, 1), (2, 2)} and set(others) == {(1, 1)} and header.components[1].width > 2


def _planes(header: Header, scan: NDArray[np.uint8]) -> list[NDArray[np.uint8]] | None:
    from defectmap.media import jpegkernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    units = header.mcu_rows * header.mcu_cols
    if units * len(header.block_components) * 2 > 8 * scan.size:  # a block takes two bits at least
        return None
    interval = header.restart_interval or units
    clean = np.zeros(scan.size + kernels.GUARD, np.uint8)
    ends = np.zeros(-(-units // interval), np.int64)
    behind = kernels.squeeze(scan, np.flatnonzero(scan == 0xFF), clean, ends)
    if behind < 0 or scan[behind + 1] != _END_OF_IMAGE:
        return None
    tables = [_indexed(table.specification) for table in header.tables]
    plan, layout, steps, places = _arrange(header)
    blocks = layout[:, kernels.BLOCKS] * layout[:, kernels.DOWN]
    samples = np.empty(8 * header.mcu_rows * int(blocks.sum()), np.uint64)
    work = int(layout[-1, kernels.COEFFICIENTS] + 65 * layout[-1, kernels.STRIDE])
    sound = kernels.decode_planes(
        clean,
        ends,
        interval,
        header.mcu_rows,
        header.mcu_cols,
        plan,
        layout,
        np.stack([long for long, _ in tables]),
        np.stack([short for _, short in tables]),
        steps,
        places,
        np.empty(work + 72 * int(layout[:, kernels.BLOCKS].max()), np.int16),
        work,
        samples,
    )
    if not sound:
        return None
    flat = samples.astype("<u8", copy=False).view(np.uint8)
    return [
        flat[8 * row[kernels.PLANE] :][
            : 64 * header.mcu_rows * row[kernels.DOWN] * row[kernels.BLOCKS]
        ].reshape(-1, 8 * row[kernels.BLOCKS])
        for row in layout.tolist()
    ]


def _arrange(
    header: Header,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.uint64]]:
    """Lay out a row of units: plan, layout, steps and places as the kernel takes them."""
    plan, layout = [], []
    steps = np.zeros((len(header.components), _NUMBERS), np.int32)
    places = np.zeros((len(header.components), _NUMBERS), np.uint64)
    begin = plane = 0
    for number, component in enumerate(header.components):
        across, down = _per_unit(header, component)
        size = header.mcu_cols * across
        stride = size * down
        stride += 32 * (stride % 64 == 0)  # not all in the same lines of the cache
        for v in range(down):
            for h in range(across):
                plan.append((number, *header.choices[number], begin + v * size + h, across))
        layout.append((begin, stride, size, down, plane))
        steps[number, 1:65] = component.quantisation
        places[number] = 64 * stride
        places[number, 1:65] = ZIGZAG * stride
        begin += 65 * stride
        plane += 8 * header.mcu_rows * down * size
    return np.array(plan, np.int64), np.array(layout, np.int64), steps, places


def _per_unit(header: Header, component: Component) -> tuple[int, int]:
    """Return how many blocks of a component a unit holds, across and down."""
    return (component.across, component.down) if len(header.components) > 1 else (1, 1)


@lru_cache(maxsize=16)
def _indexed(specification: bytes) -> _Indexed:
    """Return the entries of a Huffman table by 16 bits and by few."""
    from defectmap.media import jpegkernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    table: HuffmanTable = huffman_table(specification[:16], specification[16:])
    long, short = np.zeros(1 << 16, np.uint16), np.zeros(1 << kernels.SHORT, np.uint16)
    kernels.index_codes(table.lookup, long, short)
    return long, short


def _halved(plane: NDArray[np.uint8], header: Header) -> NDArray[np.uint8]:
    from defectmap.media import jpegkernels as kernels  # noqa: PLC0415 - compiled code loads slowly

    halved = np.empty((-(-header.height // 2), -(-header.width // 2)), np.uint8)
    kernels.halve(plane, header.components[1].row_step, header.height, header.width, halved)
    return halved
