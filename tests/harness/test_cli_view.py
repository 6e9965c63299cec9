from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.reports.gallery.runs import make_run

MIRO_EVAL = Path(sys.executable).with_name("miro-eval")


def view(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(MIRO_EVAL), "view", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_gallery_of_one_run_lies_in_it(tmp_path: Path) -> None:
    answer = view(make_run(tmp_path / "a"))
    index = tmp_path / "a" / "report" / "gallery" / "index.html"
    assert answer.stdout == f"gallery: {index} (12 images; missing files: 1)\n"
    assert index.is_file()


def test_a_gallery_of_two_runs(tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b", wrong={1})
    answer = view(first, second, "--out", tmp_path / "out", "--copy")
    assert "12 pairs, 2 verdicts flip" in answer.stdout
    assert (tmp_path / "out" / "images" / "2" / "00000" / "samples" / "0000.png.jpg").is_file()


def test_a_grid_of_three_runs(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name) for name in "abc"]
    answer = view(*runs, "--grid", "--prompt", "position", "--format", "svg", "--out", tmp_path / "out")
    assert "12 rows, 0 verdicts flip" in answer.stdout
    text = (tmp_path / "out" / "grid.svg").read_text()
    assert [f">{name}<" in text for name in "abc"] == [True] * 3
    assert text.count("<image") == 3


def test_options_of_the_grid_need_it(tmp_path: Path) -> None:
    answer = view(make_run(tmp_path / "a"), "--format", "pdf")
    assert (answer.returncode, answer.stderr) == (
        2,
        "miro-eval: --prompt, --sample and --format apply to grid.png: add --grid\n",
    )


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    answer = view(tmp_path / "none")
    assert answer.returncode == 2
    assert answer.stderr == f"miro-eval: {tmp_path / 'none'}: no such file or run directory\n"


def test_check_copies_into_a_gallery_alone(tmp_path: Path) -> None:
    command = [str(MIRO_EVAL), "check", str(tmp_path), "--baseline", str(tmp_path), "--copy"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (answer.returncode, "add --gallery" in answer.stderr) == (2, True)
