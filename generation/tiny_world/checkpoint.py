"""A checkpoint that MIRO's own training module and Lightning wrote after one real step, and its published form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: The composed Hydra configuration that training leaves beside a checkpoint, with tiny sizes: latents of 8 x 8, images
#: of 64 x 64. ``latents_dim`` must be a multiple of 16, for the conditioning blocks have 16 heads.
CONFIG = Path(__file__).with_name("config.yaml")
BATCH = 2
#: Standard deviation of the noise that sets the EMA weights apart from the trained ones and
#: gives the layers that start at zero something to say.
EMA_NOISE = 0.02
#: What the published layout keeps of a state dict, under which name: EMA weights, buffers, no VAE.
PUBLISHED_PREFIXES = {
    "ema_network.": "network.",
    "preconditioning.": "preconditioning.",
    "data_preprocessing.": "data_preprocessing.",
    "postprocessing.": "postprocessing.",
}


def write_checkpoint(folder: Path) -> None:
    """Train a tiny MIRO for one step and save ``last.ckpt`` and ``config.yaml`` into ``folder``.

    The VAE is read from the hub cache under its real name, so that must be written before.
    """
    import pytorch_lightning
    import torch
    from miro.models.diffusion import DiffusionModule
    from omegaconf import OmegaConf
    from torch.utils.data import DataLoader

    folder.mkdir(parents=True, exist_ok=True)
    config = OmegaConf.load(CONFIG)
    OmegaConf.save(config, folder / "config.yaml", resolve=False)
    module = DiffusionModule(config.model)
    with torch.no_grad():
        for parameter in module.ema_network.parameters():
            if parameter.is_floating_point():
                parameter.add_(torch.randn_like(parameter) * EMA_NOISE)
    trainer = pytorch_lightning.Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, train_dataloaders=DataLoader([_batch(config)], batch_size=None))
    trainer.save_checkpoint(folder / "last.ckpt")


def _batch(config: Any) -> dict[str, Any]:
    """One batch of what the training set yields: VAE moments, text embeddings and reward values."""
    import torch

    data = config.data
    moments = (BATCH, data.in_channels, data.data_resolution, data.data_resolution)
    return {
        f"vae_embeddings_mean_{data.img_resolution}": torch.randn(moments),
        f"vae_embeddings_std_{data.img_resolution}": torch.rand(moments),
        "flan_t5_xl_embeddings": torch.randn(BATCH, data.num_cond_tokens, data.label_dim),
        "flan_t5_xl_mask": torch.ones(BATCH, data.num_cond_tokens, dtype=torch.bool),
        **{key: torch.rand(BATCH) for key in config.model.coherence_keys},
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
    published = {
        new + key.removeprefix(old): value.contiguous()
        for old, new in PUBLISHED_PREFIXES.items()
        for key, value in state.items()
        if key.startswith(old) and not key.startswith("postprocessing.vae.")
    }
    config = OmegaConf.load(checkpoint_folder / "config.yaml")
    (folder / "config.json").write_text(json.dumps(_published_config(config), indent=2) + "\n", encoding="utf-8")
    save_file(published, folder / "model.safetensors")
    np.save(folder / "uncond_embedding.npy", load_uncond_embedding().astype(np.float32))


def _published_config(config: Any) -> dict[str, Any]:
    """The JSON form of a Hydra configuration."""
    from omegaconf import OmegaConf

    model: Any = OmegaConf.to_container(config.model, resolve=True)
    sections = {
        "network": model["network"]["instance"],
        "preconditioning": model["preconditioning"],
        "data_preprocessing": model["data_preprocessing"],
    }
    return {
        name: {key: value for key, value in section.items() if not key.startswith("_")}
        for name, section in sections.items()
    } | {
        "postprocessing": {"channel_wise_normalisation": model["channel_wise_normalisation"], "model_type": "sdxl"},
        "scheduler": {"start": 1, "end": 0, "clip_min": 1e-9},
        "coherence_keys": model["network"]["coherence_keys"],
        "sampler_defaults": {"num_steps": 50, "guidance_scale": model["cfg_rate"], "sigma_data": model["sigma_data"]},
        "data_resolution": config.data.data_resolution,
        "img_resolution": config.data.img_resolution,
        "max_text_len": config.data.num_cond_tokens,
        "model_type": "sdxl",
        "vae_repo": "stabilityai/sdxl-vae",
        "text_encoder_repo": "google/flan-t5-xl",
    }
