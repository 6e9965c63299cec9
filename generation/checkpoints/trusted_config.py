"""The configuration of a checkpoint that the user trusts: Hydra calls what it names, as upstream's script has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generation.checkpoints.known_parts import reason
from generation.checkpoints.plain_yaml import check_size
from generation.checkpoints.training_config import TrainingConfig, package_folder
from wire.protocol import UserError


class TrustedConfig(TrainingConfig):
    """Resolves every interpolation, with upstream's ``eval`` among them, and calls any target."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            UserError: it is not readable YAML with a mapping at its top, or grows beyond all bounds.
        """
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

    def build(self, key: str, target: str) -> Any:
        """Call what the section under ``key`` names, be it ``target`` or not.

        Raises:
            UserError: the call does not take its arguments.
        """
        from hydra.errors import HydraException
        from hydra.utils import instantiate

        with self._named():
            section = self._value(key)
        self._present(key, section)
        with _eval_resolver():
            try:
                return instantiate(section)
            except HydraException as error:
                raise UserError(f"{self._path}: {key} cannot be built ({reason(error)})") from error

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
