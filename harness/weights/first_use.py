"""Trust on first use: what workers say that they have loaded is compared with what was loaded before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.weights import checksums
from harness.weights.entries import load_hub
from harness.weights.on_hub import UNPROVED


def note_use(weights: Iterable[dict[str, Any]]) -> list[str]:
    """Record the hub's files that are not pinned, and tell of those that have changed.

    Args:
        weights: a worker's provenance: ``source`` or ``repo``, ``file``, ``revision``, ``sha256``; others do not count.

    Returns:
        One line on what was recorded, and one for each file that differs from its first use, or was never proved.
    """
    pinned = {(entry.repo, name) for entry in load_hub().values() for name in entry.sha256}
    loaded = [weight for weight in map(_place, weights) if weight and weight[:2] not in pinned]
    unproved = [weight for weight in loaded if checksums.unproved("/".join(weight[:2])) == weight[3]]
    used = [weight for weight in loaded if weight not in unproved]
    new = [weight for weight in used if checksums.first_use("/".join(weight[:2])) is None]
    lines = [line for weight in used if weight not in new and (line := _change(*weight))]
    for repo, file, revision, digest in new:
        checksums.record_first_use(f"{repo}/{file}", digest, 0, revision)
    if new:
        named = ", ".join(f"{repo}/{file} {digest[:12]}" for repo, file, _, digest in new)
        lines.append(f"unpinned weights, recorded on first use: {named}")
    return lines + [f"{repo}/{file}: {UNPROVED}" for repo, file, _, _ in unproved]


def _place(weight: dict[str, Any]) -> tuple[str, str, str, str] | None:
    fields = (weight.get("repo") or weight.get("source"), *(weight.get(key) for key in ("file", "revision", "sha256")))
    whole = all(isinstance(field, str) and field for field in fields)
    return (str(fields[0]), str(fields[1]), str(fields[2]), str(fields[3])) if whole else None


def _change(repo: str, file: str, revision: str, digest: str) -> str:
    first = checksums.first_use(f"{repo}/{file}") or {}
    if first.get("sha256") == digest:
        return ""
    return (
        f"{repo}/{file} is not what it was on its first use: sha256 {str(first.get('sha256'))[:12]} at revision "
        f"{str(first.get('revision'))[:12]}, now {digest[:12]} at {revision[:12]}"
    )
