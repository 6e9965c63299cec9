"""Reads the ``config.yaml`` beside a Lightning checkpoint, and builds from it only what is known to be harmless.

A Hydra configuration names the functions to call, so it is a program, and so is each interpolation in it. Without the
user's trust neither Hydra nor OmegaConf sees it: it is read as plain data, references to other values are replaced by
code of ours, and parts are built from a table. MIRO's own configurations need no more than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from generation.checkpoints.kinds import Kind
from generation.checkpoints.known_parts import build_part, reason
from generation.checkpoints.plain_yaml import check_size, read_mapping
from generation.checkpoints.references import References
from wire.protocol import UserError


def read_config(path: Path, trusted: bool) -> TrainingConfig:
    """Read a ``config.yaml``; if ``trusted``, whatever it names is resolved and called.
    Raises UserError: it is not readable YAML with a mapping at its top, or grows beyond all bounds.
    """
    return TrustedConfig(path) if trusted else TrainingConfig(path, read_mapping(path))


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
        Raises UserError: it is of another kind, or holds an interpolation that is not a plain reference.
        """
        with self._named():
            value = self._value(key)
            if value is None:
                return default
            kind.check(value, key)
            return value

    def require(self, key: str, kind: Kind) -> Any:
        """Like :meth:`get`; what is not there is a UserError."""
        return self._present(key, self.get(key, kind))

    def build(self, key: str, target: str) -> Any:
        """Build the part under a dotted key: ``target``, a name in :data:`generation.checkpoints.known_parts.KNOWN`.
        Raises UserError: it names something else, or has arguments that are not known or of another kind.
        """
        with self._named():
            section = self._value(key)
        self._present(key, section)
        with self._named():
            return self._build(section, key, target)

    def _build(self, section: Any, key: str, target: str) -> Any:
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


class TrustedConfig(TrainingConfig):
    """Resolves every interpolation, with upstream's ``eval`` among them, and calls any target, as upstream's script."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises as :func:`read_config`."""
        from omegaconf import DictConfig, OmegaConf

        super().__init__(path, {})
        check_size(path)
        try:
            self._config = OmegaConf.load(path)
        except Exception as error:
            raise UserError(f"{path}: not a readable Hydra configuration ({reason(error)})") from error
        if not isinstance(self._config, DictConfig):
            raise UserError(f"{path}: not a Hydra configuration; expected a mapping at its top")
        self._config.root_dir = package_folder()

    def _build(self, section: Any, key: str, target: str) -> Any:
        """Call what the section names, be it ``target`` or not."""
        from hydra.errors import HydraException
        from hydra.utils import instantiate

        with _eval_resolver():
            try:
                return instantiate(section)
            except HydraException as error:
                raise UserError(f"{key} cannot be built ({reason(error)})") from error

    def _value(self, key: str) -> Any:
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        with _eval_resolver():
            try:
                value = OmegaConf.select(self._config, key)
                return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            except OmegaConfBaseException as error:
                raise UserError(f"{key} cannot be resolved ({reason(error)})") from error


@contextmanager
def _eval_resolver() -> Iterator[None]:
    """OmegaConf's resolvers belong to the process: this one is gone when the trusted file has been read."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("eval", eval, replace=True)
    try:
        yield
    finally:
        OmegaConf.clear_resolver("eval")


@cache
def package_folder() -> str:
    """What stands for ``root_dir``, which in the file is a folder of the training machine: the miro package's."""
    spec = find_spec("miro")
    return str(Path(spec.origin).parent) if spec and spec.origin else ""
