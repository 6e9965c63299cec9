"""The door to miro-eval: the command line's entry point.

Importing it makes sure that ``wire``, ``generation``, ``geneval``, ``rewards``, ``reports`` and ``harness`` are ours:
a training repository may well have a ``rewards/`` of its own, and ``PYTHONPATH=.`` would put that first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import NoReturn

__all__ = ["main"]

#: Our top-level packages; none of another origin may stand in for one of them.
PARTS = ("wire", "generation", "geneval", "rewards", "reports", "harness")
_ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "wire" / "errors.py").is_file())


class _OurParts:
    """Finds our packages beside this file, wherever else Python's path has packages of their names."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(_ROOT)]) if path is None and name in PARTS else None


def _claim_names() -> None:
    """Have our packages found first.

    Raises:
        ImportError: another package of such a name has been imported already.
    """
    for name in PARTS:
        file = getattr(sys.modules.get(name), "__file__", None)
        if name in sys.modules and (file is None or not Path(file).resolve().is_relative_to(_ROOT)):
            raise ImportError(f"a package {name!r} of another origin is imported already: run miro-eval as a program")
    if _OurParts not in sys.meta_path:
        sys.meta_path.insert(0, _OurParts)


_claim_names()


def main() -> NoReturn:
    """Run the command line, and exit with one of :class:`wire.errors.ExitCode`."""
    from harness.cli import main

    main()


if __name__ == "__main__":
    main()
