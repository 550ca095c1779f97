"""Sensors, evidence, decisions and corrections on plain arrays: no disk, no clock, no randomness."""
