"""From a checkpoint to scores, start-ups included: upstream's three commands against ``miro-eval all``, in turns.

``python -m bench.end_to_end [--prompts 24] [--rounds 2]`` with the orchestrator's Python, from the top of a clone; the
three environments are made ready first. The reference is what the authors' instructions come to: the sweep script of
miro-t2i, an image at a time through mmdet and clip_benchmark, then one reward package after the other. Each of its
commands is a process that imports, loads, works and ends. Both sides make the same images (checked), of the tiny
world's random models: the cost of starting and of feeding weighs as on a fast GPU, that of arithmetic does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

SAMPLES, BATCH, STEPS = 4, 4, 20
METRICS = ("aesthetic", "image_reward", "pick_score", "hpsv2.1", "sciscore")
Figures = dict[str, tuple[float, float]]
"""Wall and CPU seconds by part."""


def main() -> None:
    """Measure and print a table in Markdown; in an environment of a stage, do that stage's part of the reference."""
    parts = {"judge": judge_all, "score": score_all}
    if sys.argv[1:2] and sys.argv[1] in parts:
        parts[sys.argv[1]](*map(Path, sys.argv[2:]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=24, help="of four samples each")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each side")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-end-to-end-") as name:
        print(measure(Path(name), options.prompts, options.rounds))  # noqa: T201 - its purpose


def measure(folder: Path, prompts: int, rounds: int) -> str:
    """Both sides in turns; the table of medians."""
    from tests.real_environments import environment, miro_sdist, world

    pythons = {name: environment(name).command()[0] for name in ("miro", "geneval", "rewards")}
    place = world().folder
    write_prompts(folder / "prompts.jsonl", prompts)
    script = miro_sdist() / "scripts" / "generate_geneval.py"
    sides: dict[str, list[Figures]] = {"reference": [], "ours": []}
    for number in range(rounds):
        theirs, ours = folder / f"theirs-{number}", folder / f"ours-{number}"
        sides["reference"].append(reference(pythons, script, place, folder / "prompts.jsonl", theirs))
        sides["ours"].append(ours_once(place, folder / "prompts.jsonl", ours))
        require_the_same_images(theirs, ours)
    return "\n".join(table(sides, prompts * SAMPLES))


