"""Try every fault on every stage and say what was seen.

    python -m bench.faults WORK [--only TEXT] [--stage STAGE] [--seconds N] [--out table.jsonl]

``WORK`` takes the copies (some 2 MB a cell). Cells already in ``--out`` are passed over, so that the matrix can be run
in pieces. Disk-full and read-only cells mount small file systems, which root may do; elsewhere they are skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

from bench.faults.cells import all_cells
from bench.faults.environments import Setup, environment_cells
from bench.faults.stand import STAGES, Cell, Seen, Stand, content, try_cell
from harness.weights.weight_source import make_tiny_world

MOUNTING = ("no room for a row", "disk fills up during the stage", "file system read-only")


def main() -> None:
    """Run the cells that are asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", default="", help="cells whose name holds this text")
    parser.add_argument("--stage", default="", help="cells of this stage")
    parser.add_argument("--seconds", type=float, default=3600.0, help="start no cell after this time")
    parser.add_argument("--out", type=Path, default=Path("faults.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print what --out holds")
    options = parser.parse_args()
    if not options.table:
        _run(options)
    print(table([Seen(**json.loads(line)) for line in options.out.read_text().splitlines()]))  # noqa: T201


def _run(options: argparse.Namespace) -> None:
    started = time.monotonic()
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    done = {(seen["fault"], seen["stage"]) for seen in map(json.loads, lines)}
    chosen = [
        c for c in (*all_cells(), *environment_cells()) if options.only in c.fault and options.stage in ("", c.stage)
    ]
    todo = [cell for cell in chosen if (cell.fault, cell.stage) not in done]
    checkpoint = make_tiny_world("uv", lambda _name: lambda _done, _total, _label: None).checkpoint
    reference = _reference(options.work, checkpoint)
    installed: dict[str, str] = {}
    for cell in todo:
        if time.monotonic() - started > options.seconds:
            return
        if cell.fault in MOUNTING and os.geteuid() != 0:
            continue
        if cell.stage == "envs setup":
            installed = installed or _installed(options.work)
            seen = _set_up(cell, options.work, installed)
        else:
            seen = _one(cell, options.work, checkpoint, reference)
        print(asdict(seen), flush=True)  # noqa: T201
        with options.out.open("a") as file:
            file.write(json.dumps(asdict(seen)) + "\n")


def _reference(work: Path, checkpoint: Path) -> Path:
    """An undisturbed run; made once."""
    run = work / "reference"
    if not (run / "report").exists():
        shutil.rmtree(run, ignore_errors=True)
        for stage in (*STAGES, "report"):
            outcome = Stand(stage, run, checkpoint).go()
            if outcome.status != 0:
                raise SystemExit(f"the undisturbed run failed at {stage}: {outcome}")
    return run


def _one(cell: Cell, work: Path, checkpoint: Path, reference: Path) -> Seen:
    folder = work / "cell"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(reference, folder / "run")
    stand = Stand(cell.stage, folder / "run", checkpoint)
    stand.forget()
    later = STAGES[STAGES.index(cell.stage) + 1 :] if cell.stage in STAGES else ()
    wanted = {name: digest for name, digest in content(reference).items() if not name.startswith(tuple(_rows(later)))}
    try:
        return try_cell(cell, stand, wanted)
    finally:
        if os.path.ismount(stand.run):
            subprocess.run(["umount", str(stand.run)], check=True)


def _installed(work: Path) -> dict[str, str]:
    """What an undisturbed set-up leaves."""
    stand = Setup("envs setup", work / "cell" / "home", Path())
    stand.forget()
    stand.go()
    return content(stand.run)


def _set_up(cell: Cell, work: Path, installed: dict[str, str]) -> Seen:
    stand = Setup(cell.stage, work / "cell" / "home", Path())
    stand.forget()
    return try_cell(cell, stand, installed)


def _rows(stages: tuple[str, ...]) -> list[str]:
    from bench.faults.stand import ROWS

    return [ROWS[stage] for stage in stages] or ["none"]


def table(seen: list[Seen]) -> str:
    """Markdown: a row a cell."""
    lines = ["| stage | fault | exit | said | again | same bytes |", "|---|---|---|---|---|---|"]
    for cell in seen:
        said = cell.said.replace("|", "\\|")[:110]
        same = "yes" if cell.same else "**no**"
        lines.append(f"| {cell.stage} | {cell.fault} | {cell.status} | {said} | {cell.rerun} | {same} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
