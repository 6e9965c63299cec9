"""Which models a device holds at once, and how it computes.

A user's own environment may have no torch: what is computed there is computed on the CPU, by numpy or what it will.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rewards.hub import LocalWeight
from rewards.memory import estimate, free_memory, is_out_of_memory
from rewards.scorers.base import Scorer
from wire.allocator import return_freed_memory
from wire.errors import MiroEvalError
from wire.gpus import choose_device
from wire.host import processors
from wire.own_code import reason_of

torch: Any = importlib.import_module("torch") if importlib.util.find_spec("torch") else None


def choose(wanted: str) -> str:
    """The device to compute on; see :func:`wire.gpus.choose_device`. Without torch it is the CPU."""
    return choose_device(wanted) if torch else "cpu"


def computing() -> contextlib.AbstractContextManager[object]:
    """A block in which models compute and nothing is kept for training; transformers gives no advice meanwhile."""
    if importlib.util.find_spec("transformers"):
        # Its advice on unused and new weights: keys are checked here.
        importlib.import_module("transformers.utils.logging").set_verbosity_error()
    return torch.inference_mode() if torch else contextlib.nullcontext()


def make_deterministic() -> None:
    """Full float32 on GPUs (no TF32), and no choice of algorithm by timing."""
    if torch is None:
        return
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def describe(device: str) -> str:
    """For the manifest: the GPU's name, or ``cpu`` with its number of threads."""
    if device == "cpu":
        return f"cpu ({torch.get_num_threads() if torch else processors()} threads)"
    return f"{device} ({torch.cuda.get_device_name(device)})"


def processor() -> str:
    """The CPU's model and the instructions that torch uses on it: both decide the last bits of a number."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}"


#: The models of this process's last job, under ``scorers``; under ``for``, what they were loaded for; ``failures``.
_resident: dict[str, Any] = {}


def loaded_groups(
    scorers: Sequence[Scorer],
    weights: Mapping[str, Sequence[LocalWeight]],
    device: str,
    precision: str,
    files: Mapping[str, str],
    group: str,
    failures: dict[str, str],
) -> Iterator[list[Scorer]]:
    """Yield scorers loaded together; a group's models are released before the next are loaded.

    How scorers are grouped changes how often images are decoded, never a value. Models that all fit at once stay for
    the process's next job, which finds them loaded if it wants the same. A scorer that cannot be loaded is left out.
    ``scorers``: not yet loaded.
    ``weights``: their files, by metric.
    ``device``, ``precision``, ``files``: as for :meth:`Scorer.load`.
    ``group``: ``all``, ``one``, or ``auto``: the next model joins if its estimate fits into free memory.
    ``failures``: takes the reasons why scorers could not be loaded, by metric.
    """
    same = (device, precision, tuple(sorted(files.items())), tuple(type(scorer) for scorer in scorers))
    if _resident.get("for") == same:
        failures.update(_resident["failures"])
        if _resident["scorers"]:
            yield list(_resident["scorers"])
        return
    release_residents()
    loaded: list[Scorer] = []
    groups = 1
    try:
        for scorer in scorers:
            fits = group == "all" or (group == "auto" and estimate(weights[scorer.card.metric]) <= free_memory(device))
            if loaded and not fits:
                groups += 1
                yield loaded
                _release(loaded)
            if reason := _load(scorer, device, precision, files):
                failures[scorer.card.metric] = reason
                _release([scorer])
            else:
                loaded.append(scorer)
        if loaded:
            yield loaded
        if groups == 1 and group != "one":
            _resident.update({"for": same, "scorers": list(loaded), "failures": dict(failures)})
            loaded.clear()
    finally:
        _release(loaded)


def release_residents() -> None:
    """Let go of the models that the last job left loaded."""
    _release(_resident.pop("scorers", []))
    _resident.clear()


def _load(scorer: Scorer, device: str, precision: str, files: Mapping[str, str]) -> str:
    """Load the model; why that is not possible, empty where it is."""
    try:
        scorer.load(device, precision, files)
    except Exception as error:  # libraries, and users' scorers, raise whatever they like
        return load_fault(error, device)
    return_freed_memory()  # the checkpoint's tensors, which are none of the model's
    return ""


def load_fault(error: Exception, device: str) -> str:
    """Why a scorer cannot be loaded, in one line; the log has the traceback of what is none of our own errors."""
    if is_out_of_memory(error):
        return (
            f"its model does not fit into the memory of {device}; free the device, use one with more memory, or leave "
            "this metric out with --metric"
        )
    if not isinstance(error, MiroEvalError):
        traceback.print_exception(error)
        return f"cannot be loaded ({reason_of(error)})"
    return " ".join(str(error).split())


def _release(scorers: list[Scorer]) -> None:
    for scorer in scorers:
        scorer.unload()
    scorers.clear()
    gc.collect()
    return_freed_memory()
    if torch and torch.cuda.is_available():
        torch.cuda.empty_cache()
