"""Reads a Lightning ``.ckpt``, which is a pickle, without letting it run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from generation.checkpoints.kinds import shown
from wire.protocol import UserError

#: The optimizer's settings that training leaves beside tensors are OmegaConf's. Real ones resolve interpolations, which
#: read the environment, when they are compared, hashed or printed; nobody needs them, so :class:`_Setting` is made.
_SETTINGS = (
    "omegaconf.listconfig.ListConfig",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.nodes.AnyNode",
)
#: What a hostile or damaged pickle makes the unpickler raise.
_DAMAGE = (OSError, RuntimeError, EOFError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError)


class _Setting:
    """Stands for a training setting in a checkpoint: takes whatever it is made from, and does nothing."""

    def __init__(self, *_parts: Any) -> None:
        pass


def read_lightning(path: Path, trusted: bool) -> dict[str, Any]:
    """The state dict of a Lightning checkpoint; tensors are mapped from the file, not read, until they are used.

    Args:
        trusted: unpickle without restriction. Only for files whose origin is known.

    Raises:
        UserError: unreadable, damaged, not Lightning's, or its pickle names something off the list.
    """
    content = _load(path, trusted)
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise UserError(f"{path}: has no state_dict; expected a checkpoint that Lightning wrote")
    _check_tensors(state, path)
    return state


def _check_tensors(state: dict[Any, Any], path: Path) -> None:
    import torch

    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            named = shown(name) if isinstance(name, str) else "a key that is no text"
            raise UserError(f"{path}: its state_dict holds something else than tensors ({named})")


def _load(path: Path, trusted: bool) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_allowed_globals()):
            return torch.load(path, map_location="cpu", weights_only=not trusted, mmap=True)
    except pickle.UnpicklingError as error:
        raise UserError(_refusal(path)) from error
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: unreadable or damaged ({reason}); copy or download it again") from error


def _allowed_globals() -> list[Any]:
    """What MIRO's training leaves in a checkpoint beside tensors."""
    from collections import defaultdict

    return [*((_Setting, name) for name in _SETTINGS), Any, defaultdict, dict, list, int]


def _refusal(path: Path) -> str:
    import torch

    names = ("typing.Any", "collections.defaultdict", "builtins.dict", "builtins.list", "builtins.int")
    try:
        asked = sorted(set(torch.serialization.get_unsafe_globals_in_checkpoint(path)) - {*_SETTINGS, *names})
    except (pickle.UnpicklingError, *_DAMAGE):  # an instruction that no checkpoint has
        asked = []
    if not asked:
        return f"{path}: damaged, or not a checkpoint that Lightning wrote"
    return (
        f"{path}: refused, because unpickling it would run {', '.join(asked)}; "
        "if you trust where it comes from, pass --trust-checkpoint"
    )
