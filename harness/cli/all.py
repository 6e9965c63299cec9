"""``miro-eval all``: the main job, from a checkpoint to a leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import geneval_options as judging
from harness.cli import options
from harness.cli.generate import plain_settings
from harness.run.settings import RewardSettings, RunSettings
from harness.terminal.echo import say
from wire.errors import UserError

if TYPE_CHECKING:
    from harness.plan.evaluations import Evaluation


def all_stages(
    checkpoint: options.Checkpoints = [],  # noqa: B006 - typer copies it
    out: options.Out = None,
    backend: options.Backend = "auto",
    generator: options.Generator = None,
    variant: options.Variant = None,
    variants: options.Variants = None,
    suite: options.Suite = "geneval",
    samples: options.Samples = 4,
    limit: options.Limit = None,
    steps: options.ModelSteps = None,
    guidance_scale: options.ModelGuidance = None,
    resolution: options.Resolution = None,
    seed: options.Seed = 42,
    noise: options.Noise = "image",
    batch_size: options.BatchSize = 4,
    compile: options.Compile = False,  # noqa: A002 - the option's name
    precision: options.ModelPrecision = "auto",
    reward_target: options.RewardTarget = [],  # noqa: B006
    negative_reward_target: options.NegativeRewardTarget = [],  # noqa: B006
    trust_checkpoint: options.TrustCheckpoint = False,
    detector: judging.Detector = "mmdet",
    detector_precision: judging.DetectorPrecision = "fp32",
    detector_batch_size: judging.DetectorBatchSize = None,
    confidence_threshold: judging.Confidence = None,
    counting_threshold: judging.Counting = None,
    max_objects: judging.MaxObjects = None,
    max_overlap: judging.MaxOverlap = None,
    position_threshold: judging.Position = None,
    crop: judging.Crop = None,
    background: judging.Background = None,
    metric: options.Metric = [],  # noqa: B006
    reward_batch_size: options.RewardBatchSize = 16,
    device: options.Device = "auto",
    gpus: options.Gpus = "",
    executor: options.Executor = "local",
    shards: options.Shards = None,
    partition: options.Partition = None,
    gres: options.Gres = None,
    slurm_arg: options.SlurmArg = [],  # noqa: B006
    env_backend: options.EnvBackend = "auto",
    offline: options.Offline = False,
    watch: options.Watch = None,
    settle: options.Settle = 30.0,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Generate the sweep, judge it, score it, report. The same command again continues or finds nothing to do.

    Several checkpoints are run side by side, model by model, into one leaderboard. A folder of images made already is
    judged and scored where it is.
    """
    from harness.cli.session import run_evaluations
    from harness.plan.evaluations import evaluations
    from harness.plan.selection import each_checkpoint, run_directories

    base = plain_settings(locals() | {"checkpoint": ""})
    common = RunSettings(
        out=out or Path(),
        geneval=judging.geneval_settings(locals()),
        rewards=RewardSettings(tuple(metric) or RewardSettings.metrics, batch_size=reward_batch_size),
        device=device,
        gpus=options.gpu_ids(gpus),
        env_backend=judging.environment_backend(detector, env_backend),
        offline=offline,
        executor=executor,
        shards=shards,
        slurm=options.slurm_settings(partition, gres, slurm_arg),
    )

    def runs_of(named: Sequence[str]) -> list[Evaluation]:
        chosen = each_checkpoint(base, named, variants)
        return evaluations(chosen, run_directories(chosen, out), common)

    if watch:
        return _watch(watch, settle, checkpoint, runs_of, common, tiny_world)
    runs = runs_of(checkpoint)
    for note in (note for one in runs for note in one.notes):
        say(note, err=True)
    alone = runs[0].settings.out if len(runs) == 1 else common.out
    return run_evaluations(runs, tiny_world=tiny_world, report=alone / "report")


def _watch(
    folder: Path,
    settle: float,
    checkpoints: Sequence[str],
    runs_of: Callable[[Sequence[str]], list[Evaluation]],
    common: RunSettings,
    tiny_world: bool,
) -> None:
    from harness.cli.watching import watch

    if checkpoints or common.out != Path():
        raise UserError("--watch finds the checkpoints, and runs lie beside them: leave CHECKPOINT and --out away")
    if common.executor != "local":
        raise UserError("--watch works with --executor local: it reports when a run has ended")
    watch(folder, settle, runs_of, common, folder / "report", tiny_world=tiny_world)
