"""The pictures of docs/detection.md, from fixed seeds.

``python -m benchmarks.figures [FOLDER]`` writes four SVG files; matplotlib comes with the extra ``docs``.
"""
