"""The files of a verdict."""

from __future__ import annotations

from pathlib import Path

from reports.files import write_json, write_text
from reports.gate.check import Gate
from reports.gate.gate_formats import gate_record, markdown_gate
from reports.gate.junit import junit_gate

NAME = "gate"


def write_gate(gate: Gate, out: Path) -> tuple[Path, Path, Path]:
    """Write ``gate.md``, ``gate.json`` and ``gate.xml`` (JUnit) into a folder.

    Raises:
        UserError: the folder cannot be written.
    """
    markdown = write_text(out / f"{NAME}.md", markdown_gate(gate, out))
    record = write_json(out / f"{NAME}.json", gate_record(gate))
    return markdown, record, write_text(out / f"{NAME}.xml", junit_gate(gate))
