"""Which frames show the same framing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model import scenes as scenes_module
from defectmap.model.frame import JpegFrame, RawFrame
from defectmap.model.scenes import Looks, alike, join_scenes, links, representatives, signature, unite
from defectmap.model.sensor import MosaicGeometry
from defectmap.simulation import Habits, SimulatedCamera

GEOMETRY = MosaicGeometry(90, 120, 0, 0, 90, 120, ("RG", "GB"), (0,) * 4, 16383, "test")


def test_tripod_frames_are_one_scene_and_others_are_not() -> None:
    """Frames of a simulated tripod series fall together, whatever their exposure; new scenes stay apart."""
    camera = SimulatedCamera(
        seed=4, height=120, width=160, habits=Habits(tripod_share=0.5, tripod_run=(4, 6))
    )
    plan = camera.plan(40)
    frames = list(camera.frames_raw(40))
    signatures = {i: signature(frame) for i, (frame, _) in enumerate(frames)}
    scenes = join_scenes(signatures)
    truth = {e.index: e.scene_id for e in plan}
    pairs = [(i, j) for i in range(40) for j in range(i)]
    assert sum((scenes[i] == scenes[j]) != (truth[i] == truth[j]) for i, j in pairs) <= 2


def test_signature_ignores_brightness() -> None:
    """The same framing at twice the exposure has the same signature, nearly."""
    rng = np.random.default_rng(1)
    picture = rng.uniform(100, 5000, (9, 12)).repeat(10, 0).repeat(10, 1)
    dark, light = (RawFrame((picture * f).astype(np.uint16), GEOMETRY) for f in (1, 2))
    assert alike([signature(dark)], [signature(light)]).all()


def test_featureless_and_tiny_frames_have_a_signature() -> None:
    """A frame of one level, or of fewer pixels than the grid has blocks, breaks nothing."""
    flat = JpegFrame(np.full((40, 60), 7, np.uint8), None, None)
    tiny = JpegFrame(np.arange(12, dtype=np.uint8).reshape(3, 4), None, None)
    assert len(signature(flat)) == len(signature(tiny)) == 256


random_signatures = st.lists(st.integers(0, 5), min_size=1, max_size=12)


def drifting(seed: int, number: int) -> dict[int, bytes]:
    """Return signatures each of which is like some of the others, so that scenes are chains of frames."""
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.choice([3.0, 3.0, 60.0], (number, 1)) * rng.normal(size=(number, 256)), axis=0)
    walk = rng.permutation(rng.normal(0, 40, 256) + steps)
    return {i + 1: np.rint(s * (127 / np.abs(s).max())).astype(np.int8).tobytes() for i, s in enumerate(walk)}


def components(signatures: Mapping[int, bytes]) -> dict[int, int]:
    """Return the scenes of frames in the plainest way: neighbours of neighbours until there are no more."""
    near = alike(list(signatures.values()), list(signatures.values()))
    reached = np.linalg.matrix_power(near | np.eye(len(near), dtype=bool), len(near))
    frames = list(signatures)
    return {frame: frames[int(np.argmax(row))] for frame, row in zip(frames, reached, strict=True)}


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))
def test_scenes_are_the_connected_components(seed: int, number: int, rows: int, columns: int) -> None:
    """Frames are of one scene if a chain of frames that are alike leads from one to the other."""
    signatures = drifting(seed, number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes_module, "_ROWS", rows)
        patch.setattr(scenes_module, "_COLUMNS", columns)
        found = join_scenes(signatures)
    assert found == components(signatures)


@given(st.integers(0, 1000), st.integers(1, 40), st.data())
def test_scenes_do_not_depend_on_the_order_of_arrival(seed: int, number: int, data: st.DataObject) -> None:
    """Frames that are added some at a time, in any order, are of the scenes that they are of all at once."""
    signatures = drifting(seed, number)
    scenes: dict[int, int] = {}
    left = data.draw(st.permutations(sorted(signatures)))
    while left:
        count = data.draw(st.integers(1, len(left)))
        fresh, left = left[:count], left[count:]
        scenes |= {frame: frame for frame in fresh}
        known = Looks.of(list(scenes.values()), [signatures[frame] for frame in scenes])
        joined = unite(links(Looks.of(fresh, [signatures[frame] for frame in fresh]), known))
        scenes = {frame: joined.get(scene, scene) for frame, scene in scenes.items()}
    assert scenes == join_scenes(signatures)


@given(st.integers(0, 1000))
def test_two_frames_are_alike_in_any_company(seed: int) -> None:
    """Whether two frames are alike depends on nothing but the two, not even in the last bit."""
    rng = np.random.default_rng(seed)
    base, noise = rng.normal(0, 40, 256), rng.normal(0, 1, (30, 256))
    # Of correlations around the least one.
    frames = [np.rint(base + 8.2 * n).clip(-127, 127).astype(np.int8).tobytes() for n in noise]
    together = alike(frames, frames)
    assert np.array_equal(together, together.T)
    assert np.array_equal(together, np.concatenate([alike([one], frames) for one in frames]))
    exact = [[correlated(one, other) for other in frames] for one in frames]
    assert np.array_equal(together, exact)


def correlated(one: bytes, other: bytes) -> bool:
    """Whether two signatures correlate by more than 0.98, in fractions."""
    a, b = (np.frombuffer(part, np.int8).astype(int).tolist() for part in (one, other))
    mixed = 256 * sum(x * y for x, y in zip(a, b, strict=True)) - sum(a) * sum(b)
    own = [256 * sum(x * x for x in part) - sum(part) ** 2 for part in (a, b)]
    return mixed > 0 and 10000 * mixed**2 > 98**2 * own[0] * own[1]


@given(random_signatures)
def test_one_frame_of_each_scene_counts(looks: list[int]) -> None:
    """The representative of a scene is its first frame in order of capture."""
    scenes = {i: looks.index(look) for i, look in enumerate(looks)}
    order = {i: -i for i in scenes}
    chosen = representatives(scenes, order)
    assert len(chosen) == len(set(looks))
    for frame in chosen:
        assert all(order[frame] <= order[other] for other in scenes if scenes[other] == scenes[frame])


def test_a_frame_between_two_scenes_makes_them_one() -> None:
    """A new frame that is like frames of two scenes joins them."""
    rng = np.random.default_rng(2)
    first = rng.normal(0, 40, 256)
    other = first + rng.normal(0, 9.5, 256)
    middle = (first + other) / 2
    signatures = {i: np.rint(s).astype(np.int8).tobytes() for i, s in enumerate((first, other, middle))}
    assert join_scenes({i: signatures[i] for i in (0, 1)}) == {0: 0, 1: 1}
    assert join_scenes(signatures) == {0: 0, 1: 0, 2: 0}


def test_no_frame_is_no_scene() -> None:
    """Where there is no frame there is no scene."""
    assert join_scenes({}) == {}


def test_frames_without_a_signature_are_scenes_of_their_own() -> None:
    """What is not known of a frame, or was measured in another way, makes it like no other."""
    assert join_scenes({3: None, 5: None, 8: b"scene", 9: bytes(256)}) == {3: 3, 5: 5, 8: 8, 9: 9}


def test_conditions_do_not_enter_the_signature() -> None:
    """Only the picture tells the scene: the same mosaic gives the same signature under any geometry."""
    mosaic = np.random.default_rng(3).integers(0, 4000, (90, 120)).astype(np.uint16)
    other = replace(GEOMETRY, black=(64,) * 4)
    assert signature(RawFrame(mosaic, GEOMETRY)) == signature(RawFrame(mosaic, other))
