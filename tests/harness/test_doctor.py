from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness import doctor, weights
from harness.doctor import FAILURE, OK, WARNING, Finding
from tests.harness.test_cli import run


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_fresh_host_is_told_what_a_first_run_will_do(empty_home: Path) -> None:
    environment = {"MIRO_EVAL_HOME": str(empty_home), "HF_HUB_OFFLINE": "1"}
    answer = run("doctor", "--json", **environment)
    findings = {finding["subject"]: finding for finding in json.loads(answer.stdout)}
    assert answer.returncode == (4 if any(f["status"] == FAILURE for f in findings.values()) else 0)
    assert findings["Python"]["status"] == findings["uv"]["status"] == OK
    for name in ("miro", "geneval", "rewards"):
        assert findings[f"environment {name}"]["mend"] == f"miro-eval envs setup {name}"
    assert findings["weights mask2former"]["status"] == WARNING
    assert findings["model hub"]["status"] == OK
    assert not empty_home.exists()


def test_each_line_has_its_mend(empty_home: Path) -> None:
    answer = run("doctor", MIRO_EVAL_HOME=str(empty_home), HF_HUB_OFFLINE="1")
    lines = answer.stdout.splitlines()
    assert any(line.startswith("ok       Python: ") for line in lines)
    place = next(index for index, line in enumerate(lines) if "environment miro" in line)
    assert lines[place + 1].strip() == "-> miro-eval envs setup miro"


def test_weights_with_other_bytes_are_a_failure(empty_home: Path) -> None:
    weight = weights.load_weights()["aesthetic-mlp"]
    weight.path.parent.mkdir(parents=True)
    weight.path.write_bytes(b"not it")
    found = {finding.subject: finding for finding in doctor.weight_files()}
    assert found["weights aesthetic-mlp"].status == FAILURE
    assert run("doctor", MIRO_EVAL_HOME=str(empty_home), HF_HUB_OFFLINE="1").returncode == 4


def test_the_hub_is_tried_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert doctor.hub().status == OK
    finding = doctor.hub()
    assert finding.status == WARNING
    assert "127.0.0.1 cannot be reached" in finding.text
    assert "--offline" in finding.mend


def test_a_full_disk_and_a_missing_tool_are_failures(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: Usage())
    assert doctor.disk().status == FAILURE
    monkeypatch.setattr(doctor.uv, "find", lambda: None)
    assert doctor.uv_tool() == Finding("uv", FAILURE, "not installed", "pip install uv")
    monkeypatch.setattr(doctor.shutil, "which", lambda _name: None)
    assert doctor.compiler().status == FAILURE


class Usage:
    """What ``shutil.disk_usage`` returns on a full disk."""

    free = 10


def test_pixi_is_missed_only_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.pixi, "find", lambda: None)
    monkeypatch.setattr(doctor, "compute_capabilities", lambda: ())
    assert doctor.pixi_tool().status == OK
    assert doctor.gpu().status == WARNING
    monkeypatch.setattr(doctor, "compute_capabilities", lambda: ("9.0",))
    assert doctor.pixi_tool().status == WARNING
    assert "9.0" in doctor.gpu().text


def test_findings_come_from_every_check() -> None:
    assert {check.__name__ for check in doctor.CHECKS} >= {
        "environments",
        "weight_files",
        "hub",
        "disk",
        "write_access",
    }
    assert all(isinstance(check(), Finding | Iterable) for check in (doctor.python, doctor.write_access))
