"""Finds the function that a user names to make images: ``my_model:images`` or ``folder/my_model.py:images``.

Standard library only: the orchestrator asks before it makes an environment, the worker asks again before it imports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from wire.errors import UserError
from wire.paths import expanded

_NAME = re.compile(r"(?P<module>.+):(?P<function>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class OwnGenerator:
    """A function of the user's; its ``module`` is a dotted name under ``root``, which goes onto Python's path."""

    root: Path
    module: str
    function: str

    @property
    def file(self) -> Path:
        """The module's source."""
        path = self.root.joinpath(*self.module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_name(path.name + ".py")

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"


def find_generator(text: str, folder: Path) -> OwnGenerator:
    """The function that ``text`` names, ``module.under.folder:function`` or ``file.py:function``; nothing is imported.
    Raises UserError: not of that form, or there is no such file.
    """
    match = _NAME.fullmatch(text)
    if not match:
        raise UserError(f"generator {text!r}: expected module:function, e.g. my_model:images")
    module = match["module"]
    if module.endswith(".py"):
        path = (folder / expanded(module)).absolute()
        found = OwnGenerator(path.parent, path.stem, match["function"])
    else:
        found = OwnGenerator(folder.absolute(), module, match["function"])
    if not found.file.is_file():
        raise UserError(
            f"generator {text!r}: there is no {found.file}; run from the module's folder, or give its path, "
            "e.g. folder/my_model.py:images"
        )
    return found
