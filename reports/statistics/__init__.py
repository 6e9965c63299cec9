"""Estimators over prompts and their uncertainty; the definitions are in ``docs/statistics.md``.

Numbers only: nothing here knows of files, runs or tables.
"""
