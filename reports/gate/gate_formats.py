"""A verdict for a terminal, as Markdown, as JSON, as JUnit XML, and for GitHub Actions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from reports.files import write_json, write_text
from reports.gallery import GalleryFiles
from reports.gate.check import Gate
from reports.gate.compare import decimals, metric_record, signed
from reports.gate.decision import Judgement, Outcome, corrected_text
from reports.leaderboard.markdown import escape, markdown_table, visible
from wire.errors import UserError

if TYPE_CHECKING:
    from rich.console import Group

SCHEMA = "miro-eval/gate/1"
STYLES = {Outcome.PASSES: "green", Outcome.FAILS: "bold red", Outcome.CANNOT_TELL: "yellow", Outcome.WATCHED: "dim"}
JUNIT_SUITE = "miro-eval gate"
#: Annotations of a kind that GitHub shows of one step.
ANNOTATIONS = 10
#: What XML 1.0 cannot hold, in whatever spelling (section 2.2 of the recommendation).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_gate(gate: Gate, out: Path) -> tuple[Path, Path, Path]:
    """Write ``gate.md``, ``gate.json`` and ``gate.xml`` (JUnit) into a folder.

    Raises:
        UserError: the folder cannot be written.
    """
    markdown = write_text(out / "gate.md", markdown_gate(gate, out))
    record = write_json(out / "gate.json", gate_record(gate))
    return markdown, record, write_text(out / "gate.xml", junit_gate(gate))


def terminal_gate(gate: Gate) -> Group:
    """A table, why each metric is not a plain pass, and the notes; the verdict itself is printed last, apart."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("metric", "baseline", "candidate", "difference", "largest drop", "outcome"):
        table.add_column(column, justify="left" if column in ("metric", "outcome") else "right")
    for one in gate.judgements:
        table.add_row(*map(Text, _cells(gate, one)), Text(one.outcome.value, style=STYLES[one.outcome]))
    told = [one for one in gate.judgements if one.outcome in (Outcome.FAILS, Outcome.CANNOT_TELL)]
    reasons = (Text(f"{one.metric}: {one.text}", style=STYLES[one.outcome]) for one in told)
    names = Text(f"baseline: {gate.comparison.first}\ncandidate: {gate.comparison.second}")
    gallery = [] if gate.flips is None else [f"gallery: {gate.flips.index} ({_flips_text(gate.flips)})"]
    return Group(names, table, *reasons, *map(Text, [_tests_line(gate), *gate.notes, *_looks_line(gate), *gallery]))


def markdown_gate(gate: Gate, out: Path | None = None) -> str:
    """A verdict as a Markdown document, whose heading it is; it ends with a line end.

    Args:
        out: folder that it is written into, for links to be relative to; None for a page that stands by itself.
    """
    header = ["metric", "baseline", "candidate", "difference", "largest drop not excluded", "outcome", "why"]
    rows = [[*map(escape, _cells(gate, one)), one.outcome.value, escape(one.text)] for one in gate.judgements]
    table = markdown_table((header, [":--", *["--:"] * 4, ":--", ":--"], *rows))
    names = f"{escape(gate.comparison.second)} against {escape(gate.comparison.first)}"
    lines = [*map(escape, [*gate.notes, *_looks_line(gate)])]
    if gate.flips is not None and out is None:
        lines.append(f"gallery: {escape(str(gate.flips.index))} ({_flips_text(gate.flips)})")
    elif gate.flips is not None:
        address = quote(os.path.relpath(gate.flips.index, out))
        lines.append(f"[gallery of the two runs]({address}): {_flips_text(gate.flips)}")
    notes = "\n".join(f"- {line}" for line in lines)
    heading = f"# {'Gate passes' if gate.passes else 'Gate fails'}: {names}"
    return "\n\n".join(filter(None, [heading, escape(gate.verdict), table, _tests_line(gate), notes])) + "\n"


def _cells(gate: Gate, one: Judgement) -> list[str]:
    line, bound = gate.line(one.metric), _bound(gate, one)
    label = gate.comparison.label(one.metric)
    if line is None or bound is None:
        return [label, "-", "-", "-", "-"]
    places = decimals(one.metric)
    numbers = (f"{number:.{places}f}" for number in (line.first, line.second, max(0.0, bound)))
    first, second, largest = numbers
    return [label, first, second, signed(line.paired.difference, places), largest]


def _bound(gate: Gate, one: Judgement) -> float | None:
    evidence = one.measured.evidence
    return None if evidence is None else evidence.drop_bound(gate.policy.level)


def _tests_line(gate: Gate) -> str:
    """What is tested, and what is corrected for how many tests."""
    tests = sum(one.p_value is not None for one in gate.judgements)
    shown = corrected_text(tests if gate.policy.correction == "holm" else 1)
    return (
        f"One-sided tests at level {gate.policy.level:g}. Showing a drop: {shown}. Excluding one beyond the "
        "margin, and the largest drop not excluded: each metric alone, not corrected."
        f"{' This holds for all looks together.' if gate.looks else ''}"
    )


def _looks_line(gate: Gate) -> list[str]:
    if gate.looks is None:
        return []
    looks = ", ".join(map(str, gate.looks.planned))
    return [f"look {gate.looks.taken} of {len(gate.looks.planned)}: after {gate.looks.prompts} prompts (of {looks})"]


