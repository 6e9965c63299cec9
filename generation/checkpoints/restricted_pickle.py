"""Reads a Lightning ``.ckpt``, which is a pickle, without letting it run code.

Training leaves all kinds of objects beside the weights: settings, paths, callbacks, types of its own repository. Nobody
needs them here, and their code is as a rule not here either. So the file is read by Python's own unpickler with every
instruction replaced that calls, imports, or sets an attribute: tensors are made by functions of ours, and whatever else
the file names becomes a :class:`StandIn`.
"""

from __future__ import annotations

import builtins
import contextlib
import pickle
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from generation.checkpoints.kinds import shown
from wire.protocol import UserError

#: What Python's own modules have to hold data, and to describe types. A file that names anything else of theirs means
#: to do something, which no training leaves: it is refused, though nothing of it would run.
_DATA_MODULES = frozenset(
    ("__main__", "_codecs", "array", "collections", "copyreg", "dataclasses", "datetime", "decimal", "enum",
     "fractions", "ipaddress", "itertools", "math", "numbers", "pathlib", "random", "re", "string", "time", "types",
     "typing", "uuid", "zoneinfo")
)  # fmt: skip
#: Functions by which objects, enums, iterators and ``int | None`` are pickled, or that are settings themselves.
_DATA_NAMES = frozenset(
    f"{module}.{name}"
    for modules, names in {
        "argparse": "Namespace",
        "functools _functools": "partial reduce",
        "inspect": "Parameter Signature _ParameterKind _empty",
        "io _io": "BytesIO StringIO",
        "logging": "getLogger Logger RootLogger",
        "operator _operator": "add eq ge getitem gt itemgetter le lt mul or_ sub",
        "builtins": "abs getattr iter len max min round sorted sum Ellipsis NotImplemented",
    }.items()
    for module in modules.split()
    for name in names.split()
) | {f"builtins.{name}" for name, what in vars(builtins).items() if isinstance(what, type)}
_PYTHONS_OWN = sys.stdlib_module_names | {"__builtin__"}
#: Whole numbers below this have hashes of their own; larger ones can be chosen to have all the same.
_LARGEST_KEY = (1 << 61) - 1
#: A checkpoint has about a hundred a tensor. Each can take a few hundred bytes of memory, and a microsecond.
MOST_INSTRUCTIONS = 5_000_000
#: Instructions that call in forms which no checkpoint has.
_NEVER = frozenset(
    pickle.INST + pickle.OBJ + pickle.EXT1 + pickle.EXT2 + pickle.EXT4 + pickle.NEXT_BUFFER + pickle.PERSID
)


class TooLongError(Exception):
    """A pickle of more than :data:`MOST_INSTRUCTIONS`."""


class StandIn:
    """Stands for an object that nobody needs here: it is made from anything, takes anything, and does nothing."""

    __slots__ = ()

    def __init__(self, *_parts: Any, **_named: Any) -> None:
        pass

    def _take(self, *_parts: Any) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = add = _take


def read_lightning(path: Path, trusted: bool) -> dict[str, Any]:
    """The state dict of a Lightning checkpoint; tensors are mapped from the file, not read, until they are used.
    ``trusted``: let the pickle run what it names, where that is here. Only for files whose origin is known.
    Raises UserError: unreadable, damaged, not Lightning's, or its pickle names something that would act.
    """
    content = _load(path, trusted)
    state = content.get("state_dict") if isinstance(content, dict) else None
    if isinstance(state, StandIn):
        raise UserError(
            f"{path}: its state_dict is a mapping of a kind of its own; save it as a plain one, or, if you trust where "
            "it comes from, pass --trust-checkpoint"
        )
    if not isinstance(state, dict) or not state:
        raise UserError(f"{path}: has no state_dict; expected a checkpoint that Lightning wrote")
    _check_tensors(state, path)
    return state


def _check_tensors(state: dict[Any, Any], path: Path) -> None:
    """Dense tensors under texts, and none that claims more numbers than the file has for it."""
    import torch

    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            named = shown(name) if isinstance(name, str) else "a key that is no text"
            raise UserError(f"{path}: its state_dict holds something else than tensors ({named})")
        dense = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
        if not dense or value.is_complex() or value.nbytes > value.untyped_storage().nbytes():
            raise UserError(f"{path}: its state_dict holds a tensor that is no plain table of numbers ({shown(name)})")


def _load(path: Path, trusted: bool) -> Any:
    if trusted:
        with contextlib.suppress(Exception):  # what it names may be here, and of another version
            return _unpickled(path, _Trusting)
    asked: set[str] = set()
    content = None
    try:
        content = _unpickled(path, type("Unpickler", (_Inert,), {"asked": asked, "dispatch": _Counted(_READERS)}))
    except MemoryError:
        raise
    except TooLongError as error:
        raise UserError(
            f"{path}: refused, because its pickle has more than {MOST_INSTRUCTIONS:,} instructions; "
            "if you trust where it comes from, pass --trust-checkpoint"
        ) from error
    except Exception as error:
        if trusted or not asked:
            reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
            raise UserError(f"{path}: unreadable or damaged ({reason}); copy or download it again") from error
    if asked and not trusted:
        raise UserError(
            f"{path}: refused, because unpickling it would run {', '.join(sorted(asked)[:5])}; "
            "if you trust where it comes from, pass --trust-checkpoint"
        )
    return content


