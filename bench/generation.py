"""Generation's speed against upstream's sweep script, on the same weights and noise: ``python -m bench.generation``.

Runs with the generation environment's Python, from the top of a clone. Both make the same images (checked),
in processes of their own that take turns, ``--rounds`` times, since a shared machine's speed changes within minutes.
Weights are random: the tiny world's small ones, or with ``--real`` of the released models' sizes (0.36 B parameters,
SDXL's VAE, FLAN-T5-XL's encoder) in a folder that ``python -m bench.real_sizes FOLDER generation`` writes, for which
8 GB of disk and 14 GB of memory are needed. The script comes from the source distribution of miro-t2i 0.1.4: a folder
in ``MIRO_T2I_SDIST``, or else fetched by pip.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generation.suites import SUITES
from wire.pictures import read_picture
from wire.protocol import Item, Job

BATCH = 4
PARTS = ("text", "sampling", "decode", "write")
Turns = list[dict[str, float]]
"""Seconds by part, of each turn."""


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--samples", type=int, default=4, help="images per prompt")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch, for both")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="models of the released sizes, by bench.real_sizes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(measure(Path(name), options))  # noqa: T201 - its purpose


def measure(folder: Path, options: argparse.Namespace) -> str:
    """Run both in ``folder``; returns the table."""
    world = options.real or folder / "world"
    variables = {"HF_HOME": str(world), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(options.threads)}
    if not options.real:
        _run([sys.executable, "-m", "generation.tiny_world", str(world)], variables)
    checkpoint = world / "checkpoints" / "tiny-miro" / "last.ckpt"
    job = _job(folder, checkpoint, options)
    script, theirs, ours = _script(folder, checkpoint, options), Turns(), Turns()
    for _ in range(options.rounds):
        for made in (folder / "theirs", folder / "ours"):
            shutil.rmtree(made, ignore_errors=True)
        Path(job.output).unlink(missing_ok=True)
        theirs.append(_clock(folder, variables, "upstream", *script))
        ours.append(_clock(folder, variables, "ours", str(folder / "job.json")))
    different = sum(not _same_pixels(folder / "theirs", Path(job.run_dir), item.filename) for item in job.items)
    how = f"{options.steps} steps, batch {BATCH}, {options.threads} thread(s), {options.rounds} turn(s) each"
    title = f"{len(job.items)} images of {256 if options.real else 64} px, {how}; {different} differ"
    return "\n".join([title, "", *_table(theirs, ours, len(job.items))])


def _job(folder: Path, checkpoint: Path, options: argparse.Namespace) -> Job:
    lines = SUITES["geneval"].lines[: options.prompts]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    items = [
        Item(f"{index:05d}/samples/{sample:04d}.png", index, sample, line)
        for index, line in enumerate(lines)
        for sample in range(options.samples)
    ]
    sweep = {"prompts": [[index, line["prompt"]] for index, line in enumerate(lines)], "samples": options.samples}
    parameters = {"checkpoint": str(checkpoint), "steps": options.steps, "batch_size": BATCH, "device": options.device}
    parameters |= {"noise": "upstream", "sweep": sweep}
    (folder / "ours").mkdir(exist_ok=True)
    job = Job("generation", str(folder / "ours"), str(folder / "rows.jsonl"), items, parameters)
    job.write(folder / "job.json")
    return job


def _script(folder: Path, checkpoint: Path, options: argparse.Namespace) -> list[str]:
    """Upstream's script and its arguments."""
    sdist = os.environ.get("MIRO_T2I_SDIST") or str(_fetch_sdist(folder))
    arguments = {
        "--checkpoint": checkpoint,
        "--metadata-file": folder / "prompts.jsonl",
        "--outdir": folder / "theirs",
        "--n-samples": options.samples,
        "--batch-size": BATCH,
        "--steps": options.steps,
        "--device": options.device,
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


def _table(theirs: Turns, ours: Turns, images: int) -> list[str]:
    """A row for each quantity: upstream's, ours, upstream's over ours."""
    rows = ["| | upstream's script | miro-eval | ratio |", "|---|---:|---:|---:|"]
    names = {part: f"{part}, s" for part in PARTS} | {"sweep": "sweep, s (text to last file)"}
    names |= {"cpu": "sweep, CPU s", "total": "with imports and loading, s"}
    rows += [_row(name, [turn[part] for turn in theirs], [turn[part] for turn in ours]) for part, name in names.items()]
    speeds = [images * len(turns) / sum(turn["sweep"] for turn in turns) for turns in (theirs, ours)]
    return [*rows, f"| images/s of the sweep | {speeds[0]:.3g} | {speeds[1]:.3g} | {speeds[1] / speeds[0]:.2f} |"]


def _row(name: str, theirs: Sequence[float], ours: Sequence[float]) -> str:
    """Means of the turns, and of the ratio the range."""
    ratios = sorted(one / other for one, other in zip(theirs, ours, strict=True))
    spread = f" ({ratios[0]:.2f} to {ratios[-1]:.2f})" if len(ratios) > 1 else ""
    means = [sum(side) / len(side) for side in (theirs, ours)]
    return f"| {name} | {means[0]:.2f} | {means[1]:.2f} | {means[0] / means[1]:.2f}{spread} |"


if __name__ == "__main__":
    main()
