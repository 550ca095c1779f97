"""A camera that never existed: same seed, same photos, and every bad photosite is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from defectmap.model.frame import Conditions, JpegFrame, RawFrame
from defectmap.model.sensor import MosaicGeometry, SensorIdentity
from defectmap.simulation.scenes import draw_scene, point_spread
from defectmap.simulation.sensor import Electronics, PlantedDefect, Planting, expose, plant
from defectmap.simulation.truth import Exposure, GroundTruth

Float32 = NDArray[np.float32]

# Keys of the random streams, so that more of one never moves another.
_DEFECTS, _GAINS, _PLAN, _SCENE, _NOISE = range(5)

_CHANNEL = {"R": 0, "G": 1, "B": 2}


@dataclass(frozen=True, slots=True)
class Habits:
    """How its owner uses the camera.

    Attributes
    ----------
    exposures_s : tuple of (shortest, longest, share)
        Exposure times, log-uniform within each range; the shares sum to 1.
    isos : tuple of int
        Sensitivities, each as likely.
    temperature_c : tuple of float
        Coolest and warmest chip.
    tripod_share : float
        Share of the frames that belong to tripod runs: one scene, frame after frame.
    tripod_run : tuple of int
        Shortest and longest run.
    portrait_share : float
        Share of the frames taken with the camera turned.
    """

    exposures_s: tuple[tuple[float, float, float], ...] = (
        (1 / 1000, 1 / 15, 0.80),
        (1 / 15, 1.0, 0.15),
        (1.0, 10.0, 0.05),
    )
    isos: tuple[int, ...] = (100, 200, 400, 800, 1600, 3200, 6400)
    temperature_c: tuple[float, float] = (15.0, 40.0)
    tripod_share: float = 0.2
    tripod_run: tuple[int, int] = (3, 8)
    portrait_share: float = 0.15


@dataclass(frozen=True, slots=True)
class Shot:
    """One exposure and its picture.

    Attributes
    ----------
    exposure : Exposure
    mosaic : ndarray of shape (height, width), uint16
        DN of the full stored frame.
    """

    exposure: Exposure
    mosaic: NDArray[np.uint16]

    @property
    def scene_id(self) -> int:
        """Frames of one tripod run share it."""
        return self.exposure.scene_id

    @property
    def conditions(self) -> Conditions:
        """What the camera writes into the file."""
        return self.exposure.conditions


@dataclass(frozen=True)
class SimulatedCamera:
    """A camera body with planted defects.

    Attributes
    ----------
    seed : int
        Decides everything that is not given.
    height, width : int
        Visible area; the stored frame has `margins` more rows and columns at the bottom and right.
    make, model : str
    serial : str or None
        None for a camera that writes none.
    start : datetime
    days : float
        The body's life: defects appear and heal within it, photos are spread over it.
    electronics : Electronics
    planting : Planting
    habits : Habits
    defects : tuple of PlantedDefect or None
        Exactly these instead of random ones.
    software : str
        Firmware, as written into the files.
    white_balance : tuple of float
        Response to grey light of the red, green and blue photosites.
    margins : tuple of int
        Stored rows and columns beyond the visible area. A NIKON D80 stores 3 and 4.
    jpeg_crop : tuple of int
        Visible rows and columns that its JPEGs leave out: top, left, bottom, right.
    jpeg_scale : float
        By which its JPEGs are made smaller then; 1 for full size.
    """

    seed: int = 0
    height: int = 900
    width: int = 1200
    make: str = "NIKON CORPORATION"
    model: str = "NIKON D80"
    serial: str | None = "3012345"
    start: datetime = datetime(2019, 3, 1, 8)
    days: float = 1500.0
    electronics: Electronics = field(default_factory=Electronics)
    planting: Planting = field(default_factory=Planting)
    habits: Habits = field(default_factory=Habits)
    defects: tuple[PlantedDefect, ...] | None = None
    software: str = "Ver.1.01"
    white_balance: tuple[float, float, float] = (0.5, 1.0, 0.6)
    margins: tuple[int, int] = (3, 4)
    jpeg_crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    jpeg_scale: float = 1.0

    @property
    def identity(self) -> SensorIdentity:
        """As its files name it."""
        return SensorIdentity(self.make, self.model, self.serial)

    @property
    def geometry(self) -> MosaicGeometry:
        """Layout of its raw frames."""
        return MosaicGeometry(
            height=self.height + self.margins[0],
            width=self.width + self.margins[1],
            top=0,
            left=0,
            visible_height=self.height,
            visible_width=self.width,
            cfa=("RG", "GB"),
            black=(self.electronics.black_dn,) * 4,
            white=self.electronics.white_dn,
            decoder="simulation",
        )

    @cached_property
    def truth(self) -> GroundTruth:
        """The sensor and its defects, without frames."""
        defects = self.defects
        if defects is None:
            rng = self._rng(_DEFECTS)
            defects = plant(rng, self.height, self.width, self.planting, self.start, self.days)
        return GroundTruth(self.identity, self.geometry, self.seed, defects)

    def plan(
        self, n: int, *, first: int = 0, start: datetime | None = None, days: float | None = None
    ) -> tuple[Exposure, ...]:
        """Plan a shoot.

        Parameters
        ----------
        n : int
            Number of frames.
        first : int
            Number of the first frame, so that a later shoot continues an earlier one.
        start : datetime, optional
        days : float, optional
            Span of the shoot; by default the camera's whole life.

        Returns
        -------
        tuple of Exposure
            In order of time.
        """
        rng = self._rng(_PLAN, first)
        start, days = start or self.start, self.days if days is None else days
        habits = self.habits
        scenes = self._scenes(rng, n, first)
        # Hundredths of a second, as the files hold them.
        begins = iter(np.sort(rng.integers(0, max(1, int(days * 8_640_000)), len(set(scenes)))))
        shares = np.array([share for _, _, share in habits.exposures_s])
        frames: list[Exposure] = []
        moment = start
        for offset, scene in enumerate(scenes):
            if not frames or scene != frames[-1].scene_id:
                begun = start + timedelta(milliseconds=10 * int(next(begins)))
                moment = max(begun, moment + timedelta(seconds=1))
                temperature = float(rng.uniform(*habits.temperature_c))
                iso = int(rng.choice(habits.isos))
                turned = rng.random() < habits.portrait_share
                brightness = 1.0
            else:
                moment += timedelta(milliseconds=int(rng.integers(60, 3000)) * 10)
                temperature = float(np.clip(temperature + rng.normal(0.0, 0.3), *habits.temperature_c))
                brightness = float(2.0 ** rng.normal(0.0, 0.1))
            shortest, longest, _ = habits.exposures_s[int(rng.choice(len(shares), p=shares / shares.sum()))]
            exposure_s = float(shortest * (longest / shortest) ** rng.random())
            number = first + offset
            conditions = Conditions(
                captured=moment,
                # As a camera rounds it, so that what is written is what happened.
                exposure_s=round(exposure_s, 1) if exposure_s >= 0.3 else 1 / round(1 / exposure_s),
                iso=float(iso),
                shutter_count=1000 + number,
                orientation=8 if turned else 1,
                software=self.software,
                noise_reduction="OFF",
            )
            frames.append(Exposure(number, scene, conditions, temperature, brightness))
        return tuple(frames)

    def shot(self, exposure: Exposure) -> Shot:
        """Take one planned frame; any frame at any time gives the same picture."""
        conditions = exposure.conditions
        assert conditions.iso is not None
        assert conditions.exposure_s is not None
        mosaic = expose(
            self._light(exposure.scene_id) * np.float32(exposure.brightness),
            self.electronics,
            self._gains,
            self.truth.bad_at(exposure.captured),
            iso=conditions.iso,
            exposure_s=conditions.exposure_s,
            temperature_c=exposure.temperature_c,
            rng=self._rng(_NOISE, exposure.index),
        )
        return Shot(exposure, mosaic)

    def shots(
        self, n: int, *, first: int = 0, start: datetime | None = None, days: float | None = None
    ) -> Iterator[Shot]:
        """Yield the frames of a shoot one by one; parameters as in :meth:`plan`."""
        for exposure in self.plan(n, first=first, start=start, days=days):
            yield self.shot(exposure)

    def frames_raw(
        self, n: int, *, first: int = 0, start: datetime | None = None, days: float | None = None
    ) -> Iterator[tuple[RawFrame, Conditions]]:
        """Yield a shoot as decoded raw frames, without any file; parameters as in :meth:`plan`."""
        geometry = self.geometry
        for shot in self.shots(n, first=first, start=start, days=days):
            visible = np.ascontiguousarray(shot.mosaic[: self.height, : self.width])
            yield RawFrame(visible, geometry), shot.conditions

    def frames_jpeg(
        self,
        n: int,
        *,
        quality: int = 92,
        subsampling: str = "4:2:0",
        sharpening: float = 0.0,
        first: int = 0,
        start: datetime | None = None,
        days: float | None = None,
    ) -> Iterator[tuple[JpegFrame, Conditions]]:
        """Yield a shoot as decoded JPEGs: rendered, encoded and decoded in memory; see also :meth:`plan`."""
        from defectmap.media.jpeg import decode_jpeg  # noqa: PLC0415 - loads Pillow
        from defectmap.simulation.render import encode, framed, render  # noqa: PLC0415

        for shot in self.shots(n, first=first, start=start, days=days):
            picture = render(shot.mosaic, self.geometry, self.white_balance, sharpening=sharpening)
            picture = framed(picture, self.jpeg_crop, self.jpeg_scale)
            yield decode_jpeg(encode(picture, quality=quality, subsampling=subsampling)), shot.conditions

    def _scenes(self, rng: np.random.Generator, n: int, first: int) -> list[int]:
        """Return the scene of each frame: the number of the first frame that shows it."""
        shortest, longest = self.habits.tripod_run
        mean = (shortest + longest) / 2
        share = self.habits.tripod_share
        # Per scene, the chance to be a run that makes `share` of all frames part of one.
        chance = share / (share + (1.0 - share) * mean)
        scenes: list[int] = []
        while len(scenes) < n:
            run = int(rng.integers(shortest, longest + 1)) if rng.random() < chance else 1
            scenes += [first + len(scenes)] * run
        return scenes[:n]

    def _light(self, scene_id: int) -> Float32:
        """Return the light behind the colour filters; the last scene is kept for tripod runs."""
        kept: tuple[int, Float32] | None = self.__dict__.get("_kept_light")
        if kept is not None and kept[0] == scene_id:
            return kept[1]
        from defectmap.simulation.kernels import through_lens  # noqa: PLC0415 - loads numba

        geometry = self.geometry
        scene = draw_scene(self._rng(_SCENE, scene_id), geometry.height, geometry.width)
        scene.light[:] *= np.asarray(self.white_balance, np.float32)
        colours = np.array([[_CHANNEL[letter] for letter in row] for row in geometry.cfa], np.uint8)
        light: Float32 = through_lens(scene.light, point_spread(scene.blur_px), colours)
        self.__dict__["_kept_light"] = scene_id, light
        return light

    @cached_property
    def _gains(self) -> Float32:
        geometry = self.geometry
        noise = self._rng(_GAINS).standard_normal((geometry.height, geometry.width), dtype=np.float32)
        return np.float32(1.0) + np.float32(self.electronics.gain_spread) * noise

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *key])
