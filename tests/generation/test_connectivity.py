"""The hub out of reach, and the hub's own answers, without a network."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.generation.conftest import World
from tests.generation.jobs import failure_of, items_of, make_job, outcome, start_process


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, no_proxy: None) -> pytest.MonkeyPatch:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    return monkeypatch


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def empty_hub() -> Iterator[str]:
    """A hub without repositories."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_cached_models_are_used_at_once(
    world: World, online: pytest.MonkeyPatch, closed_port: str, tmp_path: Path
) -> None:
    import json

    online.setenv("HF_ENDPOINT", closed_port)
    job = make_job(tmp_path, items_of([0]), checkpoint="nicolas-dufour/miro")
    start = time.monotonic()
    process = start_process(job)
    events = [json.loads(line) for line in process.communicate(timeout=120)[0].splitlines()]
    assert process.returncode == 0
    # The client's own retries would take more than a minute.
    assert time.monotonic() - start < 50
    assert "working from the hub cache alone" in outcome(job, events).event("warning")["message"]


def test_repository_that_does_not_exist(
    world: World, online: pytest.MonkeyPatch, empty_hub: str, tmp_path: Path
) -> None:
    online.setenv("HF_ENDPOINT", empty_hub)
    code, message = failure_of(make_job(tmp_path, items_of([0]), checkpoint="owner/unknown"))
    assert (code, message) == (2, "owner/unknown: no such repository on the hub, or a private one without login")
