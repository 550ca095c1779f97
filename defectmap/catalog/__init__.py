"""What is known of sensors, photos and defects, in one SQLite file; the only part that speaks SQL.

Its modules are imported one by one: workers pack sums, but load no SQL.
"""
