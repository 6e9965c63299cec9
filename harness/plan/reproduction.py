"""What made a run, as a shell script: the commands, with locks and hashes as comments that can be held against."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.environments.manager import locate
from harness.environments.spec import ENVIRONMENTS
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, StageRecord, harness_provenance
from harness.stages.registry import STAGES
from wire.errors import UserError


def reproduction(path: Path) -> str:
    """The script; a UserError where the directory has no readable ``run.json``."""
    run = RunDirectory(path)
    manifest = Manifest.read(run.manifest)
    if manifest is None:
        raise UserError(f"{path}: no run here (there is no run.json)")
    try:
        comments = [*_origin(manifest), *(line for stage in manifest.stages.items() for line in _stage(*stage))]
        lines = [*map(_comment, comments), *_commands(manifest), *map(_comment, _expected(manifest))]
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise UserError(f"{run.manifest}: not a readable run manifest ({error})") from error
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    """One line that a shell does not look at, whatever is in it."""
    return "# " + re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "?", text)


def _origin(manifest: Manifest) -> Iterator[str]:
    harness, suite = manifest.harness, manifest.suite
    changed = " with local changes" if harness.get("dirty") else ""
    yield f"run {manifest.name}: miro-eval {harness.get('version')}, commit {harness.get('commit')}{changed}"
    if (here := harness_provenance().get("commit")) != harness.get("commit"):
        yield f"    here: commit {here}"
    if manifest.random_weights:
        yield "made with random weights: its scores mean nothing"
    if (checkpoint := manifest.checkpoint) is not None:
        yield f"checkpoint {checkpoint.get('path') or checkpoint.get('repo') or checkpoint.get('name')}"
        identity = checkpoint.get("identity")
        files = identity.items() if isinstance(identity, dict) else [("", identity)]
        yield from (f"    {name} {digest}".replace("  ", " ") for name, digest in files)
    if suite:
        yield f"suite {suite.get('id')}: {suite.get('prompts')} prompts, sha256 {suite.get('sha256')}"


def _stage(stage: str, record: StageRecord) -> Iterator[str]:
    yield f"stage {stage}: settings {record.fingerprint}{'' if record.finished else ', not finished'}"
    usual = [record.environment | record.provenance] if record.environment or not record.environments else []
    for told in [*usual, *record.environments.values()]:
        yield from _environment(told)
    weights = record.provenance.get("weights", [])
    for weight in weights if isinstance(weights, list) else []:
        if isinstance(weight, dict):
            place = str(weight.get("repo") or weight.get("source") or weight.get("name") or "")
            revision = f"@{weight['revision']}" if weight.get("revision") else ""
            words = ("weights", place + revision, weight.get("file"), "sha256", weight.get("sha256") or "not known")
            yield "    " + " ".join(str(word) for word in words if word)


def _environment(told: dict[str, Any]) -> Iterator[str]:
    """What ``run.json`` tells of an environment and of the worker in it."""
    name, backend, lock = (told.get(key, "?") for key in ("name", "backend", "lock"))
    yield f"    environment {name}: {backend}, lock {lock}"
    if name in ENVIRONMENTS and backend in ENVIRONMENTS[name].backends:
        here = locate(ENVIRONMENTS[name], backend).lock_hash
        if here != lock:
            yield f"        here: lock {here}"
    packages = told.get("packages", {})
    yield f"    device {told.get('device')}; " + ", ".join(f"{k} {v}" for k, v in packages.items())


def _commands(manifest: Manifest) -> Iterator[str]:
    if not manifest.commands:
        yield _comment("its command lines were not recorded")
    for command in manifest.commands:
        yield f"cd {shlex.quote(str(command['directory']))}"
        yield shlex.join(["miro-eval", *map(str, command["arguments"])])


def _expected(manifest: Manifest) -> Iterator[str]:
    """Lines as ``sha256sum --check`` reads them, once the comment sign is taken away."""
    yield "the same rows on a device of the same kind:"
    for name, record in manifest.stages.items():
        if record.finished and name in STAGES:
            yield f"{record.rows_sha256}  {STAGES[name].rows_file}"
