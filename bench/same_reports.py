"""Whether a change leaves report files as they were: ``python -m bench.same_reports BASE [RUNS ...]``.

Runs with the orchestrator's Python, from the top of a clone. ``BASE`` is a commit. Its code and the working tree's make
every kind of report of the same rows, and all files, exit codes and words are compared byte by byte. The rows: runs
written here in the layouts of several tools, finished and half finished; ``--damaged N`` files with something wrong in
each, which both sides must read, or refuse in the same words; and the runs named. Exit status 1 where something
differs.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.reports import write_runs
from reports.made import RECORD
from tests.fuzz.mutations import mutate
from tests.fuzz.targets import REWARD, VERDICT
from tests.reports.builders import SMALL, Row, rewards, sweep, unscored, verdict, write_rows

HERE = Path(__file__).resolve().parents[1]
#: Differences that are named.
NAMED = 20


def main() -> int:
    """Make both sides' reports, and say where they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="commit to compare the working tree with")
    parser.add_argument("runs", type=Path, nargs="*", help="further run directories or files of rows")
    parser.add_argument("--damaged", type=int, default=300, help="files with something wrong in them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="miro-eval-same-") as name, _checkout(options.base) as base:
        folder = Path(name)
        runs = [*_written(folder / "runs"), *map(Path.absolute, options.runs)]
        damaged = list(_damaged(folder / "damaged", options.damaged))
        # In folders of one name, for reports tell runs of one name apart by it.
        trees = {"base": base, "here": HERE}
        sides = [_reports(tree, runs, damaged, folder / side / "reports") for side, tree in trees.items()]
        files, differing = _compared(*sides)
    for line in differing[:NAMED]:
        print(line)  # noqa: T201 - its purpose
    print(f"{len(runs)} runs, {len(damaged)} damaged files: {files} files compared, {len(differing)} differ")  # noqa: T201
    return int(bool(differing))


@contextlib.contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="miro-eval-base-") as name:
        tree = Path(name) / "tree"
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def _written(folder: Path) -> list[Path]:
    """Runs as several tools leave them; two whole sweeps, as many small ones as there are oddities."""
    write_runs(folder, 2, rewards=True)
    small = sweep(SMALL)
    scored = [rewards(row // 4, row % 4) for row in range(len(small))]
    odd: dict[str, tuple[list[Row], list[Row]]] = {
        "reversed": (small[::-1], scored[::-1]),
        "unscored": ([*small[:-1], unscored(552, 3, "color_attr")], [{**scored[0], "vqa": None}, *scored[1:]]),
        "not_finite": (small, [{**scored[0], "vqa": float("nan")}, {**scored[1], "vqa": 1e400}, *scored[2:]]),
        "twice": ([*small, *small[:5]], [*scored, *({**row, "extra": 1} for row in scored[:7])]),
        "made_anew": ([*small, {**small[0], "image_sha256": "b"}], [*scored, {**scored[0], "image_sha256": "b"}]),
        "upstreams": (
            [{**row, "filename": f"out/{row['filename']}"} for row in small],
            [{"filename": f"/x/{row['filename']}", "prompt": row["prompt"], "hpsv2": 0.25} for row in small],
        ),
        "one_name": ([verdict(place, 0, "colors", place > 0, filename="0.png") for place in range(9)], []),
        "other_names": ([{**row, "filename": f"{place}.png"} for place, row in enumerate(small)], scored),
        "half_characters": ([{**row, "reason": 'a "b",\ud800\n\u202e'} for row in small], []),
        "indexed": ([{**row, "prompt_index": place // 4, "sample_index": 7} for place, row in enumerate(small)], []),
        "no_verdicts": ([], [{**row, "prompt_index": None} for row in scored]),
    }
    for name, (verdicts, scores) in odd.items():
        for file, rows in (("results.jsonl", verdicts), ("rewards.jsonl", scores)):
            if rows:
                write_rows(folder / name / file, rows)
    (folder / "twice" / "run.json").write_text(json.dumps({"name": "two", "protocol": {"seed": 1, "suite": {"a": 2}}}))
    return sorted(folder.iterdir())


def _damaged(folder: Path, count: int) -> Iterator[Path]:
    chance = random.Random(5)  # noqa: S311 - made-up damage
    for number in range(count):
        row, file = ((VERDICT, "results.jsonl"), (REWARD, "rewards.jsonl"))[number % 2]
        rows = [{**row, "sample_index": place, "filename": f"00000/samples/000{place}.png"} for place in range(3)]
        seed = "".join(json.dumps(one) + "\n" for one in rows).encode()
        path = folder / f"{number:04d}" / file
        path.parent.mkdir(parents=True)
        path.write_bytes(mutate(seed, chance))
        yield path


#: Run in a process of its own for each side; each verb's words and status are kept beside its files.
_SIDE = """
import contextlib, json, pathlib, sys
from harness.cli import main
for words, said in json.load(sys.stdin):
    sys.argv = ["miro-eval", *words]
    said = pathlib.Path(said)
    said.parent.mkdir(parents=True, exist_ok=True)
    with said.open("w", errors="backslashreplace") as file, contextlib.redirect_stdout(file), \
            contextlib.redirect_stderr(file):
        try:
            main()
        except SystemExit as end:
            print("exit status", end.code)
"""


def _reports(tree: Path, runs: Sequence[Path], damaged: Sequence[Path], out: Path) -> Path:
    """All reports that a tree's code makes, in a new folder."""
    out.mkdir(parents=True)
    commands = [_command(out / verb, verb, *runs, "--out") for verb in ("report", "analyse", "track")]
    commands += [_command(out / "figures", "paper", "figures", "--out")]
    commands += [_command(out / "table", "paper", "table1", *(f"MIRO={run}" for run in runs), "--out")]
    for run, other in zip(runs, [runs[-1], *runs], strict=False):
        own = out / run.stem
        commands += [
            _command(own / "gallery", "view", run, other, "--out"),
            _command(own / "comparison", "compare", other, run, "--allow-unlike", "--out"),
            _command(own / "baseline.json", "baseline", "save", run),
            _command(own / "gate", "check", run, "--baseline", other, "--out"),
            _command(own / "gate_of_itself", "check", run, "--baseline", own / "baseline.json", "--out"),
        ]
    commands += [_command(out / "damaged" / path.parent.name, "report", path, "--out") for path in damaged]
    environment = os.environ | {"PYTHONPATH": str(tree), "COLUMNS": "120"}
    command = [sys.executable, "-P", "-c", _SIDE]
    subprocess.run(command, input=json.dumps(commands).encode(), cwd=out, env=environment, check=True)
    return out


def _command(place: Path, *words: object) -> tuple[list[str], str]:
    """A verb that writes to a place, named from the side's own folder, and where its words are kept."""
    return [*map(str, words), str(place)], f"{place}.said"


def _compared(base: Path, here: Path) -> tuple[int, list[str]]:
    """How many files there are, and which differ; a side's own folder may stand in its words.

    But for the records of what reports were made from: these hold a hash of the code.
    """
    files = (path for side in (base, here) for path in side.rglob("*") if path.is_file() and path.name != RECORD)
    names = sorted({path.relative_to(base if path.is_relative_to(base) else here) for path in files})
    return len(names), [str(name) for name in names if not _alike(base, here, name)]


def _alike(base: Path, here: Path, name: Path) -> bool:
    left, right = base / name, here / name
    if not left.exists() or not right.exists():
        return False
    if filecmp.cmp(left, right, shallow=False):
        return True
    return left.read_bytes() == right.read_bytes().replace(os.fsencode(here), os.fsencode(base))


if __name__ == "__main__":
    sys.exit(main())
