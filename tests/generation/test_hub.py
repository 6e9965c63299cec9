"""Which of our errors the hub client's become."""

from __future__ import annotations

from pathlib import Path

import pytest

errors = pytest.importorskip("huggingface_hub.errors", reason="runs in the generation environment")
httpx = pytest.importorskip("httpx", reason="runs in the generation environment")

from generation.hub import checkpoint_files, snapshot_revision, users_choice  # noqa: E402 - the hub decides
from wire.errors import EnvironmentFailure, UserError  # noqa: E402
from wire.hub import Repository, cached_sha256  # noqa: E402
from wire.hub_client import NoSuchFile, asking  # noqa: E402

RESPONSE = httpx.Response(404, request=httpx.Request("GET", "https://hub.invalid"))


@pytest.mark.parametrize(
    ("error", "ours", "words"),
    [
        (errors.RepositoryNotFoundError("x", response=RESPONSE), UserError, "no such repository"),
        (errors.GatedRepoError("x", response=RESPONSE), UserError, "ask for access"),
        (errors.RevisionNotFoundError("x", response=RESPONSE), UserError, "no such revision"),
        (errors.RemoteEntryNotFoundError("x", response=RESPONSE), UserError, "no such file in the repository"),
        (errors.HFValidationError("x"), UserError, "not a repository id"),
        (errors.LocalEntryNotFoundError("x"), EnvironmentFailure, "not in the hub cache"),
        (errors.OfflineModeIsEnabled("x"), EnvironmentFailure, "the hub is offline"),
        (errors.HfHubHTTPError("x", response=RESPONSE), EnvironmentFailure, "did not give it (HfHubHTTPError 404: x)"),
        (ConnectionError("x"), EnvironmentFailure, "did not give it (ConnectionError: x)"),
        (httpx.ReadTimeout("timed out"), EnvironmentFailure, "did not give it (ReadTimeout: timed out)"),
    ],
)
def test_hub_error(error: Exception, ours: type[Exception], words: str) -> None:
    with pytest.raises(ours) as caught, users_choice(and_files=True), asking("org/name@v1"):
        raise error
    assert str(caught.value).startswith("org/name@v1: ")
    assert words in str(caught.value)


def test_cache_layout(tmp_path: Path) -> None:
    digest = "ab" * 32
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / digest).write_bytes(b"x")
    snapshot = tmp_path / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to(tmp_path / "blobs" / digest)
    (snapshot / "config.json").write_text("{}")
    assert cached_sha256(snapshot / "model.safetensors") == digest
    assert cached_sha256(snapshot / "config.json") is None
    assert snapshot_revision(snapshot / "config.json") == "c0ffee"


def test_a_repository_without_a_checkpoint_s_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(repository: Repository, *_: str, **__: bool) -> Path:
        raise NoSuchFile(f"{repository}: has none of v/config.json")

    monkeypatch.setattr(Repository, "get", get)
    with pytest.raises(
        UserError, match=r"^o/n@x: has none of v/config.json: not a MIRO checkpoint: .* under v/; for a"
    ):
        checkpoint_files("o/n", ("config.json",), "x", "v")
