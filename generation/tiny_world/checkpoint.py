"""A checkpoint that MIRO's own training module and Lightning wrote, after one real optimizer step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generation.tiny_world.hydra_config import LATENT_SIZE, MAX_TEXT_LENGTH, REWARD_AXES, training_config

BATCH = 2

#: Standard deviation of the noise that sets the EMA weights apart from the trained ones and
#: gives the layers that start at zero something to say.
EMA_NOISE = 0.02


def write_checkpoint(folder: Path, text_width: int) -> None:
    """Train a tiny MIRO for one step and save ``last.ckpt`` and ``config.yaml`` into ``folder``.

    The VAE is read from the hub cache under its real name, so that must be written before.
    """
    from miro.models.diffusion import DiffusionModule
    from omegaconf import OmegaConf

    folder.mkdir(parents=True, exist_ok=True)
    config = OmegaConf.create(training_config(text_width))
    OmegaConf.save(config, folder / "config.yaml", resolve=False)
    module = DiffusionModule(config.model)
    _move_ema(module)
    _train_and_save(module, _batch(text_width), folder / "last.ckpt")


def _move_ema(module: Any) -> None:
    import torch

    with torch.no_grad():
        for parameter in module.ema_network.parameters():
            if parameter.is_floating_point():
                parameter.add_(torch.randn_like(parameter) * EMA_NOISE)


def _batch(text_width: int) -> dict[str, Any]:
    """One batch of what the training set yields: VAE moments, text embeddings and reward values."""
    import torch

    moments = (BATCH, 4, LATENT_SIZE, LATENT_SIZE)
    pixels = LATENT_SIZE * 8
    return {
        f"vae_embeddings_mean_{pixels}": torch.randn(moments),
        f"vae_embeddings_std_{pixels}": torch.rand(moments),
        "flan_t5_xl_embeddings": torch.randn(BATCH, MAX_TEXT_LENGTH, text_width),
        "flan_t5_xl_mask": torch.ones(BATCH, MAX_TEXT_LENGTH, dtype=torch.bool),
        **{f"{axis}_coherence": torch.rand(BATCH) for axis in REWARD_AXES},
    }


def _train_and_save(module: Any, batch: dict[str, Any], path: Path) -> None:
    import pytorch_lightning
    from torch.utils.data import DataLoader

    trainer = pytorch_lightning.Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, train_dataloaders=DataLoader([batch], batch_size=None))
    trainer.save_checkpoint(path)
