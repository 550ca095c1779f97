"""Colours and symbols: the same in charts, tables and headings, told apart without colour too.

Colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008), darkened or lightened where they
would be pale on the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple


class KindMark(NamedTuple):
    """How a kind of defect is drawn: a shape that Vega knows, its likeness as text, a colour per scheme."""

    shape: str
    glyph: str
    light: str
    dark: str


KINDS: Final[Mapping[str, KindMark]] = {
    "hot": KindMark("triangle-up", "▲", "#d55e00", "#ff8a3d"),
    "offset": KindMark("diamond", "◆", "#b07900", "#f0b93a"),
    "stuck": KindMark("square", "■", "#b0487f", "#e58fbd"),
    "dead": KindMark("cross", "✚", "#1c1c1c", "#f2f2f2"),
    "dim": KindMark("triangle-down", "▼", "#0072b2", "#56b4e9"),
    "bright": KindMark("circle", "●", "#8f8700", "#f0e442"),
    "noisy": KindMark("triangle-right", "▶", "#007a5a", "#2fcf9f"),
    "only in lists": KindMark("triangle-left", "◀", "#6b6b6b", "#a8a8a8"),
}

EVENTS: Final[Mapping[str, KindMark]] = {
    "went bad": KindMark("triangle-up", "▲", "#d55e00", "#ff8a3d"),
    "came back": KindMark("triangle-down", "▼", "#0072b2", "#56b4e9"),
    "remapped": KindMark("diamond", "◆", "#007a5a", "#2fcf9f"),
}

STATES: Final[Mapping[str, KindMark]] = {
    "to be repaired": KindMark("triangle-up", "▲", "#d55e00", "#ff8a3d"),
    "repaired": KindMark("square", "■", "#0072b2", "#56b4e9"),
    "nothing shows": KindMark("circle", "●", "#7d7d7d", "#9a9a9a"),
}

SCORES: Final[Mapping[str, KindMark]] = {
    "other photosites": KindMark("square", "■", "#9aa3ad", "#6f7984"),
    "suspects": KindMark("square", "■", "#b07900", "#f0b93a"),
    "defects": KindMark("square", "■", "#d55e00", "#ff8a3d"),
}


def variable(name: str) -> str:
    """Return the variable of the style sheet that holds the colour of a mark."""
    return f"--mark-{name.replace(' ', '-')}"


def colours(scheme: Literal["light", "dark"]) -> dict[str, str]:
    """Return the colour of each mark by its variable."""
    everything = {**KINDS, **EVENTS, **STATES, **SCORES}
    return {variable(name): getattr(mark, scheme) for name, mark in everything.items()}
