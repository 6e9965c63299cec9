"""Whether the environments' torch can use this machine's GPUs: by their locks, and by torch's own word."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.doctor.host import FAILURE, WARNING, Finding
from harness.environments import manager
from harness.environments.manager import BACKENDS, Environment
from harness.environments.spec import DEFAULT, ENVIRONMENTS, find_spec
from wire.errors import EnvironmentFailure
from wire.files import write_atomically
from wire.gpus import Gpu, hidden, listed_gpus, too_old_for
from wire.untrusted import parse_json, read_json

#: Seconds for an environment's torch to be imported, and to look for GPUs.
TIMEOUT = 120.0
#: The registry's builds of torch before 2.7 end at Hopper.
FIRST_WITH_BLACKWELL, UP_TO_HOPPER = (2, 7), ("sm_50", "sm_60", "sm_70", "sm_80", "sm_90")
#: One line without double quotes: pixi hands it to a shell.
_QUESTION = (
    "import json, torch; seen = torch.cuda.is_available() and torch.cuda.device_count(); "
    "print(json.dumps({'seen': int(seen), 'architectures': torch.cuda.get_arch_list()}))"
)
_REBUILD = "setting the environment up again does not help"


def all_environments() -> Iterator[Finding]:
    """For ``doctor``; see :func:`misfits`."""
    there = [name for name, spec in ENVIRONMENTS.items() if name in DEFAULT or manager.locate(spec).ready]
    return misfits(there, "auto")


def misfits(names: Sequence[str], env_backend: str) -> Iterator[Finding]:
    """What keeps environments from computing on the GPUs that are here and not hidden; nothing where all is well."""
    try:
        gpus = () if hidden() else listed_gpus()
    except EnvironmentFailure:  # which :func:`harness.doctor.host.gpu` tells
        return
    environments = [manager.locate(find_spec(name), env_backend) for name in names]
    if gpus and environments:
        with ThreadPoolExecutor() as pool:
            yield from filter(None, pool.map(lambda environment: _misfit(environment, gpus), environments))


def _misfit(environment: Environment, gpus: Sequence[Gpu]) -> Finding | None:
    try:
        torch, cuda = locked_torch(environment)
    except EnvironmentFailure:
        if environment.spec.folder:  # a user's own may compute with anything
            return None
        raise
    subject, its = f"environment {environment.spec.name}", f"its torch {torch} (CUDA {cuda})"
    if why := too_old_for(gpus[0].driver, cuda):
        hint = f"update the driver, or use --device cpu; {_REBUILD}"
        return Finding(subject, FAILURE, f"{its} cannot use the GPU: {why}", hint)
    answer = _answer(environment, gpus[0].driver) if environment.ready else {}
    made_for: Sequence[str] = answer.get("architectures") or (() if _has_blackwell(torch) else UP_TO_HOPPER)
    strange = [gpu for gpu in gpus if gpu.capability and unsupported([gpu.capability], made_for)]
    if strange:
        code = f"sm_{strange[0].capability.replace('.', '')}"
        text = f"{its} has no code for {strange[0].name} ({code}), only {made_for[0]} to {made_for[-1]}"
        lite = environment.spec.name == "geneval" and environment.backend != "mmcv-lite"
        hint = f"use {'--env-backend mmcv-lite, ' if lite else ''}another GPU or --device cpu; {_REBUILD}"
        return Finding(subject, FAILURE if len(strange) == len(gpus) else WARNING, text, hint)
    if answer and not answer["seen"]:
        hint = "is it allowed to use it (--gres, the container's --gpus, CUDA_VISIBLE_DEVICES)? or use --device cpu"
        listed = f"the {gpus[0].name} that nvidia-smi lists (driver {gpus[0].driver})"
        return Finding(subject, FAILURE, f"{its} does not see {listed}", hint)
    return None


def locked_torch(environment: Environment) -> tuple[str, str]:
    """Versions of torch and of its CUDA, e.g. ``("2.4.0", "12.1")``; of pixi's packages, those of its twin for uv."""
    text = b"\n".join(
        [*(part for kind in (environment.backend, "uv") for part in BACKENDS[kind].lock_parts(environment.spec))]
    )
    names = rb'"torch"', rb'"nvidia-cuda-runtime(?:-cu\d+)?"'
    torch, cuda = (re.search(rb"^name = " + name + rb'\nversion = "(\d+\.\d+[\d.]*)', text, re.M) for name in names)
    if torch is None or cuda is None:
        raise EnvironmentFailure(f"envs/{environment.spec.name}/uv.lock names no torch that is built for CUDA")
    return torch[1].decode(), ".".join(cuda[1].decode().split(".")[:2])


def _has_blackwell(torch: str) -> bool:
    return tuple(map(int, torch.split(".")[:2])) >= FIRST_WITH_BLACKWELL


def unsupported(capabilities: Sequence[str], architectures: Sequence[str]) -> list[str]:
    """Capabilities that no compiled architecture serves: one of the same generation, and not newer, is needed.
    ``capabilities``: of the GPUs here, e.g. ``("9.0",)``.
    ``architectures``: as torch lists them, e.g. ``["sm_80", "sm_90"]``; none means that nothing can be said.
    """
    made_for = [divmod(int(name[3:].rstrip("af")), 10) for name in architectures if name[3:].rstrip("af").isdigit()]
    wanted = {text: tuple(map(int, text.split("."))) for text in capabilities}
    return [
        text
        for text, (major, minor) in wanted.items()
        if made_for and not any(one == major and two <= minor for one, two in made_for)
    ]


def _answer(environment: Environment, driver: str) -> dict[str, Any]:
    """What the environment's own torch says; a GPU that it saw is not asked for again under the same driver.

    Empty where it says nothing: that is told by its health check, or by the worker.
    """
    kept = environment.directory / "gpu.json"
    try:
        known: dict[str, Any] = read_json(kept)
        if known["driver"] == driver and known["seen"]:
            return known
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        command = environment.command("-c", _QUESTION)
        said = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout
        answer: dict[str, Any] = {"driver": driver, **parse_json(said.splitlines()[-1])}
        with contextlib.suppress(OSError):  # a folder of somebody else's: asked again next time
            if answer["seen"]:
                write_atomically(kept, json.dumps(answer))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, TypeError, KeyError):
        return {}
    return answer
