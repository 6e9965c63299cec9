"""What lies in place of a checkpoint: a git-lfs pointer, a web page, a dead link, another program's file or folder.

Standard library only: the orchestrator looks before it makes an environment. A link and the first bytes are looked at,
which takes no time, whatever the size.
"""

from __future__ import annotations

import errno
import struct
import zipfile
from pathlib import Path

_POINTER = "a git-lfs pointer instead of the file itself; run `git lfs pull` where it was cloned, or download it again"
_PAGE = "a web page instead of the file itself, such as a login or an error of the server; download it again"
_ANSWER = "a server's message instead of the file itself; download it again"
#: First bytes, in small letters, of what a download gives in place of a file.
_SUBSTITUTES = (
    *((first, _PAGE) for first in (b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")),
    *((first, _ANSWER) for first in (b"<?xml", b"<error", b'{"error', b'{"message', b"entry not found", b"access to ")),
    (b"version https://git-lfs.github.com/", _POINTER),
)
#: First bytes of other formats than today's of PyTorch.
_FORMATS = (
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "in that before 1.6; load it with torch and save it again"),
    (b"\x80", "a bare pickle; expected what torch.save writes"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"BZh", "a bzip2 archive; unpack it"),
    (b"\xfd7zXZ", "an xz archive; unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it"),
    (bytes(64), "empty space, which a download that did not finish leaves; download it again"),
)
#: The pickle in a checkpoint has a few hundred bytes a tensor; the numbers lie beside it.
LARGEST_PICKLE = 1 << 26


def fault_of(path: Path) -> str:
    """What is wrong with a file that should hold data, and what to do; empty where nothing is seen or no file is."""
    if path.is_symlink() and (dead := _dead_link(path)):
        return dead
    if not path.is_file():
        return ""
    try:
        start = _head(path).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return next((fault for first, fault in _SUBSTITUTES if start.startswith(first)), "")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _dead_link(path: Path) -> str:
    """What is wrong with a link that cannot be followed; empty for one that leads somewhere."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a link that leads back to itself; name the file that it should lead to"
        return f"a link to {path.readlink()}, which is not there; put it there, or name another file"
    return ""


def archive_fault(path: Path) -> str:
    """What is wrong with a file that should be PyTorch's: a zip archive with a pickle and, beside it, plain numbers.

    PyTorch compresses nothing in it, so its members cannot be larger than the file.
    """
    if fault := fault_of(path):
        return f"not a PyTorch checkpoint, but {fault}" if path.is_file() else fault
    try:
        head = _head(path)
        members = _members(path) if head[:4] == b"PK\x03\x04" else []
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        return f"unreadable or cut short ({error}); copy or download it again"
    pickles = [member for member in members if member.filename.endswith("/data.pkl")]
    if not pickles:
        return _format(head)
    if any(member.filename.endswith("/constants.pkl") for member in members):
        return "a TorchScript program, not a checkpoint; give the .ckpt that Lightning wrote"
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        return "its content is compressed, as PyTorch never leaves it; unpack it, or give the file that training wrote"
    if (size := max(member.file_size for member in pickles)) > LARGEST_PICKLE:
        return f"its data.pkl has {size} bytes; no checkpoint has more than {LARGEST_PICKLE}"
    return ""


def _members(path: Path) -> list[zipfile.ZipInfo]:
    """What an archive holds; BadZipFile also where another reader, torch's, could find another directory in it.

    Python takes the one at the archive's end, torch the one that the end points to.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        at = file.seek(-min(98, file.seek(0, 2)), 2)
        tail = file.read()
        end, (length, start) = at + len(tail) - 22, struct.unpack("<LL", tail[-10:-2])
        if tail[-42:-38] == b"PK\x06\x07":  # the larger form, which torch writes too
            if struct.unpack("<Q", tail[-34:-26]) != (at,):
                raise zipfile.BadZipFile("two ends")
            end, (length, start) = at, struct.unpack("<QQ", tail[40:56])
        if tail[-22:-18] != b"PK\x05\x06" or start + length != end:
            raise zipfile.BadZipFile("its end is not where it should be")
        return archive.infolist()


def _format(head: bytes) -> str:
    """What a file is that is no archive of PyTorch's."""
    if not head:
        return "not a PyTorch checkpoint, but an empty file; copy or download it again"
    if head[8:9] == b"{":  # after the length of its header
        return (
            "not a PyTorch checkpoint, but weights in safetensors format; give the .ckpt, or the published layout's "
            "folder"
        )
    if head[:40].decode("latin-1").replace("\n", "").replace("\r", "").isprintable() and head.isascii():
        return f"not a PyTorch checkpoint, but a text that begins {head[:40]!r}; copy or download it again"
    named = next((name for first, name in _FORMATS if head.startswith(first)), "")
    return (
        f"not in PyTorch's zip format, but {named}"
        if named
        else "not a PyTorch checkpoint; expected a .ckpt that Lightning wrote"
    )


def shards_in(folder: Path) -> str:
    """What distributed training left in a folder in place of a checkpoint, and what to do; empty where it left none.

    The folder is looked into, and those in it.
    """
    for place in (folder, *sorted(path for path in folder.glob("*") if path.is_dir())):
        holds = "" if place == folder else f"holds {place.name}, "
        if _has(place, "*.distcp", ".metadata"):
            return (
                f"{holds}a folder that FSDP wrote, with a part of the weights for each process; make one file of it "
                f"with `python -m pytorch_lightning.utilities.consolidate_checkpoint {place}` and name that"
            )
        if _has(place, "zero_to_fp32.py", "mp_rank_*", "*/mp_rank_*", "*zero_pp_rank_*"):
            return (
                f"{holds}a folder that DeepSpeed wrote, with a part of the weights for each process; make one file of "
                "it with convert_zero_checkpoint_to_fp32_state_dict of pytorch_lightning.utilities.deepspeed and name "
                "that"
            )
    return ""


def fault_in_pipeline(folder: Path) -> str:
    """The first fault in a diffusers pipeline's files; of weights only where all of a part's have one."""
    parts: dict[Path, list[str]] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".safetensors", ".bin", ".json"):
            part = file if file.suffix == ".json" else file.parent
            parts.setdefault(part, []).append((fault := fault_of(file)) and f"{file}: {fault}")
    return next((faults[0] for faults in parts.values() if all(faults)), "")


def _has(folder: Path, *patterns: str) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in patterns)
