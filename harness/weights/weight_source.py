"""Where the models of a run come from: the published weights, or the tiny world's random stand-ins."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from harness.environments.making import Making
from harness.environments.manager import LITE, locate
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


class WeightSource(Protocol):
    """What a run needs to know of its models."""

    @property
    def identity(self) -> str:
        """Distinguishes published weights from stand-ins in fingerprints."""

    @property
    def random(self) -> bool:
        """True for stand-ins: scores mean nothing."""

    def identity_of(self, stage: str) -> Any:
        """What decides a stage's numbers as far as its weights go."""

    def variables(self) -> dict[str, str]:
        """Environment variables for workers."""

    def parameters(self, stage: str) -> dict[str, Any]:
        """Job parameters that point a worker to its files; known without fetching anything."""

    def prepare(self, stage: str, progress: Progress, wanted: Collection[str] | None = None) -> list[str]:
        """Fetch and verify what the stage's own loaders do not fetch themselves.

        Returns:
            Of the ``wanted`` files, why those that cannot be had cannot. Without such names all are needed.

        Raises:
            EnvironmentFailure: a file that is needed cannot be had.
        """

    def lacking(self, weights: Mapping[str, Iterable[Weight]]) -> dict[str, str]:
        """Metric -> why it cannot be scored, of those of which a weight is neither here nor to be had."""

    def note_use(self, weights: list[dict[str, Any]]) -> list[str]:
        """Take note of the weights that a worker says it has loaded; returns lines for the user."""


@dataclass(frozen=True)
class PublishedWeights:
    """The real thing: files of ``weights.toml``, and the hub through the stages' loaders."""

    offline: bool = False
    identity: str = "published"
    random: bool = False

    def identity_of(self, stage: str) -> Any:
        """The expected hashes of the stage's files."""
        return {weight.name: weight.sha256 for weight in weights_of(stage)}

    def variables(self) -> dict[str, str]:
        """Offline, the hub's client must not open a socket."""
        return dict(_OFFLINE) if self.offline else {}

    def parameters(self, stage: str) -> dict[str, Any]:
        """Paths in the weights folder."""
        return {"files": {weight.name: str(weight.path) for weight in weights_of(stage)}}

    def prepare(self, stage: str, progress: Progress, wanted: Collection[str] | None = None) -> list[str]:
        """Fetch what is missing."""
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
        """Looked up in the list, in the hub's cache, and on the hub."""
        return lacking(weights, self.offline)

    def note_use(self, weights: list[dict[str, Any]]) -> list[str]:
        """Weights that nobody has pinned are recorded on first use; other bytes later on are told."""
        return note_use(weights)


#: The tiny world's files, for the names in ``weights.toml``.
_STAND_INS = {
    "mask2former": "mask2former.pth",
    "clip-vit-l-14": "clip-vit-l-14.pt",
    "aesthetic-mlp": "aesthetic-mlp.pth",
}


@dataclass(frozen=True)
class TinyWorld:
    """Small random-weight models under the real names, in a hub cache of their own."""

    folder: Path
    random: bool = True

    @property
    def identity(self) -> str:
        """The folder's name holds the hash of what it was made from."""
        return self.folder.name

    @property
    def checkpoint(self) -> Path:
        """A Lightning checkpoint of the tiny MIRO."""
        return self.folder / "checkpoints" / "tiny-miro" / "last.ckpt"

    def identity_of(self, stage: str) -> Any:
        """All of the world is made at once."""
        return self.identity

    def variables(self) -> dict[str, str]:
        """The world is the hub. One thread: tiny models lose more to thread start-up than they gain."""
        return {"HF_HOME": str(self.folder), "OMP_NUM_THREADS": "1", **_OFFLINE}

    def parameters(self, stage: str) -> dict[str, Any]:
        """The stand-ins of the files that do not come from the hub."""
        files = {weight.name: str(self.folder / "files" / _STAND_INS[weight.name]) for weight in weights_of(stage)}
        small = {"detector_config": str(self.folder / "files" / "mask2former_tiny.py")} if stage == "geneval" else {}
        return {"files": files, **small}

    def prepare(self, stage: str, progress: Progress, wanted: Collection[str] | None = None) -> list[str]:
        """Everything was made by :func:`make_tiny_world`."""
        return []

    def lacking(self, weights: Mapping[str, Iterable[Weight]]) -> dict[str, str]:
        """The world has them all."""
        return {}

    def note_use(self, weights: list[dict[str, Any]]) -> list[str]:
        """Stand-ins are not remembered."""
        return []


def make_tiny_world(env_backend: str, steps: Steps) -> TinyWorld:
    """Build the tiny world in the three environments, made side by side, or find it built.
    Raises EnvironmentFailure: an environment, or one of the builders, failed.
    """
    folder = home() / "tiny-world" / _recipe_hash()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            _build(folder, env_backend, steps)
    return TinyWorld(folder)


def _recipe_hash() -> str:
    """Hash of the builders' sources and of the environments they run in."""
    digest = hashlib.sha256()
    for spec in (ENVIRONMENTS[name] for name in DEFAULT):
        for source in sorted((stage_code() / spec.stage / "tiny_world").rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                digest.update(source.name.encode() + source.read_bytes())
    return f"tiny-{digest.hexdigest()[:12]}"


def _build(folder: Path, env_backend: str, steps: Steps) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with Making(env_backend, steps) as making:
        for spec in (ENVIRONMENTS[name] for name in DEFAULT):
            # The stand-in for the detector is made with mmdet, and nobody shall wait for a compiler to see it.
            there = locate(spec, env_backend).ready and env_backend != "no-mmcv"
            making.begin(spec, None if there or LITE not in spec.backends else LITE)
        progress = steps("tiny world")
        for spec in (ENVIRONMENTS[name] for name in DEFAULT):
            environment = making.begin(spec).result()
            progress(0, 0, spec.stage)
            run_logged(
                environment.worker(f"{spec.stage}.tiny_world", str(partial)),
                folder.with_suffix(".log"),
                failure=f"the tiny world of stage {spec.stage} could not be built",
                environment={"PYTHONPATH": str(stage_code()), "OMP_NUM_THREADS": "1"},
            )
            progress(1, 1, spec.stage)
    os.replace(partial, folder)
