"""A pretended GPU, on which a stage's whole worker runs where none is.

A tensor on it keeps its values in a tensor of the CPU and says that it is on ``cuda:0``. Every operator passes by here:
one that mixes the GPU's tensors with the CPU's fails as it would on a GPU, and one for whose result the host has to
wait is counted, with the line of ours that asked for it.

What it cannot see: CUDA's own kernels (the numbers are the CPU's), streams, races, memory beyond that of live tensors,
compiled operators of other packages, speed.

``python -m tests.pretended_gpu STAGE JOB.json REPORT.json [MISTAKE]`` does a job on it; see :func:`on_pretended_gpu`.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from wire.protocol import Job

ROOT = Path(__file__).resolve().parents[1]
#: Environment variable: bytes of the GPU's memory, and what it is otherwise.
MEMORY, LARGE = "PRETENDED_GPU_MEMORY", 80 * 2**30
STAGES = ("generation", "geneval", "rewards")


@dataclass(frozen=True)
class Outcome:
    """How a worker fared: its exit code, events and log; ``waits`` counts by the line of ours that waited."""

    code: int
    events: list[dict[str, Any]]
    waits: dict[str, int]
    log: str


def on_pretended_gpu(job: Job, mistake: str = "", memory: int = LARGE) -> Outcome:
    """Do a job on the pretended GPU, which has so many bytes of ``memory``, in a process of its own.

    ``mistake`` is ``MODULE:NAME``: what that function of ours returns is taken back to the CPU, as if forgotten there.
    """
    folder = Path(job.output).parent
    folder.mkdir(parents=True, exist_ok=True)
    job.write(folder / "gpu-job.json")
    report = folder / "gpu-report.json"
    command = [sys.executable, "-m", "tests.pretended_gpu", job.stage, folder / "gpu-job.json", report, mistake]
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "LD_PRELOAD": str(_runtime())}
    variables[MEMORY] = str(memory)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=variables, check=False)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    return Outcome(ended.returncode, events, json.loads(report.read_text()) if report.exists() else {}, ended.stderr)


#: What torch's device guards ask of the CUDA runtime and of c10, answered for one device, number 0.
_RUNTIME = """
typedef signed char device;
int cudaGetDevice(int *number) { *number = 0; return 0; }
int cudaSetDevice(int number) { return number ? 101 : 0; }
int cudaGetDeviceCount(int *count) { *count = 1; return 0; }
int cudaGetLastError(void) { return 0; }
int cudaPeekAtLastError(void) { return 0; }
int _ZN3c104cuda9GetDeviceEPa(device *number) { *number = 0; return 0; }
int _ZN3c104cuda9SetDeviceEa(device number) { return 0; }
int _ZN3c104cuda9SetDeviceEab(device number, int force) { return 0; }
int _ZN3c104cuda14MaybeSetDeviceEa(device number) { return 0; }
device _ZN3c104cuda14ExchangeDeviceEa(device number) { return 0; }
device _ZN3c104cuda19MaybeExchangeDeviceEa(device number) { return 0; }
int _ZN3c104cuda17hasPrimaryContextEa(device number) { return 0; }
"""


@cache
def _runtime() -> Path:
    """The answers above as a library that the loader takes before the real ones."""
    folder = Path(tempfile.mkdtemp(prefix="pretended-gpu-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "runtime.c").write_text(_RUNTIME)
    library = folder / "runtime.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "runtime.c"], check=True)
    return library


# From here on, inside the worker's process.


def _main(stage: str, job: str, report: str, mistake: str) -> None:
    from wire.worker_process import run_worker

    def work(this: Job, reporter: Any) -> None:
        with _pretended() as waits:
            try:
                worker = importlib.import_module(f"{stage}.worker")
                if mistake:
                    _make(*mistake.split(":"))
                worker.work(this, reporter)
            finally:
                Path(report).write_text(json.dumps(waits))

    sys.argv[1:] = [job]
    run_worker(stage, work)


def _make(module_name: str, name: str) -> None:
    """Plant a mistake: the tensors that this function, or this method ``Class.method``, returns are on the CPU."""
    from torch.utils._pytree import tree_map

    owner: Any = importlib.import_module(module_name)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    right = getattr(owner, last)

    def wrong(*args: Any, **kwargs: Any) -> Any:
        return tree_map(lambda value: value.cpu() if hasattr(value, "cpu") else value, right(*args, **kwargs))

    setattr(owner, last, wrong)


@contextlib.contextmanager
def _pretended() -> Iterator[dict[str, int]]:
    """The GPU is there until the block ends; yields the counts of the host's waits, which grow."""
    import torch

    gpu = _Gpu()
    _claim_presence(torch, gpu.memory)
    torch.nn.functional.scaled_dot_product_attention = gpu.attention
    with torch.no_grad(), gpu.functions(), gpu.operators():
        yield gpu.waits


