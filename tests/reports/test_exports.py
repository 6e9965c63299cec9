"""Leaderboards in experiment trackers, with the trackers' own packages; those that are not installed are skipped.

All three: ``uv run --extra wandb --extra mlflow --extra tensorboard pytest tests/reports/test_exports.py``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import reports
from reports.exports import TRACKERS, check_trackers, entries
from tests.reports.builders import SMALL, rewards, sweep, write_rows
from wire.errors import UserError

MIRO_EVAL = Path(sys.executable).with_name("miro-eval")
NAME = "a/b <c>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_rows(folder / "results.jsonl", sweep(SMALL))
    write_rows(folder / "rewards.jsonl", [rewards(place, 0, {"vqa": 0.25, "hpsv2.1": 0.3}) for place in range(2)])
    (folder / "run.json").write_text(f'{{"name": "{NAME}"}}')
    return folder


def export(run: Path, out: Path, tracker: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """In a process of its own: trackers leave threads and warnings behind."""
    for variable in ("MLFLOW_TRACKING_URI", "WANDB_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    command = [str(MIRO_EVAL), "report", str(run), "--out", str(out), "--export", tracker]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 0, answer.stderr
    line: str = answer.stdout.splitlines()[-1]
    assert line.startswith("exported: ")
    return line


def test_what_is_handed_over(run: Path, tmp_path: Path) -> None:
    (entry,) = entries(reports.report([run], tmp_path).leaderboard)
    assert entry.name == NAME
    assert entry.values["overall"] == 0.5
    assert entry.values["vqa"] == 0.25
    assert "aesthetic" not in entry.values
    assert entry.facts["coverage"] == "12 of 553 prompts"
    assert not entry.facts.keys() & entry.values.keys()


def test_tensorboard_reads_it_back(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    from tensorboardX.proto.event_pb2 import Event

    line = export(run, tmp_path, "tensorboard", monkeypatch)
    assert line == f"exported: tensorboard --logdir {tmp_path / 'tensorboard'}: 1 runs"
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name == "001-a-b-c-"
    (events,) = folder.iterdir()
    content = events.read_bytes()
    scalars: dict[str, float] = {}
    # A record: eight bytes of length, four of checksum, the event, four of checksum.
    while content:
        size = int.from_bytes(content[:8], "little")
        for value in Event.FromString(content[12 : 12 + size]).summary.value:
            scalars[value.tag] = value.simple_value
        content = content[16 + size :]
    assert scalars["miro-eval/overall"] == 0.5
    assert scalars["miro-eval/hpsv2.1"] == pytest.approx(0.3)


def test_mlflow_reads_it_back(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed (extra: mlflow)")
    export(run, tmp_path, "mlflow", monkeypatch)
    (place,) = (tmp_path / "mlruns").glob("*/*/metrics")
    assert float((place / "overall").read_text().split()[1]) == 0.5
    assert (place.parent / "params" / "coverage").read_text() == "12 of 553 prompts"
    assert (place.parent / "tags" / "mlflow.runName").read_text() == NAME


def test_wandb_offline(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed (extra: wandb)")
    export(run, tmp_path, "wandb", monkeypatch)
    (record,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"12 of 553 prompts" in record.read_bytes()


def test_an_unknown_tracker() -> None:
    with pytest.raises(UserError, match="--export neptune: unknown; choose from wandb, mlflow, tensorboard"):
        check_trackers(["neptune"])


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_that_is_not_installed_is_told_before_anything_is_made(
    tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.exports.find_spec", lambda _name: None)
    with pytest.raises(UserError) as error:
        check_trackers([tracker])
    assert str(error.value).endswith(f"install it with: pip install 'miro-eval[{tracker}]'")
    assert "\n" not in str(error.value)
