"""What a sweep will cost, before anything runs: arithmetic, time, disk, and the stage that binds.

The arithmetic is counted from the models' shapes (``flops.py`` of each stage, each held to PyTorch's own counter).
Time is arithmetic over the hardware's published rate times the share of it that is expected to be reached; loading,
decoding and files come on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from generation.checkpoint_kinds import FOLDER, LIGHTNING, REPO
from generation.flops import NetworkShape, released_flops
from generation.released import reward_axes
from generation.suites import limit_indices, load_suite
from geneval.flops import color_flops, detector_flops
from geneval.judge.suite import check_metadata, normalise
from harness.plan.evaluations import judged
from harness.plan.open import Model
from harness.run.settings import GenerationSettings, RewardSettings
from rewards.flops import PROMPT_TOKENS
from rewards.scorers import SCORERS
from wire.errors import UserError

#: Most bytes of an image's rows in all stages: a crowded GenEval row with its outlines and colors.
ROW_BYTES = 8_192


@dataclass(frozen=True)
class Hardware:
    """Dense matrix rates in TFLOP/s, as NVIDIA's data sheets give them (without sparsity)."""

    bf16: float  #: bfloat16 with float32 accumulation
    fp32: float  #: float32 outside the tensor cores: PyTorch keeps matrix products exact by default

    def rate(self, number_format: str) -> float:
        """FLOP/s in a number format."""
        return 1e12 * (self.fp32 if number_format == "float32" else self.bf16)


#: Data sheets: H200 and H100 SXM (989.5 and 67), A100 SXM (312 and 19.5), L40S (362 and 91.6), RTX 4090 (165.2, 82.6).
HARDWARE = {
    "h200": Hardware(989.5, 67.0),
    "h100": Hardware(989.5, 67.0),
    "a100": Hardware(312.0, 19.5),
    "l40s": Hardware(362.0, 91.6),
    "rtx4090": Hardware(165.2, 82.6),
}


@dataclass(frozen=True)
class Part:
    """Work of one kind; in ``flops`` a multiplication and an addition are two operations."""

    stage: str
    name: str
    flops: float
    number_format: str


@dataclass(frozen=True)
class Cost:
    """What one run costs: its files take at most ``image_bytes`` and ``row_bytes``; ``notes`` say what was assumed."""

    prompts: int
    images: int
    parts: tuple[Part, ...]
    image_bytes: int
    row_bytes: int
    notes: tuple[str, ...]

    def flops(self, stage: str) -> float:
        """Floating point operations of one stage."""
        return sum(part.flops for part in self.parts if part.stage == stage)

    def seconds(self, stage: str, hardware: Hardware, utilisation: float) -> float:
        """Time of one stage on one device that reaches this share of its rate."""
        own = (part for part in self.parts if part.stage == stage)
        return sum(part.flops / hardware.rate(part.number_format) for part in own) / utilisation

    @property
    def stages(self) -> list[str]:
        """Names of the stages, in order."""
        return list(dict.fromkeys(part.stage for part in self.parts))


def find_hardware(name: str) -> Hardware:
    """The hardware of that name; a UserError that lists the names where there is none."""
    if name.lower() not in HARDWARE:
        raise UserError(f"unknown hardware {name!r}: choose from {', '.join(HARDWARE)}, or give --tflops")
    return HARDWARE[name.lower()]


def sweep_cost(model: Model, rewards: RewardSettings) -> Cost:
    """What one checkpoint's whole job costs; a UserError where there is no such suite, or no such checkpoint."""
    if model.fault:
        raise model.fault
    generation, suite = model.settings, load_suite(model.settings.suite)
    lines = [suite.lines[index] for index in limit_indices(suite.lines, generation.limit)]
    images, prompts = len(lines) * generation.samples, len({str(line["prompt"]) for line in lines})
    side, parts, notes = _generation(model, prompts, images)
    if suite.has_geneval:
        parts += _geneval(lines, generation.samples, side)
        notes.append("colors: one crop for each object whose color is asked")
    _, rewards, _ = judged(suite.lines, rewards)
    cards = [SCORERS[metric].card for metric in rewards.metrics if metric in SCORERS]
    for card, cost in [(card, card.cost(PROMPT_TOKENS)) for card in cards if card.cost]:
        flops = images * cost.image + prompts * cost.prompt
        parts.append(Part("rewards", card.metric, flops, card.reference_dtype))
    if unknown := [card.metric for card in cards if not card.cost]:
        notes.append(f"not counted, because its cost is not known: {', '.join(unknown)}")
    return Cost(len(lines), images, tuple(parts), images * side * side * 3, images * ROW_BYTES, tuple(notes))


def _generation(model: Model, prompts: int, images: int) -> tuple[int, list[Part], list[str]]:
    """Side of an image in pixels, the parts, and what was assumed."""
    if model.source.kind not in (LIGHTNING, FOLDER, REPO):
        return 1024, [], ["generation is not counted: only MIRO's network is known here; images of 1024 px are assumed"]
    axes = reward_axes(model.source.name, model.source.repo, model.source.path)
    flops = released_flops(model.settings.precision, None if axes is None else len(axes))
    steps = model.settings.steps or GenerationSettings.steps or 0
    parts = [
        Part("generate", "text encoder", prompts * flops.text, "bfloat16"),
        Part("generate", "sampling", images * flops.sampling(steps), "bfloat16"),
        Part("generate", "VAE decoder", images * flops.decode, "float32"),
    ]
    return 8 * NetworkShape.data_size, parts, ["generation: the released MIRO network's sizes, 0.36 B parameters"]


def _geneval(lines: Sequence[dict[str, Any]], samples: int, side: int) -> list[Part]:
    judged = [normalise(line) for line in lines if not check_metadata(line)]
    clauses = [clause for line in judged for clause in line["include"] if "color" in clause]
    crops = samples * sum(int(clause["count"]) for clause in clauses)
    classes = len({clause["class"] for clause in clauses})
    return [
        Part("geneval", "Mask2Former", len(judged) * samples * detector_flops(side, side), "float32"),
        Part("geneval", "colors", color_flops(crops, classes), "float32"),
    ]
