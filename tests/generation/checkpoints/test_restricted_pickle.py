"""A checkpoint is a pickle, and a pickle is a program: ours do not run it."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import enum
import functools
import inspect
import io
import itertools
import logging
import math
import operator
import os
import pickle
import random
import signal
import string
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("omegaconf", reason="runs in the generation environment")

from generation.checkpoints import restricted_pickle  # noqa: E402 - torch decides whether this runs
from generation.checkpoints.restricted_pickle import read_lightning  # noqa: E402
from wire.errors import UserError  # noqa: E402


class Attack:
    """Unpickles into a call of ``os.system``."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def attack(tmp_path: Path) -> Path:
    path = tmp_path / "attack.ckpt"
    torch.save({"state_dict": {"x": torch.zeros(1)}, "callbacks": Attack(tmp_path / "marker")}, path)
    return path


def test_what_it_asks_for_is_named_and_not_run(attack: Path) -> None:
    with pytest.raises(UserError, match=r"would run posix\.system; .* --trust-checkpoint"):
        read_lightning(attack, trusted=False)
    assert not (attack.parent / "marker").exists()


def test_trust_lets_it_run(attack: Path) -> None:
    read_lightning(attack, trusted=True)
    assert (attack.parent / "marker").exists()


def test_trust_reads_past_what_fails_when_it_is_run(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"x": torch.ones(2)}, "a": Attack(tmp_path / "marker"), "b": WrongArguments()}, path)
    assert read_lightning(path, trusted=True).keys() == {"x"}


def test_what_training_leaves_is_allowed(tmp_path: Path) -> None:
    from collections import defaultdict

    from omegaconf import OmegaConf

    path = tmp_path / "last.ckpt"
    betas = OmegaConf.create([0.9, 0.999])
    optimizer = {"state": defaultdict(dict), "param_groups": [{"betas": betas}]}
    torch.save({"state_dict": {"x": torch.ones(2)}, "optimizer_states": [optimizer]}, path)
    assert torch.equal(read_lightning(path, trusted=False)["x"], torch.ones(2))


def resolving(text: str) -> Any:
    """A setting that, were it OmegaConf's own, would read the environment when it is looked at."""
    from omegaconf import OmegaConf

    return OmegaConf.create([text])


def test_settings_do_not_come_back_as_objects_that_resolve(tmp_path: Path) -> None:
    import omegaconf

    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"x": torch.ones(2)}, "betas": resolving("${oc.env:HF_TOKEN}")}, path)
    read: Any = restricted_pickle._load(path, trusted=False)
    assert type(read["betas"]).__module__ == restricted_pickle.__name__
    assert isinstance(restricted_pickle._load(path, trusted=True)["betas"], omegaconf.ListConfig)


