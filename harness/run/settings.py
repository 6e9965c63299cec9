"""What a user can set about a run, as plain values; the command line fills them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wire.vocabulary import SEVEN_REWARDS


@dataclass(frozen=True)
class GenerationSettings:
    """How images are made. Defaults are those of upstream's sweep script and of the paper's tables.

    Attributes:
        checkpoint: a Lightning ``.ckpt``, a folder in hub layout or of a diffusers pipeline, a repo id (``org/name`` or
            ``org/name@revision``), or a released checkpoint's name; beside a generator, what that is called with.
        backend: ``auto``, ``miro`` or ``diffusers``; a repo is taken for MIRO's unless ``diffusers`` is said.
        generator: ``module:function`` of the user's that makes the images.
        variant: subfolder of a repo that holds several models.
        suite: name of a built-in prompt suite, or a JSONL file.
        samples: images per prompt.
        limit: number of prompts, a fixed draw stratified by tag, the shorter within the longer; None for all.
        steps: sampler steps; None for a diffusers pipeline's own default, and for a generator.
        guidance_scale: classifier-free guidance; for MIRO 7 is 8 in diffusers' terms. None as for steps.
        resolution: ``WIDTHxHEIGHT`` or one number, where the model has a choice; None for its own.
        seed: of the noise.
        noise: ``image``, or ``upstream`` to replay the noise of upstream's sweep script, image for image.
        batch_size: images per forward pass, or ``auto``; its value decides the last bits of an image.
        compile: ``torch.compile`` MIRO's network; moves an image's last bits.
        precision: ``auto``, ``paper`` or ``pipeline``; for a diffusers pipeline ``fp32``, ``bf16`` or ``fp16``.
        reward_targets, negative_reward_targets: axis -> value of the reward conditioning.
        trust_checkpoint: load a pickle that asks for more than the known types.
    """

    checkpoint: str
    backend: str = "auto"
    generator: str | None = None
    variant: str | None = None
    suite: str = "geneval"
    samples: int = 4
    limit: int | None = None
    steps: int | None = 50
    guidance_scale: float | None = 7.0
    resolution: str | None = None
    seed: int = 42
    noise: str = "image"
    batch_size: int | str = 4
    compile: bool = False
    precision: str = "auto"
    reward_targets: dict[str, float] = field(default_factory=dict)
    negative_reward_targets: dict[str, float] = field(default_factory=dict)
    trust_checkpoint: bool = False


@dataclass(frozen=True)
class GenevalSettings:
    """How images are judged; see ``geneval`` for the meaning and the defaults of the options.

    Attributes:
        options: the judge's thresholds, as far as the user chose any.
        color_options: how objects are shown to CLIP, likewise.
        detector: ``mmdet`` or ``transformers``: two implementations of one model.
        precision: of the detector: ``fp32``, ``exact`` or ``bf16``.
        batch_size: images per forward pass of the detector; None for what suits the device.
    """

    options: dict[str, Any] = field(default_factory=dict)
    color_options: dict[str, Any] = field(default_factory=dict)
    detector: str = "mmdet"
    precision: str = "fp32"
    batch_size: int | None = None


@dataclass(frozen=True)
class RewardSettings:
    """How images are scored.

    Attributes:
        metrics: metric ids.
        precision: ``reference`` or ``fast``.
        batch_size: images per forward pass.
        scorers: the user's own, as ``module:Class`` or ``file.py:Class``; each is scored besides ``metrics``.
        rescore: metric ids whose finished values are to be computed again.
    """

    metrics: tuple[str, ...] = SEVEN_REWARDS
    precision: str = "reference"
    batch_size: int = 16
    scorers: tuple[str, ...] = ()
    rescore: tuple[str, ...] = ()


@dataclass(frozen=True)
class SlurmSettings:
    """What is asked of Slurm for each shard.

    Attributes:
        partition: None for the cluster's default.
        gres: e.g. ``gpu:1``; None for what the partition gives by itself.
        arguments: further options of ``sbatch``, by their long names.
    """

    partition: str | None = None
    gres: str | None = None
    arguments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunSettings:
    """Everything one command works with.

    Attributes:
        out: the run directory.
        name: the run's name in tables; None for the checkpoint's, or the directory's.
        generation: None for a directory of images made already.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, for every stage.
        gpus: ids of GPUs to use side by side, one worker process each; empty for a single worker.
        env_backend: ``auto``, ``pixi`` or ``uv``.
        offline: never use the network for weights.
        executor: ``local``, or ``slurm`` to hand the work to a cluster.
        shards: into how many parts the sweep is cut; None for one per GPU named.
        slurm: what is asked of the cluster.
    """

    out: Path
    generation: GenerationSettings | None = None
    name: str | None = None
    geneval: GenevalSettings = GenevalSettings()
    rewards: RewardSettings = RewardSettings()
    device: str = "auto"
    gpus: tuple[str, ...] = ()
    env_backend: str = "auto"
    offline: bool = False
    executor: str = "local"
    shards: int | None = None
    slurm: SlurmSettings = SlurmSettings()
