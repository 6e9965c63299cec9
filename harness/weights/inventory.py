"""What is here of the weights, without fetching anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.weights import by_address, checksums, on_hub
from harness.weights.entries import UNPINNED, HubWeight, WeightFile, load_hub, load_weights
from harness.weights.fetching import Entry, select, verify
from wire.errors import EnvironmentFailure
from wire.hub_client import shown


def inventory(names: Sequence[str], stages: Sequence[str]) -> list[dict[str, Any]]:
    """A record an entry, extras included; see ``weights list --json`` in ``docs/reliability.md``."""
    entries = _chosen(names, stages)
    return [_of_file(entry) if isinstance(entry, WeightFile) else _of_repository(entry) for entry in entries]


def _chosen(names: Sequence[str], stages: Sequence[str]) -> list[Entry]:
    return select(names, stages) if names or stages else [*load_weights().values(), *load_hub().values()]


def _of_file(weight: WeightFile) -> dict[str, Any]:
    here = weight.path.exists()
    first = checksums.first_use(weight.name)
    digits = len(weight.sha256)
    pinned = "pinned" if digits == 64 else f"first {digits} digits" + (", rest on first use" if first else "")
    return {
        "name": weight.name,
        "from": weight.urls[0].split("/")[2],
        "revision": "",
        "pinned": pinned,
        "files": [{"file": weight.file, "sha256": weight.sha256, "first_use": first}],
        "bytes": weight.path.stat().st_size if here else weight.size,
        "stages": list(weight.stages),
        "licence": weight.licence,
        "source": weight.source,
        "urls": list(map(shown, by_address.addresses(weight))),
        "extra": False,
        "runs_code": False,
        "here": here,
    }


def _of_repository(entry: HubWeight) -> dict[str, Any]:
    cached = on_hub.cached_files(entry)
    first_uses = {file.name: checksums.first_use(on_hub.place(entry, file.name)) for file in cached}
    records = [
        {"file": name, "sha256": entry.sha256.get(name), "first_use": first} for name, first in first_uses.items()
    ]
    return {
        "name": entry.name,
        "from": entry.repo,
        "revision": entry.repository.commit,
        "pinned": _pinned(entry, records),
        "files": records
        or [{"file": name, "sha256": entry.sha256.get(name), "first_use": None} for name in entry.files],
        "bytes": sum(file.blob.stat().st_size for file in cached),
        "stages": list(entry.stages),
        "licence": entry.licence,
        "source": entry.source,
        "urls": [],
        "extra": entry.extra,
        "runs_code": entry.runs_code,
        "here": not on_hub.missing(entry),
    }


def _pinned(entry: HubWeight, records: list[dict[str, Any]]) -> str:
    if records and all(record["sha256"] for record in records):
        return "pinned"
    seen = bool(records) and all(record["sha256"] or record["first_use"] for record in records)
    if any(checksums.unproved(on_hub.place(entry, record["file"])) for record in records):
        return "unproved, from a bundle"
    by_revision = "by revision" if entry.revision else UNPINNED
    return by_revision + (", recorded on first use" if seen else "")


def verify_here(names: Sequence[str], stages: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hash everything that is here; files with other bytes than promised are set aside.
    Returns a line for each entry, and one for each file that was set aside.
    """
    entries = _chosen(names, stages)
    lines, problems = [], []
    for entry in entries:
        line, faults = _verify(entry)
        lines.append(f"{entry.name}: {line}")
        problems += faults
    return lines, problems


def _verify(entry: Entry) -> tuple[str, list[str]]:
    if isinstance(entry, HubWeight):
        count = len(on_hub.cached_files(entry))
        notes, faults = verify([entry])
        state = f"{count - len(faults)} files as promised" if count else "not here"
        return "; ".join([state, *notes]), faults
    if not entry.path.exists():
        return "not here", []
    try:
        return f"as promised, sha256 {by_address.check(entry, entry.path)[:12]}...", []
    except EnvironmentFailure as error:
        return "other bytes", [str(error)]
