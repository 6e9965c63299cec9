from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.run.directory import RunDirectory, read_metadata
from harness.run.manifest import Manifest, StageRecord
from harness.stages.base import fingerprint, known_rows
from wire.errors import UserError
from wire.row_files import MAX_LINE
from wire.untrusted import is_text, read_small, refuse_links_out, require_file


def test_links_within_the_run_and_to_images_elsewhere_are_fine(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    (run / "logs").mkdir(parents=True)
    (elsewhere / "00000").mkdir(parents=True)
    (run / "00000").symlink_to(elsewhere / "00000")
    (run / "current.jsonl").symlink_to(run / "results.jsonl")
    refuse_links_out(run)
    refuse_links_out(tmp_path / "none")
    with pytest.raises(UserError, match="outside of the run"):
        refuse_links_out(run, run / "00000")


@pytest.mark.parametrize("name", ["results.jsonl", "logs/rewards.log", "work/lock", "report/leaderboard.md", "logs"])
def test_a_link_that_we_would_write_through_is_named(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).symlink_to(tmp_path / "victim")
    with pytest.raises(UserError, match=r"a link to .*victim, outside of the run"):
        refuse_links_out(run)
    with pytest.raises(UserError, match="outside of the run"), RunDirectory(run).locked():
        pass


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    for path in (tmp_path / "pipe", tmp_path / "gone", Path("/dev/zero"), tmp_path):
        with pytest.raises(UserError, match="not a file"):
            require_file(path)
    with pytest.raises(UserError, match="not a file"):
        read_metadata(tmp_path / "pipe")


def test_a_document_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    path.write_text('{"prompt": "a"}')
    assert read_small(path) == '{"prompt": "a"}'
    os.truncate(path, MAX_LINE + 1)
    with pytest.raises(UserError, match="more than 16 MB"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"prompt": "a \\ud800 cat"}', "halves of characters"),
        ('{"prompt": "a", "prompt": "b"}', "the key 'prompt' is there twice"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_odd_metadata_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "metadata.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as error:
        read_metadata(path)
    assert "\n" not in str(error.value)
    assert is_text(["é", {"日本": None}])


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_rows_with_numbers_that_are_none_are_not_believed(tmp_path: Path, number: str) -> None:
    settings = {"seed": 1}
    record = StageRecord(fingerprint(settings), settings, rows_sha256="0" * 64)
    good = {"filename": "a", "colors": {"dog": [[0.5]]}, "correct": True}
    bad = json.dumps(good | {"filename": "b"}).replace("0.5", number)
    (tmp_path / "results.jsonl").write_text(json.dumps(good) + "\n" + bad + "\n")
    manifest = Manifest("x", stages={"geneval": record})
    rows = known_rows(RunDirectory(tmp_path), manifest, "geneval", "results.jsonl", settings)
    assert list(rows) == [good]
