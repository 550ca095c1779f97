"""How well onsets are dated, on simulated sites whose life is known.

Run as ``python -m benchmarks.dating``.
"""
