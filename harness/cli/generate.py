"""``miro-eval generate``: a checkpoint and a suite to images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer  # noqa: F401 - options.py's annotations are resolved here

from harness.cli import options
from harness.run.settings import GenerationSettings, RunSettings

if TYPE_CHECKING:
    from harness.plan.open import Model


def generate(
    checkpoint: options.OptionalCheckpoint = "",
    out: options.Out = None,
    backend: options.Backend = "auto",
    generator: options.Generator = None,
    variant: options.Variant = None,
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
    reward_target: options.RewardTarget = [],  # noqa: B006 - typer copies it
    negative_reward_target: options.NegativeRewardTarget = [],  # noqa: B006
    trust_checkpoint: options.TrustCheckpoint = False,
    device: options.Device = "auto",
    gpus: options.Gpus = "",
    executor: options.Executor = "local",
    shards: options.Shards = None,
    partition: options.Partition = None,
    gres: options.Gres = None,
    slurm_arg: options.SlurmArg = [],  # noqa: B006
    offline: options.Offline = False,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Generate images only; judge and score them later, or elsewhere."""
    from harness.cli.session import run
    from harness.plan.open import default_directory

    model = chosen_model(locals())
    settings = RunSettings(
        out=out or default_directory(model.source),
        generation=model.settings,
        device=device,
        gpus=options.gpu_ids(gpus),
        offline=offline,
        executor=executor,
        shards=shards,
        slurm=options.slurm_settings(partition, gres, slurm_arg),
    )
    run(["generate"], settings, tiny_world=tiny_world, model=model)


def chosen_model(values: dict[str, Any]) -> Model:
    """The generation part of a verb's options, by name, with the defaults of the checkpoint's kind.

    Raises:
        UserError: a reward target is not of the form axis=number, or the checkpoint is not there.
    """
    from harness.plan.selection import with_defaults

    return with_defaults(plain_settings(values))


def plain_settings(values: dict[str, Any]) -> GenerationSettings:
    """The same as they were given, whatever the checkpoint.

    Raises:
        UserError: a reward target is not of the form axis=number.
    """
    names = GenerationSettings.__dataclass_fields__.keys() - {"reward_targets", "negative_reward_targets"}
    return GenerationSettings(
        **{name: values[name] for name in names if name in values},
        reward_targets=options.key_values(values["reward_target"], "--reward-target"),
        negative_reward_targets=options.key_values(values["negative_reward_target"], "--negative-reward-target"),
    )
