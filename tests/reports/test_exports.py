"""Leaderboards in experiment trackers, with the trackers' own packages, in an environment made for it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import reports
import reports.exports.trackers
from harness.environments import uv
from reports.exports.trackers import TRACKERS, Runs, check_trackers, entries, export, fit_names
from reports.read.selection import Selection
from tests.real_environments import ROOT
from tests.reports.builders import SMALL, rewards, sweep, write_rows
from wire.errors import EnvironmentFailure, UserError

NAME = "a/b <c>"
#: Names of metrics that other tools write; several are one name without their signs.
ODD = ("vqa(clip-flant5)", "mean@8", "mean_8", "fid,512", "fid/512", "_step", "..", "模型", "x" * 300)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of one training, with an image of the first prompt."""
    folder = tmp_path_factory.mktemp("exports") / "runs"
    for step, vqa in ((2000, 0.5), (1000, 0.25)):
        place = folder / NAME.replace("/", "-") / f"step={step}"
        image = place / "00000" / "samples" / "0000.png"
        image.parent.mkdir(parents=True)
        Image.new("RGB", (300, 300), (255, 0, 0)).save(image)
        write_rows(place / "results.jsonl", sweep(SMALL))
        values = {"vqa": vqa, "hpsv2.1": 0.3, **dict.fromkeys(ODD, 0.5)}
        write_rows(place / "rewards.jsonl", [rewards(number, 0, values) for number in range(2)])
        (place / "run.json").write_text(json.dumps({"name": f"{NAME} step={step}"}))
    return folder


@pytest.fixture(scope="module")
def run(runs: Path) -> Path:
    """The runs, with ``miro-eval`` and all its extras in an environment of its own beside them."""
    tool = uv.find()
    assert tool is not None
    extras = [tool, "sync", "--quiet", "--no-dev", "--all-extras", "--project", str(ROOT)]
    place = {"UV_PROJECT_ENVIRONMENT": str(runs.parent / "environment")}
    subprocess.run(extras, env=os.environ | place, check=True)
    return runs


def answer_to(
    run: Path, out: Path, tracker: str, monkeypatch: pytest.MonkeyPatch, **variables: str
) -> subprocess.CompletedProcess[str]:
    """In a process of its own: trackers leave threads and warnings behind."""
    for variable in ("MLFLOW_TRACKING_URI", "WANDB_PROJECT", "WANDB_API_KEY", "WANDB_MODE", "TRACKIO_DIR"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {"HOME": str(out), "NETRC": str(out / "netrc"), **variables}.items():
        monkeypatch.setenv(variable, value)
    program = run.parent / "environment" / "bin" / "miro-eval"
    command = [str(program), "report", str(run), "--out", str(out), "--export", tracker]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL)


def exported(run: Path, out: Path, tracker: str, monkeypatch: pytest.MonkeyPatch) -> str:
    answer = answer_to(run, out, tracker, monkeypatch, WANDB_MODE="offline")
    assert answer.returncode == 0, answer.stderr
    line: str = answer.stdout.splitlines()[-1]
    assert line.startswith("exported: ")
    assert "mean@8 as mean_8_2" in line
    return line


def test_what_is_handed_over(runs: Path, tmp_path: Path) -> None:
    board = reports.report([runs], tmp_path).leaderboard
    assert board is not None
    first, second = sorted(entries(board, tmp_path), key=lambda entry: entry.step)
    assert (first.training, first.step, second.training, second.step) == (NAME, 1000, NAME, 2000)
    assert (first.values["overall"], first.values["vqa"], second.values["vqa"]) == (0.5, 0.25, 0.5)
    assert "aesthetic" not in first.values
    assert first.facts["coverage"] == "12 of 553 prompts"
    assert not first.facts.keys() & first.values.keys()
    assert first.images is not None
    assert len(first.images) == len(sweep(SMALL))
    assert {"prompt_key", "sample_index", "tag", "correct", "reason", "vqa"} <= set(first.images)
    assert first.grid is not None
    assert second.grid is not None
    assert first.grid.size == (640, 480)
    assert [first.grid.getpixel(place) for place in ((80, 80), (240, 80))] == [(255, 0, 0), (128, 128, 128)]


def test_best_images_are_a_training_of_their_own_without_a_table(runs: Path, tmp_path: Path) -> None:
    board = reports.report([runs], tmp_path, selections=[Selection(1, "vqa")]).leaderboard
    assert board is not None
    found = [(one.training, one.step, one.images is None, one.values["vqa"]) for one in entries(board, tmp_path)]
    best = f"{NAME}, best of 1 by vqa"
    every = [(name, step, name == best, vqa) for name in (NAME, best) for step, vqa in ((1000, 0.25), (2000, 0.5))]
    assert sorted(found) == sorted(every)


