"""What ingest costs beside decoding the photos, and what others take for them, side by side in one run.

Run as ``python -m benchmarks.speed``.
"""
