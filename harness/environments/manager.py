"""Make environments ready, tell what is there, remove them.

An environment lives in ``<home>/envs/<name>-<backend>-<hash of its lock>/``. It counts as ready when its
``state.json`` exists, which is written last, after installation and health check, under a lock. A folder without
it is half-made: the next set-up continues there. A folder that fails its health check is deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout

from harness.environments import pixi
from harness.environments.gpu import BLACKWELL, can_compile_mmcv, compute_capabilities
from harness.environments.spec import ENVIRONMENTS, OWN, Backend, EnvironmentSpec, Progress, find_spec
from harness.environments.uv import UvBackend
from harness.workers.processes import check_dismissed, run_logged
from wire.errors import EnvironmentFailure, UserError
from wire.files import write_atomically
from wire.paths import environment_files, home, stage_code
from wire.untrusted import read_json

BACKENDS: dict[str, Backend] = {
    "uv": UvBackend(),
    "pixi": cast(Backend, pixi),
    "mmcv-lite": UvBackend(lock="-lite"),
    "no-mmcv": UvBackend(left_out=("mmcv", "mmdet", "mmengine")),
}
#: The kind for which nothing is compiled: it serves where another cannot be made.
LITE = "mmcv-lite"
STATE_SCHEMA = 1


@dataclass(frozen=True)
class Environment:
    """One environment at its place on disk, ready or not."""

    spec: EnvironmentSpec
    backend: str
    lock_hash: str

    @property
    def directory(self) -> Path:
        """Where it is, or will be."""
        return home() / "envs" / f"{self.spec.name}-{self.backend}-{self.lock_hash}"

    @property
    def state_file(self) -> Path:
        """Exists only when the environment is ready."""
        return self.directory / "state.json"

    @property
    def failure_file(self) -> Path:
        """Exists where another environment was made in place of this one, and says why."""
        return self.directory / "failed.txt"

    @property
    def ready(self) -> bool:
        """Installed, and healthy when it was last checked."""
        return self.state_file.exists()

    def state(self) -> EnvironmentState | None:
        """What the last successful set-up recorded."""
        if not self.ready:
            return None
        try:
            return EnvironmentState(**read_json(self.state_file))
        except (OSError, ValueError, TypeError) as error:
            again = f"`miro-eval envs remove {self.spec.name}`, then set it up again"
            raise EnvironmentFailure(f"{self.state_file}: unreadable ({error}); {again}") from error

    def identity(self) -> dict[str, str]:
        """Name, backend and lock hash: what ``run.json`` tells of it."""
        return {"name": self.spec.name, "backend": self.backend, "lock": self.lock_hash}

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs ``python *arguments`` inside."""
        return BACKENDS[self.backend].command(self.spec, self.directory, arguments)

    def worker(self, module: str, *arguments: str) -> list[str]:
        """The command line that runs a module of ours inside, whatever packages the working directory has."""
        return self.command(str(stage_code() / "wire" / "launch.py"), module, *arguments)


@dataclass(frozen=True)
class EnvironmentState:
    """``state.json`` of a ready environment."""

    schema: int
    name: str
    backend: str
    lock_hash: str
    packages: dict[str, str]  #: name -> version of the packages the health check looked at
    size_bytes: int  #: disk used, hard links counted once
    seconds: float  #: wall time of the set-up that made it ready


def locate(spec: EnvironmentSpec, backend: str = "auto") -> Environment:
    """The environment as the current lock files describe it (installed or not)."""
    kind = choose_backend(spec, backend)
    digest = hashlib.sha256(b"\0".join(BACKENDS[kind].lock_parts(spec))).hexdigest()[:12]
    return Environment(spec, kind, digest)


