"""Runs a sweep, upstream's script or our worker, and tells how long each part of it took.

``python -m bench.stage_clock OUTPUT.json upstream SCRIPT ARGUMENTS...``, or ``... OUTPUT.json ours JOB.json``.

Both go through the same functions of transformers, miro-t2i and Pillow, and these are what is timed.
"""

from __future__ import annotations

import io
import json
import runpy
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Seconds by part; parts that run in background threads add up over the threads.
SECONDS: defaultdict[str, float] = defaultdict(float)
_LOCK = threading.Lock()


def wait() -> None:
    """For the GPU, where there is one: what it was given to do belongs to the part that gave it."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, with its time added to ``part``."""

    def wrapped(*arguments: Any, **more: Any) -> Any:
        started = time.perf_counter()
        with _LOCK:
            SECONDS.setdefault("first", started)
            SECONDS.setdefault("first_cpu", time.process_time())
        try:
            found = function(*arguments, **more)
            if part != "write":  # which is done beside the GPU's work
                wait()
            return found
        finally:
            with _LOCK:
                SECONDS[part] += time.perf_counter() - started
                SECONDS["last"] = time.perf_counter()
                SECONDS["last_cpu"] = time.process_time()

    return wrapped


def watch() -> None:
    """Time the parts that both sweeps share."""
    from miro.models.postprocessing import VAEDecoderPostProcessing
    from miro.models.sampler import Sampler
    from PIL import Image
    from transformers import T5EncoderModel

    places = (
        ("text", T5EncoderModel, "forward"),
        ("sampling", Sampler, "sample"),
        ("decode", VAEDecoderPostProcessing, "_decode"),
        ("write", Image.Image, "save"),
    )
    for part, owner, name in places:
        setattr(owner, name, timed(part, getattr(owner, name)))


def run_ours(job: str) -> None:
    """Our worker, in this process."""
    from generation.worker import work
    from wire.allocator import keep_freed_memory
    from wire.protocol import Job, Reporter

    keep_freed_memory()  # as every worker's process does
    work(Job.read(Path(job)), Reporter(io.StringIO()))


def main() -> None:
    """See the module."""
    started = time.perf_counter()
    output, who, *rest = sys.argv[1:]
    watch()
    if who == "upstream":
        sys.argv = rest
        runpy.run_path(rest[0], run_name="__main__")
    else:
        run_ours(rest[0])
    sweep = SECONDS.pop("last") - SECONDS.pop("first")
    cpu = SECONDS.pop("last_cpu") - SECONDS.pop("first_cpu")
    record = dict(SECONDS) | {"sweep": sweep, "cpu": cpu, "total": time.perf_counter() - started}
    Path(output).write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
