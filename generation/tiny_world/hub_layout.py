"""The published layout of a checkpoint: ``config.json``, ``model.safetensors``, ``uncond_embedding.npy``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generation.tiny_world.hydra_config import IMAGE_SIZE, LATENT_SIZE, MAX_TEXT_LENGTH, REWARD_AXES

#: What the layout keeps of a Lightning state dict, under which name: EMA weights, buffers, no VAE.
PUBLISHED_PREFIXES = {
    "ema_network.": "network.",
    "preconditioning.": "preconditioning.",
    "data_preprocessing.": "data_preprocessing.",
    "postprocessing.": "postprocessing.",
}


def write_hub_layout(folder: Path, checkpoint_folder: Path) -> None:
    """Write the published form of ``checkpoint_folder/last.ckpt`` into ``folder``."""
    import numpy as np
    import torch
    from miro.utils.assets import load_uncond_embedding
    from omegaconf import OmegaConf
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    # This very program wrote the file a moment ago, so its pickle is trusted.
    state = torch.load(checkpoint_folder / "last.ckpt", map_location="cpu", weights_only=False)["state_dict"]
    config = OmegaConf.load(checkpoint_folder / "config.yaml")
    published = published_config(OmegaConf.to_container(config.model, resolve=True))
    (folder / "config.json").write_text(json.dumps(published, indent=2) + "\n", encoding="utf-8")
    save_file(published_state(state), folder / "model.safetensors")
    np.save(folder / "uncond_embedding.npy", load_uncond_embedding().astype(np.float32))


def published_state(state: dict[str, Any]) -> dict[str, Any]:
    """The tensors of a Lightning state dict that sampling needs, under the published names."""
    published = {}
    for old, new in PUBLISHED_PREFIXES.items():
        for key, value in state.items():
            if key.startswith(old) and not key.startswith("postprocessing.vae."):
                published[new + key.removeprefix(old)] = value.contiguous()
    return published


def published_config(model: dict[str, Any]) -> dict[str, Any]:
    """The JSON form of a resolved Hydra ``model`` section."""
    normalization = {"channel_wise_normalisation": model["channel_wise_normalisation"], "model_type": "sdxl"}
    return {
        "network": _arguments(model["network"]["instance"]),
        "preconditioning": _arguments(model["preconditioning"]),
        "data_preprocessing": _arguments(model["data_preprocessing"]),
        "postprocessing": normalization,
        "scheduler": {"start": 1, "end": 0, "clip_min": 1e-9},
        "coherence_keys": list(REWARD_AXES),
        "sampler_defaults": {"num_steps": 50, "guidance_scale": model["cfg_rate"], "sigma_data": model["sigma_data"]},
        "data_resolution": LATENT_SIZE,
        "img_resolution": IMAGE_SIZE,
        "max_text_len": MAX_TEXT_LENGTH,
        "model_type": "sdxl",
        "vae_repo": "stabilityai/sdxl-vae",
        "text_encoder_repo": "google/flan-t5-xl",
    }


def _arguments(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if not key.startswith("_")}