def choose_backend(spec: EnvironmentSpec, requested: str) -> str:
    """The backend to use: as requested, else the first that serves on this host and has not failed here.

    pixi serves where it and an NVIDIA GPU are present; uv where it is there already, or mmcv can be compiled for what
    it would run on; neither on a GPU newer than its torch; mmcv-lite everywhere.
    """
    if requested not in ("auto", *BACKENDS):
        raise UserError(f"unknown environment backend {requested!r}: choose from auto, {', '.join(BACKENDS)}")
    if requested in spec.backends:
        return requested
    return next(kind for kind in spec.backends if LITE not in spec.backends or kind == LITE or _serves(spec, kind))


def going_on(spec: EnvironmentSpec, requested: str, begun: str) -> str:
    """The backend to request for a run that was ``begun`` in one: where none is demanded that, if it serves here."""
    fits = begun in spec.backends and begun != "no-mmcv" and (begun == LITE or _serves(spec, begun))
    return begun if requested == "auto" and fits else requested


def _serves(spec: EnvironmentSpec, kind: str) -> bool:
    environment, gpus = locate(spec, kind), compute_capabilities()
    if environment.failure_file.exists() or any(float(one) >= BLACKWELL for one in gpus):
        return False
    if kind == "pixi":
        return bool(pixi.find() and gpus)
    return environment.ready or can_compile_mmcv()


def ensure(spec: EnvironmentSpec, backend: str, progress: Progress) -> Environment:
    """Return the environment, installing and checking it first where it is not ready.

    Where ``auto`` chose one that cannot be made, the one for which nothing is compiled is made and returned in its
    place; :func:`substitution` says so, and ``auto`` chooses it from now on.

    Raises EnvironmentFailure: it could not be installed, or does not work.
    """
    environment = locate(spec, backend)
    try:
        _make(environment, progress)
        return environment
    except EnvironmentFailure as error:
        if backend != "auto" or environment.backend == LITE or LITE not in spec.backends:
            raise
        progress(0, 0, f"{environment.backend} failed; installing {LITE} instead")
        substitute = locate(spec, LITE)
        _make(substitute, progress)
        environment.directory.mkdir(parents=True, exist_ok=True)
        write_atomically(environment.failure_file, f"{str(error).splitlines()[0]}\n")
        return substitute


def _make(environment: Environment, progress: Progress) -> None:
    if environment.ready:
        return
    try:
        environment.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"environment {environment.spec.name} is not on {platform.node()}, and {environment.directory} cannot be "
            f"written ({error.strerror}): set MIRO_EVAL_HOME to a folder that can, on a cluster one that all nodes see"
        ) from error
    with exclusive(environment.directory.with_name(environment.directory.name + ".lock"), progress):
        if not environment.ready:
            environment.directory.mkdir(parents=True, exist_ok=True)
            try:
                _set_up(environment, progress)
            except EnvironmentFailure:
                progress(1, 1, "failed")
                raise
    progress(1, 1, "ready")


def substitution(spec: EnvironmentSpec, backend: str) -> str:
    """What to tell where ``auto`` chooses an environment in place of one that failed, in one line; else nothing."""
    for kind in spec.backends if backend == "auto" and choose_backend(spec, backend) == LITE else ():
        failed = locate(spec, kind).failure_file
        if failed.exists():
            again = f"try again with `miro-eval envs setup {spec.name} --env-backend {kind}`"
            reason = failed.read_text(encoding="utf-8").strip()
            return f"environment {spec.name}: using {LITE}, because {kind} failed ({reason}); {again}"
    return ""


