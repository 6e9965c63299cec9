"""Leaderboards in experiment trackers, with the trackers' own packages; those that are not installed are skipped.

All three: ``uv run --group dev --extra wandb --extra mlflow --extra tensorboard pytest tests/reports/test_exports.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports
import reports.exports
from reports.exports import TRACKERS, Entry, check_trackers, entries, export, fit_names
from tests.reports.builders import SMALL, rewards, sweep, write_rows
from wire.errors import EnvironmentFailure, UserError

MIRO_EVAL = Path(sys.executable).with_name("miro-eval")
NAME = "a/b <c>"
#: Names of metrics that other tools write; several are one name without their signs.
ODD = ("vqa(clip-flant5)", "mean@8", "mean_8", "fid,512", "fid/512", "_step", "..", "模型", "x" * 300)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_rows(folder / "results.jsonl", sweep(SMALL))
    values = {"vqa": 0.25, "hpsv2.1": 0.3, **dict.fromkeys(ODD, 0.5)}
    write_rows(folder / "rewards.jsonl", [rewards(place, 0, values) for place in range(2)])
    (folder / "run.json").write_text(f'{{"name": "{NAME}"}}')
    return folder


def answer_to(
    run: Path, out: Path, tracker: str, monkeypatch: pytest.MonkeyPatch, **variables: str
) -> subprocess.CompletedProcess[str]:
    """In a process of its own: trackers leave threads and warnings behind."""
    for variable in ("MLFLOW_TRACKING_URI", "WANDB_PROJECT", "WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {"HOME": str(out), "NETRC": str(out / "netrc"), **variables}.items():
        monkeypatch.setenv(variable, value)
    command = [str(MIRO_EVAL), "report", str(run), "--out", str(out), "--export", tracker]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL)


def exported(run: Path, out: Path, tracker: str, monkeypatch: pytest.MonkeyPatch) -> str:
    answer = answer_to(run, out, tracker, monkeypatch, WANDB_MODE="offline")
    assert answer.returncode == 0, answer.stderr
    line: str = answer.stdout.splitlines()[-1]
    assert line.startswith("exported: ")
    assert "mean@8 as mean_8_2" in line
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

    line = exported(run, tmp_path, "tensorboard", monkeypatch)
    assert line.startswith(f"exported: tensorboard --logdir {tmp_path / 'tensorboard'}: 1 runs; names that")
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
    assert sum(value == 0.5 for name, value in scalars.items() if not name.endswith(("_low", "_high"))) >= len(ODD)


def test_mlflow_reads_it_back(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed (extra: mlflow)")
    exported(run, tmp_path, "mlflow", monkeypatch)
    (place,) = (tmp_path / "mlruns").glob("*/*/metrics")
    assert float((place / "overall").read_text().split()[1]) == 0.5
    assert (place.parent / "params" / "coverage").read_text() == "12 of 553 prompts"
    assert (place.parent / "tags" / "mlflow.runName").read_text() == NAME
    assert {"hpsv2.1", "vqa_clip-flant5_", "mean_8", "mean_8_2", "metric_.."} <= {path.name for path in place.iterdir()}


def test_wandb_offline(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed (extra: wandb)")
    exported(run, tmp_path, "wandb", monkeypatch)
    (record,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    content = record.read_bytes()
    assert b"12 of 553 prompts" in content
    assert all(name in content for name in (b"hpsv2_1", b"vqa_clip_flant5_", b"mean_8_2", b"metric__step"))


@given(st.lists(st.text(max_size=300), unique=True), st.sampled_from(list(TRACKERS)))
def test_names_are_fit_and_stay_distinct(names: list[str], tracker: str) -> None:
    names += ["mean_8", "overall"]
    fit = fit_names(names, tracker)
    assert fit.keys() == set(names)
    assert len(set(fit.values())) == len(fit)
    assert fit["mean_8"] == "mean_8"
    for name in fit.values():
        assert name[:1].isalpha()
        assert len(name) <= 250
        assert not set("/@,()\\:\n\x00") & set(name)
        assert name.isidentifier() or tracker != "wandb"


def test_no_key_and_a_server_that_is_down_are_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed (extra: wandb)")
    pytest.importorskip("mlflow", reason="mlflow is not installed (extra: mlflow)")
    answer = answer_to(run, tmp_path, "wandb", monkeypatch)
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith("miro-eval: --export wandb: No API key configured.")
    answer = answer_to(run, tmp_path, "mlflow", monkeypatch, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert answer.returncode == 4
    assert answer.stderr.splitlines()[-1].startswith("miro-eval: --export mlflow: API request to http://127.0.0.1:9")
    assert "Traceback" not in answer.stderr
    assert (tmp_path / "leaderboard.md").exists()


class Refusing(BaseHTTPRequestHandler):
    """MLflow's server, as far as this goes: it makes a run, and refuses its numbers."""

    asked: list[str]

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = self.path.partition("?")[0].rpartition("mlflow/")[2]
        self.asked.append(call)
        known = {"experiment_id": "1", "lifecycle_stage": "active"}
        run = {"run": {"info": {"run_id": "1a", "run_uuid": "1a", "status": "RUNNING", **known}, "data": {}}}
        bodies = {"experiments/get-by-name": {"experiment": known}, "runs/create": run, "runs/get": run}
        refused = {"error_code": "INVALID_PARAMETER_VALUE", "message": "no such number"}
        content = json.dumps(refused if call == "runs/log-batch" else bodies.get(call, {})).encode()
        self.send_response(400 if call == "runs/log-batch" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[HTTPServer]:
    Refusing.asked = []
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_no_half_logged_run_stays(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusing: HTTPServer
) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed (extra: mlflow)")
    place = f"http://127.0.0.1:{refusing.server_port}"
    answer = answer_to(run, tmp_path, "mlflow", monkeypatch, MLFLOW_TRACKING_URI=place)
    assert answer.returncode == 2
    assert "no such number" in answer.stderr.splitlines()[-1]
    assert [call for call in Refusing.asked if call in ("runs/create", "runs/delete")] == ["runs/create", "runs/delete"]


class ServerGoneError(RuntimeError):
    """What a tracker's package may raise."""


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ServerGoneError("connection refused\nat line 3"), EnvironmentFailure),
        (OSError(28, "No space left on device"), EnvironmentFailure),
        (type("UsageError", (Exception,), {})("no key"), UserError),
    ],
)
def test_whatever_a_tracker_raises_is_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception]
) -> None:
    def fail(_entries: list[Entry], _folder: Path) -> str:
        raise error

    monkeypatch.setitem(reports.exports._HAND_OVER, "wandb", fail)
    with pytest.raises(raised, match="--export wandb: ") as told:
        export(reports.report([run], tmp_path).leaderboard, "wandb", tmp_path)
    assert "\n" not in str(told.value)


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
