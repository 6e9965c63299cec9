"""Loads a Lightning ``.ckpt`` with the Hydra ``config.yaml`` beside it, as MIRO's training leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generation.checkpoint_kinds import CONFIG_FILE
from generation.checkpoints import kinds, known_parts
from generation.checkpoints.kinds import shown
from generation.checkpoints.restricted_pickle import read_lightning
from generation.checkpoints.training_config import TrainingConfig, read_config
from generation.hub import repo_weights
from generation.miro_model import VAE_FILE, VAE_REPO, LoadedCheckpoint, MiroModel
from wire.hub_client import from_the_cache
from wire.protocol import UserError

SUFFIX = "_coherence"
#: What wrappers of a module put into the names of its parameters: ``torch.compile``, FSDP, DeepSpeed, DDP.
WRAPPERS = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module", "module"))

#: Keys named in an error before the rest is only counted.
NAMED_KEYS = 5


def load_lightning(path: Path, trusted: bool) -> LoadedCheckpoint:
    """Load the EMA weights that the configuration names as default. See :func:`generation.checkpoints.load_checkpoint`.

    Unlike upstream's script, which loads leniently, every weight of the network must be in the file: a checkpoint
    of a compiled module would otherwise be sampled from random weights.
    """
    config = read_config(path.parent / CONFIG_FILE, trusted)
    state = plain_names(read_lightning(path, trusted), path)
    vae, ema = _vae_weights(config), ema_prefix(config)
    with from_the_cache():
        model = _build(config)
    load_strictly(model.network, _without_idle_scaling(_part(state, ema), path), ema, path)
    load_strictly(model.preconditioning, _part(state, "preconditioning."), "preconditioning.", path)
    if decoder := _part(state, "postprocessing."):
        if not any(key.startswith("vae.") for key in decoder):  # stripped of the frozen VAE: the hub's is used
            built = model.postprocessing.state_dict()
            decoder |= {key: value for key, value in built.items() if key.startswith("vae.")}
        load_strictly(model.postprocessing, decoder, "postprocessing.", path)
    model.uncond_embedding = _uncond_embedding(state, model.network.map_text_tokens.in_features, path)
    return LoadedCheckpoint(model, [path, path.parent / CONFIG_FILE], vae)


def _vae_weights(config: TrainingConfig) -> dict[str, str]:
    """Provenance of the VAE that the configuration names: a repository, as a rule, or a folder."""
    section = "model.postprocessing.vae"
    name = config.get(f"{section}.pretrained_model_name_or_path", kinds.PRETRAINED, VAE_REPO)
    if kinds.is_folder(name):
        return {"file": Path(name).name}
    revision, subfolder = (config.get(f"{section}.{part}", kinds.INSIDE_REPO) for part in ("revision", "subfolder"))
    return repo_weights(name, VAE_FILE, revision, subfolder)


def _build(config: TrainingConfig) -> MiroModel:
    side = config.require("data.data_resolution", kinds.SIZE)
    targets = config.get("model.coherence_values", kinds.TARGETS, {})
    return MiroModel(
        network=config.build("model.network.instance", known_parts.NETWORK),
        preconditioning=config.build("model.preconditioning", known_parts.PRECONDITIONING),
        postprocessing=config.build("model.postprocessing", known_parts.POSTPROCESSING),
        scheduler=config.build("model.inference_noise_scheduler", known_parts.SCHEDULER),
        uncond_embedding=None,
        axes=_axes(config),
        latent_shape=(config.get("data.in_channels", kinds.SIZE, 4), side, side),
        pipeline_text_length=config.require("data.num_cond_tokens", kinds.SIZE),
        default_targets={key.removesuffix(SUFFIX): float(value) for key, value in targets.items()},
        guidance_type=config.get("model.guidance_type", kinds.TEXT, "constant"),
        negative_prompts=config.get("model.negative_prompts", kinds.TEXT),
    )


def _axes(config: TrainingConfig) -> tuple[str, ...]:
    """The axes to condition on; configurations that leave them null mean all that the network has."""
    keys = config.get("model.coherence_keys", kinds.NAMES)
    keys = keys or config.require("model.network.coherence_keys", kinds.NAMES)
    return tuple(key.removesuffix(SUFFIX) for key in keys)


def ema_prefix(config: TrainingConfig) -> str:
    """Where the default EMA copy is in the state dict: upstream names all but the first after their decay."""
    decays = config.get("model.ema_decay", kinds.DECAYS, 0.9999)
    decays = decays if isinstance(decays, list) else [decays]
    index = config.get("model.default_ema_index", kinds.INDEX, 0)
    if not 0 < index < len(decays):
        return "ema_network."
    return f"ema_network_{str(float(decays[index])).replace('.', '_')}."


def _without_idle_scaling(network: dict[str, Any], path: Path) -> dict[str, Any]:
    """Drop the ``output_scaling`` of early runs, which today's network lacks; it never left one."""
    scaling = network.pop("output_scaling", None)
    if scaling is not None and not bool((scaling == 1).all()):
        raise UserError(f"{path}: output_scaling is not one everywhere, and miro-t2i's network has no place for it")
    return network


def _uncond_embedding(state: dict[str, Any], width: int, path: Path) -> Any:
    """The checkpoint's own, else the one in the miro package; float32, (tokens, width)."""
    import torch
    from miro.utils.assets import load_uncond_embedding

    saved = state.get("uncond_conditioning")
    embedding = torch.from_numpy(load_uncond_embedding()) if saved is None else saved
    if embedding.ndim == 0 or not embedding.numel() or embedding.shape[-1] != width:
        found = " x ".join(map(str, embedding.shape)) or "a single number"
        raise UserError(f"{path}: uncond_conditioning is {found}; expected an embedding of tokens, {width} wide")
    return embedding.detach().float().reshape(-1, width)


def plain_names(state: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The state dict under the names that the module has without what training wrapped around it or its parts.
    Raises UserError: two names become one.
    """
    plain: dict[str, Any] = {}
    for key, value in state.items():
        name = ".".join(part for part in key.split(".") if part not in WRAPPERS)
        if name in plain:
            raise UserError(f"{path}: its state_dict holds {shown(name)} twice, once inside a wrapper such as module.")
        plain[name] = value
    return plain


def _part(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries under ``prefix`` (which ends in a dot), without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def load_strictly(module: Any, state: Mapping[str, Any], prefix: str, path: Path) -> None:
    """Load ``state``, which was under ``prefix`` in the file, into a ``torch.nn.Module``.
    Raises UserError: keys are missing, unexpected, of another shape or no floating-point numbers; the first few are
    named.
    """
    wanted = module.state_dict()
    shared = wanted.keys() & state.keys()
    problems = {
        "missing": wanted.keys() - state.keys(),
        "unexpected": state.keys() - wanted.keys(),
        "of another shape": {key for key in shared if wanted[key].shape != state[key].shape},
        "of another kind of number": {
            key for key in shared if wanted[key].is_floating_point() != state[key].is_floating_point()
        },
    }
    found = []
    for kind, keys in problems.items():
        names = [prefix + key for key in sorted(keys)]
        rest = f" and {len(names) - NAMED_KEYS} more" if len(names) > NAMED_KEYS else ""
        found += [f"{kind}: {', '.join(names[:NAMED_KEYS])}{rest}"] if names else []
    if found:
        raise UserError(f"{path}: does not fit its configuration; keys {'; '.join(found)}")
    module.load_state_dict(state, strict=True)
