"""Prompt suites. Imported by the orchestrator too, so nothing here needs more than numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generation.suites.catalogue import ALIASES, PUBLISHED, find_published
from generation.suites.fetched import is_fetched, read_fetched
from generation.suites.geneval import build_geneval, geneval_jsonl
from generation.suites.suite import Metadata, Suite, questions_judge, read_suite
from wire.errors import UserError
from wire.paths import expanded, home
from wire.stratified import stratified_order

__all__ = [
    "PUBLISHED",
    "SUITES",
    "Metadata",
    "Suite",
    "build_geneval",
    "built_prompts",
    "geneval_jsonl",
    "limit_indices",
    "load_suite",
    "questions_judge",
    "suites_folder",
]

#: The prompts that the MIRO paper shows in Figure 7 (arXiv 2510.25897v2), which are in no published suite.
FIGURE_7 = (
    "Graffiti of a rocket ship on a brick wall in vibrant, high-contrast neon pop-art colors",
    "Robots meditating on a skyscraper rooftop under neon rain with deep blue and magenta glow",
)
_BUILT = (Suite("geneval", build_geneval), Suite("miro-figure7", lambda: [{"prompt": text} for text in FIGURE_7]))
#: Suites that are built here, from their rules.
SUITES: dict[str, Suite] = {suite.id: suite for suite in _BUILT}


def built_prompts() -> list[list[tuple[str, str]]]:
    """Of each suite that is built here, (tag, text) of its prompts, in order."""
    return [[(str(line.get("tag", "")), str(line["prompt"])) for line in suite.lines] for suite in SUITES.values()]


def suites_folder() -> Path:
    """Where fetched suites are kept."""
    return home() / "suites"


def load_suite(name_or_path: str) -> Suite:
    """The suite of that name, or else the one in that file.

    A file with the very content of a known suite is that suite, and carries its name.

    Raises:
        UserError: neither a known name nor a readable suite file, or a published suite that was not fetched yet.
    """
    if name_or_path in SUITES:
        return SUITES[name_or_path]
    if name_or_path in (*PUBLISHED, *ALIASES):
        return read_fetched(find_published(name_or_path), suites_folder())
    path = expanded(name_or_path)
    if not path.exists():
        names = ", ".join([*SUITES, *PUBLISHED])
        raise UserError(f"{name_or_path}: no such suite or file; known suites: {names}")
    return _named(read_suite(path))


def _named(suite: Suite) -> Suite:
    """The known suite of the same content; only among those that are built here, fetched, or known by their hash."""
    for known in SUITES.values():
        if known.sha256 == suite.sha256:
            return known
    for published in PUBLISHED.values():
        same = published.content == suite.sha256 or (
            not published.content
            and published.prompts == len(suite.lines)
            and is_fetched(published, suites_folder())
            and read_fetched(published, suites_folder()).sha256 == suite.sha256
        )
        if same:
            return Suite(published.id, suite.build)
    return suite


def limit_indices(prompts: Sequence[Mapping[str, Any]], limit: int | None) -> list[int]:
    """Sorted prompt indices of a run shortened to ``limit`` prompts; None, or more than there are, means all.

    The first of :func:`wire.stratified.stratified_order`, which is fixed by the suite's texts alone: a longer run holds
    every prompt of a shorter one, and each has its tags in the suite's proportions.

    Raises:
        UserError: ``limit`` is not positive.
    """
    if limit is None or limit >= len(prompts):
        return list(range(len(prompts)))
    if limit < 1:
        raise UserError(f"limit {limit}: at least one prompt is needed")
    keys = [(str(line.get("tag", "")), str(line.get("prompt", ""))) for line in prompts]
    return sorted(stratified_order(keys)[:limit])
