"""Strict loading: what a checkpoint lacks, or has too much of, is an error and never a silent default."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import torch
from torch import nn
from transformers import PreTrainedModel

from rewards.memory import is_out_of_memory
from wire.errors import EnvironmentFailure
from wire.own_code import reason_of
from wire.untrusted import refuse_tar

#: Buffers that older releases stored and newer ones compute.
COMPUTED_BUFFERS = ("position_ids",)

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")
P = TypeVar("P", bound=PreTrainedModel)

#: Models that scorers share, each for as long as one of them has it.
_models: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()


def shared(key: Hashable, load: Callable[[], T]) -> T:
    """The model that ``key`` names; loaded if no scorer has it."""
    model = _models.get(key)
    if model is None:
        model = _models[key] = load()
    return model  # type: ignore[no-any-return]


def read_checkpoint(path: Path) -> Any:
    """Read a ``torch.save`` file: tensors and plain containers only, no code.
    Raises EnvironmentFailure: unreadable, or it holds anything else.
    """
    refuse_tar(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EnvironmentFailure(f"{path}: not a readable checkpoint ({reason}); fetch it again") from error


def load_strictly(model: M, state: Mapping[str, Any], what: str, assign: bool = False) -> M:
    """Fill ``model`` from ``state``; both must have the same keys and shapes, computed buffers aside.

    With ``assign`` the model takes the tensors themselves, in their own number format, instead of copies.
    Raises EnvironmentFailure: they do not.
    """
    with clear_errors(what):
        found = model.load_state_dict(state, strict=False, assign=assign)
    check_keys(what, found.missing_keys, found.unexpected_keys)
    return model


def check_keys(what: str, missing: Iterable[str], unexpected: Iterable[str]) -> None:
    """Raise unless only computed buffers differ.
    Raises EnvironmentFailure: names how many keys are missing or unknown, and the first of them.
    """
    lacks, extra = (sorted(key for key in keys if not key.endswith(COMPUTED_BUFFERS)) for keys in (missing, unexpected))
    if lacks or extra:
        first = (lacks + extra)[0]
        raise EnvironmentFailure(
            f"{what}: the weights are not this model's ({len(lacks)} keys missing, {len(extra)} unknown, "
            f"first {first!r}); fetch them again"
        )


def load_pretrained(model: type[P], folder: Path, what: str, dtype: torch.dtype, spare: tuple[str, ...] = ()) -> P:
    """``from_pretrained`` of a local folder that refuses missing, unknown and misshapen weights.

    Keys that begin with one of ``spare`` may be there beyond the model's; ``what`` is its name in errors.
    Raises EnvironmentFailure: the folder's weights are not this model's.
    """
    with clear_errors(what):
        loaded, info = model.from_pretrained(folder, torch_dtype=dtype, output_loading_info=True)
    check_keys(what, info["missing_keys"], [key for key in info["unexpected_keys"] if not key.startswith(spare)])
    return loaded


@contextlib.contextmanager
def clear_errors(what: str) -> Iterator[None]:
    """Say in one line what could not be loaded and why.
    Raises EnvironmentFailure: in place of the errors that libraries raise for missing or unfit files.
    """
    try:
        yield
    except EnvironmentFailure:
        raise
    except Exception as error:  # tokenizers, for one, raise nothing more special
        if is_out_of_memory(error):
            raise
        raise EnvironmentFailure(f"{what}: cannot be loaded ({reason_of(error)})") from error


def frozen(model: M, device: str, dtype: torch.dtype | None = None) -> M:
    """The model on its device, for inference only."""
    model.requires_grad_(False)
    model.eval()
    return model.to(device=device, dtype=dtype) if dtype is not None else model.to(device=device)
