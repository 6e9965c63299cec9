"""How the Hugging Face hub is asked: through its own client, which is imported only then.

Every question has an end, and every failure is one line with the hub's address, its status and the client's own words.
What is asked for is decided in :mod:`wire.hub`. Python >= 3.10; ``huggingface_hub`` 0.36 and 1.x do.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from wire.errors import DISK_FAULTS, EnvironmentFailure, MiroEvalError
from wire.paths import expanded

#: Seconds without an answer after which a question is given up.
TIMEOUT = 10.0

Say = Callable[[str], None]
Bytes = Callable[[int, int], None]


class Refused(EnvironmentFailure):
    """The hub answers, and has no such thing, or not for this user."""


class NoSuchFile(Refused):
    """The repository is there, and has not the file."""


def cache() -> Path:
    """Where the hub's client keeps repositories."""
    root = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return expanded(os.environ.get("HF_HUB_CACHE") or Path(root) / "hub")


def endpoint() -> str:
    """The hub's address."""
    return (os.environ.get("HF_ENDPOINT", "").strip() or "https://huggingface.co").rstrip("/")


def shown(url: str) -> str:
    """An address as it may be printed: without the name and password that it may bear."""
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def is_off() -> bool:
    """Whether the user said that the hub must not be asked."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def client() -> Any:
    """The hub's client; its questions end, those too that libraries put through it."""
    session = import_module("huggingface_hub.utils").get_session()
    if hasattr(session, "timeout"):
        session.timeout = TIMEOUT
    return import_module("huggingface_hub")


def ask(repo: str, revision: str) -> Any:
    """What the hub knows of a repository's revision: commit, and names and sizes of its files."""
    return client().HfApi(endpoint=endpoint()).model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT)


def read(path: str, timeout: float) -> bytes:
    """A small file by its path on the hub, with the user's login, which goes to the hub alone.
    Raises EnvironmentFailure: it is not to be had, and why.
    """
    if is_off():
        raise EnvironmentFailure(f"{path}: HF_HUB_OFFLINE is set")
    with asking(path):
        utils = import_module("huggingface_hub.utils")
        answer = utils.get_session().get(f"{endpoint()}/{path}", headers=utils.build_hf_headers(), timeout=timeout)
        answer.raise_for_status()
        return bytes(answer.content)


def bar(progress: Bytes, total: int) -> type:
    """What the client takes for progress bars, each of a file; it adds them up."""
    done = 0

    def update(_bar: object, count: float | None = 1) -> None:
        nonlocal done
        done += int(count or 0)
        progress(min(done, total), total)

    tqdm: type = import_module("tqdm").tqdm
    return type("Bar", (tqdm,), {"update": update, "display": lambda *_, **__: True})


@contextlib.contextmanager
def asking(place: str) -> Iterator[None]:
    """Whatever the client raises about ``place``, which may be of any class and any HTTP library, becomes one line.
    Raises Refused, EnvironmentFailure: as for :meth:`wire.hub.Repository.get`.
    """
    try:
        yield
    except MiroEvalError:
        raise
    except Exception as error:
        raise _in_our_words(place, error) from error


def _in_our_words(place: str, error: Exception) -> EnvironmentFailure:
    errors = import_module("huggingface_hub.errors")
    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # what the client met when it asked
    for kind, ours, words in (
        ("GatedRepoError", Refused, "gated; ask for access on the hub and log in with `hf auth login`"),
        ("RepositoryNotFoundError", Refused, "no such repository on the hub, or a private one without login"),
        ("RevisionNotFoundError", Refused, "the repository has no such revision"),
        ("HFValidationError", Refused, f"not a repository id ({_words(error)})"),
        ("LocalEntryNotFoundError", EnvironmentFailure, f"not in the hub cache {cache()} ({_words(error)})"),
        ("EntryNotFoundError", NoSuchFile, f"no such file in the repository ({_words(error)})"),
        ("OfflineModeIsEnabled", EnvironmentFailure, f"not in the hub cache {cache()}, and the hub is offline"),
    ):
        if isinstance(error, getattr(errors, kind)):
            return ours(f"{place}: {words}")
    if isinstance(error, OSError) and (error.filename or error.errno in DISK_FAULTS):
        return EnvironmentFailure(f"{place}: {error.filename or cache()}: {error.strerror}")
    return EnvironmentFailure(f"{place}: {shown(endpoint())} did not give it ({_words(error)})")


def _words(error: Exception) -> str:
    """The error's kind, the answer's status and the client's sentence."""
    status = getattr(getattr(error, "response", None), "status_code", "")
    sentence = re.sub(r"//[^/\s]*@", "//", " ".join(str(error).split()))[:300]  # no password of the address
    return ": ".join(part for part in (f"{type(error).__name__} {status}".strip(), sentence) if part)


_say: list[Say] = []


def tell(say: Say, alone: bool = False) -> None:
    """From now on ``say`` is told that the hub is away, and how long the client waits before it asks again.

    With ``alone``, the client itself writes nothing to standard error.
    """
    _say[:] = [say]
    logger = logging.getLogger("huggingface_hub")
    if alone:
        import_module("huggingface_hub.utils")  # which makes the client's own handler
    others = [handler for handler in logger.handlers if not alone and not isinstance(handler, _Waits)]
    logger.handlers[:] = [*others, _Waits(logging.WARNING)]


class _Waits(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what the client says of its retries."""
        if "[Retry " in (text := record.getMessage()):
            for say in _say:
                say(f"{shown(endpoint())}: {text}")


@lru_cache
def away(address: str) -> str:
    """Why the hub at that address can't be asked; empty where it answers, whatever it says.

    Found out once, instead of through minutes of retries by its client. Behind a proxy nothing is tried.
    """
    if urllib.request.getproxies():
        return ""
    address = shown(address)
    try:
        request = urllib.request.Request(f"{address}/api/whoami-v2", method="HEAD")  # noqa: S310 - the user's own
        urllib.request.urlopen(request, timeout=TIMEOUT).close()  # noqa: S310
    except urllib.error.HTTPError as answer:
        answer.close()
    except (OSError, ValueError, http.client.HTTPException) as error:  # the last from what is no hub, or no address
        reason = f"{address} is out of reach ({getattr(error, 'reason', error)})"
        for say in _say:
            say(f"{reason}; working from the hub cache alone")
        return reason
    return ""


@contextlib.contextmanager
def from_the_cache() -> Iterator[None]:
    """Libraries that load models by name find them in the cache, and ask nobody."""
    constants: Any = import_module("huggingface_hub.constants")
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
