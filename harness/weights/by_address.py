"""Weights published by address: downloaded once, continued where a download broke off, never used unverified."""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from harness.environments.spec import Progress
from harness.weights import checksums
from harness.weights.entries import WeightFile, weights_of
from wire.errors import EnvironmentFailure, UserError
from wire.files import replacing, sha256_of_file
from wire.hub_client import shown
from wire.untrusted import require_file

#: Bytes read at a time: small enough for a live progress display.
CHUNK = 1 << 20
#: Seconds without an answer after which the next address is tried.
TIMEOUT = 60.0
#: How often a connection that breaks off is taken up again, as long as each one brings something.
RETRIES = 20
#: Address of a folder with the files under their own names, asked before the publishers.
MIRROR = "MIRO_EVAL_WEIGHTS_MIRROR"

_BRING = "miro-eval weights fetch {} --from FILE"
Bytes = Callable[[int, int], None]


def ensure_weights(stage: str, offline: bool, progress: Progress) -> Mapping[str, Path]:
    """Paths of a stage's files by name, fetching what is missing.
    Raises EnvironmentFailure: offline and missing, unreachable, or not the published bytes.
    """
    return {weight.name: ensure(weight, offline, progress) for weight in weights_of(stage)}


def ensure(weight: WeightFile, offline: bool, progress: Progress) -> Path:
    """Path of one verified file; see :func:`ensure_weights`."""
    if not weight.path.exists():
        if offline:
            raise EnvironmentFailure(
                f"weights {weight.name} are not here and the run is offline: bring the file along (sha256 "
                f"{weight.sha256[:12]}...) with `{_BRING.format(weight.name)}`, or run once with a network"
            )
        weight.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(weight.path.with_name(weight.file + ".lock")):
            if not weight.path.exists():
                _fetch(weight, progress)
    check(weight, weight.path)
    return weight.path


def bring(weight: WeightFile, file: Path) -> str:
    """Copy a file that was brought along to its place, where it has the published bytes; returns its digest.
    Raises UserError: it has not, or cannot be read; EnvironmentFailure: the copy cannot be written.
    """
    require_file(file)
    weight.path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(weight.path.with_name(weight.file + ".lock")):
        try:
            with replacing(weight.path) as partial:
                shutil.copyfile(file, partial)
                if fault := mismatch(weight, sha256_of_file(partial)):
                    raise UserError(f"{file} is not {weight.name}, and is not used: its bytes {fault}")
        except PermissionError as error:
            raise UserError(f"{file}: cannot be copied to {weight.path} ({error.strerror})") from error
        except OSError as error:
            raise EnvironmentFailure(f"{weight.path}: cannot be written ({error.strerror})") from error
        return check(weight, weight.path)


def check(weight: WeightFile, path: Path) -> str:
    """The digest of a file that has the published bytes; of any other, the file is set aside.

    Where the publisher tells only the first digits, the rest is recorded when the file is first seen.

    Raises EnvironmentFailure: other bytes; the message says where the file is now.
    """
    digest = checksums.digest_of(path)
    if fault := mismatch(weight, digest):
        rejected = path.with_name(weight.file + ".rejected")
        os.replace(path, rejected)
        raise EnvironmentFailure(f"weights {weight.name} {fault}: set aside as {rejected}, not used")
    if len(weight.sha256) < 64 and checksums.first_use(weight.name) is None:
        checksums.record_first_use(weight.name, digest, path.stat().st_size)
    return digest


def mismatch(weight: WeightFile, digest: str) -> str:
    """What is wrong with a file of that digest; empty where nothing is."""
    if not digest.startswith(weight.sha256):
        return f"have sha256 {digest}, expected {weight.sha256}"
    first = checksums.first_use(weight.name)
    if first and first["sha256"] != digest:
        return f"have sha256 {digest}, and had {first['sha256']} at their first use"
    return ""


def addresses(weight: WeightFile) -> tuple[str, ...]:
    """Addresses to ask, in order."""
    mirror = os.environ.get(MIRROR)
    return ((f"{mirror.rstrip('/')}/{urllib.parse.quote(weight.file)}",) if mirror else ()) + weight.urls


def _request(url: str, have: int) -> urllib.request.Request:
    """Asks for what follows the first ``have`` bytes. A name and password go to this address alone, no redirection's.
    Raises ValueError: nothing that can be asked; the message shows no password.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        login, at, place = parts.netloc.rpartition("@")
        known = parts.scheme in ("http", "https", "ftp", "file")
        parts._replace(netloc=place).port  # noqa: B018 - a password with a slash in it is taken for one
    except ValueError:
        known = False
    if not known:
        raise ValueError("not an address, as https://host/folder; in a password a slash is written %2F")
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(parts._replace(netloc=place).geturl(), headers=headers)  # noqa: S310 - our own list
    if at:
        code = base64.b64encode(urllib.parse.unquote_to_bytes(login)).decode()
        request.add_unredirected_header("Authorization", f"Basic {code}")
    return request


def _fetch(weight: WeightFile, progress: Progress) -> None:
    problems: list[str] = []
    partial = weight.path.with_name(weight.file + ".partial")
    for url in addresses(weight):
        try:
            _download_wholly(url, partial, lambda done, total: progress(done, total, f"fetching {weight.name} (bytes)"))
        except (OSError, ValueError, http.client.HTTPException) as error:
            problems.append(f"{shown(url)}: {error}")
            continue
        check(weight, partial)
        os.replace(partial, weight.path)
        return
    raise EnvironmentFailure(
        f"weights {weight.name} cannot be fetched: check the network, or bring the file along with "
        f"`{_BRING.format(weight.name)}`\n" + "\n".join(problems)
    )


def _download_wholly(url: str, partial: Path, progress: Bytes) -> None:
    """Fetch ``url``, taking it up again where the connection breaks off."""
    for _ in range(RETRIES):
        before = _size(partial)
        try:
            _download(url, partial, progress)
            return
        except urllib.error.HTTPError as error:
            if error.code != 416 or before == 0:  # "range not satisfiable": what is here is not a part of that file
                raise
            partial.unlink()
        except (OSError, http.client.HTTPException):
            if _size(partial) <= before:
                raise
    raise OSError(f"was interrupted {RETRIES} times")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _download(url: str, partial: Path, progress: Bytes) -> None:
    """Fetch ``url``, continuing a partial file where the server allows it.
    Raises OSError: the server is out of reach, or closes the connection before the end.
    """
    have = _size(partial)
    with urllib.request.urlopen(_request(url, have), timeout=TIMEOUT) as answer:  # noqa: S310 - our own list
        resumed = answer.status == 206
        total = int(answer.headers.get("Content-Length") or 0) + (have if resumed else 0)
        with partial.open("ab" if resumed else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                progress(file.tell(), total)
            if file.tell() < total:
                raise OSError(f"the connection closed after {file.tell()} of {total} bytes")
