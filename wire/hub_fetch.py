"""Fetches files of hub repositories into the hub's cache: run inside an environment that has the hub's client.

``python -m wire.hub_fetch JOB.json`` with ``parameters["repositories"]``: repo, revision, files (patterns as in
``weights.toml``). Files come side by side; what broke off is continued. Standard library, and ``huggingface_hub``.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wire.errors import EnvironmentFailure
from wire.hub_files import choose
from wire.protocol import Job, Reporter
from wire.worker_process import run_worker

#: Files fetched at the same time.
PARALLEL = 8
#: Seconds between two looks at how much is here.
INTERVAL = 0.25
#: Failures named in the message; the log has all.
NAMED = 3


@dataclass(frozen=True)
class Wanted:
    """One file of a repository.

    Attributes:
        repo, revision, name: repository, commit, and path in it.
        size: bytes; 0 where the hub does not say.
        branch: whose head the commit is; empty for a pinned one.
    """

    repo: str
    revision: str
    name: str
    size: int
    branch: str = ""

    @property
    def folder(self) -> Path:
        """The repository's folder in the cache."""
        return Path(_client().constants.HF_HUB_CACHE) / ("models--" + self.repo.replace("/", "--"))

    def fetch(self) -> None:
        """Bring it into the cache, where it is not there already; without a network it is then found by its branch."""
        _client().hf_hub_download(self.repo, self.name, revision=self.revision)
        if self.branch:
            (self.folder / "refs").mkdir(exist_ok=True)
            (self.folder / "refs" / self.branch).write_text(self.revision, encoding="utf-8")


def _client() -> Any:
    """The hub's client, which the orchestrator does not have."""
    return import_module("huggingface_hub")


def fetch(job: Job, reporter: Reporter) -> None:
    """Fetch everything, reporting bytes.

    Raises:
        EnvironmentFailure: names files that could not be had, and why.
    """
    wanted = [file for entry in job.parameters["repositories"] for file in _files(entry)]
    total = sum(file.size for file in wanted)
    reporter.started(total, "", {"huggingface_hub": version("huggingface_hub")})
    with ThreadPoolExecutor(PARALLEL) as pool:
        futures = {pool.submit(file.fetch): file for file in wanted}
        _wait(futures, total, reporter)
    failed = [
        f"{file.repo}/{file.name} ({_reason(error)})"
        for future, file in futures.items()
        if (error := future.exception())
    ]
    if failed:
        named = "; ".join(failed[:NAMED])
        raise EnvironmentFailure(f"{len(failed)} of {len(wanted)} files could not be fetched: {named}")
    reporter.finished(len(wanted), 0)


def _files(entry: dict[str, Any]) -> list[Wanted]:
    """The entry's files, as the hub lists them now.

    Raises:
        EnvironmentFailure: the hub is out of reach, or has no such repository or revision.
    """
    repo, revision = entry["repo"], entry["revision"] or "main"
    try:
        info = _client().HfApi().model_info(repo, revision=revision, files_metadata=True)
    except Exception as error:  # the client's versions raise different ones
        raise EnvironmentFailure(f"{repo}@{revision}: {_reason(error)}") from error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    chosen = choose(entry["files"], sizes)
    if not chosen:
        raise EnvironmentFailure(f"{repo}@{revision}: has none of {', '.join(entry['files'])}")
    branch = "" if entry["revision"] else "main"
    return [Wanted(repo, entry["revision"] or str(info.sha), name, sizes[name], branch) for name in chosen]


def _wait(futures: dict[Future[None], Wanted], total: int, reporter: Reporter) -> None:
    """Report bytes until all is through: finished files, and what the unfinished ones have reached."""
    while running := [future for future in futures if not future.done()]:
        done = sum(file.size for future, file in futures.items() if future not in running)
        partial = sum(_partial_bytes(folder) for folder in {futures[future].folder for future in running})
        reporter.progress(min(done + partial, total), total, f"{len(running)} files to come (bytes)")
        time.sleep(INTERVAL)
    reporter.progress(total, total, "bytes")


def _partial_bytes(folder: Path) -> int:
    return sum(_size(path) for path in (folder / "blobs").glob("*.incomplete"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # finished in between
        return 0


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


if __name__ == "__main__":
    run_worker("hub_fetch", fetch)
