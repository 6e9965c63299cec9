"""Notices at once that the hub is out of reach, instead of through minutes of retries by its client."""

from __future__ import annotations

import os
import socket
import urllib.parse
import urllib.request

#: Seconds to wait for a connection to the hub.
PATIENCE = 5.0

DEFAULT_ENDPOINT = "https://huggingface.co"


def work_offline_if_unreachable() -> str | None:
    """Set ``HF_HUB_OFFLINE`` where no connection to the hub's endpoint can be made; returns what was found then.

    To be called before anything of the hub's libraries is imported, for they read the variable once. Behind a proxy
    nothing is tried, because a direct connection would tell nothing.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE") or urllib.request.getproxies():
        return None
    endpoint = os.environ.get("HF_ENDPOINT", DEFAULT_ENDPOINT)
    address = urllib.parse.urlsplit(endpoint)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout=PATIENCE).close()
    except OSError as error:
        os.environ["HF_HUB_OFFLINE"] = "1"
        return f"{endpoint} is out of reach ({error}); working from the hub cache alone"
    return None
