"""A verdict for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.gate.check import Gate
from reports.gate.comparison_formats import metric_record, signed
from reports.gate.decision import Judgement, Outcome
from reports.markdown import escape

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
    return Group(names, table, *reasons, *(Text(note) for note in gate.notes))


def markdown_gate(gate: Gate) -> str:
    """The whole document, ending with a line end; the verdict is its heading."""
    header = ["metric", "baseline", "candidate", "difference", "largest drop not excluded", "outcome", "why"]
    rows = [[*map(escape, _cells(gate, one)), one.outcome.value, escape(one.text)] for one in gate.judgements]
    rule = [":--", *["--:"] * 4, ":--", ":--"]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
    names = f"{escape(gate.comparison.second)} against {escape(gate.comparison.first)}"
    level = f"Level {gate.policy.level:g}, correction {gate.policy.correction}."
    notes = "\n".join(f"- {escape(note)}" for note in gate.notes)
    blocks = [f"# {'Gate passes' if gate.passes else 'Gate fails'}: {names}", escape(gate.verdict), table, level, notes]
    return "\n\n".join(filter(None, blocks)) + "\n"


def gate_record(gate: Gate) -> dict[str, Any]:
    """JSON's types, at full precision."""
    return {
        "schema": SCHEMA,
        "passes": gate.passes,
        "verdict": gate.verdict,
        "baseline": gate.comparison.first,
        "candidate": gate.comparison.second,
        "level": gate.policy.level,
        "correction": gate.policy.correction,
        "metrics": [_judgement_record(gate, one) for one in gate.judgements],
        "notes": list(gate.notes),
    }


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
        "settling_prompts": one.settling_prompts,
        "comparison": None if line is None else metric_record(line),
    }


def _cells(gate: Gate, one: Judgement) -> list[str]:
    line, bound = gate.line(one.metric), _bound(gate, one)
    if line is None or bound is None:
        return [one.metric, "-", "-", "-", "-"]
    first, second = f"{line.first:.4f}", f"{line.second:.4f}"
    return [one.metric, first, second, signed(line.paired.difference), f"{max(0.0, bound):.4f}"]


def _bound(gate: Gate, one: Judgement) -> float | None:
    evidence = one.measured.evidence
    return None if evidence is None else evidence.drop_bound(gate.policy.level)
