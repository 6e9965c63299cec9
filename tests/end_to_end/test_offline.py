"""Offline means offline: neither the orchestrator nor a worker looks up a name or sends anything anywhere.

A whole run is watched in ``test_hostile_input.py``; here, what happens where weights are missing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fake_hub import FakeHub, serving
from tests.network_watch import watch
from tests.real_environments import miro_eval, world
from wire.paths import home


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


#: What is asked of the hub for MIRO itself, and for what it encodes and decodes with.
NEEDED = {
    "miro": "nicolas-dufour/miro",
    "flan-t5-xl": "google/flan-t5-xl",
    "sdxl-vae": "stabilityai/sdxl-vae",
}


def of_the_tiny_world(repo: str) -> FakeHub:
    (snapshot,) = (world().folder / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots").iterdir()
    files = [path for path in snapshot.rglob("*") if path.is_file()]
    return FakeHub(repo, {str(path.relative_to(snapshot)): path.read_bytes() for path in files})


def test_what_was_fetched_is_asked_for_no_more(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a cluster: fetched where there is a network, used where there is none, or where nothing is to be asked."""
    monkeypatch.setenv("HF_HOME", str(watched / "hf"))
    # Environments as they are here, but no memory of what other tests' hubs gave under these names.
    (watched / "home").mkdir()
    for part in ("envs", "tiny-world"):
        (watched / "home" / part).symlink_to(home() / part)
    monkeypatch.setenv("MIRO_EVAL_HOME", str(watched / "home"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(*map(of_the_tiny_world, NEEDED.values())) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        fetched = miro_eval("weights", "fetch", *NEEDED)
        assert fetched.returncode == 0, fetched.stderr
        assert (watched / "network").exists()
        (watched / "network").unlink()
        local = miro_eval("generate", world().checkpoint, "--limit", "1", "--out", watched / "run")
        offline = miro_eval("generate", NEEDED["miro"], "--limit", "1", "--offline", "--out", watched / "other")
    for answer in (local, offline):
        assert answer.returncode == 0, answer.stderr
    assert not (watched / "network").exists(), (watched / "network").read_text()
