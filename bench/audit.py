"""Known vulnerabilities of every locked package: ``python -m bench.audit FOLDER``.

``FOLDER`` is a clone of the Python Packaging Authority's advisory database (github.com/pypa/advisory-database), one of
those that ``pip-audit`` asks over the network. Prints a line for each advisory that fits a locked version, with the
locks it is in. ``docs/security.md`` answers each.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomllib
import yaml
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {"orchestrator": ROOT} | {name: ROOT / "envs" / name for name in ("miro", "geneval", "geneval-lite", "rewards")}


def locked() -> dict[str, dict[str, list[str]]]:
    """Package -> version -> locks that have it."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for lock, folder in LOCKS.items():
        for package in tomllib.loads((folder / "uv.lock").read_text(encoding="utf-8"))["package"]:
            if "registry" in package["source"]:
                found[normal(package["name"])][package["version"]].append(lock)
    return found


def normal(name: str) -> str:
    """A package's name as the registry spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def advisories(folder: Path) -> Iterator[dict[str, Any]]:
    """Every advisory that has not been withdrawn."""
    for path in sorted(folder.rglob("*.yaml")):
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not record.get("withdrawn"):
            yield record


def fits(version: str, affected: dict[str, Any]) -> bool:
    """Whether a version is one of those affected."""
    if version in affected.get("versions", ()):
        return True
    ranges = [span["events"] for span in affected.get("ranges", ()) if span["type"] == "ECOSYSTEM"]
    return any(_in_range(Version(version), events) for events in ranges)


def _in_range(version: Version, events: list[dict[str, str]]) -> bool:
    inside = False
    for event in events:
        ((kind, text),) = event.items()
        bound = _version(text)
        if bound is None:
            continue
        if kind == "introduced":
            inside = inside or version >= bound
        else:
            inside = inside and (version < bound if kind == "fixed" else version <= bound)
    return inside


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def fixed_in(affected: dict[str, Any]) -> str:
    """The versions that mend it."""
    events = [event for span in affected.get("ranges", ()) if span["type"] == "ECOSYSTEM" for event in span["events"]]
    return ", ".join(event["fixed"] for event in events if "fixed" in event) or "none"


def findings(folder: Path) -> Iterator[tuple[str, str, str, str, str, str]]:
    """(package, version, locks, advisory, fixed in, summary), each advisory once."""
    packages, seen = locked(), set()
    for record in advisories(folder):
        for affected in record.get("affected", ()):
            package = normal(affected["package"]["name"])
            for version, locks in packages.get(package, {}).items():
                aliases = [name for name in (*record.get("aliases", ()), record["id"]) if name.startswith("CVE")]
                name = aliases[0] if aliases else record["id"]
                if fits(version, affected) and (package, version, name) not in seen:
                    seen.add((package, version, name))
                    summary = " ".join(str(record.get("details", "")).split())[:160]
                    yield package, version, ", ".join(locks), name, fixed_in(affected), summary


def main() -> None:
    """Print the findings."""
    found = list(findings(Path(sys.argv[1])))
    for row in found:
        print(" | ".join(row))  # noqa: T201
    print(f"{len(found)} findings in {sum(len(versions) for versions in locked().values())} locked versions")  # noqa: T201


if __name__ == "__main__":
    main()
