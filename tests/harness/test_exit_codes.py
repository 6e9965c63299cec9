"""What a user's doings never end with: exit 1 is a failed gate's alone, exit 3 a bug's alone."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from harness.cli.app import app
from tests.harness.test_cli import MIRO_EVAL, one_line, run
from tests.harness.test_doctor import install
from wire.vocabulary import TAGS

GATE = "check worse --baseline better.json"
SAYS_MUCH = ["suites list", "paper list", "--help", GATE]
SAYS_AN_ERROR = ["check none --baseline none", "all none.ckpt", "chek"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a baseline that is better by far."""
    folder = tmp_path_factory.mktemp("gate")
    for name, correct in (("better", True), ("worse", False)):
        (folder / name).mkdir()
        row = {"correct": correct, "reason": "", "metadata": "{}", "details": "{}"}
        own = ({"prompt": f"cup {n}", "tag": TAGS[n % 6], "filename": f"{n:05d}/samples/0000.png"} for n in range(120))
        rows = [row | one for one in own]
        (folder / name / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("baseline", "save", folder / "better", folder / "better.json").returncode == 0
    return folder


def ended(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What bash makes of a line, with the program's own exit status even where it feeds a pipe."""
    command = ["bash", "-o", "pipefail", "-c", line.replace("miro-eval", str(MIRO_EVAL))]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_gate_that_is_used_here_fails(folder: Path) -> None:
    assert ended(f"miro-eval {GATE}", folder).returncode == 1


@pytest.mark.parametrize("command", SAYS_MUCH)
@pytest.mark.parametrize("streams", ["> /dev/full", "> /dev/full 2>&1", ">&-", "2>&-", ">&- 2>&-", "| exec true"])
def test_what_cannot_be_written_is_exit_4(command: str, streams: str, folder: Path) -> None:
    answer = ended(f"miro-eval {command} {streams}", folder)
    assert answer.returncode == 4
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("command", SAYS_AN_ERROR)
@pytest.mark.parametrize("streams", ["2> /dev/full", "> /dev/full 2>&1", ">&-", ">&- 2>&-"])
def test_an_error_that_cannot_be_written_is_exit_4(command: str, streams: str, folder: Path) -> None:
    assert ended(f"miro-eval {command} {streams}", folder).returncode == 4


def test_an_installation_that_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ImportError('half a package')\n")
    for streams in ("", "2> /dev/full", "2>&-"):
        answer = ended(f"PYTHONPATH=. miro-eval check a --baseline b {streams}", tmp_path)
        assert answer.returncode == 4
        assert streams or "install miro-eval again (half a package)" in answer.stderr
    (tmp_path / "sitecustomize.py").write_text("import rewards\n")
    (tmp_path / "rewards.py").write_text("")
    answer = ended("PYTHONPATH=. miro-eval check a --baseline b", tmp_path)
    assert answer.returncode == 4
    assert "a package 'rewards' of another origin" in answer.stderr


def test_a_terminal_without_our_characters(folder: Path) -> None:
    for command in SAYS_MUCH[:-1]:
        assert ended(f"PYTHONIOENCODING=ascii miro-eval {command}", folder).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("terminal", ["open", "closed"])
def test_a_signal_ends_the_command_and_what_it_started(
    number: signal.Signals, terminal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    note = tmp_path / "worker"
    install("rewards", health=f"echo $$ > {note}.new; mv {note}.new {note}; exec sleep 60")
    ours, theirs = pty.openpty()
    command = [MIRO_EVAL, "envs", "check", "rewards"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        while not note.exists():
            assert process.poll() is None
            time.sleep(0.05)
        if terminal == "closed":
            os.close(ours)
        process.send_signal(number)
        assert process.wait(30) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    if terminal == "open":
        assert b"stopped; everything finished is kept" in os.read(ours, 1000)
        os.close(ours)


def test_nohup_keeps_a_command_running() -> None:
    script = "import os, signal; from harness import cli; cli._run = lambda: os.kill(os.getpid(), signal.SIGHUP) or 5; "
    command = ["nohup", sys.executable, "-c", f"{script}cli.main()"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 5


def places(group: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """For each argument and each option that takes a path, a command line with ``NAME`` in its place."""
    for name, command in (group or typer.main.get_command(app)).commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from places(command, (*words, name))
            continue
        needed = {one.name: "x" for one in command.params if one.required}
        for one in command.params:
            if one.param_type_name == "argument" or "Path" in str(one.type_descriptor.annotation):
                given = needed | {one.name: "NAME"}
                yield (*words, name, *(_given(each, given[each.name]) for each in command.params if each.name in given))


def _given(parameter: Any, value: str) -> str:
    return value if parameter.param_type_name == "argument" else f"{parameter.opts[-1]}={value}"


PLACES = sorted(places())


def test_places_are_found_in_every_verb_that_takes_them() -> None:
    assert len(PLACES) > 50
    assert ("baseline", "save", "x", "NAME") in PLACES
    assert ("sweep", "x", "--out=NAME") in PLACES


@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_a_name_that_no_file_can_have(place: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one_line(run(*(word.replace("NAME", "lat\udce9in") for word in place)), 2, "lat\\xe9in", "not UTF-8")
    for name in ("x" * 300, "é" * 128, f"folder/{'x' * 256}.json/run"):
        answer = run(*(word.replace("NAME", name) for word in place))
        one_line(answer, 2)
        assert len(answer.stderr) < 800
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["loop", "loop/in", "nowhere", "file/in", "", "/dev/null"])
@pytest.mark.parametrize(
    "words",
    [
        *("report {}", "analyse {}", "view {}", "verify {}", "track {}", "compare {} {}", "baseline save {} b.json"),
        *(
            "report RUN --out {}",
            "view RUN --out {}",
            "baseline save RUN {}",
            "geneval --rejudge {} --out x",
            "plan {}",
        ),
    ],
)
def test_a_place_where_nothing_can_be(
    words: str, place: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    Path("nowhere").symlink_to("gone")
    Path("file").write_text("")
    answer = run(*({"{}": place, "RUN": folder / "better"}.get(word, word) for word in words.split()))
    assert answer.returncode in (0, 2, 4), answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "words", ["report {}", "compare {} {}", "baseline save {} b.json", "generate x.ckpt", "view {}"]
)
def test_a_folder_whose_name_is_not_utf_8(
    words: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = tmp_path / "lat\udce9in"
    (strange / "runs").mkdir(parents=True)
    (strange / "runs" / "s\udce9").symlink_to(folder / "better")
    (strange / "x.ckpt").write_text("")
    monkeypatch.chdir(strange)
    for place in (folder / "better", "runs", Path("runs").resolve()):
        answer = run(*(str(place) if word == "{}" else word for word in words.split()))
        assert answer.returncode in (0, 2), answer.stderr
        assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("words", ["all a/b --batch-size {}", "check a --baseline b --looks {}", "plan a/b --steps {}"])
def test_a_number_of_thousands_of_digits(words: str) -> None:
    assert run(*words.replace("{}", "9" * 5000).split()).returncode == 2


@pytest.mark.parametrize(
    "odd", [{"metadata": []}, {"details": []}, {"metadata": "{"}, {"details": "[1]"}, {"tag": None}]
)
def test_a_row_that_cannot_be_explained(odd: dict[str, object], tmp_path: Path) -> None:
    row: dict[str, object] = {"filename": "00000/samples/0000.png", "prompt": "a cup", "correct": True, "reason": ""}
    row |= {"tag": "colors", "metadata": '{"include": []}', "details": "{}"} | odd
    (tmp_path / "results.jsonl").write_text(
        json.dumps({name: value for name, value in row.items() if value is not None})
    )
    one_line(run("show", tmp_path, "0/0"), 2, "not a complete GenEval row")
