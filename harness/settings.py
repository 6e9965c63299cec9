"""What a user can set about a run, as plain values; the command line fills them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.vocabulary import SEVEN_REWARDS


@dataclass(frozen=True)
class GenerationSettings:
    """How images are made. Defaults are those of upstream's sweep script and of the paper's tables.

    Attributes:
        checkpoint: a Lightning ``.ckpt``, a folder in hub layout, or a repo id (``org/name`` or ``org/name@revision``).
        variant: subfolder of a repo that holds several models.
        suite: name of a built-in prompt suite, or a JSONL file.
        samples: images per prompt.
        limit: number of prompts, spread evenly over the suite; None for all.
        steps: sampler steps.
        guidance_scale: classifier-free guidance; 7 here is 8 in diffusers' terms.
        seed: of the noise.
        batch_size: images per forward pass; its value decides the last bits of an image.
        precision: ``auto``, ``paper`` or ``pipeline``.
        reward_targets, negative_reward_targets: axis -> value of the reward conditioning.
        trust_checkpoint: load a pickle that asks for more than the known types.
    """

    checkpoint: str
    variant: str | None = None
    suite: str = "geneval"
    samples: int = 4
    limit: int | None = None
    steps: int = 50
    guidance_scale: float = 7.0
    seed: int = 42
    batch_size: int = 4
    precision: str = "auto"
    reward_targets: dict[str, float] = field(default_factory=dict)
    negative_reward_targets: dict[str, float] = field(default_factory=dict)
    trust_checkpoint: bool = False


@dataclass(frozen=True)
class GenevalSettings:
    """How images are judged; see ``geneval`` for the meaning and the defaults of the options.

    Attributes:
        options: thresholds that differ from upstream's.
    """

    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RewardSettings:
    """How images are scored.

    Attributes:
        metrics: metric ids.
        precision: ``reference`` or ``fast``.
        batch_size: images per forward pass.
    """

    metrics: tuple[str, ...] = SEVEN_REWARDS
    precision: str = "reference"
    batch_size: int = 16


@dataclass(frozen=True)
class RunSettings:
    """Everything one command works with.

    Attributes:
        out: the run directory.
        generation: None for a directory of images made already.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, for every stage.
        env_backend: ``auto``, ``pixi`` or ``uv``.
        offline: never use the network for weights.
    """

    out: Path
    generation: GenerationSettings | None = None
    geneval: GenevalSettings = GenevalSettings()
    rewards: RewardSettings = RewardSettings()
    device: str = "auto"
    env_backend: str = "auto"
    offline: bool = False
