"""Hostile pickles by the hundred thousand: ``python -m tests.generation.checkpoints.pickle_fuzz``.

Programs of instructions drawn at random, and a real checkpoint's with instructions put in, left out or changed. Each
must end in a state dict or a ``UserError`` within two seconds and 2 GB; nothing may be imported or called meanwhile,
and what stands for everything must stay as it is. A fault ends the run with the program that caused it.
"""

from __future__ import annotations

import argparse
import collections
import io
import pickletools
import random
import resource
import signal
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import torch

from generation.checkpoints import restricted_pickle
from generation.checkpoints.restricted_pickle import read_lightning
from wire.errors import UserError

FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None
#: Audit events of what a checkpoint must not bring about.
FORBIDDEN = ("import", "exec", "compile", "os.", "subprocess.", "socket.", "ctypes.", "shutil.", "pickle.find_class")
NAMES = (
    "os system", "builtins eval", "builtins getattr", "builtins tuple", "functools partial", "a.b c.d", "torch load",
    "collections OrderedDict", "collections defaultdict", "copyreg _reconstructor", "__main__ Mine",
    "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter",
    "torch FloatStorage", "torch HalfStorage", "torch UntypedStorage", "omegaconf.dictconfig DictConfig",
    "generation.checkpoints.restricted_pickle StandIn",
)  # fmt: skip
TEXTS = ("state_dict", "x", "storage", "0", "1", "cpu", "cuda:0", "meta", "", "__class__", "\u202e")
NUMBERS = (0, 1, 2, 4, 255, 65535, -1, 1 << 31, 1 << 61, 10**12, (1 << 61) - 1, 1 << 400)


def text(value: str) -> bytes:
    """The instruction for a text."""
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def number(value: int) -> bytes:
    """The instruction for a whole number."""
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + len(content).to_bytes(1, "little") + content


STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00K\x02\x85K\x01\x85\x89NtR"
#: Beside every instruction without an argument: those with one, and what a checkpoint is made of.
PARTS = (
    *(f"c{name.replace(' ', chr(10))}\n".encode() for name in NAMES),
    *map(text, TEXTS), *map(number, NUMBERS), *(bytes([code, place]) for code in b"qh" for place in range(4)),
    *(bytes([ord(one.code)]) for one in pickletools.opcodes if one.arg is None and one.name != "STOP"),
    b"p3\n", b"g3\n", b"G?\xf0\0\0\0\0\0\0", b"\x8c\x01x", b"C\x01x", b"P1\n", b"I7\n", b"L7L\n", b"F1.5\n",
    b"\x95\x04\0\0\0\0\0\0\0", b"\x82\x01", STORAGE, TENSOR, TENSOR, b"}" + text("x") + TENSOR + b"s",
)  # fmt: skip


def real_program() -> list[bytes]:
    """The instructions of a pickle that PyTorch wrote."""
    made = io.BytesIO()
    baggage = {"paths": [Path("/x")], "counts": collections.Counter("aab"), "type": torch.float16}
    torch.save({"state_dict": collections.OrderedDict(x=torch.ones(2), y=torch.ones(1)), **baggage}, made)
    with zipfile.ZipFile(made) as archive:
        pickled = next(archive.read(name) for name in archive.namelist() if name.endswith("/data.pkl"))
    places = [place for _, _, place in pickletools.genops(pickled) if place is not None]
    return [pickled[start:end] for start, end in zip(places, [*places[1:], len(pickled)], strict=True)]


def program(chance: random.Random, real: list[bytes]) -> bytes:
    """One pickle."""
    if chance.random() < 0.5:
        return b"\x80\x04" + b"".join(chance.choices(PARTS, k=chance.randint(1, 40))) + b"."
    made = list(real)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(1, len(made))
        made[place : place + chance.randrange(2)] = chance.choices(PARTS, k=chance.randrange(3))
    content = bytearray(b"".join(made))
    if chance.random() < 0.3:
        content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


class Fault(BaseException):
    """Something that must not happen; no reader catches it."""


def main() -> None:
    """Fuzz for a number of seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, real = random.Random(options.seed), real_program()
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + (2 << 30),) * 2)
    b"x".decode("raw-unicode-escape")  # Python imports the codec of such texts when it is first used
    watching, ends = [False], collections.Counter[str]()

    def audit(event: str, _arguments: Any) -> None:
        if watching[0] and event.startswith(FORBIDDEN):
            raise Fault(event)

    def too_long(*_: object) -> None:
        raise Fault("takes for ever")

    sys.addaudithook(audit)
    signal.signal(signal.SIGPROF, too_long)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        path, stop = Path(folder) / "last.ckpt", time.monotonic() + options.seconds
        while time.monotonic() < stop:
            content = b"".join(real) if not ends else program(chance, real)  # the first imports what reading needs
            _write(path, content)
            watched = bool(ends)
            try:
                signal.setitimer(signal.ITIMER_PROF, 2)
                watching[0] = watched
                end = "state dict" if read_lightning(path, trusted=False) else "nothing"
            except UserError as error:
                end = "refused" if "refused" in str(error) else "one line"
            except BaseException:
                print(f"fault, in {content!r}")
                raise
            finally:
                watching[0] = False
                signal.setitimer(signal.ITIMER_PROF, 0)
            if any(map(vars, restricted_pickle._MAKERS.values())) or hasattr(restricted_pickle.StandIn, "x"):
                raise Fault("what is ours was changed")
            ends[end] += 1
    print(f"{ends.total():,} programs, no fault: {dict(ends)}")


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _write(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (("data.pkl", content), ("version", b"3\n"), ("data/0", bytes(16)), ("data/1", bytes(4))):
            archive.writestr(f"archive/{name}", data)


if __name__ == "__main__":
    main()
