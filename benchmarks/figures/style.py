"""What the pictures have in common."""

from __future__ import annotations

# Okabe and Ito's palette, which colour-blind people tell apart.
GREY, BLUE, ORANGE, RED, BLACK = "#a0a0a0", "#0072b2", "#e69f00", "#d55e00", "#222222"
STEPS = ("#b3d4ea", "#4a9fd0", "#00507f")

STYLE = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "figure.facecolor": "white",  # a card of its own: as readable on a dark page
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.hashsalt": "defectmap",  # the same file from the same figures
}
