"""Options that several verbs share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UserError

Checkpoint = Annotated[
    str,
    typer.Argument(
        help="a Lightning .ckpt (config.yaml beside it), a hub-layout folder, or a repo id", metavar="CHECKPOINT"
    ),
]
RunDir = Annotated[Path, typer.Argument(help="directory of images: 00000/metadata.jsonl, 00000/samples/0000.png, ...")]
Out = Annotated[Path | None, typer.Option(help="run directory [default: <checkpoint dir>/geneval_images/<name>]")]
Variant = Annotated[str | None, typer.Option(help="subfolder of a repo with several models, e.g. miro-no-clip")]
Suite = Annotated[str, typer.Option(help="prompt suite: a name, or a JSONL file with a prompt per line")]
Samples = Annotated[int, typer.Option(help="images per prompt", min=1)]
Limit = Annotated[int | None, typer.Option(help="only this many prompts, spread over the suite", min=1)]
Steps = Annotated[int, typer.Option(help="sampler steps", min=1)]
GuidanceScale = Annotated[float, typer.Option(help="classifier-free guidance scale")]
Seed = Annotated[int, typer.Option(help="seed of the noise", min=0)]
BatchSize = Annotated[int, typer.Option(help="images per forward pass of the generator", min=1)]
Precision = Annotated[str, typer.Option(help="auto, paper (upstream's sweep script) or pipeline (MiroPipeline)")]
RewardTarget = Annotated[list[str], typer.Option(help="reward conditioning, e.g. aesthetic_score=0.625; repeatable")]
NegativeRewardTarget = Annotated[list[str], typer.Option(help="the same for the unconditional branch; repeatable")]
TrustCheckpoint = Annotated[bool, typer.Option(help="load a .ckpt that asks for unknown pickled types")]
Metric = Annotated[list[str], typer.Option(help="reward metric id; repeatable [default: all seven]")]
RewardPrecision = Annotated[str, typer.Option(help="reference (the authors') or fast (bf16)")]
RewardBatchSize = Annotated[int, typer.Option(help="images per forward pass of a reward model", min=1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
Gpus = Annotated[str, typer.Option(help="GPU ids to use side by side, one worker each: 0,1,2,3", metavar="IDS")]
EnvBackend = Annotated[str, typer.Option(help="auto, pixi or uv: how the GenEval environment is made")]
TinyWorld = Annotated[
    bool, typer.Option(help="small random models instead of the published weights, to try things out")
]
Offline = Annotated[bool, typer.Option(help="never fetch weights; fail where one is missing")]

Noise = Annotated[str, typer.Option(help="image (per image), or upstream: replays the sweep script's")]

OptionalCheckpoint = Annotated[
    str,
    typer.Argument(
        help="a Lightning .ckpt (config.yaml beside it), a folder (hub layout, diffusers pipeline, "
        "images made already), a repo id, or a released name like miro-no-clip",
        metavar="[CHECKPOINT]",
        show_default=False,
    ),
]
Backend = Annotated[str, typer.Option(help="auto, miro or diffusers (needed for a repo id of a diffusers pipeline)")]
Generator = Annotated[
    str | None, typer.Option(help="module:function of your own that makes the images; see docs/own_generator.md")
]
ModelSteps = Annotated[
    int | None, typer.Option(help="sampler steps [default: 50; of a diffusers pipeline, its own]", min=1)
]
ModelGuidance = Annotated[
    float | None, typer.Option(help="guidance scale [default: 7.0; of a diffusers pipeline, its own]")
]
Resolution = Annotated[str | None, typer.Option(help="WIDTHxHEIGHT or one number [default: the model's own]")]
ModelPrecision = Annotated[
    str, typer.Option(help="auto; MIRO: paper (the sweep script's) or pipeline; diffusers: fp32, bf16 or fp16")
]


def gpu_ids(text: str) -> tuple[str, ...]:
    """Parse ``--gpus``.

    Raises:
        UserError: an id is empty or named twice.
    """
    ids = tuple(part.strip() for part in text.split(",")) if text else ()
    if not all(ids) or len(set(ids)) != len(ids):
        raise UserError(f"--gpus {text!r}: expected GPU ids, each once, e.g. 0,1,2,3")
    return ids


def key_values(pairs: list[str], option: str) -> dict[str, float]:
    """Parse ``key=value`` pairs.

    Raises:
        UserError: a pair is not of that form.
    """
    parsed: dict[str, float] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        try:
            parsed[key] = float(value)
        except ValueError:
            separator = ""
        if not separator or not key:
            raise UserError(f"{option} {pair!r}: expected AXIS=NUMBER, e.g. aesthetic_score=0.625")
    return parsed
