"""Brings the weights here, all of them side by side, and verifies every file that came."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from harness.environments.spec import Progress
from harness.weights import by_address, on_hub
from harness.weights.entries import HubWeight, WeightFile, load_hub, load_weights
from wire.errors import EnvironmentFailure, Interrupted, UserError
from wire.hub_client import tell

Entry = WeightFile | HubWeight
#: Entries fetched, and files hashed, at the same time.
PARALLEL = 4


def select(names: Sequence[str], stages: Sequence[str] = ()) -> list[Entry]:
    """The entries of these names; without any, all that the stages (or all stages) need by default.
    Raises UserError: an unknown name or stage.
    """
    known: dict[str, Entry] = {**load_weights(), **load_hub()}
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"unknown weights {', '.join(unknown)}: `miro-eval weights list` shows what there is")
    all_stages = sorted({stage for entry in known.values() for stage in entry.stages})
    if strange := [stage for stage in stages if stage not in all_stages]:
        raise UserError(f"unknown stage {', '.join(strange)}: choose from {', '.join(all_stages)}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    wanted = set(stages or all_stages)
    return [entry for entry in known.values() if wanted & set(entry.stages) and not getattr(entry, "extra", False)]


def is_here(entry: Entry) -> bool:
    """Whether all of an entry is here, its bytes unread."""
    return entry.path.exists() if isinstance(entry, WeightFile) else not on_hub.missing(entry)


def take(entries: Sequence[Entry], file: Path) -> str:
    """Put a file that was brought along in the place of the one weight chosen; returns a line about it.
    Raises UserError: another number of weights, one of the hub, or other bytes than published.
    """
    (entry, *others) = entries
    if others:
        raise UserError(f"--from {file}: name the one weight that it is")
    if not isinstance(entry, WeightFile):
        raise UserError(
            f"{entry.name} is a repository of several files: bring it as a bundle (`miro-eval weights bundle`, then "
            "`unpack`)"
        )
    digest = by_address.bring(entry, file)
    told = len(entry.sha256)
    proof = "as published" if told == len(digest) else f"of which the first {told} digits are published"
    return f"{entry.name}: {entry.path}, sha256 {digest}, {proof}"


def fetch(entries: Iterable[Entry], steps: Callable[[str], Progress]) -> list[str]:
    """Fetch what is missing, verify all; returns lines to be said about unpinned files.
    Raises EnvironmentFailure: something cannot be had, or has other bytes than promised; the rest is here.
    """
    chosen = list(entries)
    repositories = [entry for entry in chosen if isinstance(entry, HubWeight)]
    lacking = [entry for entry in chosen if isinstance(entry, WeightFile) or not is_here(entry)]
    problems = _fetch(lacking, steps)
    notes, faults = verify(repositories)
    if problems := [*problems, *faults]:
        raise EnvironmentFailure("\n".join(problems))
    return notes


def _fetch(entries: Sequence[Entry], steps: Callable[[str], Progress]) -> list[str]:
    """Side by side; returns a line for each that cannot be had. An interruption ends all of them at their next byte."""
    stopping = threading.Event()

    def unless_stopped(progress: Progress) -> Progress:
        def show(done: int, total: int, label: str) -> None:
            if stopping.is_set():
                raise Interrupted("stopped")
            progress(done, total, label)

        return show

    if not entries:
        return []
    tell(lambda line: unless_stopped(steps("hub"))(0, 0, line), alone=True)
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            shown = [(entry, unless_stopped(steps(entry.name))) for entry in entries]
            futures = [pool.submit(_fetch_one, entry, progress) for entry, progress in shown]
            return [problem for future in futures for problem in _failure(future)]
        except BaseException:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            tell(lambda _line: None, alone=True)  # whoever asks the hub next in this process is not this fetching


def _fetch_one(entry: Entry, progress: Progress) -> None:
    if isinstance(entry, WeightFile):
        by_address.ensure(entry, False, progress)
        return
    entry.repository.fetch(
        (*entry.files, *entry.sha256), lambda done, total: progress(done, total, f"fetching {entry.name} (bytes)")
    )


def _failure(future: Future[None]) -> list[str]:
    try:
        future.result()
    except EnvironmentFailure as error:
        return [str(error)]
    return []


def verify(entries: Iterable[HubWeight]) -> tuple[list[str], list[str]]:
    """Hash every cached file of the entries; one with other bytes than promised is set aside.
    Returns lines to be said about files that nobody has pinned, and one for each file that was set aside.
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
