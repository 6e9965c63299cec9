"""The five things that a MIRO configuration may build without the user's trust, and with which arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class KnownPart:
    """Something that may be built.

    Attributes:
        importer: gives what is called. Code, not the name in the file, decides what that is.
        arguments: names that it takes, and of which kind each is; a text names the known part that it must be.
    """

    importer: Callable[[], Callable[..., Any]]
    arguments: Mapping[str, Kind | str]


def _network() -> Callable[..., Any]:
    from miro.models.networks.rin import CADRINTextCond

    return CADRINTextCond


def _preconditioning() -> Callable[..., Any]:
    from miro.models.preconditioning import FlowPrecond

    return FlowPrecond


def _postprocessing() -> Callable[..., Any]:
    from miro.models.postprocessing import VAEDecoderPostProcessing

    return VAEDecoderPostProcessing


def _scheduler() -> Callable[..., Any]:
    from miro.models.scheduler import LinearScheduler

    return LinearScheduler


def _vae() -> Callable[..., Any]:
    return load_vae


def load_vae(**place: Any) -> Any:
    """The VAE, from safetensors only, and as it is: a quantizer would be code and settings of its repository's choice.

    Raises:
        ValueError: its own configuration asks for a quantizer.
    """
    from diffusers import AutoencoderKL

    if AutoencoderKL.load_config(**place).get("quantization_config") is not None:
        raise ValueError("the VAE's own config.json asks for quantization")
    return AutoencoderKL.from_pretrained(**place, use_safetensors=True)


#: The arguments are those of miro-t2i 0.1.4's signatures, without ``device``, which does nothing. Of
#: ``from_pretrained``'s, only what says which VAE: others hold credentials, places to write, or code.
KNOWN: dict[str, KnownPart] = {
    NETWORK: KnownPart(
        _network,
        {
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
    ),
    PRECONDITIONING: KnownPart(
        _preconditioning,
        {
            **dict.fromkeys(("num_latents", "latents_dim", "logvar_channels"), SIZE),
            "do_normalization": choice("noise_driven", True, False),
            "sigma_data": NUMBER,
            "do_gradnorm_reweighting": FLAG,
            "logvar_mlp_layers": COUNT,
        },
    ),
    POSTPROCESSING: KnownPart(
        _postprocessing,
        {"vae": VAE, "channel_wise_normalisation": FLAG, "model_type": choice("sdxl"), "max_batch_size": SIZE},
    ),
    SCHEDULER: KnownPart(_scheduler, dict.fromkeys(("start", "end", "shift", "clip_min"), NUMBER)),
    VAE: KnownPart(
        _vae,
        {
            "pretrained_model_name_or_path": kinds.PRETRAINED,
            "subfolder": kinds.INSIDE_REPO,
            "revision": kinds.INSIDE_REPO,
        },
    ),
}


def build_part(section: Any, key: str, target: str) -> Any:
    """Build the one part that belongs under ``key``.

    Args:
        section: plain data without references.
        key: its dotted key, for errors.
        target: name of the part in :data:`KNOWN`.

    Raises:
        UserError: the section names, at any depth, something that may not be called, or has arguments that the part
            does not take.
    """
    strangers = sorted({_called(name) for name in _targets(section) if not isinstance(name, str) or name not in KNOWN})
    if strangers:
        raise UserError(
            f"refused, because {shown_key(key)} would call {', '.join(strangers[:3])}; "
            "if you trust where it comes from, pass --trust-checkpoint"
        )
    return _build(section, key, target)


def _called(name: Any) -> str:
    return shown_key(name) if isinstance(name, str) else shown(name)


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
    part = KNOWN[target]
    arguments = {
        name: _argument(part, name, value, f"{key}.{name}") for name, value in section.items() if name != TARGET
    }
    try:
        return part.importer()(**arguments)
    except UserError:
        raise
    except Exception as error:  # whatever a library says of values that are each of the right kind
        raise UserError(f"{shown_key(key)} cannot be built ({reason(error)})") from error


def _argument(part: KnownPart, name: str, value: Any, key: str) -> Any:
    kind = part.arguments.get(name)
    if kind is None:
        raise UserError(
            f"{shown_key(key)} is not an argument that is known; expected some of {', '.join(part.arguments)}"
        )
    if isinstance(kind, str):
        return _build(value, key, kind)
    kind.check(value, key)
    return value


def reason(error: BaseException) -> str:
    """The first line of what an error says, not longer than a line should be."""
    text = (str(error).splitlines() or [""])[0]
    return text[:200] or type(error).__name__
