"""The weights: here, and with the bytes that they should have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from harness.doctor.finding import FAILURE, OK, WARNING, Finding
from harness.environments.spec import ENVIRONMENTS
from harness.weights import HubWeight, WeightFile, by_address, checksums, on_hub
from harness.weights.fetching import Entry, is_here, select
from wire.hub_client import cache, is_off

FETCH = "miro-eval weights fetch"


def weights() -> Iterator[Finding]:
    """What the default metrics need: whole, with the bytes that were promised; all that is absent in one line."""
    absent = [entry for entry in select([]) if not _begun(entry)]
    for entry in select([]):
        if entry not in absent:
            yield _file(entry) if isinstance(entry, WeightFile) else _repository(entry)
    if absent:
        status = FAILURE if is_off() and any(isinstance(entry, HubWeight) for entry in absent) else WARNING
        text = f"{len(absent)} not here yet: {', '.join(entry.name for entry in absent)}"
        yield Finding(
            "weights", status, text, f"{FETCH}, where there is a network; a run fetches what it needs by itself"
        )


def _begun(entry: Entry) -> bool:
    return entry.path.exists() if isinstance(entry, WeightFile) else bool(on_hub.cached_files(entry))


def _file(weight: WeightFile) -> Finding:
    name, digest = f"weights {weight.name}", checksums.digest_of(weight.path)
    if fault := by_address.mismatch(weight, digest):
        return Finding(name, FAILURE, f"{weight.path}: {fault}", f"delete it; {FETCH} {weight.name} brings it again")
    return Finding(name, OK, f"sha256 {digest[:12]}")


def _repository(entry: HubWeight) -> Finding:
    name, files, missing = f"weights {entry.name}", on_hub.cached_files(entry), on_hub.missing(entry)
    faults = [f"{file.name} {fault}" for file in files if (fault := on_hub.fault(entry, file))]
    if faults:
        hint = f"miro-eval weights verify {entry.name} sets it aside, {FETCH} {entry.name} brings it again"
        return Finding(name, FAILURE, f"{entry.repo}: {faults[0]}", hint)
    if missing:
        text = f"{entry.repo}: only in part in {cache()}: {missing[0]} is missing"
        return Finding(name, FAILURE if is_off() else WARNING, text, f"{FETCH} {entry.name}, where there is a network")
    unpinned = "" if entry.sha256 else ", unpinned"
    return Finding(name, OK, f"{entry.repo}@{entry.repository.commit[:12]}, {len(files)} files{unpinned}")


def quickly(environments: Sequence[str], wanted: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    """Weights that a run offline would miss, looked for and not read; ``wanted``, by stage, where it is not all."""
    entries = {
        entry.name: entry
        for stage in (ENVIRONMENTS[name].stage for name in environments)
        for entry in select([], [stage])
        if stage not in wanted or (entry.name if isinstance(entry, WeightFile) else entry.repo) in wanted[stage]
    }
    lacking = [name for name, entry in entries.items() if not is_here(entry)]
    if lacking:
        text = f"not here, and the run is offline: {', '.join(lacking)}"
        yield Finding("weights", WARNING, text, "fetch them with a network, or carry a `weights bundle` here")
