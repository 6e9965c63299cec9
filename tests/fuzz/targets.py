"""Every parser that reads files of others: what it is given, and which errors it may end with.

A target takes bytes; it may raise the project's own errors, and nothing else.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.fuzz import bundles, runs
from tests.fuzz.mutations import FOLDER
from wire.errors import MiroEvalError, UserError

METADATA = {
    "tag": "colors",
    "include": [{"class": "dog", "count": 1, "color": "red"}],
    "prompt": "a photo of a red dog",
}
VERDICT = {
    "filename": "00000/samples/0000.png",
    "tag": "colors",
    "prompt": METADATA["prompt"],
    "correct": True,
    "reason": "",
    "metadata": json.dumps(METADATA),
    "details": json.dumps({"dog": [[0.0, 0.0, 1.0, 1.0, 0.9]]}),
    "prompt_index": 0,
    "sample_index": 0,
    "image_sha256": "0" * 64,
    "status": "scored",
    "error": "",
}
REWARD = {
    "filename": "00000/samples/0000.png",
    "prompt": "a dog",
    "prompt_index": 0,
    "sample_index": 0,
    "image_sha256": "0" * 64,
    "aesthetic": 5.25,
    "vqa": None,
    "unscored": {"vqa": "out of memory"},
}
STAGE = {"fingerprint": "f", "settings": {"seed": 42}, "environment": {"name": "miro"}, "provenance": {"weights": []}}
MANIFEST = {
    "name": "x",
    "checkpoint": {"name": "x"},
    "protocol": {"seed": 42},
    "stages": {"generate": STAGE},
    "schema": 1,
}
SUBMISSION = {
    "shards": 2,
    "stages": {"generate": {"0": "7_0", "1": ""}},
    "merge": "8",
    "cluster": "c",
    "token": "0123456789abcdef" * 2,
}
STATE = {"state": "failed", "done": 1, "message": "x", "provenance": {"weights": []}, "seconds": 1.5}
JOB = {"stage": "geneval", "run_dir": "/r", "output": "/o", "items": [], "parameters": {}, "done": []}
ITEM = {"filename": "a", "prompt_index": 0, "sample_index": 0, "metadata": METADATA, "image_sha256": None}
WEIGHTS = """[w]
file = "w.pth"
urls = ["https://x/w"]
sha256 = "12345678"
stages = ["rewards"]
licence = "MIT"
source = "x"

[hub.h]
repo = "a/b"
revision = "0123456789012345678901234567890123456789"
files = ["*.json", "@weights"]
stages = ["rewards"]
licence = "MIT"
source = "x"
"""
LINK = {"repository": bundles.CODE, "revision": bundles.COMMIT, "branch": "", "name": "a.json", "blob": "0" * 40}
PLACES = ("files/w.pth", f"hub/{bundles.CODE}/{'0' * 40}", f"git/{bundles.COMMIT}")
INDEX = {"schema": 2, "files": [{"place": place, "size": 1, "sha256": "0" * 64} for place in PLACES], "links": [LINK]}
BASELINE = {
    "schema": "miro-eval/baseline/1",
    "name": "x",
    "random_weights": False,
    "protocol": {"seed": "42"},
    "metrics": ["aesthetic"],
    "verdicts": [{"key": "00000", "tag": "colors", "prompt": "a dog", "samples": [0, 1], "correct": [1, 0]}],
    "rewards": [
        {"key": "00000", "prompt": "a dog", "samples": [0, 1], "aesthetic": [5.0, 6.0]}
        | {"details": {"soft_tifa": {"asked": [["count", "one"]], "p": [[0.5], None]}}}
    ],
}


def _lines(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        parse: reads bytes.
        seeds: well-formed inputs that are mutated.
        slow: takes milliseconds, as those that make tables do.
    """

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    slow: bool = False

    def __call__(self, data: bytes) -> bool:
        """Parse; tells whether the input was accepted. Anything but our own errors escapes."""
        try:
            self.parse(data)
        except MiroEvalError as error:
            if "\n" in str(error).strip() and "weights.toml" in str(error):
                raise AssertionError(f"more than one line: {error}") from error
            return False
        return True


def _in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=FOLDER))
    path = folder / name
    path.parent.mkdir(exist_ok=True)

    def parse(data: bytes) -> object:
        path.write_bytes(data)
        return read(path)

    return parse


def _rows(path: Path) -> object:
    from wire.protocol import read_rows

    return list(read_rows(path))


def _writer(path: Path) -> object:
    from wire.protocol import RowWriter

    with RowWriter(path) as writer:
        writer.write([{"a": 1}])
    return path.read_bytes().endswith(b'{"a": 1}\n')


def _event(data: bytes) -> object:
    from harness.workers.worker import read_event

    return read_event(data.decode("utf-8", errors="replace"))


def _suite(suffix: str, data: bytes) -> object:
    from generation.suites.suite import parse

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return parse(text, suffix, "suite")


def _policy(data: bytes) -> object:
    from reports.gate.policy import parse_policy

    return parse_policy(data.decode("utf-8", errors="replace"), "policy")


