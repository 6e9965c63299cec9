"""Repositories of the Hugging Face hub: what the cache on this machine holds, fetched where it lacks something.

    <cache>/models--<owner>--<name>/refs/<branch>                commit of a branch
                                   /snapshots/<commit>/<file>    link to a blob
                                   /blobs/<name>                 named after sha256 (large files), or after git's sha1
                                   /listings/<commit>.json       ours: names of all files of a commit that was asked for

The one place from which the hub is asked, through :mod:`wire.hub_client`: for what the cache lacks, and for the head
of a branch that the user's own model is on.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from wire import hub_client
from wire.errors import EnvironmentFailure, UserError
from wire.hub_client import Bytes, NoSuchFile, Refused, asking, away, cache, endpoint, is_off
from wire.untrusted import read_json

#: Pattern for a model's weights, whatever format its repository has.
MODEL_WEIGHTS = "@weights"
#: Formats of a model's weights, best first.
FORMATS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
#: Files of a repository that are fetched at the same time.
PARALLEL = 4

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def choose(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that the patterns stand for; a pattern without ``/`` means files at the top."""
    known = sorted(names)
    chosen: set[str] = set()
    for pattern in patterns:
        if pattern == MODEL_WEIGHTS:
            chosen.update(_model_weights(known))
        else:
            depth = pattern.count("/")
            chosen.update(name for name in known if name.count("/") == depth and fnmatch.fnmatchcase(name, pattern))
    return sorted(chosen)


def _model_weights(names: list[str]) -> list[str]:
    """A model's weights in the best format there is: one file, or an index with its shards."""
    best = next((name for name in FORMATS if name in names), None)
    if best is None or not best.endswith(".index.json"):
        return [best] if best else []
    stem, suffix = best.removesuffix(".index.json").rsplit(".", 1)
    return [best, *fnmatch.filter(names, f"{stem}-*-of-*.{suffix}")]


