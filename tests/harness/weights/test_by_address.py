from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import weights
from harness.weights import WeightFile, by_address, checksums, entries, fetching
from harness.weights.fetching import fetch
from harness.weights.inventory import inventory
from wire.errors import EnvironmentFailure, UserError

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
    monkeypatch.setattr(by_address, "weights_of", lambda _stage: [weight])
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
    monkeypatch.setattr(by_address, "weights_of", lambda _stage: [other])
    with pytest.raises(EnvironmentFailure, match="expected 00000000: set aside as"):
        weights.ensure_weights("geneval", False, nothing)
    assert not weight.path.exists()
    assert weight.path.with_name("weights.pth.rejected").read_bytes() == CONTENT


def test_offline_says_how_to_bring_the_file_and_asks_nobody(weight: WeightFile) -> None:
    with pytest.raises(EnvironmentFailure, match=r"bring .* `miro-eval weights fetch w --from FILE`"):
        weights.ensure_weights("geneval", True, nothing)
    assert RangeHandler.requests == []


def test_an_unreachable_server_is_one_clear_line(weight: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = dataclasses.replace(weight, urls=weight.urls[:1])
    monkeypatch.setattr(by_address, "weights_of", lambda _stage: [gone])
    with pytest.raises(EnvironmentFailure, match="cannot be fetched") as error:
        weights.ensure_weights("geneval", False, nothing)
    assert "404" in str(error.value)


class BreakingHandler(RangeHandler):
    """Closes the connection after every 300,000 bytes, and after none at all when asked for the end."""

    piece = 300_000

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.requests.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.piece])
        self.close_connection = True


def test_a_download_that_breaks_off_is_taken_up_again_until_it_is_whole(
    weight: WeightFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RangeHandler, "do_GET", BreakingHandler.do_GET)
    monkeypatch.setattr(RangeHandler, "piece", 300_000, raising=False)
    whole = dataclasses.replace(weight, urls=weight.urls[1:])
    monkeypatch.setattr(by_address, "weights_of", lambda _stage: [whole])
    assert weights.ensure_weights("geneval", False, nothing)["w"].read_bytes() == CONTENT
    assert RangeHandler.requests == ["", *(f"bytes={start}-" for start in range(300_000, len(CONTENT), 300_000))]


def test_a_server_that_only_breaks_off_is_given_up(weight: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RangeHandler, "do_GET", BreakingHandler.do_GET)
    monkeypatch.setattr(RangeHandler, "piece", 0, raising=False)
    with pytest.raises(EnvironmentFailure, match="cannot be fetched"):
        weights.ensure_weights("geneval", False, nothing)
    assert not weight.path.exists()


def test_a_partial_file_longer_than_the_published_one_is_begun_anew(
    weight: WeightFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RangeHandler, "do_GET", BreakingHandler.do_GET)
    monkeypatch.setattr(RangeHandler, "piece", len(CONTENT), raising=False)
    weight.path.parent.mkdir()
    weight.path.with_name("weights.pth.partial").write_bytes(CONTENT + b"of another file")
    assert weights.ensure_weights("geneval", False, nothing)["w"].read_bytes() == CONTENT


