"""What is found of known defects, and what is found besides.

``python -m benchmarks.detection TABLE`` prints one table; without a table it names them.
"""
