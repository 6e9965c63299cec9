"""``miro-eval suites``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from generation.suites import PUBLISHED, SUITES
from harness.cli.app import app
from wire.errors import UserError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and a terminal wide enough for the table."""
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


def answer(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["suites", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def drawbench(folder: Path) -> Path:
    path = folder / "prompts.csv"
    path.write_text("Prompts,Category\n" + "".join(f"prompt {number},x\n" for number in range(200)))
    return path


def test_list_names_every_suite_and_what_is_here(tmp_path: Path) -> None:
    rows = {line.split()[0]: line for line in answer("list").splitlines()[1:]}
    assert set(rows) == {*SUITES, *PUBLISHED}
    assert "553" in rows["geneval"]
    assert "built in" in rows["geneval"]
    judges = {name: re.split(r"\s{2,}", rows[name])[2] for name in rows}
    assert judges["geneval"] == judges["geneval-long-bagel"] == judges["geneval-long-miro"] == "geneval"
    assert (judges["geneval2"], judges["parti"]) == ("soft_tifa", "none (rewards only)")
    assert " no " in rows["drawbench"]
    answer("fetch", "drawbench", "--from", drawbench(tmp_path))
    assert " yes " in next(line for line in answer("list").splitlines() if "drawbench" in line)


def test_fetch_from_a_file_says_what_it_trusts_then_path_finds_it(tmp_path: Path, home: Path) -> None:
    said = answer("fetch", "drawbench", "--from", drawbench(tmp_path))
    assert "no hash of drawbench.csv is published; trusted now, and recorded" in said
    assert "drawbench: 200 prompts, sha256 " in said
    assert answer("path", "drawbench").strip() == str(home / "suites" / "drawbench")
    assert list(json.loads((home / "suites" / "drawbench" / "fetched.json").read_text())) == ["drawbench.csv"]


def test_bad_names_and_files(tmp_path: Path) -> None:
    for arguments, words in (
        (("fetch", "coco"), "coco: no published suite of that name"),
        (("path", "parti"), "suite parti is not here yet"),
        (("fetch", "parti", "dpg", "--from", drawbench(tmp_path)), "name only that one"),
    ):
        with pytest.raises(UserError, match=words):
            answer(*arguments)