def write_prompts(path: Path, count: int) -> None:
    """Lines of GenEval's suite, spread over its tags."""
    from generation.suites import SUITES

    lines = SUITES["geneval"].lines
    chosen = lines[:: max(1, len(lines) // count)][:count]
    path.write_text("".join(json.dumps(line) + "\n" for line in chosen), encoding="utf-8")


def checkpoint_of(place: Path) -> Path:
    """The tiny world's Lightning checkpoint."""
    return place / "checkpoints" / "tiny-miro" / "last.ckpt"


def reference(pythons: dict[str, str], script: Path, place: Path, prompts: Path, out: Path) -> Figures:
    """The three commands, one after the other."""
    sweep = {"--checkpoint": checkpoint_of(place), "--metadata-file": prompts, "--outdir": out, "--device": "cpu"}
    sweep |= {"--n-samples": SAMPLES, "--batch-size": BATCH, "--steps": STEPS}
    commands = {
        "generate": [pythons["miro"], script, *(word for pair in sweep.items() for word in pair)],
        "judge": [pythons["geneval"], "-m", "bench.end_to_end", "judge", out, place],
        "score": [pythons["rewards"], "-m", "bench.end_to_end", "score", out, place],
    }
    return {part: timed(command, place) for part, command in commands.items()}


def ours_once(place: Path, prompts: Path, out: Path) -> Figures:
    """The same by one command; its parts are the stages' own records, which overlap the start of the next."""
    command = [sys.executable, "-m", "miro_eval", "all", checkpoint_of(place), "--tiny-world", "--suite", prompts]
    command += ["--out", out, "--noise", "upstream", "--steps", STEPS, "--batch-size", BATCH, "--device", "cpu"]
    command += [word for metric in METRICS for word in ("--metric", metric)]
    whole = timed(command, place)
    stages = json.loads((out / "run.json").read_text(encoding="utf-8"))["stages"]
    parts = {name: (stages[stage]["seconds"], float("nan")) for name, stage in _STAGES.items()}
    return parts | {"whole": whole}


_STAGES = {"generate": "generate", "judge": "geneval", "score": "rewards"}


def timed(command: list[Any], place: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a command and of what it starts, on one thread a library."""
    variables = os.environ | {"HF_HOME": str(place), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    variables |= {"PYTHONPATH": str(Path(__file__).parents[1]), "TOKENIZERS_PARALLELISM": "false"}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run([str(word) for word in command], env=variables, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if answer.returncode:
        sys.exit(f"{command} failed:\n{answer.stdout[-1000:]}{answer.stderr[-3000:]}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used


def require_the_same_images(theirs: Path, ours: Path) -> None:
    """End where a pixel differs."""
    from wire.pictures import read_picture

    for path in sorted(theirs.glob("*/samples/*.png")):
        other = ours / path.relative_to(theirs)
        one, two = (read_picture(file.read_bytes(), lambda picture: picture.tobytes()) for file in (path, other))
        if one != two:
            sys.exit(f"{path.relative_to(theirs)} differs between the two sides")


def table(sides: dict[str, list[Figures]], images: int) -> list[str]:
    """Medians over the rounds, by part and in all."""
    for figures in sides["reference"]:
        figures["whole"] = (sum(wall for wall, _ in figures.values()), sum(cpu for _, cpu in figures.values()))
    middle: Callable[[str, str, int], float] = lambda side, part, kind: median(f[part][kind] for f in sides[side])  # noqa: E731
    lines = [
        f"{images} images, {STEPS} steps, {len(METRICS)} metrics",
        "",
        "| | upstream's, s | miro-eval, s | ratio |",
    ]
    lines.append("|---|---:|---:|---:|")
    rows = [(f"{part}, wall", part, 0) for part in (*_STAGES, "whole")] + [("whole, CPU", "whole", 1)]
    for title, part, kind in rows:
        theirs, ours = middle("reference", part, kind), middle("ours", part, kind)
        lines.append(f"| {title} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.2f} |")
    return lines


def samples_of(out: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Each image with its prompt's metadata, in the suite's order."""
    found = []
    for folder in sorted(path.parent for path in out.glob("*/metadata.jsonl")):
        metadata = json.loads((folder / "metadata.jsonl").read_text(encoding="utf-8"))
        found += [(path, metadata) for path in sorted((folder / "samples").glob("*.png"))]
    return found


def judge_all(out: Path, place: Path) -> None:
    """In the geneval environment: the reference flow over a folder of images, and the score."""
    import warnings

    from bench.geneval_reference import Reference
    from geneval.judge import JudgeOptions, judge

    warnings.simplefilter("ignore")
    files = {"mask2former": place / "files" / "mask2former.pth", "clip-vit-l-14": place / "files" / "clip-vit-l-14.pt"}
    reference = Reference(files, place / "files" / "mask2former_tiny.py", "cpu", out)
    rows = []
    for path, metadata in samples_of(out):
        found = reference.found(path, 0.9 if metadata["tag"] == "counting" else 0.3)
        asked = [clause["class"] for clause in metadata["include"] if "color" in clause and clause["class"] in found]
        colors = {name: [reference.color(path, name, one) for one in found[name]] for name in asked}
        boxes = {name: [box for box, _ in group] for name, group in found.items()}
        verdict = judge(boxes, metadata, colors, JudgeOptions(max_objects=1000))
        rows.append({"filename": str(path), "correct": verdict.correct, "reason": verdict.reason} | metadata)
    (out / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def score_all(out: Path, place: Path) -> None:
    """In the rewards environment: one package after the other over a folder of images, and the means."""
    import warnings

    import torch

    from bench.reward_packages import reference_scorer
    from wire.pictures import read_picture

    warnings.simplefilter("ignore")
    torch.set_grad_enabled(False)
    pairs, means = samples_of(out), {}
    for metric in METRICS:
        score = reference_scorer(metric, place, "cpu")
        scores = [
            score(read_picture(path.read_bytes(), lambda picture: picture.convert("RGB")), metadata["prompt"])
            for path, metadata in pairs
        ]
        means[metric] = sum(scores) / len(scores)
    (out / "rewards_summary.json").write_text(json.dumps(means), encoding="utf-8")


if __name__ == "__main__":
    main()
