"""Which frames show the same framing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from defectmap.model.frame import JpegFrame, RawFrame
from defectmap.model.scenes import alike, join_scenes, representatives, signature
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
    scenes = join_scenes({}, signatures, list(signatures))
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


@given(random_signatures, st.data())
def test_scenes_do_not_depend_on_the_order_of_arrival(looks: list[int], data: st.DataObject) -> None:
    """Adding frames one by one in any order gives the scenes that adding all at once gives."""
    rng = np.random.default_rng(0)
    library = [rng.integers(-127, 128, 256).astype(np.int8).tobytes() for _ in range(6)]
    signatures = {i: library[look] for i, look in enumerate(looks)}
    together = join_scenes({}, signatures, list(signatures))
    one_by_one: dict[int, int] = {}
    for frame in data.draw(st.permutations(sorted(signatures))):
        one_by_one = join_scenes(one_by_one, signatures, [frame])
    assert one_by_one == together
    assert {i: looks.index(look) for i, look in enumerate(looks)} == together


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
    apart = join_scenes({}, signatures, [0, 1])
    assert apart == {0: 0, 1: 1}
    assert join_scenes(apart, signatures, [2]) == {0: 0, 1: 0, 2: 0}


def test_no_frame_is_no_scene() -> None:
    """Nothing new leaves the scenes as they are, also where there are none."""
    assert join_scenes({}, {}, []) == {}
    assert join_scenes({3: 1}, {3: bytes(256)}, []) == {3: 1}


def test_conditions_do_not_enter_the_signature() -> None:
    """Only the picture tells the scene: the same mosaic gives the same signature under any geometry."""
    mosaic = np.random.default_rng(3).integers(0, 4000, (90, 120)).astype(np.uint16)
    other = replace(GEOMETRY, black=(64,) * 4)
    assert signature(RawFrame(mosaic, GEOMETRY)) == signature(RawFrame(mosaic, other))
