"""The way to the hub: proxy, token, and whether anyone answers."""

from __future__ import annotations

import os
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import OK, WARNING, Finding
from wire.hub_client import cache, endpoint, is_off

#: Seconds to wait for the hub, or for a proxy.
TIMEOUT = 3.0
_SCHEMES = ("http", "https", "socks5", "socks5h")
_EXAMPLE = "http://127.0.0.1:7890"


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
        return Finding(subject, WARNING, f"{scheme}:// is no kind of proxy; known are {known}", remedy)
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
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    file = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser()
    name = next((name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)), "")
    try:
        held = os.environ[name] if name else file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Finding("hub token", OK, "none, which public models do not need")
    except (OSError, ValueError) as error:
        return Finding("hub token", WARNING, f"{file} cannot be read ({error})", "hf auth login writes it anew")
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
