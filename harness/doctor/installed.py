"""The environments: made, of today's lock, working when they are tried now."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.doctor.host import FAILURE, OK, WARNING, Finding, disk
from harness.environments import manager, uv
from harness.environments.gpu import has_compiler
from harness.environments.manager import Environment
from harness.environments.spec import ENVIRONMENTS, find_spec
from harness.workers.processes import describe_failure
from wire.errors import EnvironmentFailure
from wire.paths import environment_files, home, stage_code

#: Seconds for an environment's compiled parts to run.
TIMEOUT = 300.0


def environments() -> Iterator[Finding]:
    """Each environment: its lock, its imports, and its compiled operators on the device, tried now."""
    for spec in ENVIRONMENTS.values():
        yield from _environment(manager.locate(spec))


def _environment(environment: Environment) -> Iterator[Finding]:
    name = f"environment {environment.spec.name}"
    setup = f"miro-eval envs setup {environment.spec.name}"
    half = environment.directory.exists()
    if environment.spec.on_demand and not half:
        yield Finding(name, OK, "not set up: it is made when a metric that runs in it is asked for")
        return
    if not environment.ready:
        state = "half-made: its set-up was interrupted" if half else "not set up"
        yield Finding(name, WARNING, state, f"{setup}, which resumes it" if half else setup)
        return
    again = f"miro-eval envs remove {environment.spec.name}, then set up"
    try:
        packages = manager.check(environment)
        text = f"{environment.backend}, torch {packages['torch']}, lock {environment.lock_hash}"
    except (EnvironmentFailure, StopIteration, ValueError, KeyError) as error:
        yield Finding(name, FAILURE, (str(error).splitlines() or ["its health check prints nothing"])[0], again)
        return
    yield Finding(name, OK, text)
    yield _operators(environment, f"operators {environment.spec.name}", again)


def _operators(environment: Environment, subject: str, hint: str) -> Finding:
    command = environment.command(str(environment_files(environment.spec.name).parent / "probe.py"))
    variables = {**os.environ, "PYTHONPATH": str(stage_code()), "PYTHONNOUSERSITE": "1"}
    log = environment.directory / "probe.log"
    try:
        with log.open("w", encoding="utf-8") as errors:
            answer = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=errors, timeout=TIMEOUT, cwd=home(), env=variables, check=False
            )
        found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(subject, FAILURE, f"cannot be tried: {error}", hint)
    except (ValueError, IndexError):
        last = describe_failure(command, answer.returncode, log).splitlines()[-1].strip()
        return Finding(subject, FAILURE, f"the trial ended with status {answer.returncode}: {last[:200]}", hint)
    if found["failed"]:
        name, reason = next(iter(found["failed"].items()))
        return Finding(subject, FAILURE, f"{name} fails on {found['device']}: {reason}", hint)
    return Finding(subject, OK, f"{', '.join(found['ran'])} on {found['device']}")


def leftovers() -> Iterator[Finding]:
    """Environments of older locks: they only take space."""
    for folder in manager.leftovers():
        yield Finding("environments", WARNING, f"{folder} is of an older lock", f"miro-eval envs remove {folder.name}")


def unmade(names: Sequence[str], env_backend: str) -> Iterable[Finding]:
    """What stands in the way of making the environments that are missing; nothing where all are there."""
    missing = [name for name in names if not manager.locate(find_spec(name), env_backend).ready]
    if missing and uv.find() is None:
        yield Finding("uv", FAILURE, "not installed", "pip install uv")
    compiled = "geneval" in missing and manager.locate(ENVIRONMENTS["geneval"], env_backend).backend == "uv"
    if compiled and not has_compiler():
        hint = "install one, e.g. g++, or use --env-backend mmcv-lite, for which nothing is compiled"
        yield Finding("C++ compiler", FAILURE, "none, and mmcv is compiled from source", hint)
    if missing:
        yield disk(env_backend, missing)
