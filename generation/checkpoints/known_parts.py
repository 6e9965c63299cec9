"""The five things that a MIRO configuration may build without the user's trust, and with which arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from generation.checkpoints import kinds
from generation.checkpoints.kinds import COUNT, FLAG, NUMBER, SHARE, SIZE, Kind, choice, shown, shown_key
from wire.protocol import UserError

#: Where a configuration names what is to be called. Hydra gives other names with a leading underscore a meaning too
#: (``_args_``, ``_partial_``, ``_convert_``, ``_recursive_``); none of the parts here needs one.
TARGET = "_target_"

NETWORK = "miro.models.networks.rin.CADRINTextCond"
PRECONDITIONING = "miro.models.preconditioning.FlowPrecond"
POSTPROCESSING = "miro.models.postprocessing.VAEDecoderPostProcessing"
SCHEDULER = "miro.models.scheduler.LinearScheduler"
VAE = "diffusers.AutoencoderKL.from_pretrained"


def maker(target: str) -> Callable[..., Any]:
    """What a name in :data:`KNOWN`, never one of the file's, stands for."""
    if target == VAE:
        return load_vae
    module, _, name = target.rpartition(".")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


def load_vae(**place: Any) -> Any:
    """The VAE, from safetensors only, and as it is: a quantizer would be code and settings of its repository's choice.
    Raises ValueError: its own configuration asks for a quantizer.
    """
    from diffusers import AutoencoderKL

    if AutoencoderKL.load_config(**place).get("quantization_config") is not None:
        raise ValueError("the VAE's own config.json asks for quantization")
    return AutoencoderKL.from_pretrained(**place, use_safetensors=True)


#: What may be built, and which arguments it takes, each with its kind; a text names the known part that it must be.
#: The arguments are those of miro-t2i 0.1.4's signatures, without ``device``, which does nothing. Of
#: ``from_pretrained``'s, only what says which VAE: others hold credentials, places to write, or code.
KNOWN: dict[str, dict[str, Kind | str]] = {
    NETWORK: {
        **dict.fromkeys(("data_size", "data_dim", "num_input_channels", "num_latents", "latents_dim"), SIZE),
        **dict.fromkeys(("label_dim", "patch_size", "num_cond_tokens", "read_write_heads", "compute_heads"), SIZE),
        **dict.fromkeys(("latent_mlp_multiplier", "data_mlp_multiplier"), SIZE),
        **dict.fromkeys(("num_processing_layers", "num_blocks", "num_text_registers"), COUNT),
        **dict.fromkeys(("compute_dropout", "rw_stochastic_depth", "compute_stochastic_depth"), SHARE),
        **dict.fromkeys(("use_cond_rin_block", "concat_cond_token_to_latents", "use_self_conditioning"), FLAG),
        "coherence_keys": kinds.NAMES,
        "coherence_dropout": SHARE,
        "dropout_strategy": choice("binomial", "uniform", "none"),
    },
    PRECONDITIONING: {
        **dict.fromkeys(("num_latents", "latents_dim", "logvar_channels"), SIZE),
        "do_normalization": choice("noise_driven", True, False),
        "sigma_data": NUMBER,
        "do_gradnorm_reweighting": FLAG,
        "logvar_mlp_layers": COUNT,
    },
    POSTPROCESSING: {
        "vae": VAE,
        "channel_wise_normalisation": FLAG,
        "model_type": choice("sdxl"),
        "max_batch_size": SIZE,
    },
    SCHEDULER: {**dict.fromkeys(("start", "end", "shift", "clip_min"), NUMBER)},
    VAE: {
        "pretrained_model_name_or_path": kinds.PRETRAINED,
        "subfolder": kinds.INSIDE_REPO,
        "revision": kinds.INSIDE_REPO,
    },
}


def build_part(section: Any, key: str, target: str) -> Any:
    """Build the one part, ``target``, that belongs under a dotted key, from plain data without references.
    Raises UserError: the section names, at any depth, something that may not be called, or has arguments that the part
    does not take.
    """
    named = [name for name in _targets(section) if not isinstance(name, str) or name not in KNOWN]
    strangers = {shown_key(name) if isinstance(name, str) else shown(name) for name in named}
    if strangers:
        raise UserError(
            f"refused, because {shown_key(key)} would call {', '.join(sorted(strangers)[:3])}; "
            "if you trust where it comes from, pass --trust-checkpoint"
        )
    return _build(section, key, target)


def _targets(section: Any) -> Iterator[Any]:
    if isinstance(section, dict):
        if TARGET in section:
            yield section[TARGET]
        section = list(section.values())
    if isinstance(section, list):
        for value in section:
            yield from _targets(value)


def _build(section: Any, key: str, target: str) -> Any:
    """What is inside a section is built before what is around it, as Hydra does: building draws random numbers."""
    if not isinstance(section, dict) or section.get(TARGET) != target:
        found = shown(section.get(TARGET)) if isinstance(section, dict) else shown(section)
        raise UserError(f"{shown_key(key)} is {found}; expected a section with _target_: {target}")
    arguments = {
        name: _argument(KNOWN[target], name, value, f"{key}.{name}")
        for name, value in section.items()
        if name != TARGET
    }
    try:
        return maker(target)(**arguments)
    except UserError:
        raise
    except Exception as error:  # whatever a library says of values that are each of the right kind
        raise UserError(f"{shown_key(key)} cannot be built ({reason(error)})") from error


def _argument(known: Mapping[str, Kind | str], name: str, value: Any, key: str) -> Any:
    kind = known.get(name)
    if kind is None:
        raise UserError(f"{shown_key(key)} is not an argument that is known; expected some of {', '.join(known)}")
    if isinstance(kind, str):
        return _build(value, key, kind)
    kind.check(value, key)
    return value


def reason(error: BaseException) -> str:
    """The first line of what an error says, not longer than a line should be."""
    text = (str(error).splitlines() or [""])[0]
    return text[:200] or type(error).__name__