def test_runs_of_unknown_step_stand_by_themselves(runs: Path, tmp_path: Path) -> None:
    (lone,) = runs.glob("*/step=1000")
    plain = shutil.copytree(lone, tmp_path / "plain")
    (plain / "run.json").write_text('{"name": "plain"}')
    board = reports.report([lone, plain], tmp_path / "report").leaderboard
    assert board is not None
    found = {entry.training: entry.step for entry in entries(board, tmp_path / "report")}
    assert found == {f"{NAME} step=1000": 1000, "plain": 0}


def test_tensorboard_reads_it_back(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboardX.proto.event_pb2 import Event

    line = exported(run, tmp_path, "tensorboard", monkeypatch)
    assert line.startswith(f"exported: tensorboard --logdir {tmp_path / 'tensorboard'}: 1 runs; names that")
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name == "001-a-b-c-"
    (events,) = folder.iterdir()
    content = events.read_bytes()
    scalars: dict[str, dict[int, float]] = {}
    pictures = []
    # A record: eight bytes of length, four of checksum, the event, four of checksum.
    while content:
        size = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + size])
        for value in event.summary.value:
            scalars.setdefault(value.tag, {})[event.step] = value.simple_value
            pictures += [event.step] if value.HasField("image") else []
        content = content[16 + size :]
    assert scalars["miro-eval/overall"] == {1000: 0.5, 2000: 0.5}
    assert scalars["miro-eval/vqa"] == {1000: 0.25, 2000: 0.5}
    assert pictures == [1000, 2000]
    assert sum(0.5 in values.values() and not name.endswith(("_low", "_high")) for name, values in scalars.items()) >= 9


def test_mlflow_reads_it_back(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(run, tmp_path, "mlflow", monkeypatch)
    (place,) = (tmp_path / "mlruns").glob("*/*/metrics")
    points = [line.split()[1:] for line in (place / "vqa").read_text().splitlines()]
    assert [(float(value), int(step)) for value, step in points] == [(0.25, 1000), (0.5, 2000)]
    assert (place.parent / "params" / "coverage").read_text() == "12 of 553 prompts"
    assert (place.parent / "tags" / "mlflow.runName").read_text() == NAME
    assert {"hpsv2.1", "vqa_clip-flant5_", "mean_8", "mean_8_2", "metric_.."} <= {path.name for path in place.iterdir()}
    table = json.loads((place.parent / "artifacts" / "images" / "step-1000.json").read_text())
    assert len(table["data"]) == len(sweep(SMALL))
    with Image.open(place.parent / "artifacts" / "grid" / "step-2000.png") as grid:
        assert grid.getpixel((80, 80)) == (255, 0, 0)


def test_wandb_offline(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(run, tmp_path, "wandb", monkeypatch)
    (record,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    content = record.read_bytes()
    assert b"12 of 553 prompts" in content
    assert all(name in content for name in (b"hpsv2_1", b"vqa_clip_flant5_", b"mean_8_2", b"metric__step"))
    tables = [json.loads(file.read_text()) for file in record.parent.glob("files/media/table/images_*.json")]
    assert [len(table["data"]) for table in tables] == [len(sweep(SMALL))] * 2
    assert len([*record.parent.glob("files/media/images/grid_*.png")]) == 2


def test_trackio_locally(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = exported(run, tmp_path, "trackio", monkeypatch)
    assert line.startswith(f"exported: trackio project miro-eval: 1 runs, in {tmp_path / 'trackio'}; names that")
    (database,) = (tmp_path / "trackio").glob("*.db")
    with closing(sqlite3.connect(database)) as opened:
        rows = opened.execute("select run_name, step, metrics from metrics order by step").fetchall()
    points = {step: json.loads(metrics) for _, step, metrics in rows}
    assert {name for name, *_ in rows} == {NAME}
    assert {step: (one["overall"], one["vqa"]) for step, one in points.items()} == {1000: (0.5, 0.25), 2000: (0.5, 0.5)}
    assert {one["images"]["_type"] for one in points.values()} == {"trackio.table"}
    assert len([*(tmp_path / "trackio" / "media").rglob("*.png")]) == 2


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
    def fail(_runs: Runs, _folder: Path) -> str:
        raise error

    monkeypatch.setitem(reports.exports.trackers._HAND_OVER, "wandb", fail)
    with pytest.raises(raised, match="--export wandb: ") as told:
        export(reports.report([run], tmp_path).leaderboard, "wandb", tmp_path)
    assert "\n" not in str(told.value)


def test_an_unknown_tracker() -> None:
    with pytest.raises(UserError, match="--export neptune: unknown; choose from wandb, mlflow, tensorboard, trackio"):
        check_trackers(["neptune"])


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_that_is_not_installed_is_told_before_anything_is_made(
    tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.exports.trackers.find_spec", lambda _name: None)
    with pytest.raises(UserError) as error:
        check_trackers([tracker])
    assert str(error.value).endswith(f"install it with: pip install 'miro-eval[{tracker}]'")
    assert "\n" not in str(error.value)