def _flips_text(gallery: GalleryFiles) -> str:
    if not gallery.judged:
        return "no verdicts"
    return f"{gallery.flips:,} verdict{'' if gallery.flips == 1 else 's'} flip{'s' if gallery.flips == 1 else ''}"


def gate_record(gate: Gate) -> dict[str, Any]:
    """The content of ``gate.json``, at full precision."""
    looks, flips = gate.looks, gate.flips
    return {
        "schema": SCHEMA,
        "passes": gate.passes,
        "verdict": gate.verdict,
        "baseline": gate.comparison.first,
        "candidate": gate.comparison.second,
        "level": gate.policy.level,
        "correction": gate.policy.correction,
        "looks": looks and {name: getattr(looks, name) for name in ("planned", "taken", "prompts", "spending")},
        "gallery": flips and {"index": str(flips.index), "flips": flips.flips},
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
        "settling_prompts": one.question.settling.prompts if one.question else None,
        "settling_samples": one.question.settling.samples if one.question else None,
        "comparison": None if line is None else metric_record(line),
    }


def junit_gate(gate: Gate) -> str:
    """JUnit XML, in the form that GitLab, Jenkins and GitHub's reporters read: a case a metric.

    A metric that the gate fails by is a failure, one that cannot be told is skipped.
    """
    skipped = sum(one.outcome is Outcome.CANNOT_TELL and not one.fails for one in gate.judgements)
    counts = {"tests": str(len(gate.judgements)), "failures": str(len(gate.failures)), "errors": "0"}
    root = Xml.Element("testsuites", {"name": JUNIT_SUITE, **counts, "time": "0"})
    about = {"name": JUNIT_SUITE, **counts, "skipped": str(skipped), "time": "0"}
    suite = Xml.SubElement(root, "testsuite", about)
    properties = Xml.SubElement(suite, "properties")
    told = {"baseline": gate.comparison.first, "candidate": gate.comparison.second}
    if gate.flips is not None:
        told["gallery"] = str(gate.flips.index)
    for name, value in told.items():
        Xml.SubElement(properties, "property", {"name": name, "value": _xml(value)})
    for one in gate.judgements:
        about = {"classname": "miro-eval.gate", "name": _xml(one.metric), "time": "0"}
        case = Xml.SubElement(suite, "testcase", about)
        if one.fails:
            failure = Xml.SubElement(case, "failure", {"message": _xml(one.text), "type": one.outcome.value})
            failure.text = _xml(one.text)
        elif one.outcome is Outcome.CANNOT_TELL:
            Xml.SubElement(case, "skipped", {"message": _xml(f"cannot tell: {one.text}")})
        Xml.SubElement(case, "system-out").text = _xml(_numbers(gate, one))
    Xml.indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{Xml.tostring(root, encoding='unicode')}\n"


def _numbers(gate: Gate, one: Judgement) -> str:
    line = gate.line(one.metric)
    if line is None:
        return one.outcome.value
    change = f"{line.first:.6g} to {line.second:.6g} ({signed(line.paired.difference)})"
    return f"{one.outcome.value}: {change}, {line.paired.images} pairs of {line.paired.prompts} prompts"


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)


def workflow_commands(gate: Gate) -> Iterator[str]:
    """Annotations in GitHub Actions: errors for what the gate fails by, warnings for what cannot be told.

    GitHub shows ten of a kind a step: the gravest come first, and the tenth counts the rest.
    """
    gravest = sorted(gate.judgements, key=_gravity)
    errors = [one for one in gravest if one.fails]
    warnings = [one for one in gravest if one.outcome is Outcome.CANNOT_TELL and not one.fails]
    for kind, found in (("error", errors), ("warning", warnings)):
        shown = found if len(found) <= ANNOTATIONS else found[: ANNOTATIONS - 1]
        for one in shown:
            yield _annotation(kind, f"{one.metric} {one.outcome.value}", one.text)
        if rest := found[len(shown) :]:
            names = ", ".join(one.metric for one in rest)
            yield _annotation(kind, f"{len(rest)} more metrics", f"see the job's summary: {names}")


def _gravity(one: Judgement) -> tuple[bool, float, float]:
    """What is shown before what only may be, the surest first; then the largest drop in standard errors."""
    evidence = one.measured.evidence
    drop = 0.0 if evidence is None else -evidence.difference / max(evidence.standard_error, 1e-12)
    return one.outcome is not Outcome.FAILS, 1.0 if one.p_value is None else one.p_value, -drop


def _annotation(kind: str, title: str, text: str) -> str:
    title = _command(f"miro-eval gate: {title}").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={title}::{_command(text)}"


def _command(text: str) -> str:
    """As the runner unescapes it: percent signs and line ends; other control characters become escapes."""
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def tell_actions(gate: Gate, environment: Mapping[str, str]) -> None:
    """Append the verdict to the files that GitHub Actions names: the job's summary, and the step's output ``verdict``.

    Raises:
        UserError: one of them cannot be written.
    """
    texts = {"GITHUB_STEP_SUMMARY": markdown_gate(gate), "GITHUB_OUTPUT": f"verdict={gate.outcome.value}\n"}
    for name, text in texts.items():
        if not environment.get(name):
            continue
        try:
            with Path(environment[name]).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as error:
            raise UserError(f"{name}: {environment[name]}: cannot be written ({error.strerror})") from error
