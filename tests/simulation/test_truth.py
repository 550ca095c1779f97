import pytest

from defectmap.simulation import Exposure, GroundTruth, Planting, SimulatedCamera

SMALL = SimulatedCamera(seed=11, height=120, width=160, planting=Planting(per_stratum=1))


def test_truth_as_json(tmp_path):
    """The ground truth survives being saved and loaded."""
    truth = SMALL.truth.with_frames(SMALL.plan(5), [(f"DSC_{i}.NEF",) for i in range(5)])
    truth.save(tmp_path / "truth.json")
    assert GroundTruth.load(tmp_path / "truth.json") == truth
    assert isinstance(truth.frames[0], Exposure)
    assert truth.at(*min(truth.sites)) == truth.defects[0]
    assert truth.jpeg_sites == truth.sites


@pytest.mark.parametrize("text", ["{}", "[]", '{"identity": {"colour": 1}}', "no"])
def test_foreign_json(text):
    """A document that is no ground truth is refused."""
    with pytest.raises(ValueError):
        GroundTruth.from_json(text)
