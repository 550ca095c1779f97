"""What is known of a frame beside its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from defectmap.model.frame import Conditions
from defectmap.model.scenes import Framing


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What the map needs to know of a frame.

    Attributes
    ----------
    scene : int
    conditions : Conditions
    framing : Framing or None
        Where it was light and where dark; None for frames of which that is not known.
    """

    scene: int
    conditions: Conditions
    framing: Framing | None = None