class Key:
    """Pickles into a setting as a key of a mapping: OmegaConf's own is resolved there, to be hashed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        from omegaconf.nodes import AnyNode

        return AnyNode, (self.text,)


@pytest.mark.parametrize("key", [Key("${oc.env:HF_TOKEN}"), Key("${oc.decode:'${oc.env:HF_TOKEN} ['}")])
def test_no_setting_is_resolved(tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    asked: list[str] = []
    monkeypatch.setattr("omegaconf.base.Container._resolve_interpolation_from_parse_tree", asked.append)
    monkeypatch.setattr("omegaconf.nodes.AnyNode.__init__", lambda _self, *parts: asked.append(str(parts)))
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"x": torch.ones(2)}, "settings": {key: 1}}, path)
    assert read_lightning(path, trusted=False).keys() == {"x"}
    assert asked == []


@pytest.mark.parametrize("value", [resolving("${oc.env:HF_TOKEN}"), "text", 1.0, [torch.ones(1)]])
def test_state_of_anything_but_tensors(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"ema_network.output_scaling": value}}, path)
    with pytest.raises(UserError, match=r"something else than tensors \('ema_network\.output_scaling'\)"):
        read_lightning(path, trusted=False)


@pytest.mark.parametrize(
    "kind", [lambda: collections.defaultdict(int), lambda: collections.UserDict(), lambda: Options()]
)
def test_state_in_a_mapping_of_a_kind_of_its_own(tmp_path: Path, kind: Any) -> None:
    state = kind()
    state["x"] = torch.ones(2)
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=r"its state_dict is a mapping of a kind of its own; .* --trust-checkpoint"):
        read_lightning(tmp_path / "last.ckpt", trusted=False)


def test_state_under_keys_that_are_no_text(tmp_path: Path) -> None:
    torch.save({"state_dict": {1: torch.ones(1)}}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="a key that is no text"):
        read_lightning(tmp_path / "last.ckpt", trusted=False)


class WrongArguments:
    """Unpickles into a call of an allowed type that it does not take."""

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (1, 2, 3)


@pytest.mark.parametrize("trusted", [False, True])
def test_calls_that_would_fail_are_not_needed(tmp_path: Path, trusted: bool) -> None:
    torch.save({"state_dict": {"x": torch.ones(1)}, "a": WrongArguments()}, tmp_path / "last.ckpt")
    assert read_lightning(tmp_path / "last.ckpt", trusted).keys() == {"x"}


class Settings:
    pass


class Choices(list):  # type: ignore[type-arg]
    pass


class Options(dict):  # type: ignore[type-arg]
    pass


class Path313(str):
    def __reduce__(self) -> tuple[Any, ...]:
        return Path313, (str(self),)


class Sampler(enum.Enum):
    EULER = 1


class Loss:
    def __init__(self) -> None:
        raise RuntimeError("wants a GPU")

    def __setstate__(self, state: object) -> None:
        raise OSError("wants a data set")


Point = collections.namedtuple("Point", "x y")


def baggage() -> dict[str, Any]:
    """What trainers leave beside weights, by kind."""
    import argparse
    import datetime

    import numpy as np

    settings, loss = Settings(), Loss.__new__(Loss)
    settings.batch, loss.scale = Sampler.EULER, 2  # type: ignore[attr-defined]
    steps: dict[str, Any] = collections.defaultdict(dict)
    steps["a"]["b"] = 1
    return {
        "a class": Settings,
        "an object with attributes": settings,
        "an object that refuses its state": loss,
        "a list of their own": Choices([1, 2, settings]),
        "a mapping of their own": Options(a=1, b=[2]),
        "a tuple of their own": Point(1, 2),
        "a path of Python 3.13": {"data_dir": Path313("/data")},
        "an enum": Sampler.EULER,
        "numbers of numpy": [np.float64(0.5), np.int32(1), np.bool_(True), np.ones(3), np.dtype("float32")],
        "Python's own": [
            Path("/data"), datetime.datetime(2026, 1, 1), argparse.Namespace(a=1), collections.Counter("aab"),
            collections.deque([1]), {1, 2}, frozenset((3,)), b"bytes", bytearray(9), 1 + 2j, range(3), slice(1),
            functools.partial(int),
        ],
        "Python's own, that are settings": [
            logging.getLogger("train"), itertools.count(3), iter([1]), enumerate("a"), map(len, "a"),
            io.BytesIO(b"x"), io.StringIO("x"), math.sqrt, max, len, operator.lt, operator.itemgetter(1),
            ValueError("x"), FileNotFoundError(2, "x"), dataclasses.MISSING,
            inspect.Parameter("a", inspect.Parameter.KEYWORD_ONLY),
            string.Template("x"), int | None, list[int], ...,
        ],
        "mappings with content": [steps, collections.OrderedDict(a=1), {(1, 2): 3, b"k": 4, settings: 5}],
        "torch's own": [torch.float32, torch.device("cpu"), torch.Size([1]), torch.nn.Linear(1, 1)],
        "tensors of odd kinds": [
            torch.ones(2).to(torch.float8_e4m3fn), torch.ones(2, dtype=torch.uint16), torch.ones(2).to_sparse(),
            torch.nested.nested_tensor([torch.ones(2)]), torch.nn.Parameter(torch.ones(2)),
            torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), torch.FloatStorage(3),
        ],
    }  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("module", ["train_project.datamodule", "__main__", "pathlib._local", "losses"])
@pytest.mark.parametrize("trusted", [False, True])
def test_what_stands_beside_the_weights_hinders_nobody(
    tmp_path: Path, module: str, protocol: int, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, state = tmp_path / "last.ckpt", collections.OrderedDict(x=torch.arange(6.0).reshape(2, 3).T)
    kinds = (Settings, Choices, Options, Path313, Sampler, Loss, Point)
    with monkeypatch.context() as here:
        top = module.partition(".")[0]
        here.setitem(sys.modules, top, sys.modules.get(top, types.ModuleType(top)))
        here.setitem(sys.modules, module, types.SimpleNamespace(**{kind.__name__: kind for kind in kinds}))  # type: ignore[misc]
        for kind in kinds:
            here.setattr(kind, "__module__", module)
        torch.save(baggage() | {"state_dict": state}, path, pickle_protocol=protocol)
    read = read_lightning(path, trusted)
    assert read.keys() == {"x"}
    assert torch.equal(read["x"], state["x"])


@pytest.mark.parametrize("kind", list(baggage()) if torch else [])
def test_each_kind_of_baggage_by_itself(tmp_path: Path, kind: str) -> None:
    torch.save({"state_dict": {"x": torch.ones(1)}, "it": baggage()[kind]}, tmp_path / "last.ckpt")
    assert read_lightning(tmp_path / "last.ckpt", trusted=False).keys() == {"x"}


def acting(module: str, name: str, *arguments: Any) -> bytes:
    """A pickle of a checkpoint beside whose weights something is called, in each of the ways that pickles have."""
    called = pickle.dumps(arguments, 2)[2:-1]
    named = f"c{module}\n{name}\n".encode()
    return b"\x80\x02}(X\x01\x00\x00\x00a" + named + called + b"RX\x01\x00\x00\x00b" + named + called + b"\x81u."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("__builtin__", "exec"),
        ("builtins", "__import__"), ("shutil", "rmtree"), ("importlib", "import_module"), ("runpy", "run_path"),
        ("webbrowser", "open"), ("_pickle", "loads"), ("builtins", "open"), ("operator", "attrgetter"),
        ("operator", "methodcaller"), ("builtins", "print"), ("logging.config", "dictConfig"), ("io", "open"),
        ("ctypes", "CDLL"), ("codecs", "open"), ("urllib.request", "urlopen"),
    ],
)  # fmt: skip
def test_what_would_act_is_refused_by_name(tmp_path: Path, module: str, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", acting(module, name, "touch marker"))
        archive.writestr("archive/version", "3\n")
    with pytest.raises(UserError, match=rf"would run [\w.]*{name}; if you trust"):
        read_lightning(tmp_path / "last.ckpt", trusted=False)


@pytest.mark.parametrize(
    ("module", "name"), [("torch", "load"), ("torch.hub", "load"), ("numpy", "fromfile"), ("wire.files", "replace")]
)
def test_nothing_of_the_libraries_here_is_called(
    tmp_path: Path, module: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("called")

    monkeypatch.setitem(sys.modules, "numpy", types.SimpleNamespace(fromfile=never))
    monkeypatch.setattr("torch.hub.load", never)
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", acting(module, name, "x"))
        archive.writestr("archive/version", "3\n")
    with pytest.raises(UserError, match="no state_dict"):
        read_lightning(tmp_path / "last.ckpt", trusted=False)


ATTRIBUTE = b"}X\x08\x00\x00\x00poisonedK\x01s"


@pytest.mark.parametrize(
    "program",
    [
        b"ccollections\nOrderedDict\n" + ATTRIBUTE + b"b.",  # BUILD on a function of ours
        b"ctorch._utils\n_rebuild_tensor_v2\n(N" + ATTRIBUTE + b"tb.",  # its slots
        b"ccollections\nOrderedDict\n)\x81" + ATTRIBUTE + b"b.",
        b"(ccollections\nOrderedDict\no.",  # OBJ
        b"(icollections\nOrderedDict\n.",  # INST
        b"\x82\x01.",  # EXT1
        b"\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # a bytearray of a terabyte
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"ccollections\nOrderedDict\n(]((K\x01K\x02tetR.",
        b"(I1\nI2\nd0",
        b"Vtext\n)R.",
        b"X\x01\x00\x00\x00aQ.",
        b"((lp0\nI1\na.",
        b"\x8f(K\x01\x90K\x02\x90.",
        b"L" + b"9" * 5000 + b"L\n.",
        b"g7\n.",
        b"",
    ],
)
def test_odd_instructions_end_in_one_line(tmp_path: Path, program: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + program)
        archive.writestr("archive/version", "3\n")
    with pytest.raises(UserError, match=r"last\.ckpt: (unreadable or damaged|has no state_dict)"):
        read_lightning(tmp_path / "last.ckpt", trusted=False)
    makers = restricted_pickle._MAKERS.values()
    assert not any(hasattr(maker, "poisoned") for maker in (*makers, restricted_pickle.StandIn))


def test_keys_that_take_for_ever_to_hash(tmp_path: Path) -> None:
    memo = b")" + b"".join(b"q\x01h\x01\x86" for _ in range(60))
    for program in (
        b"}" + memo + b"K\x01s.",
        b"(" + memo + b"K\x01d.",
        b"\x8f(" + memo + b"\x90.",
        b"(" + memo + b"\x91.",
    ):
        with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
            archive.writestr("archive/data.pkl", b"\x80\x04" + program)
            archive.writestr("archive/version", "3\n")
        with pytest.raises(UserError, match="has no state_dict"):
            read_lightning(tmp_path / "last.ckpt", trusted=False)


TUPLES = b")" + b"".join(b"q\x01h\x01\x86" for _ in range(60))
PRIME = (1 << 61) - 1


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def numbers(kind: bytes = b"", key: bytes = b"", place: bytes = b"", length: bytes = b"K\x01") -> bytes:
    """Instructions for a tensor's numbers, with anything in place of a part."""
    parts = (kind or text("storage"), b"ctorch\nFloatStorage\n", key or text("0"), place or text("cpu"), length)
    return b"(" + b"".join(parts) + b"tQ"


