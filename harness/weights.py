"""Weights fetched by address: downloaded once, verified, kept under ``<home>/weights``."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomllib
from filelock import FileLock

from harness.environments.spec import Progress
from harness.errors import EnvironmentFailure
from harness.paths import home, weights_manifest

#: Bytes read at a time: small enough for a live progress display.
CHUNK = 1 << 20
#: Seconds without an answer after which the next address is tried.
TIMEOUT = 60.0


@dataclass(frozen=True)
class WeightFile:
    """One entry of ``weights.toml``.

    Attributes:
        name: how stages ask for it.
        file: file name on disk.
        urls: where it is published, tried in order.
        sha256: expected digest, whole or its leading digits.
        stages: worker modules that need it.
        licence, source: for the user.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    sha256: str
    stages: tuple[str, ...]
    licence: str
    source: str

    @property
    def path(self) -> Path:
        """Where the verified file is, or will be."""
        return home() / "weights" / self.file


def load_weights() -> dict[str, WeightFile]:
    """All entries of ``weights.toml`` by name."""
    entries = tomllib.loads(weights_manifest().read_text(encoding="utf-8"))
    return {
        name: WeightFile(name, **(entry | {"urls": tuple(entry["urls"]), "stages": tuple(entry["stages"])}))
        for name, entry in entries.items()
    }


def weights_of(stage: str) -> list[WeightFile]:
    """The files that a stage needs."""
    return [weight for weight in load_weights().values() if stage in weight.stages]


def ensure_weights(stage: str, offline: bool, progress: Progress) -> Mapping[str, Path]:
    """Paths of a stage's files by name, fetching what is missing.

    Raises:
        EnvironmentFailure: offline and missing, unreachable, or not the published bytes.
    """
    return {weight.name: _ensure(weight, offline, progress) for weight in weights_of(stage)}


def _ensure(weight: WeightFile, offline: bool, progress: Progress) -> Path:
    if weight.path.exists():
        return weight.path
    if offline:
        raise EnvironmentFailure(
            f"weights {weight.name} are not here and the run is offline: put {weight.file} "
            f"(sha256 {weight.sha256}...) at {weight.path}, or run once with a network"
        )
    weight.path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(weight.path.with_name(weight.file + ".lock")):
        if not weight.path.exists():
            _fetch(weight, progress)
    return weight.path


def _fetch(weight: WeightFile, progress: Progress) -> None:
    problems: list[str] = []
    partial = weight.path.with_name(weight.file + ".partial")
    for url in weight.urls:
        try:
            _download(url, partial, lambda done, total: progress(done, total, f"fetching {weight.name} (bytes)"))
        except (OSError, urllib.error.URLError) as error:
            problems.append(f"{url}: {error}")
            continue
        _verify(weight, partial)
        os.replace(partial, weight.path)
        return
    raise EnvironmentFailure(
        f"weights {weight.name} cannot be fetched: put {weight.file} at {weight.path} by hand, or check the network\n"
        + "\n".join(problems)
    )


def _download(url: str, partial: Path, progress: Callable[[int, int], None]) -> None:
    """Fetch ``url``, continuing a partial file where the server allows it."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - our own list
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - our own list
        resumed = answer.status == 206
        total = int(answer.headers.get("Content-Length") or 0) + (have if resumed else 0)
        with partial.open("ab" if resumed else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                progress(file.tell(), total)


def _verify(weight: WeightFile, partial: Path) -> None:
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(weight.sha256):
        rejected = partial.with_name(weight.file + ".rejected")
        shutil.move(partial, rejected)
        raise EnvironmentFailure(
            f"weights {weight.name} have sha256 {digest}, expected {weight.sha256}: set aside as {rejected}, not used"
        )
