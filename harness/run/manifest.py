"""``run.json``: what made a run, complete enough to make it again.

Schema version 1. Times are the only fields that two identical runs may differ in.
"""

from __future__ import annotations

import itertools
import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec

from harness.run.contents import Contents
from wire.errors import UserError
from wire.files import write_atomically
from wire.untrusted import parse_json

SCHEMA = 1
#: A hash of settings; it becomes part of a file's name.
Mark = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z]{1,64}\Z")]


class Provenance(TypedDict, total=False):
    """What of a worker's words is read again; there is more."""

    weights: list[dict[str, Any]]
    cards: dict[str, Any]
    packages: dict[str, Any]
    hparams: dict[str, Any]
    batch_size: int


@dataclass
class StageRecord:
    """What is known of one stage; docs/files.md says more."""

    fingerprint: Mark  #: hash of ``settings``, which decide the stage's rows
    settings: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    #: The worker's own words: packages, device, precision, weights with revision and sha256.
    provenance: dict[str, Any] = field(default_factory=dict)
    #: Of parts of the stage that run in others than its usual one: the same of each, by name.
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Of metrics that more than ``settings`` decides: hash of all that does.
    marks: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    unscored: int = 0
    rows_sha256: str = ""  #: hash of the finished file; empty before there is one
    seconds: float = 0.0
    finished: bool = False  #: every item has its row

    @property
    def has_rows(self) -> bool:
        """Whether a finished file was written for these settings; of a new record the file there is another's."""
        return self.finished or bool(self.rows_sha256)


@dataclass
class Manifest:
    """The whole of ``run.json``; docs/files.md says more."""

    name: str
    checkpoint: dict[str, Any] | None = None  #: None for a folder of images of unknown origin
    suite: dict[str, Any] | None = None
    #: How images were made, in the words of the options; runs are compared only under one protocol.
    protocol: dict[str, Any] = field(default_factory=dict)
    random_weights: bool = False
    harness: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, StageRecord] = field(default_factory=dict)
    schema: int = SCHEMA
    commands: list[dict[str, Any]] = field(default_factory=list)
    #: By stage and fingerprint, what is known of rows that are not in use: those made with other settings before, which
    #: lie beside the finished file, and those being made while the finished file stays in use.
    kept: dict[str, dict[Mark, StageRecord]] = field(default_factory=dict)
    tflop_per_image: float | None = None  #: of sampling and decoding one image, where the network's sizes are known

    @classmethod
    def read(cls, path: Path, contents: Contents | None = None) -> Manifest | None:
        """Read ``run.json``; None where there is none. Its hash is known to ``contents`` then.
        Raises UserError: unreadable, or of another schema version.
        """
        if not path.exists():
            return None
        try:
            record = parse_json((contents or Contents()).text(path))
            schema = record.get("schema") if isinstance(record, dict) else None
            if schema is None:
                raise ValueError("no 'schema' in it: another tool's, which reports alone read")
            if schema != SCHEMA:
                raise UserError(f"{path}: schema {schema}, this version reads {SCHEMA}")
            record["stages"] = {name: StageRecord(**stage) for name, stage in record["stages"].items()}
            kept = record.get("kept", {}).items()
            record["kept"] = {name: {mark: StageRecord(**one) for mark, one in those.items()} for name, those in kept}
            found = cls(**record)
            msgspec.convert(asdict(found), cls)
            for stage in itertools.chain(found.stages.values(), *(those.values() for those in found.kept.values())):
                msgspec.convert(stage.provenance, Provenance)
            return found
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(
                f"{path}: not a readable run manifest ({what}); put a copy back, or remove it: nothing else is lost, "
                "but the same command then makes images, verdicts and rewards again"
            ) from error

    def note_command(self, arguments: list[str], directory: Path) -> None:
        """Add a command line, unless it was the last one given: a continued run has one."""
        command = {"arguments": arguments, "directory": str(directory)}
        if self.commands[-1:] != [command]:
            self.commands.append(command)

    def write(self, path: Path) -> None:
        """Write ``run.json`` atomically; what only some runs have only where there is something."""
        record = asdict(self)
        kept = (one for those in record["kept"].values() for one in those.values())
        for stage, key in itertools.product([*record["stages"].values(), *kept], ("environments", "marks")):
            if not stage[key]:
                del stage[key]
        if self.tflop_per_image is None:
            del record["tflop_per_image"]
        if not any(self.kept.values()):
            del record["kept"]
        write_atomically(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def differing_fields(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """``name: old -> new`` for each setting in which two records differ."""
    missing = object()
    return [
        f"{key}: {old.get(key)!r} -> {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key, missing) != new.get(key, missing)
    ]


def harness_provenance() -> dict[str, Any]:
    """Version of this program, and the commit it was run from in a clone."""
    from importlib.metadata import version

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        return answer.stdout.strip() if answer.returncode == 0 else None

    try:
        commit = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain")) if commit else None
    except FileNotFoundError:
        commit, dirty = None, None
    return {"version": version("miro-eval"), "commit": commit, "dirty": dirty}