ENDLESS = (
    b"ctorch._utils\n_rebuild_tensor_v2\n(" + numbers() + b"K\x00\x8a\x08" + (10**12).to_bytes(8, "little")
    + b"\x85K\x00\x85\x89NtR"
)  # fmt: skip


@pytest.mark.parametrize(
    "program",
    [
        numbers(kind=TUPLES), numbers(key=TUPLES), numbers(place=TUPLES), numbers(length=TUPLES),
        numbers(key=b"K\x00"), b"]Q", b")Q", b"NQ", b"P1\n",
        b"ccollections\nOrderedDict\n" + ENDLESS + b"R",
        b"ctorch._utils\n_rebuild_parameter\n" + ENDLESS + b"R",
        b"}(" + b"".join(b"\x8a\x0b" + (i * PRIME).to_bytes(11, "little") + b"N" for i in range(1, 100_000)) + b"u",
        b"N" + b"".join(b"p%d\n" % (i * PRIME) for i in range(1, 100_000)),
        b"\x8b" + (1 << 20).to_bytes(4, "little") + b"\x11" * (1 << 20) + b"q\x010}" + b"h\x01Ns" * 100_000,
    ],
    ids=range(14),
)  # fmt: skip
def test_nothing_takes_for_ever(tmp_path: Path, program: bytes) -> None:
    """Neither to hash, nor to print, nor to iterate over."""
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + program + b".")
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(8))
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("takes for ever"))
    signal.alarm(20)
    try:
        with pytest.raises(UserError, match=r"unreadable or damaged|has no state_dict"):
            read_lightning(tmp_path / "last.ckpt", trusted=False)
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("instruction", [b"]", b"}", b"(", b"cos\nx\n0", b"N0"])
def test_programs_that_are_too_long(tmp_path: Path, instruction: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricted_pickle._Counted, "left", 5_000)
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + instruction * 5_000 + b"N.")
        archive.writestr("archive/version", "3\n")
    with pytest.raises(UserError, match=r"more than 5,000,000 instructions; .* --trust-checkpoint"):
        read_lightning(tmp_path / "last.ckpt", trusted=False)


