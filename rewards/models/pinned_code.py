"""Models that are code on the hub, loaded at fixed commits, nested repositories included.

``from_pretrained(revision=..., code_revision=...)`` pins only the repositories it is called for. Code that itself
names a further repository follows that one's main branch. Here every lookup of a listed repository is answered with
its pinned commit while a model loads, and afterwards each class of the model is checked to come from there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import huggingface_hub
import torch
from torch import nn
from transformers import AutoModel, AutoProcessor
from transformers.utils import hub as transformers_hub

from rewards.models.loading import check_keys, clear_errors
from wire.errors import EnvironmentFailure

#: Package under which transformers imports downloaded code: ``transformers_modules.<org>.<name>.<commit>.<module>``.
_PACKAGE = "transformers_modules"


@contextlib.contextmanager
def pinned_hub(pins: Mapping[str, str]) -> Iterator[None]:
    """While active, files of the repositories in ``pins`` (id to commit) come from those commits."""
    original = huggingface_hub.hf_hub_download

    def download(repo_id: str, *args: Any, **options: Any) -> str:
        if repo_id in pins:
            options["revision"] = pins[repo_id]
        return str(original(repo_id, *args, **options))

    with (
        mock.patch.object(transformers_hub, "hf_hub_download", download),
        mock.patch.object(huggingface_hub, "hf_hub_download", download),
    ):
        yield


def load_pinned(repo: str, pins: Mapping[str, str], dtype: torch.dtype) -> tuple[Any, Any]:
    """A model and its processor from ``repo``, strictly loaded, all code at the commits of ``pins``.

    The files must be in the cache already.
    Raises EnvironmentFailure: they are not, the weights do not fit, or code came from elsewhere.
    """
    options = {"revision": pins[repo], "trust_remote_code": True, "local_files_only": True}
    with pinned_hub(pins), clear_errors(repo):
        model, info = AutoModel.from_pretrained(repo, torch_dtype=dtype, output_loading_info=True, **options)
        processor = AutoProcessor.from_pretrained(repo, **options)
    check_keys(repo, info["missing_keys"], info["unexpected_keys"])
    check_origin(model, pins)
    return model, processor


def check_origin(model: nn.Module, pins: Mapping[str, str]) -> None:
    """Every class of downloaded code in ``model`` must come from a pinned commit.
    Raises EnvironmentFailure: names the class and where it came from.
    """
    for kind in {type(module) for module in model.modules()}:
        package, *place = kind.__module__.split(".")
        if package == _PACKAGE and (len(place) < 3 or pins.get("/".join(place[:2])) != place[2]):
            raise EnvironmentFailure(f"{kind.__name__} was loaded from {'.'.join(place)}, not from a pinned commit")
