"""Faults against stages, one cell at a time: ``python -m bench.faults``; see ``docs/reliability.md``."""