def shards(index: Path) -> list[str]:
    """The files that a model's index names."""
    with contextlib.suppress(UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
        names = set(read_json(index)["weight_map"].values())
        if all(isinstance(name, str) for name in names):
            return sorted(names)
    return [f"{index.name} (unreadable)"]


def cached_sha256(path: Path) -> str | None:
    """The hash of a large cached file without reading it: the hub's cache names such blobs after their sha256."""
    name = path.resolve().name
    return name if _SHA256.fullmatch(name) else None


@dataclass(frozen=True)
class Repository:
    """A repository, ``owner/name``, at a revision: a commit or a branch; empty for the main branch."""

    name: str
    revision: str = ""

    def __str__(self) -> str:
        return self.name + (f"@{self.revision}" if self.revision else "")

    @property
    def folder(self) -> Path:
        """Its folder in the cache."""
        return cache() / ("models--" + self.name.replace("/", "--"))

    @property
    def commit(self) -> str:
        """The commit; of a branch, the one that the cache knows; empty where it knows none."""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        try:
            found = self._branch.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return found if re.fullmatch("[0-9a-f]{1,40}", found) else ""

    @property
    def _branch(self) -> Path:
        branch = self.revision or "main"
        return self.folder.joinpath("refs", *(part for part in branch.split("/") if part not in ("", ".", "..")))

    @property
    def snapshot(self) -> Path:
        """Folder of the commit's files."""
        return self.folder / "snapshots" / self.commit

    def names(self) -> list[str]:
        """The commit's files that are here. A link whose blob is gone does not count."""
        root = self.snapshot
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) if self.commit else []

    def missing(self, patterns: Sequence[str]) -> list[str]:
        """What is known to be wanted and not here: exact names, shards of an index, the weights as a whole."""
        here = set(self.names())
        wanted = [name for name in patterns if _is_name(name)] + choose(patterns, self._listed() or ())
        for index in (name for name in FORMATS if name in here and name.endswith(".index.json")):
            wanted += shards(self.snapshot / index)
        lacking = [name for name in dict.fromkeys(wanted) if name not in here]
        if MODEL_WEIGHTS in patterns and not {*FORMATS} & {*here, *lacking}:
            lacking.append("the model's weights")
        return lacking if choose(patterns, here) else lacking or list(patterns)

    def _listed(self) -> list[str] | None:
        """All files that the commit has; None where nobody here has asked."""
        try:
            names = read_json(self.folder / "listings" / f"{self.commit}.json")
        except (UserError, OSError, ValueError):
            return None
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else None

    def get(self, *patterns: str, fresh: bool = False) -> Path:
        """The snapshot's folder with the files that the patterns stand for, fetched where the cache lacks them.

        A branch is taken at the commit that the cache knows, where it knows one.
        ``patterns``: see :func:`choose`.
        ``fresh``: ask for the branch's head all the same; where the hub is away, the cache's will do.
        Raises Refused: the hub has no such thing; EnvironmentFailure: not in the cache, and not to be had.
        """
        lacking = self.missing(patterns)
        fresh = fresh and not _COMMIT.fullmatch(self.revision)
        unsure = self._listed() is None and not all(map(_is_name, patterns))
        if lacking and is_off():
            with asking(str(self)):
                import_module("huggingface_hub.utils").validate_repo_id(self.name)
            raise EnvironmentFailure(
                f"{self}: not in the hub cache {cache()}, and the hub is offline (HF_HUB_OFFLINE); "
                "fetch it on a machine that reaches the hub, or point HF_HOME at a cache that has it"
            )
        if (lacking or fresh or unsure) and not is_off():
            try:
                return (Repository(self.name, self.commit) if self.commit and not fresh else self).fetch(patterns)
            except EnvironmentFailure as error:
                if lacking or (fresh and isinstance(error, Refused)):
                    raise
        return self.snapshot

    def fetch(self, patterns: Sequence[str], progress: Bytes | None = None) -> Path:
        """The snapshot's folder, after the hub was asked what the files are now. Raises as :meth:`get`."""
        if reason := away(endpoint()):
            raise EnvironmentFailure(f"{self}: not in the hub cache {cache()}, and {reason}")
        with asking(str(self)):
            info = hub_client.ask(self.name, self.revision or "main")
            sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        chosen = choose(patterns, sizes)
        absent = [name for name in patterns if _is_name(name) and name not in sizes]
        if absent or not chosen:
            raise NoSuchFile(f"{self}: has none of {', '.join(absent or patterns)}")
        pinned = Repository(self.name, str(info.sha))
        pinned._list(sizes)
        pinned._download(chosen, sizes, progress)
        pinned._download([name for name in pinned.missing(patterns) if name in sizes], sizes, None)
        if not _COMMIT.fullmatch(self.revision):
            with contextlib.suppress(OSError):  # a cache for reading only
                self._branch.parent.mkdir(parents=True, exist_ok=True)
                self._branch.write_text(pinned.revision, encoding="utf-8")
        return pinned.snapshot

    def _list(self, names: Iterable[str]) -> None:
        listing = self.folder / "listings" / f"{self.revision}.json"
        with contextlib.suppress(OSError):  # a cache for reading only
            listing.parent.mkdir(parents=True, exist_ok=True)
            listing.write_text(json.dumps(sorted(names)), encoding="utf-8")

    def _download(self, names: Sequence[str], sizes: Mapping[str, int], progress: Bytes | None) -> None:
        total = sum(sizes[name] for name in names)
        options = {"tqdm_class": hub_client.bar(progress, total)} if progress else {}

        def fetch(name: str) -> None:
            with asking(f"{self.name}/{name}"):
                hub_client.client().hf_hub_download(
                    self.name, name, revision=self.revision, cache_dir=cache(), endpoint=endpoint(), **options
                )

        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(fetch, names))
        if progress:
            progress(total, total)


def _is_name(pattern: str) -> bool:
    return "*" not in pattern and pattern != MODEL_WEIGHTS
