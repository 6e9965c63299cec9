"""A verdict for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reports.gate.check import Gate, Taken
from reports.gate.comparison_formats import metric_record, signed
from reports.gate.decision import Judgement, Outcome, corrected_text
from reports.leaderboard.markdown import escape, markdown_table

if TYPE_CHECKING:
    from rich.console import Group

SCHEMA = "miro-eval/gate/1"
STYLES = {Outcome.PASSES: "green", Outcome.FAILS: "bold red", Outcome.CANNOT_TELL: "yellow", Outcome.WATCHED: "dim"}


def terminal_gate(gate: Gate) -> Group:
    """A table, why each metric is not a plain pass, and the notes; the verdict itself is printed last, apart."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("metric", "baseline", "candidate", "difference", "largest drop", "outcome"):
        table.add_column(column, justify="left" if column in ("metric", "outcome") else "right")
    for one in gate.judgements:
        table.add_row(*map(Text, _cells(gate, one)), Text(one.outcome.value, style=STYLES[one.outcome]))
    told = [one for one in gate.judgements if one.outcome in (Outcome.FAILS, Outcome.CANNOT_TELL)]
    reasons = (Text(f"{one.metric}: {one.text}", style=STYLES[one.outcome]) for one in told)
    names = Text(f"baseline: {gate.comparison.first}\ncandidate: {gate.comparison.second}")
    lines = [_tests_line(gate), *gate.notes, *_looks_line(gate), *_flips_line(gate)]
    return Group(names, table, *reasons, *map(Text, lines))


def _tests_line(gate: Gate) -> str:
    """What is tested, and what is corrected for how many tests."""
    tests = sum(one.p_value is not None for one in gate.judgements)
    shown = corrected_text(tests if gate.policy.correction == "holm" else 1)
    return (
        f"One-sided tests at level {gate.policy.level:g}. That a drop is shown: {shown}. That one beyond the margin is "
        "excluded, and the largest drop not excluded: each metric by itself, not corrected."
    )


def _looks_line(gate: Gate) -> list[str]:
    if gate.looks is None:
        return []
    looks = ", ".join(map(str, gate.looks.planned))
    return [f"look {gate.looks.taken} of {len(gate.looks.planned)}: after {gate.looks.prompts} prompts (of {looks})"]


def _flips_line(gate: Gate) -> list[str]:
    return [] if gate.flips is None else [f"gallery: {gate.flips.index} ({gate.flips.text})"]


def markdown_gate(gate: Gate, out: Path | None = None) -> str:
    """A verdict as a Markdown document, whose heading it is; it ends with a line end.

    Args:
        out: folder that it is written into, for links to be relative to; None for a page that stands by itself.
    """
    header = ["metric", "baseline", "candidate", "difference", "largest drop not excluded", "outcome", "why"]
    rows = [[*map(escape, _cells(gate, one)), one.outcome.value, escape(one.text)] for one in gate.judgements]
    rule = [":--", *["--:"] * 4, ":--", ":--"]
    table = markdown_table((header, rule, *rows))
    names = f"{escape(gate.comparison.second)} against {escape(gate.comparison.first)}"
    lines = [*map(escape, [*gate.notes, *_looks_line(gate)]), *_flips_link(gate, out)]
    notes = "\n".join(f"- {line}" for line in lines)
    blocks = [
        f"# {'Gate passes' if gate.passes else 'Gate fails'}: {names}",
        escape(gate.verdict),
        table,
        _tests_line(gate),
        notes,
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _flips_link(gate: Gate, out: Path | None) -> list[str]:
    if gate.flips is None:
        return []
    if out is None:
        return [f"gallery: {escape(str(gate.flips.index))} ({gate.flips.text})"]
    address = quote(os.path.relpath(gate.flips.index, out))
    return [f"[gallery of the two runs]({address}): {gate.flips.text}"]


def gate_record(gate: Gate) -> dict[str, Any]:
    """The content of ``gate.json``, at full precision."""
    return {
        "schema": SCHEMA,
        "passes": gate.passes,
        "verdict": gate.verdict,
        "baseline": gate.comparison.first,
        "candidate": gate.comparison.second,
        "level": gate.policy.level,
        "correction": gate.policy.correction,
        "looks": None if gate.looks is None else _looks_record(gate.looks),
        "gallery": None if gate.flips is None else {"index": str(gate.flips.index), "flips": gate.flips.flips},
        "metrics": [_judgement_record(gate, one) for one in gate.judgements],
        "notes": list(gate.notes),
    }


def _looks_record(looks: Taken) -> dict[str, Any]:
    planned = list(looks.planned)
    return {"planned": planned, "taken": looks.taken, "prompts": looks.prompts, "spending": looks.spending}


def _judgement_record(gate: Gate, one: Judgement) -> dict[str, Any]:
    line = gate.line(one.metric)
    return {
        "metric": one.metric,
        "outcome": one.outcome.value,
        "fails": one.fails,
        "reasons": list(one.reasons),
        "coverage": one.measured.coverage,
        "margin": one.rule.margin,
        "largest_drop_not_excluded": _bound(gate, one),
        "p_value_of_drop": one.p_value,
        "settling_prompts": one.question.settling.prompts if one.question else None,
        "settling_samples": one.question.settling.samples if one.question else None,
        "comparison": None if line is None else metric_record(line),
    }


def _cells(gate: Gate, one: Judgement) -> list[str]:
    line, bound = gate.line(one.metric), _bound(gate, one)
    label = gate.comparison.label(one.metric)
    if line is None or bound is None:
        return [label, "-", "-", "-", "-"]
    first, second = f"{line.first:.4f}", f"{line.second:.4f}"
    return [label, first, second, signed(line.paired.difference), f"{max(0.0, bound):.4f}"]


def _bound(gate: Gate, one: Judgement) -> float | None:
    evidence = one.measured.evidence
    return None if evidence is None else evidence.drop_bound(gate.policy.level)
