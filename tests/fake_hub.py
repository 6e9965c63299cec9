"""A model hub on this machine: few repositories, real protocol, and bytes that may be other than promised."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

COMMIT = "cd" * 20


@dataclass
class FakeHub:
    """A repository that the hub has, and what it does with it.

    Attributes:
        repo: the repository's id.
        files: name -> bytes as they were published.
        served: name -> bytes as they are served, where those are others.
        requests: method, path and range of every request so far.
        break_after: bytes after which a download breaks off, once for each file.
    """

    repo: str
    files: dict[str, bytes]
    served: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    break_after: int = 0
    address: str = ""
    broken: set[str] = field(default_factory=set)

    def info(self) -> bytes:
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": "0" * 40,
                "lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 100},
            }
            for name, content in self.files.items()
        ]
        record = {"id": self.repo, "modelId": self.repo, "sha": COMMIT, "private": False, "tags": [], "downloads": 0}
        return json.dumps(record | {"likes": 0, "siblings": siblings}).encode()

    def tree(self) -> bytes:
        """The same files, as the hub lists a folder."""
        return json.dumps(
            [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                | {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 100}}
                for name, content in self.files.items()
            ]
        ).encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    hubs: tuple[FakeHub, ...]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        hub = next((hub for hub in self.hubs if f"/{hub.repo}/" in f"{path}/"), self.hubs[0])
        hub.requests.append((self.command, path, self.headers.get("Range", "")))
        prefixes = [f"/{hub.repo}/resolve/{revision}/" for revision in ("main", COMMIT)]
        if path.startswith(f"/api/models/{hub.repo}/tree/"):
            self._send(hub.tree(), {"Content-Type": "application/json"}, body)
            return
        if path.startswith(f"/api/models/{hub.repo}"):
            self._send(hub.info(), {"Content-Type": "application/json"}, body)
            return
        name = next((path.removeprefix(prefix) for prefix in prefixes if path.startswith(prefix)), "")
        if name not in hub.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send_file(hub, name, body)

    def _send_file(self, hub: FakeHub, name: str, body: bool) -> None:
        content = hub.served.get(name, hub.files[name])
        etag = hashlib.sha256(hub.files[name]).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if body and wanted else 0
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        stop = hub.break_after if body and hub.break_after and name not in hub.broken else 0
        if stop:
            hub.broken.add(name)
        self._send(content[start:], headers, body, 206 if start else 200, stop)

    def _send(self, content: bytes, headers: dict[str, str], body: bool, status: int = 200, stop: int = 0) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content[: stop or len(content)])
        if stop:
            self.close_connection = True


@contextlib.contextmanager
def serving(hub: FakeHub, *others: FakeHub) -> Iterator[FakeHub]:
    """Serve it, and others beside it, at ``hub.address`` for the length of the block."""
    handler = type("Handler", (_Handler,), {"hubs": (hub, *others)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
