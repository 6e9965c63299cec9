"""`weights fetch` and the hub's own client, against a hub on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from harness.weights import HubWeight, checksums, on_hub
from harness.weights.fetching import fetch
from tests.fake_hub import COMMIT, FakeHub, serving
from wire.errors import EnvironmentFailure

FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 4000, "README.md": b"not wanted"}
ENTRY = HubWeight("model", "org/model", ("*.json", "@weights"), ("rewards",), "MIT", "a test")


def nothing(_done: int, _total: int, _label: str) -> None:
    pass


@pytest.fixture
def hub_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home without environments, and an empty hub cache."""
    for variable in ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return tmp_path


def test_wanted_files_come_are_verified_and_recorded(hub_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(FakeHub("org/model", FILES)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        notes = fetch([ENTRY], lambda _name: nothing)
        asked = len(hub.requests)
        assert fetch([ENTRY], lambda _name: nothing) == []
        assert len(hub.requests) == asked
    assert not any("README" in path for _, path, _ in hub.requests)
    assert on_hub.missing(ENTRY) == []
    assert ENTRY.repository.commit == COMMIT
    digest = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    assert f"org/model/model.safetensors: unpinned, sha256 {digest[:12]}... recorded on first use" in notes
    assert (checksums.first_use("org/model/model.safetensors") or {})["revision"] == COMMIT


def test_a_hub_that_serves_other_bytes_is_found_out(hub_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = bytes(reversed(FILES["model.safetensors"]))
    with serving(FakeHub("org/model", FILES, {"model.safetensors": evil})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with pytest.raises(EnvironmentFailure, match=r"model\.safetensors has sha256 .* set aside as"):
            fetch([ENTRY], lambda _name: nothing)
    assert on_hub.missing(ENTRY) == ["model.safetensors"]
    (rejected,) = (ENTRY.repository.folder / "blobs").glob("*.rejected")
    assert rejected.read_bytes() == evil


def test_a_download_that_breaks_off_is_continued(hub_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = dataclasses.replace(ENTRY, files=("model.safetensors",))
    large = bytes(range(256)) * (12 << 12)  # 12 MB: the client writes pieces of 10
    with serving(FakeHub("org/model", {"model.safetensors": large}, break_after=11 << 20)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        for _ in range(2):  # the client may take it up by itself, or leave it to the next command
            try:
                fetch([entry], lambda _name: nothing)
                break
            except EnvironmentFailure:
                continue
    assert on_hub.cached_files(entry)[0].path.read_bytes() == large
    assert f"bytes={10 << 20}-" in [asked for _, _, asked in hub.requests]


def test_a_hub_out_of_reach_is_one_line(hub_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(FakeHub("org/model", FILES)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        missing = dataclasses.replace(ENTRY, files=("none.bin",))
        with pytest.raises(EnvironmentFailure, match=r"org/model: has none of none\.bin"):
            fetch([missing], lambda _name: nothing)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EnvironmentFailure, match=r"^org/model: .*http://127\.0\.0\.1:9.*Connection refused\)$"):
        fetch([ENTRY], lambda _name: nothing)
