"""A seeded camera whose defects are known: the ground truth of the demo and of the tests."""

from defectmap.simulation.camera import Habits, Shot, SimulatedCamera
from defectmap.simulation.sensor import TWELVE_BIT, Electronics, PlantedDefect, Planting
from defectmap.simulation.truth import Exposure, GroundTruth

__all__ = [
    "TWELVE_BIT",
    "Electronics",
    "Exposure",
    "GroundTruth",
    "Habits",
    "PlantedDefect",
    "Planting",
    "Shot",
    "SimulatedCamera",
]
