"""Prompt suites. Imported by the orchestrator too, so nothing here needs more than numpy."""

from __future__ import annotations

from pathlib import Path

from generation.suites.geneval import build_geneval, geneval_jsonl
from generation.suites.selection import limit_indices
from generation.suites.suite import Metadata, Suite, read_suite
from harness.errors import UserError

__all__ = ["SUITES", "Metadata", "Suite", "build_geneval", "geneval_jsonl", "limit_indices", "load_suite"]

#: Suites known by name.
SUITES: dict[str, Suite] = {suite.id: suite for suite in (Suite("geneval", build_geneval),)}


def load_suite(name_or_path: str) -> Suite:
    """The suite of that name, or else the one in that JSONL file.

    A file with the very content of a named suite is that suite, and carries its name.

    Raises:
        UserError: neither a known name nor a readable suite file.
    """
    if name_or_path in SUITES:
        return SUITES[name_or_path]
    path = Path(name_or_path)
    if not path.exists():
        raise UserError(f"{name_or_path}: no such suite or file; known suites: {', '.join(SUITES)}")
    suite = read_suite(path)
    return next((known for known in SUITES.values() if known.sha256 == suite.sha256), suite)
