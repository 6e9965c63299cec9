"""How upstream writes the effective sampling settings of a run down."""

from __future__ import annotations

from typing import Any

from generation.checkpoint_kinds import CheckpointSource
from generation.miro_model import MiroModel
from generation.sampling import SamplerSettings


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
