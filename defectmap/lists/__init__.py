"""Defect lists of other programs: one module per format, and one place for their frames of coordinates.

A format's module speaks of rows and columns as the format counts them. :mod:`~defectmap.lists.registry` knows
the formats by name and takes positions from the sensor's grid into a format's frame and back.
"""
