"""The list of GPU measurements, at sizes for a CPU: what can run does, and what cannot is named with the reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bench.gpu import memory
from bench.gpu.__main__ import PARTS, main

ROOT = Path(__file__).resolve().parents[2]


def test_a_part_runs_and_a_missing_package_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = ["sampling", "detector, float32"]
    main(["--device", "cpu", "--small", "--out", str(tmp_path), "--parts", *parts])
    figures = (tmp_path / "figures.md").read_text()
    assert capsys.readouterr().out == figures
    sampling, detector = (figures.split(f"## {title}\n")[1].split("##")[0] for title in parts)
    assert re.search(r"\| 1 \| \d+\.\d\d \|", sampling)
    assert re.search(r"not measured to its end: ModuleNotFoundError: No module named 'mm(det|cv)'", detector)


def test_without_time_a_part_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--device", "cpu", "--small", "--out", str(tmp_path), "--minutes", "0", "--parts", "sampling"])
    assert "## sampling\n\nnot measured: no time was left" in capsys.readouterr().out


def test_every_command_of_the_list_is_a_module_that_takes_a_device() -> None:
    for command in {part.real.split()[0] for part in PARTS}:
        source = ROOT.joinpath(*command.split(".")).with_suffix(".py").read_text()
        assert "--device" in source, command


@pytest.mark.parametrize("end", [7, 8, 100, 300, 511])
def test_the_end_of_memory_is_found(end: int) -> None:
    tried: list[int] = []

    def works(size: int) -> bool:
        tried.append(size)
        return size <= end

    found = memory.last_fitting(works, 4)
    assert found <= end <= found + max(1, found // 16) or found >= memory.MOST
    assert len(tried) < 16


def test_memory_is_looked_at_on_a_cpu_too(capsys: pytest.CaptureFixture[str]) -> None:
    memory.main(["--device", "cpu", "--small"])
    assert "| 3 | 4 | nan | not tried | fits |" in capsys.readouterr().out


def test_a_batch_that_does_not_fit_is_seen() -> None:
    class Full:
        def probe(self, batch: Any) -> None:
            from generation.backends import OutOfMemory

            if batch.size > 2:
                raise OutOfMemory("full")

    assert [memory.fits(Full(), None, size) for size in (1, 2, 3)] == [True, True, False]
