"""Reads the ``config.yaml`` beside a Lightning checkpoint, and builds from it only what is known to be harmless.

A Hydra configuration names the functions to call, so it is a program. Upstream also gives it Python's ``eval`` as a
resolver. Here both need the user's trust; MIRO's own configurations need neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wire.protocol import UserError

#: What the sections that sampling needs may call.
ALLOWED_TARGETS = frozenset(
    {
        "miro.models.networks.rin.CADRINTextCond",
        "miro.models.preconditioning.FlowPrecond",
        "miro.models.postprocessing.VAEDecoderPostProcessing",
        "miro.models.scheduler.LinearScheduler",
        "diffusers.AutoencoderKL.from_pretrained",
    }
)


class TrainingConfig:
    """A composed Hydra configuration, read section by section.

    Interpolations are resolved in the sections that are asked for only: others may hang on the training machine.
    """

    def __init__(self, path: Path, trusted: bool) -> None:
        """Read the file.

        Raises:
            UserError: it is not readable YAML with a mapping at its top.
        """
        import miro
        from omegaconf import DictConfig, OmegaConf

        self._path, self._trusted = path, trusted
        try:
            config = OmegaConf.load(path)
        except Exception as error:
            raise UserError(f"{path}: not a readable Hydra configuration ({_first_line(error)})") from error
        if not isinstance(config, DictConfig):
            raise UserError(f"{path}: not a Hydra configuration; expected a mapping at its top")
        config.root_dir = str(Path(miro.__file__).parent)
        self._config = config
        OmegaConf.clear_resolver("eval")
        if trusted:
            OmegaConf.register_new_resolver("eval", eval)

    def get(self, key: str, default: Any = None) -> Any:
        """The resolved value under a dotted key as plain Python, or ``default`` where it is absent or null."""
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        try:
            value = OmegaConf.select(self._config, key)
            if OmegaConf.is_config(value):
                value = OmegaConf.to_container(value, resolve=True)
        except OmegaConfBaseException as error:
            raise UserError(f"{self._path}: {key} cannot be resolved ({_first_line(error)})") from error
        return default if value is None else value

    def require(self, key: str) -> Any:
        """Like :meth:`get`, for what must be there.

        Raises:
            UserError: it is not.
        """
        value = self.get(key)
        if value is None:
            raise UserError(f"{self._path}: has no {key}; expected the config.yaml that MIRO's training wrote")
        return value

    def build(self, key: str) -> Any:
        """Call what the section under ``key`` names.

        Raises:
            UserError: it names something that is not allowed, or the call does not take its arguments.
        """
        from hydra.errors import HydraException
        from hydra.utils import instantiate

        section = self.require(key)
        strangers = sorted(set(_targets(section)) - ALLOWED_TARGETS)
        if strangers and not self._trusted:
            raise UserError(
                f"{self._path}: refused, because {key} would call {', '.join(strangers)}; "
                "if you trust where it comes from, pass --trust-checkpoint"
            )
        try:
            return instantiate(section)
        except HydraException as error:
            raise UserError(f"{self._path}: {key} cannot be built ({_first_line(error)})") from error


@contextmanager
def expected_kinds(path: Path) -> Iterator[None]:
    """A value that is not of the kind it should be, wherever it shows, is a fault of the configuration.

    Raises:
        UserError: names the file.
    """
    try:
        yield
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(
            f"{path}: a value is not of the kind that MIRO's training writes ({_first_line(error)})"
        ) from error


def _targets(section: Any) -> Iterator[str]:
    if isinstance(section, dict):
        if "_target_" in section:
            yield str(section["_target_"])
        section = list(section.values())
    if isinstance(section, list):
        for value in section:
            yield from _targets(value)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
