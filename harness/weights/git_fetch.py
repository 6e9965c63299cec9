"""git's own objects of a commit, asked of the hub with the system's ``git``: the commit and its trees, no file.

Nothing of what comes is run or checked out: the repository is bare, temporary, without hooks and configuration.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from harness.weights import git_proof
from wire.hub_client import endpoint, is_off, shown

#: Seconds for git as a whole to bring a commit and its trees, a few kilobytes.
TIMEOUT = 60.0
_SETTINGS = (
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "credential.helper=", "protocol.ext.allow=never"),
    *("gc.auto=0", "maintenance.auto=false", "http.lowSpeedLimit=1", "http.lowSpeedTime=30"),
)
#: Answers git's question for a login, from the environment: command lines can be read by everyone on the machine.
_LOGIN = (
    'credential.helper=!f() { test "$1" != get || printf "username=%s\\npassword=%s\\n" "$HUB_USER" "$HUB_PASS"; }; f'
)
_FETCH = ("fetch", "--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "--no-recurse-submodules")


def objects_of(repo: str, commit: str, names: Iterable[str]) -> dict[str, bytes]:
    """The objects, by name, that prove where in a commit these files are.
    Raises OSError, subprocess.SubprocessError: no git, no network, no such commit; ValueError: the commit holds what no
    proof may rest on.
    """
    if is_off():
        raise OSError("HF_HUB_OFFLINE is set")
    objects: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:

        def read(kind: str, name: str) -> bytes:
            if name not in objects:
                objects[name] = git_proof.named(kind, _git(Path(folder), "cat-file", kind, name))
            return objects[name]

        _git(Path(folder), "init", "--quiet", "--bare", "--template=")
        _git(Path(folder), "-c", _LOGIN, *_FETCH, "--", f"{shown(endpoint())}/{repo}", commit)
        for name in names:
            git_proof.blob_at(read, commit, name)
    return objects


def _git(folder: Path, *arguments: str) -> bytes:
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    command = ["git", *settings, *arguments]
    return subprocess.run(
        command, cwd=folder, env=_environment(folder), stdin=subprocess.DEVNULL, capture_output=True, check=True,
        timeout=TIMEOUT,
    ).stdout  # fmt: skip


def _environment(home: Path) -> dict[str, str]:
    """The caller's, for proxies and certificates, but without what would lead git to other places or programs."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key.startswith("GIT_SSL_")}
    address = urllib.parse.urlsplit(endpoint())
    name, word = (urllib.parse.unquote(part or "") for part in (address.username, address.password))
    return kept | {
        "HUB_USER": name,
        "HUB_PASS": word,
        "GIT_ALLOW_PROTOCOL": "https:http:file",
        "GIT_ASKPASS": "true",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_DIR": str(home),
        "GIT_TERMINAL_PROMPT": "0",
        "HOME": str(home),
        "LC_ALL": "C",
    }
