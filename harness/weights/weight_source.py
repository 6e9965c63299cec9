"""Where the models of a run come from: the published weights, or the tiny world's random stand-ins."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.environments.making import Making
from harness.environments.manager import LITE, Environment, exclusive, locate
from harness.environments.spec import DEFAULT, ENVIRONMENTS, Progress
from harness.weights import WeightFile, ensure_weights, weights_of
from harness.weights.at_hand import lacking
from harness.weights.by_address import ensure as ensure_weight
from harness.weights.on_hub import note_use
from harness.workers.processes import run_logged
from rewards.scorers.card import Weight
from wire.errors import EnvironmentFailure
from wire.paths import home, stage_code

#: Display of a step: takes its name, returns where its progress goes.
Steps = Callable[[str], Progress]


#: Offline, a proxy or a token is for nobody: the hub's client stumbles over an odd one before it asks for anything.
_PROXIES = [name for lower in ("http_proxy", "https_proxy", "all_proxy") for name in (lower, lower.upper())]
_SILENT = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
_OFFLINE = _SILENT | dict.fromkeys(_PROXIES, "")


@dataclass(frozen=True)
class PublishedWeights:
    """The real thing: files of ``weights.toml``, and the hub through the stages' loaders."""

    offline: bool = False
    identity: str = "published"  #: distinguishes published weights from stand-ins in fingerprints
    random: bool = False  #: scores mean nothing

    def identity_of(self, stage: str) -> Any:
        """What decides a stage's numbers as far as its weights go: the expected hashes of its files."""
        return {weight.name: weight.sha256 for weight in weights_of(stage)}

    def variables(self, stage: str = "") -> dict[str, str]:
        """Those of the stage's workers, or of an environment's: offline, the hub's client must not open a socket."""
        return dict(_OFFLINE) if self.offline else {}

    def parameters(self, stage: str) -> dict[str, Any]:
        """Job parameters that point a worker to its files, whether they are there or not."""
        return {"files": {weight.name: str(weight.path) for weight in weights_of(stage)}}

    def prepare(self, stage: str, progress: Progress, wanted: Collection[str] | None = None) -> list[str]:
        """Fetch and verify what is missing and the stage's own loaders do not fetch themselves.
        Returns why those of the ``wanted`` files that cannot be had cannot. Without such names all are needed.
        Raises EnvironmentFailure: a file that is needed cannot be had.
        """
        if wanted is None:
            ensure_weights(stage, self.offline, progress)
            return []
        problems = [self._problem(weight, progress) for weight in weights_of(stage) if weight.name in wanted]
        return [problem for problem in problems if problem]

    def _problem(self, weight: WeightFile, progress: Progress) -> str:
        """Why a file cannot be had; empty where it is here now."""
        try:
            ensure_weight(weight, self.offline, progress)
        except EnvironmentFailure as error:
            return str(error)
        return ""

    def lacking(self, weights: Mapping[str, Iterable[Weight]]) -> dict[str, str]:
        """Metric -> why it cannot be scored, of those of which a weight is neither here nor to be had."""
        return lacking(weights, self.offline)

    def furnish(self, environment: Environment, progress: Progress) -> None:
        """Make ready what workers in an environment made on demand load: these fetch it themselves."""

    def note_use(self, weights: list[dict[str, Any]]) -> list[str]:
        """Record weights that a worker has loaded and nobody has pinned; returns lines on bytes that changed since."""
        return note_use(weights)


#: The tiny world's files, for the names in ``weights.toml``.
_STAND_INS = {
    "mask2former": "mask2former.pth",
    "clip-vit-l-14": "clip-vit-l-14.pt",
    "aesthetic-mlp": "aesthetic-mlp.pth",
}