@contextlib.contextmanager
def exclusive(path: Path, progress: Progress) -> Iterator[None]:
    """One process at a time sets something up; the others wait, say so, and find it ready. ``path`` is the lock's."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress(0, 0, "another process is setting it up, waiting")
        while not lock.is_locked:
            check_dismissed()
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=1)
    try:
        yield
    finally:
        lock.release()


def _set_up(environment: Environment, progress: Progress) -> None:
    started = time.monotonic()
    free = shutil.disk_usage(environment.directory).free / 1e9
    if free < environment.spec.disk_gb:
        raise EnvironmentFailure(
            f"environment {environment.spec.name} needs {environment.spec.disk_gb} GB and {environment.directory} has "
            f"{free:.1f} GB free: free some space, or set MIRO_EVAL_HOME to another disk"
        )
    BACKENDS[environment.backend].install(environment.spec, environment.directory, progress)
    progress(0, 0, "health check")
    try:
        packages = check(environment)
    except EnvironmentFailure:
        shutil.rmtree(environment.directory, ignore_errors=True)
        raise
    state = EnvironmentState(
        schema=STATE_SCHEMA,
        name=environment.spec.name,
        backend=environment.backend,
        lock_hash=environment.lock_hash,
        packages=packages,
        size_bytes=_disk_usage(environment.directory),
        seconds=round(time.monotonic() - started, 1),
    )
    write_atomically(environment.state_file, json.dumps(asdict(state), indent=2) + "\n")
    environment.failure_file.unlink(missing_ok=True)


def check(environment: Environment) -> dict[str, str]:
    """Run the environment's health check; returns package versions.
    Raises EnvironmentFailure: an import or a compiled operator fails.
    """
    spec, answer = environment.spec, list[str]()
    script = environment_files("own" if spec.folder else spec.name) / "health_check.py"
    log = environment.directory / "health.log"
    unhealthy = f"environment {spec.name} is not healthy: `miro-eval envs remove {spec.argument}`, then set it up again"
    try:
        run_logged(
            environment.command(str(script), environment.backend),
            log,
            failure=unhealthy,
            environment={"PYTHONPATH": str(stage_code())},
            on_line=answer.append,
        )
    except EnvironmentFailure as error:
        if spec.folder is None or not answer:
            raise
        raise EnvironmentFailure(f"environment {spec.folder} cannot run a scorer: {answer[-1].strip()}") from error
    packages: dict[str, str] = json.loads(next(line for line in reversed(answer) if line.startswith("{")))
    return packages


def remove(directory: Path) -> bool:
    """Delete an environment's folder; tells whether there was one."""
    existed = directory.exists()
    if existed:
        (directory / "state.json").unlink(missing_ok=True)
        shutil.rmtree(directory)
    return existed


def leftovers() -> list[Path]:
    """Folders of environments of ours whose lock files have changed since."""
    kinds = [(spec, kind) for spec in ENVIRONMENTS.values() for kind in spec.backends if kind in BACKENDS]
    current = {locate(spec, kind).directory for spec, kind in kinds}
    ours = {f"{spec.name}-{kind}" for spec, kind in kinds}
    return [path for path in _folders() if path.name.rpartition("-")[0] in ours and path not in current]


def users_own() -> list[Path]:
    """Folders of users' own environments; whether their lock files have changed nobody can tell."""
    return [path for path in _folders() if path.name.startswith(OWN)]


def _folders() -> list[Path]:
    named = (path for path in (home() / "envs").glob("*-*-*") if re.fullmatch(r".+-[0-9a-f]{12}", path.name))
    return sorted(path for path in named if path.is_dir() and not path.is_symlink())


def _disk_usage(directory: Path) -> int:
    seen: dict[tuple[int, int], int] = {}
    for folder, _, files in os.walk(directory):
        for name in files:
            status = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - a Path per file is 5x slower on 50,000 files
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def environment_backend(detector: str, requested: str) -> str:
    """The kind of environment that a detector asks for, where the user demands none: one without mmcv will do for
    ``transformers``, but where the whole one is there already it serves.
    Raises UserError: the kind demanded lacks what the detector needs.
    """
    if detector == "mmdet" and requested == "no-mmcv":
        raise UserError("--env-backend no-mmcv has no mmdet: add --detector transformers")
    if detector == "mmdet" or requested != "auto":
        return requested
    return next((kind for kind in ("auto", LITE) if locate(find_spec("geneval"), kind).ready), "no-mmcv")
