"""Files that never end, or that nobody writes to, in the place of any file that a user names: refused unread."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness.test_cli import run
from tests.reports.builders import SMALL, sweep, write_rows
from wire.errors import ExitCode

ZERO = Path("/dev/zero")


@pytest.mark.parametrize("kind", ["device", "pipe", "link"])
@pytest.mark.parametrize(
    "words",
    [
        ("plan", "a/b", "--suite"),
        ("suites", "fetch", "drawbench", "--from"),
        ("calibrate", "--tiny-world", "--golden"),
        ("check", "run", "--baseline", "run", "--policy"),
        ("report",),
        ("compare", "run"),
        ("geneval", "--out", "rows.jsonl", "--rejudge"),
    ],
    ids=lambda words: words[0],
)
def test_what_never_ends_is_refused(
    words: tuple[str, ...], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "run" / "results.jsonl", sweep(SMALL))
    path = ZERO if kind == "device" else tmp_path / "endless.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(ZERO)
    answer = run(*words, path)
    assert answer.returncode == ExitCode.USER_ERROR, answer.stderr
    assert str(path) in answer.stderr
