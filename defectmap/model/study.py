"""Frames to evidence to map, on plain arrays: the model without catalog and files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import DefectMap
from defectmap.model.evidence import PlaneEvidence, may_be_clamped, named_arrays
from defectmap.model.facts import FrameFacts
from defectmap.model.faint import FaintSightings
from defectmap.model.frame import Conditions, JpegFrame, RawFrame
from defectmap.model.mapping import build_map
from defectmap.model.prediction import ScoredPlane, score_frame
from defectmap.model.scenes import Framing, alike, framing, join_scenes
from defectmap.model.tally import BATCH, Tally


@dataclass(frozen=True, slots=True)
class Witness:
    """What one frame said.

    Attributes
    ----------
    framing : Framing
        What tells its scene, see `scenes`.
    sightings : ndarray of SIGHTING
    faint : FaintSightings
        Of a raw frame.
    counted : bool
        Whether it entered the sums.
    """

    framing: Framing
    sightings: NDArray[np.void]
    faint: FaintSightings
    counted: bool


class Gatherer:
    """Scores the frames of one stream and sums them, batch by batch.

    Parameters
    ----------
    every_frame : bool, default False
        Sum every frame, also the second and further ones of a scene.
    """

    def __init__(self, *, every_frame: bool = False) -> None:
        self._every_frame = every_frame
        self._tallies: dict[str, Tally] = {}
        self._planes: dict[str, PlaneEvidence] = {}
        self._waiting: list[tuple[dict[str, ScoredPlane], Conditions]] = []
        self._scenes: list[tuple[bytes, int]] = []

    def add(self, frame: RawFrame | JpegFrame, conditions: Conditions) -> Witness:
        """Score a frame; it enters the sums unless an earlier frame showed its scene.

        Parameters
        ----------
        frame : RawFrame or JpegFrame
        conditions : Conditions

        Returns
        -------
        Witness
        """
        seen = framing(frame)
        counted = self._every_frame or self._is_new_scene(seen.signature)
        planes = score_frame(frame)
        if counted:
            if not may_be_clamped(conditions):
                planes = {name: replace(plane, padded=None) for name, plane in planes.items()}
            self._waiting.append((planes, conditions))
            if len(self._waiting) >= BATCH:
                self._sum()
        sightings = np.concatenate([plane.sightings for plane in planes.values()])
        return Witness(seen, sightings, next(iter(planes.values())).faint, counted)

    def planes(self) -> dict[str, PlaneEvidence]:
        """Return the sums of all frames so far, by plane."""
        self._sum()
        for name in list(self._tallies):
            self._empty(name)
        return self._planes

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the same as named arrays, in the narrow types of a tally where one holds all frames."""
        self._sum()
        if self._planes:
            self.planes()
        return named_arrays({name: part.sums for name, part in (self._planes or self._tallies).items()})

    def _is_new_scene(self, signature: bytes) -> bool:
        known = [s for s, _ in self._scenes]
        scenes = (
            {self._scenes[i][1] for i in np.flatnonzero(alike([signature], known)[0])} if known else set()
        )
        scene = min(scenes, default=len(self._scenes))
        self._scenes = [(s, scene if n in scenes else n) for s, n in self._scenes]
        self._scenes.append((signature, scene))
        return not scenes

    def _sum(self) -> None:
        for name in sorted({name for planes, _ in self._waiting for name in planes}):
            batch = [(planes[name], when) for planes, when in self._waiting if name in planes]
            if name in self._tallies and self._tallies[name].full:
                self._empty(name)
            if name not in self._tallies:
                values = batch[0][0].values
                self._tallies[name] = Tally.empty(batch[0][0].z.shape, values.dtype)
            self._tallies[name].add(batch)
        self._waiting.clear()

    def _empty(self, name: str) -> None:
        """Add a tally to the sums of all frames."""
        tally = self._tallies.pop(name)
        if name not in self._planes:
            self._planes[name] = PlaneEvidence.empty(tally.sums["n"].shape)
        self._planes[name].add(PlaneEvidence(tally.sums))


class Study:
    """Frames of one camera on one grid, held as evidence: add them in order of capture, ask for the map.

    Examples
    --------
    >>> import numpy as np
    >>> from defectmap.model.frame import Conditions, RawFrame
    >>> from defectmap.model.sensor import MosaicGeometry
    >>> geometry = MosaicGeometry(64, 64, 0, 0, 64, 64, ("RG", "GB"), (512,) * 4, 16383, "example")
    >>> rng, study = np.random.default_rng(1), Study()
    >>> for _ in range(40):
    ...     mosaic = rng.normal(rng.uniform(1000, 3000), 20, (64, 64)).astype(np.uint16)
    ...     mosaic[20, 33] = 9000
    ...     study.add(RawFrame(mosaic, geometry), Conditions(exposure_s=0.01, iso=100))
    >>> [(d.row, d.col, d.kind.value) for d in study.map().defects]
    [(20, 33, 'stuck')]
    """

    def __init__(self) -> None:
        self._gatherer = Gatherer()
        self._frame: RawFrame | JpegFrame | None = None
        self._witnesses: list[tuple[Witness, Conditions]] = []

    def add(self, frame: RawFrame | JpegFrame, conditions: Conditions) -> None:
        """Add a frame.

        Parameters
        ----------
        frame : RawFrame or JpegFrame
            Of the grid and layout of those before.
        conditions : Conditions

        Raises
        ------
        ValueError
            If its grid differs from that of the frames before.
        """
        if self._frame is not None and frame.grid != self._frame.grid:
            raise ValueError(f"a frame of {frame.grid} cannot join frames of {self._frame.grid}")
        if self._frame is None:
            self._frame = frame
        self._witnesses.append((self._gatherer.add(frame, conditions), conditions))

    def planes(self) -> dict[str, PlaneEvidence]:
        """Return the sums so far, by plane."""
        return self._gatherer.planes()

    def facts(self) -> list[FrameFacts]:
        """Return scene and conditions of all frames so far."""
        signatures = {i: w.framing.signature for i, (w, _) in enumerate(self._witnesses)}
        scenes = join_scenes(signatures)
        return [
            FrameFacts(scenes[i], conditions, w.framing) for i, (w, conditions) in enumerate(self._witnesses)
        ]

    def map(self) -> DefectMap:
        """Judge the evidence so far.

        Raises
        ------
        ValueError
            If no frame was added.
        """
        if self._frame is None:
            raise ValueError("a map needs frames: add some first")
        return build_map(
            self._frame.grid,
            self._frame.geometry if isinstance(self._frame, RawFrame) else None,
            self.planes(),
            self.facts(),
            ((i, witness.sightings) for i, (witness, _) in enumerate(self._witnesses)),
            ((i, witness.faint) for i, (witness, _) in enumerate(self._witnesses)),
        )
