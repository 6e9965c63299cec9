"""Strict loading of named tensors: a checkpoint that does not fit is refused, and says where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wire.protocol import UserError

#: What ``torch.compile`` puts into the names of a compiled module's parameters.
COMPILED_PREFIX = "_orig_mod."

#: Keys named in an error before the rest is only counted.
NAMED_KEYS = 5


def plain_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state dict under the names of the module before it was compiled."""
    return {key.replace(COMPILED_PREFIX, ""): value for key, value in state.items()}


def part(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries under ``prefix`` (which ends in a dot), without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def load_strictly(module: Any, state: Mapping[str, Any], prefix: str, path: Path) -> None:
    """Load ``state`` into ``module``; every key must be there, no other, each of the right shape.

    Args:
        module: a ``torch.nn.Module``.
        prefix, path: where the tensors were in which file, for the message.

    Raises:
        UserError: keys are missing, unexpected or of another shape; the first few are named.
    """
    wanted = module.state_dict()
    problems = {
        "missing": wanted.keys() - state.keys(),
        "unexpected": state.keys() - wanted.keys(),
        "of another shape": {key for key in wanted.keys() & state.keys() if wanted[key].shape != state[key].shape},
    }
    found = [f"{kind}: {_name(keys, prefix)}" for kind, keys in problems.items() if keys]
    if found:
        raise UserError(f"{path}: does not fit its configuration; keys {'; '.join(found)}")
    module.load_state_dict(state, strict=True)


def _name(keys: Iterable[str], prefix: str) -> str:
    names = [prefix + key for key in sorted(keys)]
    rest = f" and {len(names) - NAMED_KEYS} more" if len(names) > NAMED_KEYS else ""
    return ", ".join(names[:NAMED_KEYS]) + rest
