"""Options that several verbs share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.run.settings import SlurmSettings
from wire.errors import UserError

Checkpoint = Annotated[
    str,
    typer.Argument(
        help="a Lightning .ckpt (config.yaml beside it), a hub-layout folder, or a repo id", metavar="CHECKPOINT"
    ),
]
RunDir = Annotated[Path, typer.Argument(help="directory of images: 00000/metadata.jsonl, 00000/samples/0000.png, ...")]
Out = Annotated[Path | None, typer.Option(help="run directory [default: <checkpoint dir>/geneval_images/<name>]")]
Variant = Annotated[str | None, typer.Option(help="subfolder of a repo with several models, e.g. miro-no-clip")]
Suite = Annotated[str, typer.Option(help="prompt suite: a name (`suites list`), or a file: .jsonl, .txt, .csv, .json")]
Samples = Annotated[int, typer.Option(help="images per prompt", min=1)]
Limit = Annotated[
    int | None, typer.Option(help="only this many prompts, the same for everyone, in proportion to the tags", min=1)
]
Steps = Annotated[int, typer.Option(help="sampler steps", min=1)]
GuidanceScale = Annotated[float, typer.Option(help="classifier-free guidance scale")]
Seed = Annotated[int, typer.Option(help="seed of the noise", min=0)]
BatchSize = Annotated[
    Any,
    typer.Option(
        help="images per forward pass of the generator, or auto: as many as memory holds",
        parser=lambda text: batch_size(text),
        metavar="INTEGER|auto",
    ),
]
Compile = Annotated[bool, typer.Option(help="compile MIRO's network: a minute's wait, then faster; other last bits")]
Precision = Annotated[str, typer.Option(help="auto, paper (upstream's sweep script) or pipeline (MiroPipeline)")]
RewardTarget = Annotated[list[str], typer.Option(help="reward conditioning, e.g. aesthetic_score=0.625; repeatable")]
NegativeRewardTarget = Annotated[list[str], typer.Option(help="the same for the unconditional branch; repeatable")]
TrustCheckpoint = Annotated[bool, typer.Option(help="load a .ckpt that asks for unknown pickled types")]
Metric = Annotated[list[str], typer.Option(help="reward metric id; repeatable [default: all seven]")]
RewardPrecision = Annotated[str, typer.Option(help="reference (the authors') or fast (bf16)")]
RewardBatchSize = Annotated[int, typer.Option(help="images per forward pass of a reward model", min=1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
Gpus = Annotated[str, typer.Option(help="GPU ids to use side by side, one worker each: 0,1,2,3", metavar="IDS")]
Executor = Annotated[str, typer.Option(help="local, or slurm: submit to a cluster and leave; see docs/slurm.md")]
Shards = Annotated[int | None, typer.Option(help="into how many parts the sweep is cut [default: one per GPU]", min=1)]
Partition = Annotated[str | None, typer.Option(help="Slurm partition [default: the cluster's]")]
Gres = Annotated[str | None, typer.Option(help="what Slurm gives each shard, e.g. gpu:1")]
SlurmArg = Annotated[
    list[str], typer.Option(help="a further sbatch option, e.g. time=2:00:00; repeatable", metavar="NAME=VALUE")
]
EnvBackend = Annotated[str, typer.Option(help="auto, pixi, uv or no-mmcv: how the GenEval environment is made")]
TinyWorld = Annotated[
    bool, typer.Option(help="small random models instead of the published weights, to try things out")
]
Offline = Annotated[bool, typer.Option(help="never fetch weights; fail where one is missing")]

Watch = Annotated[
    Path | None, typer.Option(help="evaluate the checkpoints in this folder as training writes them, until Ctrl-C")
]
Settle = Annotated[float, typer.Option(help="with --watch: seconds a file must stay unchanged", min=0)]
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
Checkpoints = Annotated[
    list[str],
    typer.Argument(
        help="one or several: a Lightning .ckpt (config.yaml beside it), a folder (hub layout, diffusers pipeline, "
        "images made already), a repo id, a released name like miro-no-clip, or a pattern like 'runs/*/last.ckpt'",
        metavar="[CHECKPOINT]...",
        show_default=False,
    ),
]
Variants = Annotated[
    str | None, typer.Option(help="several models of a repo or folder: all, or names with commas between")
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


def batch_size(text: int | str) -> int | str:
    """Parse ``--batch-size``.

    Raises:
        UserError: neither a whole number from 1 nor ``auto``.
    """
    if text == "auto":
        return "auto"
    if not str(text).isdecimal() or int(text) < 1:
        raise UserError(f"--batch-size {text!r}: expected a whole number from 1, or auto")
    return int(text)


def gpu_ids(text: str) -> tuple[str, ...]:
    """Parse ``--gpus``.

    Raises:
        UserError: an id is empty or named twice.
    """
    ids = tuple(part.strip() for part in text.split(",")) if text else ()
    if not all(ids) or len(set(ids)) != len(ids):
        raise UserError(f"--gpus {text!r}: expected GPU ids, each once, e.g. 0,1,2,3")
    return ids


def slurm_settings(partition: str | None, gres: str | None, pairs: list[str]) -> SlurmSettings:
    """What is asked of Slurm.

    Raises:
        UserError: a pair is not ``key=value``.
    """
    for pair in pairs:
        if not all(pair.partition("=")):
            raise UserError(f"--slurm-arg {pair!r}: expected NAME=VALUE, e.g. time=2:00:00")
    arguments = {name.removeprefix("--"): value for name, _, value in (pair.partition("=") for pair in pairs)}
    return SlurmSettings(partition, gres, arguments)


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
