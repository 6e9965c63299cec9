"""Finds and checks a scorer that the user wrote: ``my_scorer:Brightness`` or ``folder/my_scorer.py:Brightness``.

An installed package may offer scorers by name, as entry points of the group :data:`GROUP`.

Standard library only: the orchestrator reads the scorer's id before it makes an environment, the worker its code.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from rewards.scorers import SCORERS, Scorer
from rewards.scorers.card import SpecCard
from wire.cards import read_cards, records
from wire.errors import UserError
from wire.own_code import import_fault, reason_of
from wire.paths import expanded
from wire.reserved import is_reserved

#: Entry points of this group are scorers: ``brightness = "my_package.scorers:Brightness"``.
GROUP = "miro_eval.scorers"
_FORM = re.compile(r"(?P<module>.+):(?P<name>[A-Za-z_]\w*)")
_METRIC = re.compile(r"[a-z][a-z0-9_.-]*")


def absolute(text: str, folder: Path) -> str:
    """The same scorer, named so that a process elsewhere finds it: ``/path/to/module.py:Class``.
    ``text``: ``module:Class``, the module being a dotted name under ``folder`` or on Python's path, or a ``.py`` file;
    or the name of an entry point.
    ``folder``: where the user is.
    Raises UserError: not of that form, and no entry point.
    """
    offered = {point.name: point.value for point in metadata.entry_points(group=GROUP)}
    if ":" not in text and offered:
        return _place_of(text, offered)
    module, name = _parts(text)
    path = expanded(module) if module.endswith(".py") else Path(*module.split(".")).with_suffix(".py")
    found = (folder / path).absolute()
    return f"{found}:{name}" if module.endswith(".py") or found.is_file() else text


def _place_of(name: str, offered: Mapping[str, str]) -> str:
    """An entry point as ``/path/to/module.py:Class``, for another environment's Python; the package is not imported."""
    if name not in offered:
        raise UserError(f"scorer {name!r}: no installed package offers it; offered are {', '.join(sorted(offered))}")
    module, attribute = _parts(offered[name])
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise UserError(f"scorer {name}: its package names the module {module}, which is not there")
    if not spec.submodule_search_locations:
        return f"{spec.origin}:{attribute}"
    file = Path(spec.submodule_search_locations[0], *rest)
    return f"{file.with_suffix('.py') if file.with_suffix('.py').is_file() else file / '__init__.py'}:{attribute}"


def load_scorers(texts: Iterable[str]) -> dict[str, type[Scorer]]:
    """Import the scorers; their classes by metric id.
    Raises UserError: a scorer cannot be imported, is no scorer, or its id is unfit or taken.
    """
    found: dict[str, type[Scorer]] = {}
    for text in texts:
        scorer = _checked(text, _imported(text))
        metric = scorer.card.metric
        if found.setdefault(metric, scorer) is not scorer:
            raise UserError(f"scorer {text}: metric id {metric!r} is another --scorer's; give one of them a new id")
    return found


def registry(texts: Iterable[str]) -> dict[str, type[Scorer]]:
    """Our scorers, then the user's; raises as :func:`load_scorers`."""
    return {**SCORERS, **load_scorers(texts)}


def environment_of(scorer: type[Scorer]) -> str:
    """The environment that a scorer's code runs in: a name, or the path of a folder of the user's.

    A class attribute ``env`` says so, or else its card; a path starts from the scorer's file.
    """
    named = str(getattr(scorer, "env", "") or scorer.card.env)
    return str((source_of(scorer).parent / expanded(named)).resolve()) if "/" in named else named


