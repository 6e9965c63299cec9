from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import weights
from harness.errors import EnvironmentFailure
from harness.weights import WeightFile, load_weights, weights_of

CONTENT = bytes(range(256)) * 5000


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """A file server that honours ``Range``, as the publishers' servers do."""

    requests: list[str] = []  # noqa: RUF012 - shared on purpose

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.requests.append(wanted)
        if self.path != "/weights.pth":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    RangeHandler.requests.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(RangeHandler)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


@pytest.fixture
def weight(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightFile:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    digest = hashlib.sha256(CONTENT).hexdigest()
    urls = (f"{server}/gone.pth", f"{server}/weights.pth")
    weight = WeightFile("w", "weights.pth", urls, digest, ("geneval",), "MIT", "a test")
    monkeypatch.setattr(weights, "weights_of", lambda _stage: [weight])
    return weight


def nothing(_done: int, _total: int, _label: str) -> None:
    pass


def test_a_file_is_fetched_from_the_first_address_that_has_it_and_then_kept(weight: WeightFile) -> None:
    seen: list[tuple[int, int]] = []
    paths = weights.ensure_weights("geneval", False, lambda done, total, _label: seen.append((done, total)))
    assert paths["w"].read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    asked = len(RangeHandler.requests)
    assert weights.ensure_weights("geneval", True, nothing) == paths
    assert len(RangeHandler.requests) == asked


def test_an_interrupted_download_continues(weight: WeightFile) -> None:
    weight.path.parent.mkdir()
    weight.path.with_name("weights.pth.partial").write_bytes(CONTENT[:1000])
    assert weights.ensure_weights("geneval", False, nothing)["w"].read_bytes() == CONTENT
    assert RangeHandler.requests[-1] == "bytes=1000-"


def test_the_wrong_bytes_are_refused_and_set_aside(weight: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(weight, sha256="0" * 8)
    monkeypatch.setattr(weights, "weights_of", lambda _stage: [other])
    with pytest.raises(EnvironmentFailure, match="expected 00000000: set aside as"):
        weights.ensure_weights("geneval", False, nothing)
    assert not weight.path.exists()
    assert weight.path.with_name("weights.pth.rejected").read_bytes() == CONTENT


def test_offline_says_where_to_put_the_file_and_asks_nobody(weight: WeightFile) -> None:
    with pytest.raises(EnvironmentFailure, match=f"put weights.pth .* at {weight.path}"):
        weights.ensure_weights("geneval", True, nothing)
    assert RangeHandler.requests == []


def test_an_unreachable_server_is_one_clear_line(weight: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = dataclasses.replace(weight, urls=weight.urls[:1])
    monkeypatch.setattr(weights, "weights_of", lambda _stage: [gone])
    with pytest.raises(EnvironmentFailure, match="cannot be fetched") as error:
        weights.ensure_weights("geneval", False, nothing)
    assert "404" in str(error.value)


def test_the_list_names_what_the_stages_ask_for() -> None:
    assert {weight.name for weight in weights_of("geneval")} == {"mask2former", "clip-vit-l-14"}
    assert {weight.name for weight in weights_of("rewards")} == {"clip-vit-l-14", "aesthetic-mlp"}
    for weight in load_weights().values():
        assert len(weight.sha256) in (8, 64)
        assert all(url.startswith("https://") for url in weight.urls)
        assert weight.licence
        assert weight.source