def _unpickled(path: Path, unpickler: type) -> Any:
    import torch

    if "constants.pkl" in torch._C.PyTorchFileReader(str(path)).get_all_records():
        raise ValueError("a TorchScript program, no checkpoint")  # torch would load it as one
    module = SimpleNamespace(__name__=__name__, Unpickler=unpickler)
    # mmap keeps torch from reading its older formats, which it does not put through the unpickler alone.
    return torch.load(path, map_location="cpu", weights_only=False, pickle_module=module, mmap=True)


class _Trusting(pickle.Unpickler):
    """Runs what the file names; a stand-in where that is not here."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except Exception:  # whatever the import of a training repository's module raises
            return StandIn


class _Inert(pickle._Unpickler):
    """Reads every protocol, and makes tensors and plain data only.

    ``asked`` takes the names for which the file is refused.
    """

    asked: set[str]

    def find_class(self, module: str, name: str) -> Any:
        """One of our own makers, or a stand-in; nothing is imported."""
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        place, top = f"{module}.{name}", module.partition(".")[0]
        if top in _PYTHONS_OWN and top not in _DATA_MODULES and place not in _DATA_NAMES:
            self.asked.add(shown(place)[1:-1])
        return _MAKERS.get(place, StandIn)

    def load_reduce(self) -> None:
        parts, maker = self.stack.pop(), self.stack[-1]
        ours = type(parts) is tuple and any(maker is one for one in _MAKERS.values())  # a tensor could be endless
        self.stack[-1] = maker(*parts) if ours else StandIn()

    def load_binpersid(self) -> None:
        """A tensor's numbers; torch hashes and prints what it is given, which of tuples in tuples has no end."""
        from torch.serialization import StorageType

        asked = self.stack.pop()
        if type(asked) is not tuple or len(asked) != 5 or [type(asked[place]) for place in (0, 2, 3, 4)] != _STORAGE:
            raise pickle.UnpicklingError("a tensor's numbers are named in a way that PyTorch has not")
        known = isinstance(asked[1], StorageType)  # numbers of eight bits, for one, have none
        self.append(self.persistent_load(asked) if known else StandIn())

    def load_put(self) -> None:
        number = self.readline()[:-1]
        if not number.isdigit() or len(number) > 9:
            raise pickle.UnpicklingError("a place in the memo that is none")
        self.memo[int(number)] = self.stack[-1]

    def load_newobj(self) -> None:
        self.stack[-2:] = [OrderedDict() if self.stack[-2] is _mapping else StandIn()]

    def load_newobj_ex(self) -> None:
        self.stack[-3:] = [StandIn()]

    def load_build(self) -> None:
        self.stack.pop()

    def load_append(self) -> None:
        self._extend([self.stack.pop()])

    def load_appends(self) -> None:
        self._extend(self.pop_mark())

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._fill([key, value])

    def load_setitems(self) -> None:
        self._fill(self.pop_mark())

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._fill(items)

    def load_bytearray8(self) -> None:
        self.append(self.read(int.from_bytes(self.read(8), "little")))  # the base class takes the memory first

    def load_empty_set(self) -> None:
        self.append(StandIn())

    def load_frozenset(self) -> None:
        self.pop_mark()
        self.append(StandIn())

    def load_additems(self) -> None:
        self.pop_mark()

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is list:
            self.stack[-1] += values

    def _fill(self, items: list[Any]) -> None:
        if type(self.stack[-1]) in (dict, OrderedDict):
            pairs = zip(items[::2], items[1::2], strict=True)
            self.stack[-1].update((key, value) for key, value in pairs if _is_key(key))


def _is_key(key: object) -> bool:
    """Whether hashing it ends: of tuples of tuples of tuples it need not."""
    if isinstance(key, int):
        return abs(key) < _LARGEST_KEY
    return key is None or isinstance(key, (str, float))


class _Counted(dict[int, Any]):
    """Instruction -> what reads it, for as many as a checkpoint has."""

    left = MOST_INSTRUCTIONS

    def __getitem__(self, code: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooLongError
        return super().__getitem__(code)


#: The base class calls its own readers, whatever a subclass has under their names.
_READERS = {code: read for code, read in pickle._Unpickler.dispatch.items() if code not in _NEVER} | {
    getattr(pickle, name.removeprefix("load_").upper())[0]: read
    for name, read in vars(_Inert).items()
    if name.startswith("load_")
}
#: What PyTorch says of a tensor's numbers, but for their type: that it is storage, its name, device and length.
_STORAGE = [str, str, str, int]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_gradient: Any) -> Any:
    import torch

    if not isinstance(storage, torch.storage.TypedStorage):
        return StandIn()
    return torch._utils._rebuild_tensor(storage, offset, size, stride)


def _parameter(tensor: Any, *_gradient: Any) -> Any:
    return tensor


def _mapping(*items: Sequence[Any]) -> OrderedDict[Any, Any]:
    if any(type(item) is not list or item for item in items):  # what a tensor is worth is not asked
        raise pickle.UnpicklingError("a mapping made in a way that PyTorch has not")
    return OrderedDict()


#: The only things that a file can have called.
_MAKERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _mapping,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
