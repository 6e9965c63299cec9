"""Offline means offline: neither the orchestrator nor a worker looks up a name or sends anything anywhere.

A whole run is watched in ``test_hostile_input.py``; here, what happens where weights are missing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.network_watch import watch
from tests.real_environments import miro_eval, world


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    world()
    watch(tmp_path, monkeypatch)
    return tmp_path


def test_published_weights_that_are_missing_are_not_looked_for(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(watched / "hf"))
    answer = miro_eval("generate", "nobody/nothing", "--limit", "1", "--offline", "--out", watched / "run")
    assert answer.returncode == 4
    fetch = miro_eval("weights", "fetch", "sdxl-vae", "--offline")
    assert fetch.returncode == 4
    assert "not here, and --offline: sdxl-vae" in fetch.stderr
    assert "launch.py generation " in (watched / "processes").read_text()
    assert not (watched / "network").exists(), (watched / "network").read_text()


def test_the_watch_sees_network(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(watched / "hf"))
    miro_eval("generate", "nobody/nothing", "--limit", "1", "--out", watched / "run")
    assert "connects" in (watched / "network").read_text()
