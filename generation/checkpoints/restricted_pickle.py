"""Reads a Lightning ``.ckpt``, which is a pickle, without letting it run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from wire.protocol import UserError


def read_lightning(path: Path, trusted: bool) -> dict[str, Any]:
    """The state dict of a Lightning checkpoint; tensors are mapped from the file, not read, until they are used.

    Args:
        path: the ``.ckpt``.
        trusted: unpickle without restriction. Only for files whose origin is known.

    Raises:
        UserError: unreadable, damaged, not Lightning's, or its pickle names something off the list.
    """
    content = _load(path, trusted)
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise UserError(f"{path}: has no state_dict; expected a checkpoint that Lightning wrote")
    return state


def _load(path: Path, trusted: bool) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_allowed_globals()):
            return torch.load(path, map_location="cpu", weights_only=not trusted, mmap=True)
    except pickle.UnpicklingError as error:
        raise UserError(_refusal(path)) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: unreadable or damaged ({reason}); copy or download it again") from error


def _allowed_globals() -> list[Any]:
    """What MIRO's training leaves in a checkpoint beside tensors: the optimizer's settings are OmegaConf lists."""
    from collections import defaultdict

    from omegaconf import ListConfig
    from omegaconf.base import ContainerMetadata, Metadata
    from omegaconf.nodes import AnyNode

    return [ListConfig, ContainerMetadata, Metadata, AnyNode, Any, defaultdict, dict, list, int]


def _refusal(path: Path) -> str:
    import torch

    allowed = {f"{item.__module__}.{getattr(item, '__qualname__', 'Any')}" for item in _allowed_globals()}
    try:
        asked = sorted(set(torch.serialization.get_unsafe_globals_in_checkpoint(path)) - allowed)
    except (pickle.UnpicklingError, ValueError, RuntimeError, EOFError):  # an instruction that no checkpoint has
        asked = []
    if not asked:
        return f"{path}: damaged, or not a checkpoint that Lightning wrote"
    return (
        f"{path}: refused, because unpickling it would run {', '.join(asked)}; "
        "if you trust where it comes from, pass --trust-checkpoint"
    )
