"""Learn from the previews inside raw files where the camera's JPEGs lie on the raw grid."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from defectmap.catalog.records import StreamRecord
from defectmap.catalog.store import Catalog
from defectmap.errors import PhotoError
from defectmap.measuring import Photo
from defectmap.media.discover import read_photo
from defectmap.model.evidence import METHOD
from defectmap.model.frame import RawFrame

_log = logging.getLogger(__name__)

_TRIES = 3
"""Raw files that are looked into at most: one tells, if it has a preview of full size and shows enough."""


def learn_from_previews(catalog: Catalog, stream: StreamRecord, photos: Sequence[Photo]) -> None:
    """Register a raw stream with the grid of its previews, unless that is known.

    The picture inside a raw file of full size is what the camera would have written as JPEG: their grids are
    one. The stream of such JPEGs is added, so that a map of raw files repairs them, whether or not any are
    ever added. Which file tells does not matter, since parts of the picture must agree to the photosite.

    Parameters
    ----------
    catalog : Catalog
    stream : StreamRecord
        Of raw files.
    photos : sequence of Photo
        Frames of this stream.
    """
    known = catalog.sensors.registrations(stream.sensor_id)
    if any(source == stream.id for source, _ in known):
        return
    ordered = sorted(photos, key=lambda photo: photo.order)
    tried = min(_TRIES, len(ordered))
    for number in range(tried):
        # Spread over the shoot: neighbours would show the same scene, and lack detail together.
        photo = ordered[number * len(ordered) // tried]
        try:
            if _learn(catalog, stream, photo):
                return
        except PhotoError as error:
            _log.debug("%s: the preview %s", photo.file.path, error.reason)


def _learn(catalog: Catalog, stream: StreamRecord, photo: Photo) -> bool:
    """Look into one file; the mosaic is decoded only where its preview may be of full size."""
    from defectmap.media.jpeg import decode_jpeg  # noqa: PLC0415 - loads Pillow
    from defectmap.media.raw import decode_raw, read_preview  # noqa: PLC0415 - LibRaw loads slowly
    from defectmap.model.preview import may_be_full_size, register_preview  # noqa: PLC0415

    data = read_photo(photo.file.path)
    preview = read_preview(data)
    if preview is None or stream.geometry is None:
        return False
    luma = decode_jpeg(preview).luma
    if not may_be_full_size(stream.geometry, luma.shape):
        return False
    frame: RawFrame = decode_raw(data)
    if frame.grid != stream.grid:
        return False
    attempt = register_preview(frame, luma)
    if attempt.registration is None:
        _log.info(
            "%s does not tell where the camera's JPEGs lie on the raw frame: %s",
            photo.file.path,
            attempt.reason,
        )
        return False
    with catalog.transaction():
        target = catalog.sensors.stream(stream.sensor_id, attempt.target, None, METHOD)
        catalog.sensors.register(stream.id, target.id, attempt.registration)
    return True
