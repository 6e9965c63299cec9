"""Strict loading of named tensors: a checkpoint that does not fit is refused, and says where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from generation.checkpoints.kinds import shown
from wire.protocol import UserError

#: What wrappers of a module put into the names of its parameters: ``torch.compile``, FSDP, DeepSpeed, DDP.
WRAPPERS = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_forward_module", "module"))

#: Keys named in an error before the rest is only counted.
NAMED_KEYS = 5


def plain_names(state: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The state dict under the names that the module has without what training wrapped around it or its parts.

    Raises:
        UserError: two names become one.
    """
    plain: dict[str, Any] = {}
    for key, value in state.items():
        name = ".".join(part for part in key.split(".") if part not in WRAPPERS)
        if name in plain:
            raise UserError(f"{path}: its state_dict holds {shown(name)} twice, once inside a wrapper such as module.")
        plain[name] = value
    return plain


def part(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries under ``prefix`` (which ends in a dot), without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def load_strictly(module: Any, state: Mapping[str, Any], prefix: str, path: Path) -> None:
    """Load ``state`` into ``module``; every key must be there, no other, each of the right shape.

    Args:
        module: a ``torch.nn.Module``.
        prefix, path: where the tensors were in which file, for the message.

    Raises:
        UserError: keys are missing, unexpected, of another shape or no floating-point numbers; the first few are named.
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
    found = [f"{kind}: {_name(keys, prefix)}" for kind, keys in problems.items() if keys]
    if found:
        raise UserError(f"{path}: does not fit its configuration; keys {'; '.join(found)}")
    module.load_state_dict(state, strict=True)


def _name(keys: Iterable[str], prefix: str) -> str:
    names = [prefix + key for key in sorted(keys)]
    rest = f" and {len(names) - NAMED_KEYS} more" if len(names) > NAMED_KEYS else ""
    return ", ".join(names[:NAMED_KEYS]) + rest
