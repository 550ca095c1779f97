"""How near repaired photos come to those that a sound sensor would have taken: tables for the docs.

``python -m benchmarks.repair --help`` tells which; every figure follows from its seeds.
"""
