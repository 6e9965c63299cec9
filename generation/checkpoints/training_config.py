"""A training configuration that is plain data: values are looked up and checked, parts are built from a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from generation.checkpoints.kinds import Kind
from generation.checkpoints.known_parts import build_part
from generation.checkpoints.references import References
from wire.protocol import UserError


class TrainingConfig:
    """A composed Hydra configuration, read section by section.

    References are replaced in the sections that are asked for only: others may hang on the training machine.
    """

    def __init__(self, path: Path, tree: dict[Any, Any]) -> None:
        """Take plain data, see :func:`generation.checkpoints.plain_yaml.read_mapping`; ``path`` is for errors."""
        self._path = path
        self._references = References(tree | {"root_dir": package_folder()})

    def get(self, key: str, kind: Kind, default: Any = None) -> Any:
        """The value under a dotted key as plain Python, or ``default`` where it is absent or null.

        Raises:
            UserError: it is of another kind, or holds an interpolation that is not a plain reference.
        """
        with self._named():
            value = self._value(key)
            if value is None:
                return default
            kind.check(value, key)
            return value

    def require(self, key: str, kind: Kind) -> Any:
        """Like :meth:`get`, for what must be there.

        Raises:
            UserError: it is not.
        """
        return self._present(key, self.get(key, kind))

    def build(self, key: str, target: str) -> Any:
        """Build the part under a dotted key: ``target``, a name in :data:`generation.checkpoints.known_parts.KNOWN`.

        Raises:
            UserError: it names something else, or has arguments that are not known or of another kind.
        """
        with self._named():
            section = self._value(key)
        self._present(key, section)
        with self._named():
            return build_part(section, key, target)

    def _value(self, key: str) -> Any:
        return self._references.value(key)

    def _present(self, key: str, value: Any) -> Any:
        if value is None:
            raise UserError(f"{self._path}: has no {key}; expected the config.yaml that MIRO's training wrote")
        return value

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors name the file."""
        try:
            yield
        except UserError as error:
            raise UserError(f"{self._path}: {error}") from error


@cache
def package_folder() -> str:
    """What stands for ``root_dir``, which in the file is a folder of the training machine: the miro package's."""
    spec = find_spec("miro")
    return str(Path(spec.origin).parent) if spec and spec.origin else ""