def check_imports(texts: Iterable[str]) -> None:
    """Import the scorers, in the environment that they will run in, and look for what their methods import.

    An import that is tried, or depends on something, may be missing.
    Raises UserError: as :func:`load_scorers`; or a package is not there.
    """
    for text in texts:
        for scorer in load_scorers([text]).values():
            names = {name.partition(".")[0] for name in _imports(ast.parse(source_of(scorer).read_bytes()))}
            if lacking := sorted(name for name in names if importlib.util.find_spec(name) is None):
                raise UserError(
                    f"scorer {text}: it imports {', '.join(lacking)}, which environment {environment_of(scorer)} does "
                    "not have: add it there, or name another in env"
                )


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield str(node.module)
    elif not isinstance(node, ast.If | ast.Try | ast.With):
        for inner in ast.iter_child_nodes(node):
            yield from _imports(inner)


def source_of(scorer: type[Scorer]) -> Path:
    """The file that a scorer's class is written in."""
    return Path(sys.modules[scorer.__module__].__file__ or "")


def own_fault(scorer: Scorer, error: Exception) -> str:
    """Why a user's scorer gives no score, in one line; the log has it once with its traceback.
    Raises Exception: the ``error``, where the scorer is one of ours: that is a bug.
    """
    metric = scorer.card.metric
    if metric in SCORERS:
        raise error
    reason = f"the scorer failed ({reason_of(error)})"
    if (metric, reason) not in _logged:
        _logged.add((metric, reason))
        traceback.print_exception(error)
    return reason


_logged: set[tuple[str, str]] = set()


def _parts(text: str) -> tuple[str, str]:
    match = _FORM.fullmatch(text)
    if not match:
        raise UserError(f"scorer {text!r}: expected module:Class, e.g. my_scorer:Brightness or my_scorer.py:Brightness")
    return match["module"], match["name"]


def _imported(text: str) -> Any:
    module, name = _parts(text)
    try:
        loaded = _module(module)
    except (Exception, SystemExit) as error:  # whatever the user's code raises when it is imported
        raise UserError(
            f"scorer {text}: cannot be imported ({import_fault(error)}); the module must be importable "
            "without torch or transformers: import those inside its methods"
        ) from error
    if not hasattr(loaded, name):
        raise UserError(f"scorer {text}: the module has no {name}")
    return getattr(loaded, name)


def _module(module: str) -> Any:
    """Import by name; or by file: as part of its package, else under a name that no other module has.

    Folders go last on Python's path, where they shadow nothing.
    """
    path = Path(module)
    if path.suffix != ".py":
        return importlib.import_module(module)
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    if str(root) not in sys.path:
        sys.path.append(str(root))
    if root != path.parent:  # under the package's own name, so that it may import what lies beside it
        parts = path.with_suffix("").relative_to(root).parts
        return importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    name = f"own_scorer_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        sys.modules[name] = _executed(name, path)
    return sys.modules[name]


def _executed(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _checked(text: str, scorer: Any) -> type[Scorer]:
    if not (isinstance(scorer, type) and issubclass(scorer, Scorer)) or inspect.isabstract(scorer):
        lacks = ", ".join(sorted(getattr(scorer, "__abstractmethods__", ())))
        raise UserError(f"scorer {text}: not a rewards.scorers.base.Scorer" + (f"; it lacks {lacks}" if lacks else ""))
    card = getattr(scorer, "card", None)
    if not isinstance(card, SpecCard):
        raise UserError(f"scorer {text}: its card must be a rewards.scorers.card.SpecCard")
    try:
        read_cards(records({card.metric: card}))
    except ValueError as error:
        raise UserError(f"scorer {text}: {error}") from error
    env = getattr(scorer, "env", "") or ""
    if not isinstance(env, str) or not env.isprintable():
        raise UserError(f"scorer {text}: env is {env!r}; expected an environment's name or a folder, e.g. './my_env'")
    if not _METRIC.fullmatch(card.metric):
        raise UserError(f"scorer {text}: metric id {card.metric!r}: use lower-case letters, digits and _ . -")
    if is_reserved(card.metric) or card.metric in SCORERS:
        raise UserError(f"scorer {text}: metric id {card.metric!r} is taken; choose another")
    return scorer