def _weights(data: bytes) -> object:
    from harness.weights.entries import parse

    return parse(data.decode("utf-8", errors="replace"))


def _default_policy() -> bytes:
    from reports.gate.policy import default_text

    return default_text().encode()


def _tables() -> dict[str, Target]:
    from reports.gate.baseline import read_baseline
    from reports.read.manifest import read_manifest
    from reports.read.reward_rows import read_rewards
    from reports.read.verdicts import read_verdicts

    return {
        "results.jsonl, as reports read it": Target(
            _in_file("results.jsonl", read_verdicts), (_lines(VERDICT, VERDICT | {"sample_index": 1}),), slow=True
        ),
        "rewards.jsonl, as reports read it": Target(
            _in_file("rewards.jsonl", read_rewards), (_lines(REWARD, REWARD | {"sample_index": 1}),), slow=True
        ),
        "baseline": Target(_in_file("baseline.json", read_baseline), (json.dumps(BASELINE).encode(),), slow=True),
        "run.json, as reports read it": Target(_in_file("run.json", read_manifest), (json.dumps(MANIFEST).encode(),)),
    }


def _bundles() -> dict[str, Target]:
    lines = bundles.lines()
    return {
        "bundle's list": Target(bundles.read_list, (json.dumps(INDEX).encode(),)),
        "bundle": Target(bundles.read_tar, (bundles.tar_of(lines),), slow=True),
        "bundle, described": Target(bundles.read_lines, (lines,), slow=True),
        "git object": Target(bundles.read_object, bundles.objects()),
        "git proof": Target(bundles.read_description, (bundles.description(),)),
    }


def _document(data: bytes) -> None:
    try:
        runs.document(data)
    except ValueError as error:
        raise UserError("refused") from error


def _index(path: Path) -> None:
    try:
        runs.index(path)
    except ValueError as error:
        raise UserError("refused") from error


def _runs() -> dict[str, Target]:
    """Files of whole runs, and the reader that all of them share."""
    reads, manifest = runs.readers(), json.dumps(runs.MANIFEST).encode()
    local, state = json.dumps(runs.LOCAL).encode(), json.dumps(runs.STATE).encode()
    weights = {"weight_map": {"a": "x.bin", "b": "y.bin"}}
    return {
        "any document": Target(_document, (json.dumps(runs.DEEP).encode(), manifest, state)),
        "model's index": Target(_in_file("index.json", _index), (json.dumps(weights).encode(),)),
        "run.json, as verify reads it": Target(reads["verified"], (manifest,)),
        "run.json, as repro reads it": Target(reads["repeated"], (manifest,)),
        "record of work, as status reads it": Target(reads["submitted"], (local,)),
        "state of a share, as status reads it": Target(reads["stated"], (state,)),
    }


def targets() -> dict[str, Target]:
    """All of them, by what they read."""
    from harness.executors.share_state import read_state
    from harness.executors.submission import Submission
    from harness.run.directory import RunDirectory, read_metadata
    from harness.run.manifest import Manifest
    from harness.weights.checksums import read_ledger
    from wire.protocol import PROTOCOL_VERSION, Job

    job = json.dumps(JOB | {"version": PROTOCOL_VERSION, "items": [ITEM]}).encode()
    events = [{"event": "progress", "done": 1, "total": 2, "label": "x"}, {"event": "error", "message": "x"}]
    table = b"Prompt,tag\na photo of a dog,colors\n"
    suites = {"jsonl": _lines(METADATA), "csv": table, "tsv": table.replace(b",", b"\t"), "txt": b"a dog\n"}
    suites["json"] = json.dumps(["a dog", METADATA]).encode()
    return {
        "rows": Target(_in_file("rows.jsonl", _rows), (_lines(VERDICT, REWARD),)),
        "rows, appended to": Target(_in_file("rows.jsonl", _writer), (_lines(VERDICT)[:-5],)),
        "metadata.jsonl": Target(_in_file("metadata.jsonl", read_metadata), (_lines(METADATA),)),
        "run.json": Target(_in_file("run.json", Manifest.read), (json.dumps(MANIFEST).encode(),)),
        "record of jobs": Target(
            _in_file("work/submission.json", lambda path: Submission.read(RunDirectory(path.parents[1]))),
            (json.dumps(SUBMISSION).encode(),),
        ),
        "state of a share": Target(_in_file("state.json", read_state), (json.dumps(STATE).encode(),)),
        "job": Target(_in_file("job.json", Job.read), (job,)),
        "ledger": Target(
            _in_file("ledger.json", read_ledger),
            (b'{"verified": {}, "first_use": {"a": {"sha256": "0", "size": 1, "revision": ""}}}',),
        ),
        "worker's events": Target(_event, tuple(_lines(event) for event in events)),
        "policy": Target(_policy, (_default_policy(),)),
        "weights.toml": Target(_weights, (WEIGHTS.encode(),)),
        **_bundles(),
        **{f"suite, {kind}": Target(partial(_suite, kind), (seed,)) for kind, seed in suites.items()},
        **_tables(),
        **_runs(),
    }
