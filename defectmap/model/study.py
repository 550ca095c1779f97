"""Frames to evidence to map, on plain arrays: the model without catalog and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defectmap.model.defects import DefectMap
from defectmap.model.evidence import PlaneEvidence, named_arrays
from defectmap.model.facts import FrameFacts
from defectmap.model.faint import FaintSightings
from defectmap.model.frame import Conditions, JpegFrame, RawFrame
from defectmap.model.mapping import build_map
from defectmap.model.prediction import PlaneScoring, planes_of
from defectmap.model.scenes import Framing, alike, framing, join_scenes
from defectmap.model.tally import TALLY_FRAMES, Desk, Memory, Tally


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


@dataclass(slots=True)
class _Waiting:
    """A frame that is not yet scored, of which the readings are held."""

    planes: dict[str, PlaneScoring]
    conditions: Conditions
    framing: Framing
    counted: bool


class Gatherer:
    """Scores the frames of one stream and sums them, batch by batch.

    Parameters
    ----------
    every_frame : bool, default False
        Sum every frame, also the second and further ones of a scene.
    desk : Desk, optional
        Where the sums of up to `TALLY_FRAMES` frames are; in memory if not given.
    """

    def __init__(self, *, every_frame: bool = False, desk: Desk | None = None) -> None:
        self._every_frame = every_frame
        self._desk = desk or Memory()
        self._tallies: dict[str, Tally] = {}
        self._planes: dict[str, PlaneEvidence] = {}
        self._waiting: list[_Waiting] = []
        self._witnesses: list[Witness] = []
        self._scenes: list[tuple[bytes, int]] = []

    def add(self, frame: RawFrame | JpegFrame, conditions: Conditions) -> None:
        """Take a frame; it enters the sums unless an earlier frame showed its scene.

        Parameters
        ----------
        frame : RawFrame or JpegFrame
        conditions : Conditions
        """
        seen = framing(frame)
        counted = self._every_frame or self._is_new_scene(seen.signature)
        self._waiting.append(_Waiting(planes_of(frame, self._desk.keep), conditions, seen, counted))
        if self._desk.full or len(self._waiting) == TALLY_FRAMES:
            self._sum()

    def witnesses(self) -> list[Witness]:
        """Return what each frame so far said, in their order."""
        self._sum()
        return self._witnesses

    def planes(self) -> dict[str, PlaneEvidence]:
        """Return the sums of all frames so far, by plane."""
        self._sum()
        for name in list(self._tallies):
            self._empty(name)
        return self._planes

    def arrays(self) -> dict[str, Any]:
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
        for name in sorted({name for one in self._waiting for name in one.planes}):
            batch = [one for one in self._waiting if one.counted and name in one.planes]
            if batch:
                tally = self._tally(name, batch[0].planes[name], len(batch))
                tally.add([one.planes[name].score for one in batch], [one.conditions for one in batch])
        for one in self._waiting:
            if not one.counted:
                for plane in one.planes.values():
                    plane.score()
            sightings = np.concatenate([plane.sightings() for plane in one.planes.values()])
            faint = next(iter(one.planes.values())).faint()
            self._witnesses.append(Witness(one.framing, sightings, faint, one.counted))
        self._waiting.clear()
        self._desk.clear()

    def _tally(self, name: str, plane: PlaneScoring, coming: int) -> Tally:
        """Return the sums of a plane, with room for those that come."""
        if name in self._tallies and self._tallies[name].frames + coming > TALLY_FRAMES:
            self._empty(name)
        if name not in self._tallies:
            self._tallies[name] = Tally(plane.shape, plane.values_type, self._desk)
        return self._tallies[name]

    def _empty(self, name: str) -> None:
        """Add a tally to the sums of all frames."""
        tally = self._tallies.pop(name)
        if name not in self._planes:
            self._planes[name] = PlaneEvidence.empty(tally.shape)
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
        self._conditions: list[Conditions] = []

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
        self._gatherer.add(frame, conditions)
        self._conditions.append(conditions)

    def planes(self) -> dict[str, PlaneEvidence]:
        """Return the sums so far, by plane."""
        return self._gatherer.planes()

    def facts(self) -> list[FrameFacts]:
        """Return scene and conditions of all frames so far."""
        witnesses = self._gatherer.witnesses()
        scenes = join_scenes({i: witness.framing.signature for i, witness in enumerate(witnesses)})
        return [
            FrameFacts(scenes[i], conditions, witness.framing)
            for i, (witness, conditions) in enumerate(zip(witnesses, self._conditions, strict=True))
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
        witnesses = self._gatherer.witnesses()
        return build_map(
            self._frame.grid,
            self._frame.geometry if isinstance(self._frame, RawFrame) else None,
            self.planes(),
            self.facts(),
            ((i, witness.sightings) for i, witness in enumerate(witnesses)),
            ((i, witness.faint) for i, witness in enumerate(witnesses)),
        )
