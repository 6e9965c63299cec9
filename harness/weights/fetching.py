"""Brings the weights here, all of them side by side, and verifies every file that came."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness.environments.manager import Environment, ensure
from harness.environments.spec import ENVIRONMENTS, Progress
from harness.weights import by_address, on_hub
from harness.weights.entries import HubWeight, WeightFile, load_hub, load_weights
from harness.workers import worker
from wire.errors import EnvironmentFailure, UserError, WorkerFailure
from wire.paths import home
from wire.protocol import Job

Entry = WeightFile | HubWeight
#: Addresses asked, and files hashed, at the same time.
PARALLEL = 4


def select(names: Sequence[str], stages: Sequence[str] = ()) -> list[Entry]:
    """The entries of these names; without any, all that the stages (or all stages) need by default.

    Raises:
        UserError: an unknown name or stage.
    """
    known: dict[str, Entry] = {**load_weights(), **load_hub()}
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"unknown weights {', '.join(unknown)}: choose from {', '.join(known)}")
    all_stages = sorted({stage for entry in known.values() for stage in entry.stages})
    if strange := [stage for stage in stages if stage not in all_stages]:
        raise UserError(f"unknown stage {', '.join(strange)}: choose from {', '.join(all_stages)}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    wanted = set(stages or all_stages)
    return [entry for entry in known.values() if wanted & set(entry.stages) and not getattr(entry, "extra", False)]


def fetch(entries: Iterable[Entry], env_backend: str, steps: Callable[[str], Progress]) -> list[str]:
    """Fetch what is missing, verify all; returns lines to be said about unpinned files.

    Raises:
        EnvironmentFailure: something cannot be had, or has other bytes than promised; the rest is here.
    """
    chosen = list(entries)
    files = [entry for entry in chosen if isinstance(entry, WeightFile)]
    repositories = [entry for entry in chosen if isinstance(entry, HubWeight)]
    problems: list[str] = []
    with ThreadPoolExecutor(PARALLEL) as pool:
        futures = [pool.submit(by_address.ensure, weight, False, steps(weight.name)) for weight in files]
        problems += _failure(lambda: _fetch_repositories(repositories, env_backend, steps))
        for future in futures:
            problems += _failure(future.result)
    notes, faults = verify(repositories)
    if problems := [*problems, *faults]:
        raise EnvironmentFailure("\n".join(problems))
    return notes


def _failure(act: Callable[[], object]) -> list[str]:
    try:
        act()
    except (EnvironmentFailure, WorkerFailure) as error:
        return [str(error)]
    return []


def _fetch_repositories(entries: list[HubWeight], env_backend: str, steps: Callable[[str], Progress]) -> None:
    """Through the hub's own client, in an environment that uses these weights."""
    lacking = [entry for entry in entries if on_hub.missing(entry)]
    for spec in ENVIRONMENTS.values():
        mine = [entry for entry in lacking if entry.stages[0] == spec.stage]
        if mine:
            environment = ensure(spec, env_backend, steps(f"environment {spec.name}"))
            _run_client(mine, environment, steps(f"hub, for {spec.stage}"))


def _run_client(entries: list[HubWeight], environment: Environment, progress: Progress) -> None:
    wanted = [{"repo": entry.repo, "revision": entry.revision, "files": list(entry.files)} for entry in entries]
    log = home() / "weights" / "hub_fetch.log"
    log.parent.mkdir(parents=True, exist_ok=True)

    def show(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            progress(event["done"], event["total"], event["label"])

    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        Job("hub_fetch", folder, str(Path(folder) / "rows"), [], {"repositories": wanted}).write(job)
        worker.run(worker.Program("weights", environment.worker("wire.hub_fetch", str(job)), log, {}), show)


def verify(entries: Iterable[HubWeight]) -> tuple[list[str], list[str]]:
    """Hash every cached file of the entries; one with other bytes than promised is set aside.

    Returns:
        Lines to be said about files that nobody has pinned, and one for each file that was set aside.
    """
    found = [(entry, file) for entry in entries for file in on_hub.cached_files(entry)]
    with ThreadPoolExecutor(PARALLEL) as pool:
        faults = list(pool.map(lambda pair: on_hub.fault(*pair), found))
    notes, problems = [], []
    for (entry, file), fault in zip(found, faults, strict=True):
        if fault:
            problems.append(
                f"{on_hub.place(entry, file.name)} {fault}: set aside as {on_hub.set_aside(file)}, not used"
            )
        elif note := on_hub.settle(entry, file):
            notes.append(note)
    return notes, problems
