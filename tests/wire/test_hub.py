"""The one place that asks the hub: what it asks for, what it leaves alone, and what it says when there is no answer.

Runs with every version of the client that a stage has: here, and in the stages' environments.
"""

from __future__ import annotations

import errno
import http.server
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from tests.fake_hub import COMMIT, FakeHub, serving
from wire import hub_client
from wire.errors import EnvironmentFailure
from wire.hub import MODEL_WEIGHTS, Repository
from wire.hub_client import NoSuchFile, Refused, asking, away, tell

FILES = {"config.json": b"{}", "tokenizer.json": b"[]", "model.safetensors": b"weights" * 1000, "x/config.json": b"{}"}
PATTERNS = ("*.json", MODEL_WEIGHTS)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("HF_HUB_OFFLINE", "HF_HOME", "HF_TOKEN", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub_client, "TIMEOUT", 1.0)
    away.cache_clear()
    import huggingface_hub

    getattr(huggingface_hub, "close_session", lambda: None)()  # it may have been opened for another test's proxy
    return tmp_path / "hub"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serving(FakeHub("org/model", FILES)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def answering(monkeypatch: pytest.MonkeyPatch, status: int, **headers: str) -> Callable[[], None]:
    """A hub that answers every question with that status; returns what stops it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop


def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_what_the_cache_has_is_not_asked_for(hub: FakeHub) -> None:
    folder = Repository("org/model").get(*PATTERNS)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    asked = len(hub.requests)
    assert Repository("org/model").get(*PATTERNS) == folder
    assert Repository("org/model", COMMIT).get("config.json") == folder
    assert len(hub.requests) == asked


def test_a_download_that_was_stopped_is_seen_to_lack_files(hub: FakeHub) -> None:
    folder = Repository("org/model").get(*PATTERNS)
    (folder / "tokenizer.json").unlink()
    assert Repository("org/model").missing(PATTERNS) == ["tokenizer.json"]
    Repository("org/model").get(*PATTERNS)
    assert (folder / "tokenizer.json").exists()


def test_a_cache_that_others_filled_is_asked_about_once_and_does_without_an_answer(
    hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = cache / "models--org--model" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_bytes(b"{}")
    monkeypatch.setenv("HF_ENDPOINT", closed_port())
    assert Repository("org/model", COMMIT).get("*.json") == snapshot
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    Repository("org/model", COMMIT).get("*.json")
    assert (snapshot / "tokenizer.json").exists()


def test_a_branch_stays_at_the_commit_that_the_cache_knows(hub: FakeHub, cache: Path) -> None:
    (cache / "models--org--model" / "refs").mkdir(parents=True)
    (cache / "models--org--model" / "refs" / "main").write_text(COMMIT)
    Repository("org/model").get("config.json")
    assert ("GET", f"/api/models/org/model/revision/{COMMIT}", "") in hub.requests


def test_the_user_s_own_branch_is_asked_for_its_head(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Repository("org/model", "main")
    folder = mine.get("config.json", fresh=True)
    asked = len(hub.requests)
    mine.get("config.json", fresh=True)
    assert len(hub.requests) > asked
    monkeypatch.setenv("HF_ENDPOINT", closed_port())
    said: list[str] = []
    tell(said.append)
    assert mine.get("config.json", fresh=True) == folder
    assert "is out of reach" in said[0]
    assert said[0].endswith("working from the hub cache alone")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert mine.get("config.json", fresh=True) == folder


def test_what_the_repository_has_not_is_named(hub: FakeHub) -> None:
    with pytest.raises(NoSuchFile, match=r"^org/model: has none of b.npy$"):
        Repository("org/model").get("config.json", "b.npy")
    with pytest.raises(NoSuchFile, match=r"^org/model@main: has none of y/\*.json$"):
        Repository("org/model", "main").get("y/*.json")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("RepoNotFound", "no such repository on the hub, or a private one without login"),
        ("GatedRepo", "gated; ask for access on the hub and log in with `hf auth login`"),
        ("RevisionNotFound", "the repository has no such revision"),
    ],
)
def test_a_refusal_is_told_in_plain_words(code: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = answering(monkeypatch, 404, X_Error_Code=code)
    with pytest.raises(Refused) as caught:
        Repository("org/model", "v1").get("config.json")
    stop()
    assert str(caught.value) == f"org/model@v1: {told}"


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_an_answer_that_is_none_is_named_with_address_and_status(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = answering(monkeypatch, status)
    with pytest.raises(EnvironmentFailure) as caught:
        Repository("org/model").get("config.json")
    stop()
    text = str(caught.value)
    assert text.startswith("org/model: ")
    assert "out of reach" not in text
    assert os.environ["HF_ENDPOINT"] in text
    assert str(status) in text


def test_a_mirror_that_sends_no_headers_is_told_of_in_the_client_s_words(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fake_hub._Handler._send_file", _bare)
    with pytest.raises(EnvironmentFailure, match=r"^org/model/config.json: http://.* did not give it \(FileMetadata"):
        Repository("org/model").get("config.json")


def _bare(handler: http.server.BaseHTTPRequestHandler, _hub: FakeHub, _name: str, body: bool) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    if body:
        handler.wfile.write(b"{}")


def test_a_hub_that_accepts_and_stays_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(EnvironmentFailure, match=r"out of reach \(.*timed out\)$"):
            Repository("org/model").get("config.json")


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9/a b", "http://exa mple", "127.0.0.1:9", "http://", "https://[::1", "http://127.0.0.1:99999",
     "file:///etc", "http://127.0.0.1:abc", "http://\u043f\u0440\u0438\u043c\u0435\u0440", "http://127.0.0.1:9/\x7f"],
)  # fmt: skip
def test_an_endpoint_that_is_no_address_is_no_bug_of_ours(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(EnvironmentFailure, match=r"^org/model: not in the hub cache .*is out of reach") as refused:
        Repository("org/model").get("config.json")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x16", b"HTTP/9 x y\r\n\r\n", b""]
)
def test_what_answers_and_is_no_hub_is_out_of_reach(words: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.sendall(words)
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(EnvironmentFailure, match="is out of reach"):
            Repository("org/model").get("config.json")


def test_a_password_in_the_endpoint_is_not_shown(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    tell(said.append)
    for address in (hub.address, closed_port()):
        away.cache_clear()
        monkeypatch.setenv("HF_ENDPOINT", address.replace("//", "//me:secret@"))
        with pytest.raises(EnvironmentFailure) as refused:
            Repository("org/absent").get("config.json")
        said.append(str(refused.value))
    assert "404" in said[0], "the hub is there, whoever asks"
    assert "secret" not in "".join(said)


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_endpoint_is_the_hub_s_own(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", empty)
    assert hub_client.endpoint() == "https://huggingface.co"


def test_a_proxy_that_the_client_cannot_use_is_no_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    monkeypatch.setenv("HF_ENDPOINT", closed_port())
    getattr(huggingface_hub, "close_session", lambda: None)()
    with pytest.raises(EnvironmentFailure, match=r"^org/model: http://127.* did not give it"):
        Repository("org/model").get("config.json")
    monkeypatch.delenv("ALL_PROXY")
    getattr(huggingface_hub, "close_session", lambda: None)()


def test_a_token_in_typographic_quotes_is_no_bug_of_ours(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "“hf_secret”")
    with pytest.raises(EnvironmentFailure, match=r"^org/model: http://127.* did not give it \(") as caught:
        Repository("org/model").get("config.json")
    assert "secret" not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_named(hub: FakeHub, cache: Path) -> None:
    error = PermissionError(13, "Permission denied", str(cache / "x.lock"))
    with pytest.raises(EnvironmentFailure) as caught, asking("org/model"):
        raise error
    assert str(caught.value) == f"org/model: {cache}/x.lock: Permission denied"
    with pytest.raises(EnvironmentFailure) as caught, asking("org/model"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value) == f"org/model: {cache}: No space left on device"


def test_waits_are_told() -> None:
    import logging

    said: list[str] = []
    tell(said.append)
    logging.getLogger("huggingface_hub.utils._http").warning("Rate limited. Waiting 3601.0s before retry [Retry 1/5].")
    logging.getLogger("huggingface_hub.x").warning("something else")
    assert [line.partition(": ")[2] for line in said] == ["Rate limited. Waiting 3601.0s before retry [Retry 1/5]."]


def test_a_branch_s_name_leads_nowhere_else(cache: Path) -> None:
    (cache / "x").mkdir(parents=True)
    (cache / "x" / "y").write_text(COMMIT)
    assert Repository("org/model", "../../x/y").commit == ""
