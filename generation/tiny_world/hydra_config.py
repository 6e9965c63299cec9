"""The composed Hydra configuration that MIRO's training leaves beside a checkpoint, with tiny sizes."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

#: Latents are 8 x 8, images 64 x 64.
LATENT_SIZE = 8
IMAGE_SIZE = 64
MAX_TEXT_LENGTH = 77

REWARD_AXES = (
    "clip_score",
    "aesthetic_score",
    "image_reward_score",
    "pick_a_score_score",
    "hpsv2_score",
    "vqa_score",
    "sciscore_score",
)


def training_config(text_width: int) -> Config:
    """The whole ``config.yaml``, interpolations unresolved, as ``train.py`` copies it."""
    return {
        "root_dir": "${hydra:runtime.cwd}",
        "experiment_name": "tiny-miro",
        "trainer": {"max_steps": 500000},
        "data": {
            "img_resolution": IMAGE_SIZE,
            "data_resolution": LATENT_SIZE,
            "in_channels": 4,
            "out_channels": 4,
            "label_dim": text_width,
            "num_cond_tokens": MAX_TEXT_LENGTH,
        },
        "model": _data_flow() | _diffusion() | _conditioning() | {"network": _network()} | _optimization(),
    }


def _data_flow() -> Config:
    return {
        "text_embedding_name": "flan_t5_xl",
        "vae_embedding_name_mean": "vae_embeddings_mean_${data.img_resolution}",
        "vae_embedding_name_std": "vae_embeddings_std_${data.img_resolution}",
        "channel_wise_normalisation": True,
        "data_preprocessing": {
            "_target_": "miro.models.preprocessing.PrecomputedSDLatentPreconditioning",
            "input_key_mean": "${model.vae_embedding_name_mean}",
            "input_key_std": "${model.vae_embedding_name_std}",
            "output_key_root": "x_0",
            "vae_sample": True,
            "channel_wise_normalisation": "${model.channel_wise_normalisation}",
            "model_type": "sdxl",
        },
        "postprocessing": {
            "_target_": "miro.models.postprocessing.VAEDecoderPostProcessing",
            "vae": {
                "_target_": "diffusers.AutoencoderKL.from_pretrained",
                "pretrained_model_name_or_path": "stabilityai/sdxl-vae",
            },
            "channel_wise_normalisation": "${model.channel_wise_normalisation}",
            "model_type": "sdxl",
        },
    }


def _diffusion() -> Config:
    schedule = {
        "_target_": "miro.models.scheduler.LinearScheduler",
        "start": 1,
        "end": 0,
        "shift": 1.0,
        "clip_min": 1e-9,
    }
    sampler = {
        "_partial_": True,
        "_target_": "miro.models.sampler.flow_euler_sampler",
        "cfg_rate": "${model.cfg_rate}",
    }
    return {
        "cfg_rate": 7.0,
        "sigma_data": 0.5,
        "data_mean": 0.5,
        "data_std": 0.5,
        "train_noise_scheduler": dict(schedule),
        "inference_noise_scheduler": dict(schedule),
        "val_sampler": sampler | {"num_steps": 50},
        "test_sampler": sampler | {"num_steps": 250},
        "preconditioning": {
            "_target_": "miro.models.preconditioning.FlowPrecond",
            "num_latents": "${model.network.instance.num_latents}",
            "latents_dim": "${model.network.instance.latents_dim}",
            "do_normalization": "noise_driven",
            "sigma_data": "${model.sigma_data}",
            "do_gradnorm_reweighting": True,
            "logvar_channels": 128,
            "logvar_mlp_layers": 0,
        },
    }


def _conditioning() -> Config:
    return {
        "cond_preprocessing": {
            "_target_": "miro.models.preprocessing.PrecomputedTextConditioning",
            "input_key": "${model.text_embedding_name}",
            "output_key_root": "text_tokens",
            "drop_labels": False,
        },
        "uncond_conditioning": {"_target_": "miro.utils.assets.load_uncond_embedding"},
        "negative_prompts": "random_prompt",
        "coherence_keys": [f"{axis}_coherence" for axis in REWARD_AXES],
        "coherence_values": {f"{axis}_coherence": 1.0 for axis in REWARD_AXES},
        "uncoherence_values": {f"{axis}_uncoherence": 0.0 for axis in REWARD_AXES},
    }


def _network() -> Config:
    """``latents_dim`` must be a multiple of 16: the conditioning blocks have 16 heads."""
    return {
        "coherence_keys": list(REWARD_AXES),
        "instance": {
            "_target_": "miro.models.networks.rin.CADRINTextCond",
            "data_size": "${data.data_resolution}",
            "num_input_channels": 4,
            "label_dim": "${data.label_dim}",
            "num_cond_tokens": "${data.num_cond_tokens}",
            "data_dim": 16,
            "num_latents": 16,
            "latents_dim": 32,
            "num_processing_layers": 1,
            "num_blocks": 1,
            "patch_size": 2,
            "read_write_heads": 2,
            "compute_heads": 2,
            "data_mlp_multiplier": 1,
            "latent_mlp_multiplier": 1,
            "num_text_registers": 2,
            "coherence_keys": "${model.network.coherence_keys}",
            "coherence_dropout": 0.0,
            "dropout_strategy": "binomial",
            "use_cond_rin_block": True,
            "concat_cond_token_to_latents": False,
            "use_self_conditioning": True,
        },
    }


def _optimization() -> Config:
    return {
        "ema_decay": 0.9999,
        "default_ema_index": 0,
        "compile": False,
        "loss": {
            "_partial_": True,
            "_target_": "miro.models.loss.FlowMatchingLoss",
            "self_cond_rate": 0.9,
            "conditioning_key": "${model.cond_preprocessing.output_key_root}",
            "do_gradnorm_reweighting": True,
        },
        "optimizer": {
            "optim": {
                "_target_": "miro.utils.optimizers.Lamb",
                "lr": 1e-3,
                "betas": [0.9, 0.999],
                "weight_decay": 0.01,
            },
            "exclude_ln_and_biases_from_weight_decay": True,
        },
        "lr_scheduler": {
            "_partial_": True,
            "_target_": "miro.utils.lr_scheduler.WarmupCosineDecayLR",
            "warmup_steps": 1,
            "total_steps": "${trainer.max_steps}",
        },
    }