class _Memory:
    """What the tensors that live on the GPU take, each storage once; beyond ``total`` bytes it is full."""

    def __init__(self, torch: Any, total: int) -> None:
        self.total, self.used, self.peak = total, 0, 0
        self._full = torch.OutOfMemoryError
        self._holders: collections.Counter[int] = collections.Counter()

    def hold(self, tensor: Any) -> None:
        """Count the tensor until it dies."""
        storage = tensor.held.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if not self._holders[place]:
            if self.used + size > self.total:
                raise self._full("CUDA out of memory.")
            self.used += size
            self.peak = max(self.peak, self.used)
        self._holders[place] += 1
        weakref.finalize(tensor, self._release, place, size)

    def _release(self, place: int, size: int) -> None:
        self._holders[place] -= 1
        self.used -= 0 if self._holders[place] else size

    def reset(self) -> None:
        """The peak is what is used now."""
        self.peak = self.used


def _claim_presence(torch: Any, memory: _Memory) -> None:
    """Let ``torch.cuda`` say that an H100 is there, and turn off what would reach CUDA's kernels behind our back."""
    name = "Pretended H100"
    properties = SimpleNamespace(major=9, minor=0, name=name, multi_processor_count=132, total_memory=memory.total)
    answers: dict[str, Any] = {
        **dict.fromkeys(("_lazy_init", "empty_cache", "synchronize", "set_device", "manual_seed", "manual_seed_all")),
        **dict.fromkeys(("is_available", "is_initialized", "is_bf16_supported"), True),
        "current_device": 0,
        "device_count": 1,
        "_is_in_bad_fork": False,
        "get_device_name": name,
        "get_device_capability": (9, 0),
        "get_device_properties": properties,
    }
    for function, answer in answers.items():
        setattr(torch.cuda, function, lambda *_args, _answer=answer, **_kwargs: _answer)
    torch.cuda.mem_get_info = lambda *_device: (memory.total - memory.used, memory.total)
    torch.cuda.memory_allocated = lambda *_device: memory.used
    torch.cuda.max_memory_allocated = lambda *_device: memory.peak
    torch.cuda.reset_peak_memory_stats = lambda *_device: memory.reset()
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.backends.cudnn.enabled = False
    torch.backends.mha.set_fastpath_enabled(False)
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # a parameter changes its class when it moves
    torch.inference_mode = lambda mode=True: torch.no_grad()  # its tensors cannot be wrapped


