"""Files of hub repositories, from the cache or the network, with one clear line when they cannot be had."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wire.protocol import EnvironmentFailure, UserError

_SHA256 = re.compile(r"[0-9a-f]{64}")


def repo_files(repo: str, names: tuple[str, ...], revision: str | None, subfolder: str | None = None) -> list[Path]:
    """Paths of files of one revision of a repository, downloaded where the cache lacks them.

    Raises:
        UserError: the hub says that there is no such repository, revision or file.
        EnvironmentFailure: not in the cache, and the hub is offline or out of reach.
    """
    from huggingface_hub import hf_hub_download

    paths: list[Path] = []
    with hub_errors(repo, revision, subfolder):
        for name in names:
            pinned = snapshot_revision(paths[0]) if paths else revision
            paths.append(Path(hf_hub_download(repo, name, revision=pinned, subfolder=subfolder)))
    return paths


def repo_weights(repo: str, file: str | None = None) -> dict[str, str]:
    """Provenance of a pretrained model: repository, commit, and name and sha256 of its weights where they are one file.

    Args:
        repo: ``owner/name``.
        file: the weights; None where they come in shards, which the commit tells well enough.

    Raises:
        UserError: the hub says that there is no such repository or file.
        EnvironmentFailure: not in the cache, and the hub is offline or out of reach.
    """
    files = repo_files(repo, ("config.json", file) if file else ("config.json",), None)
    origin = {"repo": repo, "revision": snapshot_revision(files[0])}
    known = cached_sha256(files[-1]) if file else None
    return origin | ({"file": files[-1].name, "sha256": known} if known else {})


def snapshot_revision(path: Path) -> str:
    """The commit in the path of a cached file: ``.../snapshots/<commit>/...``."""
    parts = path.parts
    return parts[len(parts) - 1 - parts[::-1].index("snapshots") + 1]


def cached_sha256(path: Path) -> str | None:
    """The hash of a large cached file without reading it: the hub's cache names such blobs after their sha256."""
    name = path.resolve().name
    return name if _SHA256.fullmatch(name) else None


@contextmanager
def hub_errors(repo: str, revision: str | None = None, subfolder: str | None = None) -> Iterator[None]:
    """Turn the hub client's errors about ``repo`` into ours."""
    from huggingface_hub import errors

    place = repo + (f"@{revision}" if revision else "")
    try:
        yield
    except errors.GatedRepoError as error:
        raise UserError(f"{place}: gated; ask for access on the hub and log in with `hf auth login`") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"{place}: no such repository on the hub, or a private one without login") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{place}: the repository has no such revision") from error
    except errors.LocalEntryNotFoundError as error:
        raise EnvironmentFailure(_out_of_reach(place)) from error
    except errors.EntryNotFoundError as error:
        raise UserError(f"{place}: {_missing_entry(subfolder)}") from error
    except errors.HFValidationError as error:
        raise UserError(f"{place}: not a repository id ({error})") from error
    except (errors.OfflineModeIsEnabled, errors.HfHubHTTPError, OSError) as error:
        raise EnvironmentFailure(f"{_out_of_reach(place)} ({type(error).__name__})") from error


def _out_of_reach(place: str) -> str:
    return (
        f"{place}: not in the hub cache, and the hub is offline or out of reach; "
        "connect (or unset HF_HUB_OFFLINE), or copy a filled HF_HOME here"
    )


def _missing_entry(subfolder: str | None) -> str:
    inside = f"under {subfolder}/" if subfolder else "at its root (is it in a subfolder? then name the variant)"
    return (
        f"not a MIRO checkpoint: config.json, model.safetensors and uncond_embedding.npy are expected {inside}; "
        "for a pipeline of diffusers, use --backend diffusers"
    )