@pytest.mark.parametrize(
    "tensor",
    [
        lambda: torch.ones(1).expand(1 << 30),
        lambda: torch.ones(2, 2).to_sparse(),
        lambda: torch.empty(2, device="meta"),
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        lambda: torch.ones(2, dtype=torch.complex64),
    ],
)
def test_tensors_that_are_no_plain_tables(tmp_path: Path, tensor: Any) -> None:
    torch.save({"state_dict": {"x": tensor()}}, tmp_path / "last.ckpt")
    for trusted in (False, True):
        with pytest.raises(UserError, match=r"no plain table of numbers|something else than tensors"):
            read_lightning(tmp_path / "last.ckpt", trusted)


@pytest.mark.parametrize("trusted", [False, True])
def test_a_program_of_torchscript_is_not_loaded(tmp_path: Path, trusted: bool) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(tmp_path / "last.ckpt"))
    with pytest.raises(UserError, match="TorchScript program"):
        read_lightning(tmp_path / "last.ckpt", trusted)


@pytest.mark.parametrize("trusted", [False, True])
def test_older_formats_are_not_read(attack: Path, trusted: bool) -> None:
    content = {"state_dict": {"x": torch.ones(2)}, "a": Attack(attack.parent / "other")}
    torch.save(content, attack, _use_new_zipfile_serialization=False)
    with pytest.raises(UserError, match="unreadable or damaged"):
        read_lightning(attack, trusted)
    assert not (attack.parent / "other").exists()


def test_nearly_right_pickles(tmp_path: Path) -> None:
    """Bytes of a real pickle changed at random: only errors of ours, and nothing called."""
    path = tmp_path / "last.ckpt"
    torch.save(
        {"state_dict": collections.OrderedDict(x=torch.ones(2)), "a": Attack(tmp_path / "marker"), "b": Settings()},
        path,
    )
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (pickled,) = [name for name in parts if name.endswith("/data.pkl")]
    dice = random.Random(0)
    for _ in range(400):
        changed = bytearray(parts[pickled])
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(changed))] = dice.choice(
                [*b"Rb\x81\x92co(iQa.ts}u0h\x8f\x93", dice.randrange(256)]
            )
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (parts | {pickled: bytes(changed)}).items():
                archive.writestr(name, content)
        with contextlib.suppress(UserError):
            read_lightning(path, trusted=False)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("trusted", [False, True])
def test_damaged_inside(tmp_path: Path, trusted: bool) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"x": torch.ones(2)}}, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"last\.ckpt: unreadable or damaged"):
        read_lightning(path, trusted)