def test_a_mirror_is_asked_first(weight: WeightFile, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRO_EVAL_WEIGHTS_MIRROR", f"{server}/")
    assert by_address.addresses(weight)[0] == f"{server}/weights.pth"
    gone = dataclasses.replace(weight, urls=())
    monkeypatch.setattr(by_address, "weights_of", lambda _stage: [gone])
    assert weights.ensure_weights("geneval", False, nothing)["w"].read_bytes() == CONTENT


def test_a_file_put_there_by_hand_is_verified_too(weight: WeightFile) -> None:
    weight.path.parent.mkdir()
    weight.path.write_bytes(b"something else")
    with pytest.raises(EnvironmentFailure, match="set aside"):
        weights.ensure_weights("geneval", True, nothing)
    assert weight.path.with_name("weights.pth.rejected").exists()


def test_digits_that_the_publisher_does_not_tell_are_recorded_on_first_use(
    weight: WeightFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = dataclasses.replace(weight, sha256=weight.sha256[:8])
    monkeypatch.setattr(by_address, "weights_of", lambda _stage: [short])
    weights.ensure_weights("geneval", False, nothing)
    assert (checksums.first_use("w") or {})["sha256"] == weight.sha256
    assert by_address.mismatch(short, weight.sha256) == ""
    assert "at their first use" in by_address.mismatch(short, weight.sha256[:8] + "0" * 56)


def test_several_files_come_side_by_side_and_one_that_fails_stops_none(weight: WeightFile, server: str) -> None:
    others = [dataclasses.replace(weight, name=f"w{i}", file=f"w{i}.pth") for i in range(3)]
    bad = dataclasses.replace(weight, name="bad", file="bad.pth", sha256="0" * 64)
    with pytest.raises(EnvironmentFailure, match="weights bad have sha256"):
        fetch([*others, bad], lambda _name: nothing)
    assert [other.path.read_bytes() for other in others] == [CONTENT] * 3


def test_an_interruption_ends_what_is_still_being_fetched(weight: WeightFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_weight: WeightFile, _offline: bool, progress: Callable[[int, int, str], None]) -> None:
        while True:
            progress(0, 0, "")

    def interrupted(_future: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(by_address, "ensure", endless)
    monkeypatch.setattr(fetching, "_failure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch([weight], lambda _name: nothing)


class LoginHandler(RangeHandler):
    """Gives its files to one user alone, and sends others' requests for ``/moved`` elsewhere."""

    logins: list[str] = []  # noqa: RUF012 - shared on purpose
    elsewhere = ""

    def do_GET(self) -> None:
        self.logins.append(self.headers.get("Authorization", ""))
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", f"{self.elsewhere}/weights.pth")
            self.end_headers()
        elif not self.logins[-1]:
            self.send_error(401)
        else:
            super().do_GET()


def test_a_mirror_s_password_is_used_and_never_printed(
    weight: WeightFile, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), LoginHandler) as closed:
        threading.Thread(target=closed.serve_forever).start()
        place = f"127.0.0.1:{closed.server_address[1]}"
        alone = dataclasses.replace(weight, urls=(f"{server}/gone.pth",))
        monkeypatch.setattr(by_address, "weights_of", lambda _stage: [alone])
        monkeypatch.setenv("MIRO_EVAL_WEIGHTS_MIRROR", f"http://me:se%2Fcret@{place}")
        assert weights.ensure_weights("geneval", False, nothing)["w"].read_bytes() == CONTENT
        assert base64.b64decode(LoginHandler.logins[-1].removeprefix("Basic ")) == b"me:se/cret"
        weight.path.unlink()
        LoginHandler.elsewhere, seen = server, list(LoginHandler.logins)
        monkeypatch.setenv("MIRO_EVAL_WEIGHTS_MIRROR", f"http://me:secret@{place}/moved")
        monkeypatch.setattr(RangeHandler, "end_headers", _noting_login)
        weights.ensure_weights("geneval", False, nothing)
        assert LoginHandler.logins[len(seen) :] != [""]
        assert _noted == [""]
        closed.shutdown()


_noted: list[str] = []


def _noting_login(self: RangeHandler) -> None:
    if not isinstance(self, LoginHandler):
        _noted.append(self.headers.get("Authorization", ""))
    http.server.SimpleHTTPRequestHandler.end_headers(self)


MIRRORS = (
    "me:PASS@{place}",
    "me:PASS@127.0.0.1:1",
    "me:PA/SS@{place}",
    "me:PASS@@{place}/x",
    "PASS@{place}",
    "@",
    "[",
)


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize("scheme", ["http://", "file://", "no://", ""])
def test_no_message_and_no_list_shows_a_mirror_s_password(
    weight: WeightFile, server: str, monkeypatch: pytest.MonkeyPatch, mirror: str, scheme: str
) -> None:
    place = server.removeprefix("http://")
    monkeypatch.setenv("MIRO_EVAL_WEIGHTS_MIRROR", scheme + mirror.format(place=f"{place}/no"))
    alone = dataclasses.replace(weight, urls=(f"{server}/gone.pth",))
    monkeypatch.setattr(by_address, "weights_of", lambda _stage: [alone])
    monkeypatch.setattr(entries, "_list", lambda: ({"w": alone}, {}))
    with pytest.raises(EnvironmentFailure) as caught:
        weights.ensure_weights("geneval", False, nothing)
    told = str(caught.value) + json.dumps(inventory(["w"], []))
    assert f"{server}/gone.pth" in told
    for secret in ("PA", "SS", "me:"):
        assert secret not in told


def test_a_file_brought_along_is_verified_and_put_in_place(weight: WeightFile, tmp_path: Path) -> None:
    brought = tmp_path / "from a colleague"
    brought.write_bytes(CONTENT)
    line = fetching.take([weight], brought)
    assert line == f"w: {weight.path}, sha256 {weight.sha256}, as published"
    assert weight.path.read_bytes() == brought.read_bytes() == CONTENT
    assert weights.ensure_weights("geneval", True, nothing) == {"w": weight.path}
    short = dataclasses.replace(weight, sha256=weight.sha256[:8])
    assert fetching.take([short], brought).endswith("of which the first 8 digits are published")
    assert RangeHandler.requests == []


@pytest.mark.parametrize("what", ["other bytes", "nothing", "a folder", "a pipe", "a link to nowhere"])
def test_what_is_brought_along_and_is_not_it_leaves_everything_as_it_was(
    what: str, weight: WeightFile, tmp_path: Path
) -> None:
    weight.path.parent.mkdir(parents=True)
    weight.path.write_bytes(CONTENT)
    brought = tmp_path / "brought"
    if what == "other bytes":
        brought.write_bytes(CONTENT[:-1])
    elif what == "a folder":
        brought.mkdir()
    elif what == "a pipe":
        os.mkfifo(brought)
    elif what == "a link to nowhere":
        brought.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError) as refusal:
        fetching.take([weight], brought)
    assert str(refusal.value).startswith(f"{brought}")
    assert "\n" not in str(refusal.value)
    assert weight.path.read_bytes() == CONTENT
    assert what != "other bytes" or brought.read_bytes() == CONTENT[:-1], "it is the user's, and not set aside"
    assert {path.name for path in weight.path.parent.iterdir()} <= {"weights.pth", "weights.pth.lock"}


def test_one_weight_by_address_is_brought_at_a_time(weight: WeightFile, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name the one weight that it is"):
        fetching.take([weight, weight], tmp_path)
    with pytest.raises(UserError, match="sdxl-vae is a repository of several files: bring it as a bundle"):
        fetching.take(fetching.select(["sdxl-vae"]), tmp_path)
