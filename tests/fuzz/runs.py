"""Whole run directories of which one file is nearly right: what reads on after the file was found readable."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

from harness.executors.status import run_status
from harness.executors.submission import Submission, refuse_while_queued
from harness.plan import reproduction, verification
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from tests.fuzz.mutations import FOLDER
from wire.files import fingerprint
from wire.hub import shards
from wire.untrusted import MAX_DEPTH, parse_json, read_json

DIGEST = "0" * 64
SETTINGS = {"seed": 42, "weights": "published"}
STAGE: dict[str, Any] = {
    "fingerprint": fingerprint(SETTINGS),
    "settings": SETTINGS,
    "environment": {"name": "miro", "backend": "uv", "lock": "0"},
    "provenance": {
        "device": "cpu",
        "packages": {"torch": "2"},
        "weights": [{"repo": "a/b", "revision": "main", "file": "x", "sha256": DIGEST}, {"source": "s"}],
    },
    "rows": 1,
    "rows_sha256": DIGEST,
    "seconds": 1.5,
    "finished": True,
}
MANIFEST = {
    "name": "x",
    "checkpoint": {"name": "x", "path": "/x.ckpt", "files": [["x.ckpt", 1, 2]], "identity": {"x.ckpt": DIGEST}},
    "suite": {"id": "geneval", "sha256": DIGEST, "prompts": 553},
    "protocol": {"seed": 42, "suite": {"id": "geneval"}},
    "random_weights": True,
    "harness": {"version": "0.1.0", "commit": "c", "dirty": True},
    "stages": {"generate": STAGE, "geneval": STAGE | {"finished": False, "rows_sha256": ""}},
    "kept": {"rewards": {"0123456789abcdef": STAGE}},
    "commands": [{"arguments": ["all", "x y", "--seed", "1"], "directory": "/w"}],
    "schema": 1,
}
ROW = {"filename": "00000/samples/0000.png", "image_sha256": DIGEST, "prompt": "a dog", "prompt_index": 0}
LOCAL = {"shards": 2, "stages": {"generate": {"0": "", "1": ""}, "rewards": {"1": ""}}, "merge": ""}
STATE = {"state": "failed", "found": 1, "done": 1, "total": 2, "message": "x", "environment": {"name": "miro"}}
DEEP = {"a": [[[{"b": 1e100, "é": None}]]], "c": ["x", -1, 0.5, True]}


class _Run:
    """A run in memory, with every file that its readers look for."""

    def __init__(self) -> None:
        self.run = RunDirectory(Path(tempfile.mkdtemp(prefix="fuzz-", dir=FOLDER)))
        for folder in ("work/shards", "00000/samples", "logs"):
            (self.run.path / folder).mkdir(parents=True)
        (self.run.path / "00000/metadata.jsonl").write_text('{"prompt": "a dog"}')
        self.run.rows("images.jsonl").write_text(json.dumps(ROW) + "\n")
        self.run.manifest.write_text(json.dumps(MANIFEST))
        self.run.work("submission.json").write_text(json.dumps(LOCAL))

    def verified(self, data: bytes) -> None:
        self.run.manifest.write_bytes(data)
        counted, problems = verification.verify(self.run.path)
        assert counted >= 1
        assert all(isinstance(line, str) for line in problems)

    def repeated(self, data: bytes) -> None:
        self.run.manifest.write_bytes(data)
        script = reproduction.reproduction(self.run.path)
        manifest, words = Manifest.read(self.run.manifest), list[str]()
        for command in manifest.commands if manifest else ():
            words += ["cd", str(command["directory"]), "miro-eval", *map(str, command["arguments"])]
        assert shlex.split(script, comments=True) == words, "a shell does something else"

    def told(self, name: str, data: bytes) -> None:
        self.run.work(name).write_bytes(data)
        submission = Submission.read(self.run)
        if submission is not None and not submission.token:
            refuse_while_queued(self.run)
            tasks, note = run_status(self.run, submission)
            assert note is None
            assert all(task.done + task.total >= 0 or name != "submission.json" for task in tasks)


def document(data: bytes) -> None:
    """What the one reader takes can be written, is bounded, and reads the same again."""
    value = parse_json(data)
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    assert parse_json(text.encode()) == value
    level, depth = [value], 0
    while level := [
        inner
        for one in level
        if isinstance(one, (dict, list))
        for inner in (one.values() if isinstance(one, dict) else one)
    ]:
        depth += 1
    assert depth < MAX_DEPTH


def index(path: Path) -> None:
    """A model's index, wherever it came from, is read or called unreadable."""
    assert all(isinstance(name, str) for name in shards(path))
    read_json(path)


def readers() -> dict[str, Any]:
    """What each target does with bytes."""
    verified, repeated, submitted, stated = (_Run() for _ in range(4))
    reproduction.harness_provenance = lambda: {"commit": "c"}  # it asks git, which is no parser
    return {
        "verified": verified.verified,
        "repeated": repeated.repeated,
        "submitted": lambda data: submitted.told("submission.json", data),
        "stated": lambda data: stated.told("shards/generate-0of2.json", data),
    }