@dataclass(frozen=True)
class TinyWorld:
    """Small random-weight models under the real names, in a hub cache of their own.

    Those of an environment that is made on demand are a world apart, made when the environment is asked for.
    """

    folder: Path
    random: bool = True

    def world(self, stage: str) -> Path:
        """The folder, a ``HF_HOME``, of what workers of a stage, or in the environment of that name, load."""
        sources = _own_sources(stage)
        return self.folder.with_name(f"{stage}-{_hash_of(sources)}") if sources else self.folder

    @property
    def identity(self) -> str:
        """The folder's name holds the hash of what it was made from."""
        return self.folder.name

    @property
    def checkpoint(self) -> Path:
        """A Lightning checkpoint of the tiny MIRO."""
        return self.folder / "checkpoints" / "tiny-miro" / "last.ckpt"

    def identity_of(self, stage: str) -> Any:
        """A world is made at once."""
        return self.world(stage).name

    def variables(self, stage: str = "") -> dict[str, str]:
        """The world is the hub. One thread: tiny models lose more to thread start-up than they gain."""
        return {"HF_HOME": str(self.world(stage)), "OMP_NUM_THREADS": "1", **_OFFLINE}

    def parameters(self, stage: str) -> dict[str, Any]:
        """The stand-ins of the files that do not come from the hub."""
        files = {
            weight.name: str(self.world(stage) / "files" / _STAND_INS[weight.name]) for weight in weights_of(stage)
        }
        small = {"detector_config": str(self.folder / "files" / "mask2former_tiny.py")} if stage == "geneval" else {}
        return {"files": files, **small}

    def prepare(self, stage: str, progress: Progress, wanted: Collection[str] | None = None) -> list[str]:
        """Everything was made by :func:`make_tiny_world`."""
        return []

    def lacking(self, weights: Mapping[str, Iterable[Weight]]) -> dict[str, str]:
        """The world has them all."""
        return {}

    def furnish(self, environment: Environment, progress: Progress) -> None:
        """Make the stand-ins that belong to an environment, in it.
        Raises EnvironmentFailure: their builder failed.
        """
        name, folder = environment.spec.name, self.world(environment.spec.name)
        if folder == self.folder or folder.exists():
            return
        with exclusive(folder.with_suffix(".lock"), progress):
            if not folder.exists():
                partial = folder.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                _write_stand_ins(environment, f"rewards.tiny_world.{name}", partial, folder.with_suffix(".log"))
                os.replace(partial, folder)
                progress(1, 1, name)

    def note_use(self, weights: list[dict[str, Any]]) -> list[str]:
        """Stand-ins are not remembered."""
        return []


#: What a run needs to know of its models.
WeightSource = PublishedWeights | TinyWorld


def make_tiny_world(env_backend: str, steps: Steps) -> TinyWorld:
    """Build the tiny world in the three environments, made side by side, or find it built.
    Raises EnvironmentFailure: an environment, or one of the builders, failed.
    """
    folder = home() / "tiny-world" / _recipe_hash()
    folder.parent.mkdir(parents=True, exist_ok=True)
    there, progress = folder.exists(), steps("tiny world")
    with exclusive(folder.with_suffix(".lock"), progress):
        if not folder.exists():
            _build(folder, env_backend, steps, progress)
    if not there:
        progress(1, 1, "ready")
    return TinyWorld(folder)


def _recipe_hash() -> str:
    """Hash of the builders' sources, but for those of environments that are made on demand."""
    folders = [stage_code() / ENVIRONMENTS[name].stage / "tiny_world" for name in DEFAULT]
    apart = {folder / name for folder in folders for name in ENVIRONMENTS.keys() - {*DEFAULT}}
    sources = [source for folder in folders for source in sorted(folder.rglob("*"))]
    return f"tiny-{_hash_of([source for source in sources if apart.isdisjoint([source, *source.parents])])}"


def _own_sources(name: str) -> list[Path]:
    """The builder's sources of an environment with stand-ins of its own, and what they share; of others none."""
    folder = stage_code() / "rewards" / "tiny_world"
    own = [] if name in DEFAULT or name not in ENVIRONMENTS else sorted((folder / name).rglob("*"))
    return [*own, folder / "parts.py"] if own else []


def _hash_of(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        if source.is_file() and "__pycache__" not in source.parts:
            digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:12]


def _write_stand_ins(environment: Environment, module: str, folder: Path, log: Path) -> None:
    run_logged(
        environment.worker(module, str(folder)),
        log,
        failure=f"the tiny world of {module.partition('.')[0]} could not be built in {environment.spec.name}",
        environment={"PYTHONPATH": str(stage_code()), "OMP_NUM_THREADS": "1"},
    )


def _build(folder: Path, env_backend: str, steps: Steps, progress: Progress) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with Making(env_backend, steps) as making:
        for spec in (ENVIRONMENTS[name] for name in DEFAULT):
            # The stand-in for the detector is made with mmdet, and nobody shall wait for a compiler to see it.
            there = locate(spec, env_backend).ready and env_backend != "no-mmcv"
            making.begin(spec, None if there or LITE not in spec.backends else LITE)
        for spec in (ENVIRONMENTS[name] for name in DEFAULT):
            environment = making.begin(spec).result()
            progress(0, 0, f"models of {spec.name}")
            _write_stand_ins(environment, f"{spec.stage}.tiny_world", partial, folder.with_suffix(".log"))
    os.replace(partial, folder)
