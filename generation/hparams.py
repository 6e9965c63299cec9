"""The effective sampling settings of a run, and how upstream writes them down."""

from __future__ import annotations

from typing import Any

from generation.checkpoint_kinds import CheckpointSource
from generation.miro_model import MiroModel
from generation.parameters import Parameters
from generation.sampling import SamplerSettings
from generation.settings import PAPER_GUIDANCE, PAPER_STEPS, check_targets, parse_resolution
from wire.protocol import UserError

#: The only guidance that miro-t2i's sampler can carry out on MIRO's network: a growing one starts at zero, for which
#: the sampler skips the negative branch, and then fails at the second step for lack of its latents.
GUIDANCE_TYPE = "constant"


def sampler_settings(model: MiroModel, parameters: Parameters) -> SamplerSettings:
    """Settings with a target for each axis: the user's, else the checkpoint's, else 1.0 (0.0 for the negative branch).

    Raises:
        UserError: a target names an axis the checkpoint lacks, or the checkpoint's guidance cannot be carried out.
    """
    if model.guidance_type != GUIDANCE_TYPE:
        raise UserError(
            f"the checkpoint asks for {model.guidance_type} guidance; miro-t2i can sample {GUIDANCE_TYPE} only"
        )
    size = parse_resolution(parameters.resolution)
    if size and list(size) != model.image_size:
        raise UserError(f"this checkpoint makes {model.image_size[0]} x {model.image_size[1]} images and no others")
    check_targets("reward_targets", parameters.reward_targets, model.axes)
    check_targets("negative_reward_targets", parameters.negative_reward_targets, model.axes)
    wanted = model.default_targets | parameters.reward_targets
    return SamplerSettings(
        steps=PAPER_STEPS if parameters.steps is None else parameters.steps,
        guidance_scale=float(PAPER_GUIDANCE if parameters.guidance_scale is None else parameters.guidance_scale),
        targets={axis: float(wanted.get(axis, 1.0)) for axis in model.axes},
        negative_targets={axis: float(parameters.negative_reward_targets.get(axis, 0.0)) for axis in model.axes},
    )


def upstream_hparams(
    source: CheckpointSource, model: MiroModel, settings: SamplerSettings, seed: int
) -> dict[str, Any]:
    """Upstream's ``hparams.json`` without ``n_samples``, and with the checkpoint's name in place of its path.

    ``negative_prompts`` is what the configuration says. ``random_prompt`` wants an embedding that miro-t2i does
    not ship; upstream then falls back to the unconditional one, as is done here.
    """
    axes = model.axes
    return {
        "checkpoint": source.path.name if source.path else source.repo,
        "steps": settings.steps,
        "cfg": settings.guidance_scale,
        "seed": seed,
        "coherence_keys": [f"{axis}_coherence" for axis in axes],
        "coherence_values": {f"{axis}_coherence": settings.targets[axis] for axis in axes},
        "uncoherence_values": {f"{axis}_uncoherence": settings.negative_targets[axis] for axis in axes},
        "guidance_type": model.guidance_type,
        "negative_prompts": model.negative_prompts,
    }
