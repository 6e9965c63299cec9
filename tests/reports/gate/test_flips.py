from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.gate.baseline import save_baseline, write_flips
from reports.read.runs import read_run
from tests.reports.builders import Row, verdict
from tests.reports.gate.builders import PROTOCOL, reward_sweep, write_run
from wire.errors import UserError


def rows(wrong: int) -> list[Row]:
    made = [verdict(prompt, sample, "colors", prompt > wrong) for prompt in range(8) for sample in range(2)]
    made[-1] |= {"correct": None, "status": "unscored", "error": "broken image"}
    return made


def test_a_gallery_of_flips_needs_no_more_than_a_saved_baseline(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", rows(2), protocol=PROTOCOL)
    second = write_run(tmp_path / "second", rows(4), protocol=PROTOCOL)
    saved = save_baseline(read_run(first), tmp_path / "saved.json")
    for baseline in (first, saved):
        written = write_flips(baseline, second, tmp_path / "gallery")
        assert written.flips == 4
        assert written.index == tmp_path / "gallery" / "index.html"
        page = written.index.read_text()
        data = json.loads(page.split('type="application/json"')[1].split(">", 1)[1].split("</script>")[0])
        assert [run["name"] for run in data["runs"]] == ["first", "second"]
        assert [len(run["records"]) for run in data["runs"]] == [16, 16]
        assert data["runs"][0]["records"][-1]["correct"] is None


def test_a_baseline_without_verdicts_has_no_flips(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [], reward_sweep(), PROTOCOL)
    saved = save_baseline(read_run(run), tmp_path / "saved.json")
    with pytest.raises(UserError, match="omit --gallery"):
        write_flips(saved, run, tmp_path / "gallery")
