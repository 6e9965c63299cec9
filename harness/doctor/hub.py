"""The weights, and the way to the hub that they come from: proxy, token, and whether anyone answers."""

from __future__ import annotations

import os
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence

from harness.doctor.host import FAILURE, OK, WARNING, Finding
from harness.environments.spec import ENVIRONMENTS
from harness.weights import HubWeight, WeightFile, by_address, checksums, on_hub
from harness.weights.fetching import Entry, is_here, select
from wire.hub_client import cache, endpoint, is_off
from wire.paths import expanded

#: Seconds to wait for the hub, or for a proxy.
TIMEOUT = 3.0
FETCH = "miro-eval weights fetch"
_SCHEMES = ("http", "https", "socks5", "socks5h")
_EXAMPLE = "http://127.0.0.1:7890"


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
        return Finding(name, FAILURE, f"{weight.path}: {fault}", f"delete it; {FETCH} {weight.name} downloads it again")
    return Finding(name, OK, f"sha256 {digest[:12]}")


def _repository(entry: HubWeight) -> Finding:
    name, files, missing = f"weights {entry.name}", on_hub.cached_files(entry), on_hub.missing(entry)
    faults = [f"{file.name} {fault}" for file in files if (fault := on_hub.fault(entry, file))]
    if faults:
        hint = f"miro-eval weights verify {entry.name} sets it aside, {FETCH} {entry.name} downloads it again"
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
        yield Finding("weights", WARNING, text, "fetch them with a network, or bring a `weights bundle`")


def proxy(*, tried: bool = True) -> Iterator[Finding]:
    """Each proxy variable: of a form that the hub's client knows and, where it is to be tried, of one that answers."""
    found = urllib.request.getproxies_environment()
    for kind in sorted({"http", "https", "all"} & found.keys()):
        name = next(name for name in os.environ if name.lower() == f"{kind}_proxy")
        address = found[kind] if "://" in found[kind] else f"http://{found[kind]}"
        yield _proxy(f"proxy {name}", address, tried)


def _proxy(subject: str, address: str, tried: bool) -> Finding:
    scheme, remedy = address.partition("://")[0].lower(), f"write it like {_EXAMPLE}, or unset it"
    if scheme not in _SCHEMES:
        known = ", ".join(f"{known}://" for known in _SCHEMES)
        remedy = "write socks5:// for it, or unset it" if scheme.startswith("socks") else remedy
        return Finding(subject, WARNING, f"{scheme}:// is an unknown kind of proxy; expected {known}", remedy)
    try:
        parts = urllib.parse.urlsplit(address)
        place = (parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(scheme, 1080))
        address.encode("ascii")
    except ValueError:
        place = ("", 0)
    if not place[0]:
        return Finding(subject, WARNING, "is not the address of a proxy", remedy)
    try:
        if tried:
            socket.create_connection(place, timeout=TIMEOUT).close()
    except (OSError, ValueError) as error:
        return Finding(subject, WARNING, f"{place[0]}:{place[1]} does not answer ({error})", "start it, or unset it")
    if scheme.startswith("socks"):
        text = f"{place[0]}:{place[1]} is a SOCKS proxy, which not every stage can use"
        return Finding(subject, WARNING, text, "miro-eval weights fetch, then --offline; or name an HTTP proxy")
    return Finding(subject, OK, f"{place[0]}:{place[1]} answers")


def token() -> Finding:
    """The hub's token, where there is one: only its characters are looked at, and none is shown."""
    home = expanded(os.environ.get("HF_HOME") or "~/.cache/huggingface")
    file = expanded(os.environ.get("HF_TOKEN_PATH") or home / "token")
    name = next((name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)), "")
    try:
        held = os.environ[name] if name else file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Finding("hub token", OK, "none, which public models do not need")
    except (OSError, ValueError) as error:
        return Finding("hub token", WARNING, f"{file} cannot be read ({error})", "hf auth login writes a new one")
    if unfit := re.search(r"[^\w.-]", held.strip(), re.ASCII):
        text = f"{name or file} holds {unfit[0]!a} at place {unfit.start() + 1}, which no token has"
        return Finding("hub token", WARNING, text, "copy the token again, without quotes and spaces: hf_ and letters")
    return Finding("hub token", OK, f"from {name or file}")


def hub() -> Finding:
    """Whether the model hub can be reached, or has been said to be away."""
    if is_off():
        return Finding("model hub", OK, "HF_HUB_OFFLINE is set: cached models only")
    address = urllib.parse.urlsplit(endpoint())
    if {address.scheme, "all"} & urllib.request.getproxies_environment().keys():
        return Finding("model hub", OK, f"{address.hostname} is asked through the proxy; cache at {cache()}")
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout=TIMEOUT).close()
    except (OSError, ValueError) as error:
        hint = "check the network or HF_ENDPOINT; with everything cached, use --offline"
        return Finding("model hub", WARNING, f"{address.hostname} cannot be reached ({error})", hint)
    return Finding("model hub", OK, f"{address.hostname} answers; cache at {cache()}")
