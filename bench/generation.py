"""Generation's speed against upstream's sweep script, on the same weights and noise: ``python -m bench.generation``.

Runs with the generation environment's Python, from the top of a clone, on a CPU. Both make the same images (checked),
of the tiny world's small random network, in processes of their own, one after the other. The script comes from the
source distribution of miro-t2i 0.1.4: a folder in ``MIRO_T2I_SDIST``, or else fetched by pip.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from generation.suites import SUITES
from wire.pictures import read_picture
from wire.protocol import Item, Job

SAMPLES, BATCH = 4, 4
PARTS = ("text", "sampling", "decode", "write")


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch, for both")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(measure(Path(name), options.prompts, options.steps, options.threads))  # noqa: T201 - its purpose


def measure(folder: Path, prompts: int, steps: int, threads: int) -> str:
    """Run both in ``folder``; returns the table."""
    world = folder / "world"
    variables = {"HF_HOME": str(world), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)}
    _run([sys.executable, "-m", "generation.tiny_world", str(world)], variables)
    checkpoint = world / "checkpoints" / "tiny-miro" / "last.ckpt"
    job = _job(folder, checkpoint, prompts, steps)
    theirs = _clock(folder, variables, "upstream", *_script(folder, checkpoint, steps))
    ours = _clock(folder, variables, "ours", str(folder / "job.json"))
    different = sum(not _same_pixels(folder / "theirs", Path(job.run_dir), item.filename) for item in job.items)
    title = f"{len(job.items)} images of 64 x 64, {steps} steps, batch {BATCH}, {threads} thread(s); {different} differ"
    return "\n".join([title, "", *_table(theirs, ours, len(job.items))])


def _job(folder: Path, checkpoint: Path, prompts: int, steps: int) -> Job:
    lines = SUITES["geneval"].lines[:prompts]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    items = [
        Item(f"{index:05d}/samples/{sample:04d}.png", index, sample, line)
        for index, line in enumerate(lines)
        for sample in range(SAMPLES)
    ]
    sweep = {"prompts": [[index, line["prompt"]] for index, line in enumerate(lines)], "samples": SAMPLES}
    parameters = {"checkpoint": str(checkpoint), "steps": steps, "batch_size": BATCH, "device": "cpu"}
    parameters |= {"noise": "upstream", "sweep": sweep}
    job = Job("generation", str(folder / "ours"), str(folder / "rows.jsonl"), items, parameters)
    job.write(folder / "job.json")
    return job


def _script(folder: Path, checkpoint: Path, steps: int) -> list[str]:
    """Upstream's script and its arguments."""
    sdist = os.environ.get("MIRO_T2I_SDIST") or str(_fetch_sdist(folder))
    arguments = {
        "--checkpoint": checkpoint,
        "--metadata-file": folder / "prompts.jsonl",
        "--outdir": folder / "theirs",
        "--n-samples": SAMPLES,
        "--batch-size": BATCH,
        "--steps": steps,
        "--device": "cpu",
    }
    script = Path(sdist) / "scripts" / "generate_geneval.py"
    return [str(script), *(str(word) for pair in arguments.items() for word in pair)]


def _fetch_sdist(folder: Path) -> Path:
    """The source distribution, unpacked; environments made by uv have no pip of their own."""
    wanted = ["--no-deps", "--no-binary", "miro-t2i", "miro-t2i==0.1.4", "--dest", str(folder)]
    _run(["uvx", "pip", "download", *wanted], {})
    with tarfile.open(folder / "miro_t2i-0.1.4.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "miro_t2i-0.1.4"


def _clock(folder: Path, variables: dict[str, str], *command: str) -> dict[str, float]:
    output = folder / f"{command[0]}.json"
    _run([sys.executable, "-m", "bench.stage_clock", str(output), *command], variables)
    record: dict[str, float] = json.loads(output.read_text(encoding="utf-8"))
    return record


def _run(command: list[str], variables: dict[str, str]) -> None:
    answer = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{answer.stderr[-2000:]}")


def _same_pixels(first: Path, second: Path, name: str) -> bool:
    import numpy as np

    return bool(np.array_equal(_pixels(first / name), _pixels(second / name)))


def _pixels(path: Path) -> Any:
    import numpy as np

    return read_picture(path.read_bytes(), np.asarray)


def _table(theirs: dict[str, float], ours: dict[str, float], images: int) -> list[str]:
    """A row for each quantity: upstream's, ours, upstream's over ours."""
    rows = ["| | upstream's script | miro-eval | ratio |", "|---|---|---|---|"]
    rows += [_row(f"{part}, s", theirs[part], ours[part]) for part in PARTS]
    rows.append(_row("sweep, s (text to last file)", theirs["sweep"], ours["sweep"]))
    rows.append(_row("sweep, CPU s", theirs["cpu"], ours["cpu"]))
    rows.append(_row("with imports and loading, s", theirs["total"], ours["total"]))
    speeds = [f"{images / record['sweep']:.2f}" for record in (theirs, ours)]
    return [*rows, f"| images/s of the sweep | {speeds[0]} | {speeds[1]} | {theirs['sweep'] / ours['sweep']:.2f} |"]


def _row(name: str, theirs: float, ours: float) -> str:
    return f"| {name} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.2f} |"


if __name__ == "__main__":
    main()