#: Operators that may take tensors of both devices.
_MIXING = frozenset(
    f"aten::{name}"
    for name in ("_to_copy", "copy_", "copy", "lift_fresh", "lift_fresh_copy", "detach", "set_", "is_same_size")
)
#: Operators that index; a GPU's tensor takes the CPU's indices, a CPU's not the GPU's.
_INDEXING = frozenset(f"aten::{n}" for n in ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"))
#: Operators whose result, or its size, the host needs to go on.
_WAITING = frozenset(
    f"aten::{name}"
    for name in ("_local_scalar_dense", "equal", "nonzero", "is_nonzero", "masked_select", "_unique2", "unique_dim")
)


class _Gpu:
    """The operators' side: what moves, what is refused, what is counted in ``waits``."""

    def __init__(self) -> None:
        import torch
        from torch.utils import _pytree

        self.torch, self.tree = torch, _pytree
        self.waits: collections.Counter[str] = collections.Counter()
        self.memory = _Memory(torch, int(os.environ.get(MEMORY, LARGE)))
        self.tensor_class = self._tensor_class()
        self._generators: dict[int, tuple[Any, Any]] = {}

    def _tensor_class(self) -> Any:
        torch, compute, hold = self.torch, self.compute, self.memory.hold

        class OnGpu(torch.Tensor):  # type: ignore[misc, name-defined]
            """Its values are in ``held``, a tensor of the CPU."""

            @staticmethod
            def __new__(cls: Any, held: Any) -> Any:
                like = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
                made = torch.Tensor._make_wrapper_subclass(cls, held.size(), device=torch.device("cuda:0"), **like)
                made.held = held
                hold(made)
                return made

            __torch_function__ = torch._C._disabled_torch_function_impl

            @classmethod
            def __torch_dispatch__(cls, operator: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return compute(operator, args, kwargs or {})

            def __deepcopy__(self, _memo: Any) -> Any:
                return type(self)(self.held.clone())

        return OnGpu

    def compute(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """An operator as the GPU would do it, on what its tensors hold."""
        name = operator._schema.name
        if name == "aten::_fused_sdp_choice":
            return 0  # attention by plain operators
        values, form = self.tree.tree_flatten((args, kwargs))
        tensors = [value for value in values if isinstance(value, self.torch.Tensor)]
        ours = {id(tensor.held): tensor for tensor in tensors if isinstance(tensor, self.tensor_class)}
        self._refuse_a_mixture(name, args, tensors)
        wanted = kwargs.get("device")
        on_gpu = self._is_gpu(wanted) if wanted is not None else bool(ours)
        if name == "aten::copy_":
            on_gpu = isinstance(args[0], self.tensor_class)
        self._count_a_wait(name, args, bool(ours), on_gpu)
        bare_args, bare_kwargs = self.tree.tree_unflatten([self._bare(value) for value in values], form)
        if "pin_memory" in bare_kwargs:
            bare_kwargs["pin_memory"] = None
        if name in ("aten::_softmax", "aten::_log_softmax") and bare_args[2]:  # half to float, which no CPU kernel does
            bare_args = (bare_args[0].float(), bare_args[1], False)
        result = operator(*bare_args, **bare_kwargs)
        return self.tree.tree_map(lambda value: self._placed(value, ours, on_gpu, name), result)

    def _placed(self, value: Any, ours: dict[int, Any], on_gpu: bool, name: str) -> Any:
        """A result where it belongs; what was written in place is given back as the tensor it was."""
        if not isinstance(value, self.torch.Tensor) or isinstance(value, self.tensor_class):
            return value
        known = ours.get(id(value))
        if known is not None:
            if known.shape != value.shape or known.stride() != value.stride():
                raise NotImplementedError(f"{name} changes a tensor's shape in place")
            return known
        return self.tensor_class(value) if on_gpu else value

    def _bare(self, value: Any) -> Any:
        if isinstance(value, self.tensor_class):
            return value.held
        if isinstance(value, self.torch.Generator) and value.device.type == "cuda":
            ours = self.torch.Generator().manual_seed(value.initial_seed())
            return self._generators.setdefault(id(value), (value, ours))[1]
        is_device = isinstance(value, self.torch.device) and value.type == "cuda"
        return self.torch.device("cpu") if is_device else value

    def _is_gpu(self, device: Any) -> bool:
        return bool(self.torch.device(device).type == "cuda")

    def _refuse_a_mixture(self, name: str, args: Any, tensors: list[Any]) -> None:
        """A single number of the CPU may go with the GPU's tensors; anything else may not."""
        ours = [tensor for tensor in tensors if isinstance(tensor, self.tensor_class)]
        strangers = [t for t in tensors if not isinstance(t, self.tensor_class) and t.dim() > 0]
        if name in _INDEXING:
            mixed = bool(ours) and not isinstance(args[0], self.tensor_class)
        else:
            mixed = bool(ours and strangers) and name not in _MIXING
        if mixed:
            shapes = f"{[tuple(t.shape) for t in ours]} on cuda:0, {[tuple(t.shape) for t in strangers]} on cpu"
            raise RuntimeError(f"Expected all tensors to be on the same device: {name} at {_line_of_ours()}: {shapes}")

    def _count_a_wait(self, name: str, args: Any, has_ours: bool, on_gpu: bool) -> None:
        leaves = name in ("aten::_to_copy", "aten::copy_") and has_ours and not on_gpu
        masks = name == "aten::index" and any(
            isinstance(index, self.tensor_class) and index.dtype in (self.torch.bool, self.torch.uint8)
            for index in args[1]
        )
        if leaves or masks or (name in _WAITING and has_ours):
            self.waits[f"{name} {_line_of_ours()}"] += 1

    def operators(self) -> Any:
        """The mode in which operators that make tensors, too, pass by here."""
        from torch.utils._python_dispatch import TorchDispatchMode

        compute = self.compute

        class Operators(TorchDispatchMode):
            def __torch_dispatch__(self, operator: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return compute(operator, args, kwargs or {})

        return Operators()

    def functions(self) -> Any:
        """The mode for what reaches a tensor's memory, or asks the driver, without an operator."""
        from torch.overrides import TorchFunctionMode

        special = self._special_functions()
        numbered = self._numbered

        class Functions(TorchFunctionMode):
            def __torch_function__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
                kwargs = {name: numbered(value) for name, value in (kwargs or {}).items()}
                if function in special:
                    return special[function](function, *args, **kwargs)
                return function(*map(numbered, args), **kwargs)

        return Functions()

    def _numbered(self, value: Any) -> Any:
        """``cuda`` as ``cuda:0``: torch would ask the driver which one is current."""
        is_device = isinstance(value, self.torch.device) and value.type == "cuda" and value.index is None
        return self.torch.device("cuda:0") if is_device or (isinstance(value, str) and value == "cuda") else value

    def _special_functions(self) -> dict[Any, Callable[..., Any]]:
        torch, tensor = self.torch, self.torch.Tensor
        return {
            **dict.fromkeys((tensor.numpy, tensor.__array__), self._to_numpy),
            **dict.fromkeys((torch.tensor, torch.as_tensor), self._from_data),
            **dict.fromkeys((tensor.__getitem__, tensor.__setitem__), self._index),
            tensor.tolist: self._to_list,
            tensor.data_ptr: lambda function, this: function(getattr(this, "held", this)),
            tensor.pin_memory: lambda _function, this, *_device: this,
            tensor.cuda: lambda _function, this, *_device, **_kwargs: this.to("cuda:0"),
            torch.device: lambda function, *args, **kwargs: function(*args, **kwargs),
        }

    def _to_numpy(self, function: Any, this: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(this, self.tensor_class):
            raise TypeError(f"can't convert cuda:0 device type tensor to numpy, at {_line_of_ours()}")
        return function(this, *args, **kwargs)

    def _to_list(self, function: Any, this: Any) -> Any:
        if not isinstance(this, self.tensor_class):
            return function(this)
        self.waits[f"tolist {_line_of_ours()}"] += 1
        return this.held.tolist()

    def _from_data(self, function: Any, data: Any, *args: Any, device: Any = None, **kwargs: Any) -> Any:
        made = function(data, *args, **kwargs)
        return made if device is None else made.to(device)

    def _index(self, function: Any, this: Any, index: Any, *value: Any) -> Any:
        """Lists as tensors, as torch would make them, only not on the device."""

        def plain(part: Any) -> Any:
            is_list = isinstance(part, (list, range)) or type(part).__name__ == "ndarray"
            return self.torch.tensor(list(part)) if is_list and isinstance(this, self.tensor_class) else part

        parts = tuple(map(plain, index)) if isinstance(index, tuple) else plain(index)
        return function(this, parts, *value)

    def attention(self, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Attention by its definition; a mask of truth values as the numbers that are added."""
        names = ("attn_mask", "dropout_p", "is_causal")
        given = dict(zip(names, args, strict=False)) | kwargs
        mask = given.get("attn_mask")
        if mask is not None and mask.dtype == self.torch.bool:
            zeros = self.torch.zeros(mask.shape, dtype=query.dtype, device=mask.device)
            mask = zeros.masked_fill_(~mask, float("-inf"))
        causal, scale = given.get("is_causal", False), given.get("scale")
        if given.get("enable_gqa"):
            heads = query.shape[-3] // key.shape[-3]
            key, value = (one.repeat_interleave(heads, dim=-3) for one in (key, value))
        by_definition = self.torch._scaled_dot_product_attention_math
        return by_definition(query, key, value, mask, 0.0, causal, scale=scale)[0]


def _line_of_ours() -> str:
    """The innermost line of a stage's own code on the stack, e.g. ``rewards/scoring.py:88``."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in STAGES:
            return f"{path.relative_to(ROOT)}:{frame.lineno}"
    return "no line of ours"


if __name__ == "__main__":
    _main(*sys.argv[1:])
