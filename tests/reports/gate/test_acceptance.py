"""The gate on a published result file, through the command line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree as Xml

import pytest

from harness.cli import main
from reports.gate.gate_formats import junit_gate
from tests.reports.builders import Row, rewards, write_rows
from tests.reports.gate.builders import PROTOCOL, check_paths, write_run
from tests.shared_data import shared
from wire.vocabulary import TAGS

MIRO_EVAL = Path(sys.executable).with_name("miro-eval")
REAL = "data/geneval/genediteval_results.jsonl"
FLIPPED = 40


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str | Path, **environment: str) -> Answer:
    """The command line, within this process: starting one takes longer than most checks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    with (
        mock.patch.dict(os.environ, kept | environment, clear=True),
        mock.patch.object(sys, "argv", [str(MIRO_EVAL), *map(str, arguments)]),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as error,
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return Answer(int(ended.value.code or 0), out.getvalue(), error.getvalue())


def run_by_itself(*arguments: str | Path) -> Answer:
    answer = subprocess.run([MIRO_EVAL, *arguments], capture_output=True, text=True, check=False, timeout=120)
    return Answer(answer.returncode, answer.stdout, answer.stderr)


def real_rows() -> list[Row]:
    return [json.loads(line) for line in shared(REAL).read_text().splitlines()]


def flipped(rows: list[Row], tag: str, in_order: bool) -> list[Row]:
    """Forty verdicts of one tag turned wrong: the first forty (ten whole prompts), or any forty."""
    places = [place for place, row in enumerate(rows) if row["tag"] == tag and row["correct"]]
    chosen = set(places[:FLIPPED] if in_order else random.Random(1).sample(places, FLIPPED))
    return [{**row, "correct": False} if place in chosen else row for place, row in enumerate(rows)]


def test_a_file_against_itself_passes() -> None:
    answer = run_by_itself("check", shared(REAL), "--baseline", shared(REAL))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "gate: passes"


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("tag", TAGS)
def test_forty_flips_of_one_tag_fail_and_name_it(tag: str, in_order: bool, tmp_path: Path) -> None:
    candidate = write_rows(tmp_path / "candidate.jsonl", flipped(real_rows(), tag, in_order))
    gate = check_paths(candidate, shared(REAL))
    assert not gate.passes
    assert gate.verdict.startswith("gate: fails: ")
    assert tag in gate.verdict
    assert not any(other in gate.verdict for other in TAGS if other != tag)
    failures = Xml.fromstring(junit_gate(gate)).iterfind(".//testcase[failure]")
    assert tag in {case.get("name") for case in failures}


def test_the_verdict_is_the_last_line_and_the_exit_code(tmp_path: Path) -> None:
    candidate = write_rows(tmp_path / "candidate.jsonl", flipped(real_rows(), "position", in_order=True))
    answer = run_by_itself("check", candidate, "--baseline", shared(REAL), "--out", tmp_path / "gate")
    assert answer.returncode == 1
    assert answer.stdout.splitlines()[-1] == "gate: fails: overall, position"
    assert sorted(path.name for path in (tmp_path / "gate").iterdir()) == ["gate.json", "gate.md", "gate.xml"]


def test_another_suite_is_refused(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", real_rows(), protocol=PROTOCOL)
    other = PROTOCOL | {"suite": {"id": "geneval", "sha256": "0000"}}
    second = write_run(tmp_path / "second", real_rows(), protocol=other)
    policy = tmp_path / "gate.toml"
    policy.write_text('may_differ = ["suite.sha256"]\n[metrics.overall]\nmargin = 0.02\n')
    answer = run("check", second, "--baseline", first, "--policy", policy)
    assert answer.returncode == 2
    assert "suite.sha256" in answer.stderr
    assert answer.stdout == ""


def test_a_baseline_file_stands_for_its_run(tmp_path: Path) -> None:
    saved = tmp_path / "baseline.json"
    assert run("baseline", "save", shared(REAL), saved).returncode == 0
    assert saved.stat().st_size < 200_000
    candidate = write_rows(tmp_path / "candidate.jsonl", flipped(real_rows(), "colors", in_order=False))
    by_file = run("check", candidate, "--baseline", saved, "--out", tmp_path / "by_file")
    by_run = run("check", candidate, "--baseline", shared(REAL), "--out", tmp_path / "by_run")
    assert by_file.returncode == by_run.returncode == 1
    first, second = (json.loads((tmp_path / name / "gate.json").read_text()) for name in ("by_file", "by_run"))
    assert first["metrics"] == second["metrics"]


def test_github_gets_a_summary_and_annotations(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    candidate = write_rows(tmp_path / "candidate.jsonl", flipped(real_rows(), "colors", in_order=False))
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    answer = run("check", candidate, "--baseline", shared(REAL), **environment)
    assert answer.returncode == 1
    lines = answer.stdout.splitlines()
    assert any(line.startswith("::error title=miro-eval gate%3A colors fails::") for line in lines)
    assert lines[-1].startswith("gate: fails: ")
    assert summary.read_text().startswith("before\n# Gate fails: candidate against ")
    outside = run("check", candidate, "--baseline", shared(REAL))
    assert "::error" not in outside.stdout


def test_compare_prints_three_formats(tmp_path: Path) -> None:
    candidate = write_rows(tmp_path / "candidate.jsonl", flipped(real_rows(), "colors", in_order=False))
    table = run("compare", shared(REAL), candidate, "--out", tmp_path / "out")
    assert table.returncode == 0
    assert all(tag in table.stdout for tag in ("overall", *TAGS))
    markdown = run("compare", shared(REAL), candidate, "--format", "markdown").stdout
    assert markdown == (tmp_path / "out" / "comparison.md").read_text()
    record = json.loads(run("compare", shared(REAL), candidate, "--format", "json").stdout)
    assert record == json.loads((tmp_path / "out" / "comparison.json").read_text())
    colors = next(line for line in record["metrics"] if line["metric"] == "colors")
    images = sum(row["tag"] == "colors" for row in real_rows())
    assert colors["difference"] == pytest.approx(-FLIPPED / images)
    assert colors["interval"]["low"] < colors["difference"] < colors["interval"]["high"] < 0.0


def test_a_policy_to_begin_with(tmp_path: Path) -> None:
    policy = tmp_path / "gate.toml"
    assert run("check", "--init", policy).returncode == 0
    assert run("check", shared(REAL), "--baseline", shared(REAL), "--policy", policy).returncode == 0
    again = run("check", "--init", policy)
    assert again.returncode == 2
    assert "there is one already" in again.stderr


def test_looks_and_a_gallery_from_the_command_line(tmp_path: Path) -> None:
    rows = real_rows()
    lost = [{**row, "correct": False} if row["tag"] == "colors" else row for row in rows]
    candidate = write_rows(tmp_path / "candidate.jsonl", lost)
    saved = tmp_path / "baseline.json"
    assert run("baseline", "save", shared(REAL), saved).returncode == 0
    out = tmp_path / "gate"
    options = ("--looks", "100, 200,553", "--out", out, "--gallery", out / "gallery")
    answer = run("check", candidate, "--baseline", saved, *options)
    assert answer.returncode == 1, answer.stderr
    assert answer.stdout.splitlines()[-1] == "gate: fails: overall, colors (after 100 of 553 prompts)"
    flips = sum(row["tag"] == "colors" and row["correct"] for row in rows)
    assert f"[gallery of the two runs](gallery/index.html): {flips} verdicts flip" in (out / "gate.md").read_text()
    assert (out / "gallery" / "index.html").is_file()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--looks", "200,100"), "--looks '200,100': expected ascending numbers of prompts, e.g. 100,200,553"),
        (("--looks", "ten"), "--looks 'ten'"),
        (("--looks", "100,900"), "a look after 900 prompts: the baseline has the first 553 only"),
        (("--looks", "100", "--subset"), "--subset cannot be combined with looks"),
        (("--checkpoint", "org/name"), "the baseline does not record samples"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(options: tuple[str, ...], part: str) -> None:
    answer = run("check", shared(REAL), "--baseline", shared(REAL), *options)
    assert answer.returncode == 2
    assert part in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_two_runs_of_one_name_are_told_apart_and_can_be_named(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / name / "last", real_rows()) for name in ("old", "new"))
    for verb in (("compare", first, second), ("check", second, "--baseline", first)):
        answer = run(*verb, "--gallery", tmp_path / "page") if verb[0] == "check" else run(*verb)
        assert answer.returncode == 0, answer.stderr
        assert "old/last" in answer.stdout
        assert "new/last" in answer.stdout
        assert "given 1 times for 2 runs" in run(*verb, "--name", "only").stderr
    assert "old/last" in (tmp_path / "page" / "index.html").read_text()
    named = run("compare", first, second, "--name", "left", "--name", "right")
    assert "first: left\nsecond: right" in named.stdout
    named = run("check", second, "--baseline", first, "--name", "mine", "--name", "main", "--looks", "100,553")
    assert "baseline: main\ncandidate: mine" in named.stdout
    report = run("report", first, second, "--out", tmp_path / "report", "--name", "left", "--name", "right")
    assert report.returncode == 0, report.stderr
    assert "left" in report.stdout
    assert "right" in report.stdout


#: Names that a metric, a run, a field or a file may have; the runner of a workflow takes lines for commands.
NASTY = (
    "::stop-commands::t",
    "##[error]x",
    "bell\x07 esc\x1b[31m c1\x9b rtl\u202e",
    "two\nlines\n::add-mask::a",
    "w " * 60 + "::error::wrapped",
    ":::group::y",
)


def nasty_run(folder: Path, place: int, value: float) -> Path:
    names = [f"{name} {number}" for number, name in enumerate(NASTY)]
    rows = [rewards(prompt, 0, dict.fromkeys(names, value + 0.01 * (prompt % 3))) for prompt in range(12)]
    rows = [row | {"filename": f"{row['filename'][:-4]}\n::error::file.png"} for row in rows]
    write_rows(folder / "rewards.jsonl", [*rows, rows[0]])
    record = {"name": NASTY[place], "protocol": {name: f"{name} {value}" for name in NASTY}}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_no_foreign_text_is_a_command_in_a_log(tmp_path: Path) -> None:
    """GitHub's runner drops white space before ``::``, and looks for ``##[`` anywhere in a line."""
    names = range(len(NASTY))
    runs = [nasty_run(tmp_path / str(place), place, 0.5 - 0.01 * place) for place in names]
    policy = tmp_path / "gate.toml"
    fields = ", ".join(json.dumps(name) for name in NASTY)
    policy.write_text(f"may_differ = [{fields}]\n[metrics.rewards]\nmargin = 0.001\n")
    saved = tmp_path / "saved.json"
    assert run("baseline", "save", runs[0], saved).returncode == 0
    saved.write_text(saved.read_text().replace("bell esc", "bell\\u0007 esc"))
    out, summary = tmp_path / "out", tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    for candidate in runs[1:]:
        for code, words in (
            (1, ("check", candidate, "--baseline", saved, "--policy", policy, "--out", out)),
            (1, ("check", candidate, "--baseline", runs[0], "--policy", policy, "--out", out)),
            (2, ("check", candidate, "--baseline", runs[0])),
            (0, ("compare", runs[0], candidate, "--allow-unlike", "--out", out)),
            (0, ("report", runs[0], candidate, "--out", out)),
        ):
            answer = run(*words, **environment)
            assert answer.returncode == code, answer.stderr
            ours = [
                line for line in answer.stdout.splitlines() if line.startswith(("::error title=", "::warning title="))
            ]
            lines = [*answer.stdout.split("\n"), *answer.stderr.split("\n")]
            assert [line for line in lines if line.lstrip().startswith("::") and line not in ours] == []
            assert [line for line in lines if "##[" in line and line not in ours] == []
            assert "\x1b" not in answer.stdout + answer.stderr
    for written in (out / "gate.md", out / "comparison.md", out / "leaderboard.md", summary):
        found = {letter for letter in written.read_text() if unicodedata.category(letter) == "Cc" and letter != "\n"}
        assert found == set()
        assert "\u202e" not in written.read_text()
