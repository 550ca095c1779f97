"""Whether a file is what the camera wrote, or what another program made of it.

A defect lies on one photosite; a picture that was denoised, stacked or painted on has lost that. One that was
only scaled, turned or cropped is of another size, and so in a stream of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Programs that save pictures, as they name themselves in the Software tag. Whatever is not listed passes:
# firmware names itself in too many ways ("Ver.1.01", "Firmware Version 1.0.2", "1.00", "ILCE-7RM3 v3.10",
# "HDR+ 1.0", "S908BXXU1AVB6") to be recognised. Exif's ProcessingSoftware tag is not asked: digiKam and
# others set it when they only add keywords.
_EDITORS = """
    adobe, photoshop, lightroom, camera raw, gimp, affinity, pixelmator, paint, paintshop, paint shop,
    photopea, krita, corel, photoimpact, photoplus, photofiltre, photoscape, zoner, luminar, topaz,
    acorn, polarr, snapseed

    darktable, rawtherapee, art 1, capture one, dxo, photolab, opticspro, optics pro, silkypix, bibble,
    aftershot, ufraw, dcraw, libraw, rawstudio, photivo, lightzone, filmulator, on1, iridient, raw
    power, ansel

    nikon capture, capture nx, nx studio, capturenx, viewnx, pictureproject, nikon view, dpp, phocus,
    digital photo professional, zoombrowser, zoombrowser ex, imagebrowser, imagebrowser ex, raw image
    task, raw image converter, image data converter, image data lightbox, imaging edge, picture motion
    browser, playmemories, olympus studio, olympus viewer, olympus workspace, olympus master, om
    workspace, sigma photo pro, pentax photo, digital camera utility, finepixviewer, finepix studio,
    photofunstudio

    picasa, acdsee, acd systems, digikam, showfoto, photos, iphoto, aperture, irfanview, xnview,
    xnviewmp, xnconvert, faststone, gthumb, shotwell, gwenview, f-spot, windows photo, windows live,
    quicktime, mac os x, preview, photo mechanic, jalbum, nomacs, geeqie, magix, cyberlink,
    photodirector, arcsoft, ulead

    imagemagick, graphicsmagick, libvips, vips, opencv, scikit-image, pillow, matlab, python, ffmpeg,
    lavc

    defectmap

    instagram, facebook, whatsapp, vsco, meitu, facetune, fotor, canva, befunky, picsart, pixlr,
    afterlight
"""
# Programs that merge several exposures: they spoil a mosaic too.
_MERGERS = """
    hdrmerge, photomatix, hugin, ptgui, autopano, image composite editor, panorama, helicon, zerene, sequator,
    starry landscape stacker, photoacute, deepskystacker, siril, pixinsight, enfuse
"""


def _pattern(programs: str) -> re.Pattern[str]:
    """Compile a list of names; a name counts as a whole word, digits of a version may follow at once."""
    names = [re.escape(" ".join(name.split())) for name in re.split(r",|\n\n", programs.strip())]
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(names)})(?![a-z])", re.IGNORECASE)


_MERGER = _pattern(_MERGERS)
_EDITOR = _pattern(_EDITORS + _MERGERS)


def edited_by(programs: Iterable[str], *, mosaic: bool) -> str | None:
    """Return the first of the named programs that takes a file's value as evidence away, None if none does.

    Parameters
    ----------
    programs : iterable of str
        Texts of the Software tags: firmware or program.
    mosaic : bool
        Whether the file holds a mosaic. Converters to DNG leave it as it is; only
        merging spoils it.
    """
    spoils = _MERGER if mosaic else _EDITOR
    return next((program for program in programs if spoils.search(program)), None)
