"""Soft-TIFA as GenEval 2's script goes about it, one generation a question, against ours, on the same model in one run.

    PYTHONPATH=. <vlm environment's python> -m bench.judges evaluation.py [--images 2] [--edge 512] [--rounds 2]

``evaluation.py`` is the authors' (github.com/facebookresearch/GenEval2), run as it is on the model that ours uses. That
has the published widths, vocabulary and heads, random weights, and fewer layers, for a CPU: ``--layers`` of text
and as many of vision. The sides take turns; what they spend in the image tower and in the text layers is timed inside.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench.rewards import images
from rewards.models.qwen3_vl import Qwen3VL
from rewards.scorers.base import Batch
from rewards.scorers.qwen3_vl import SIZE_8B
from rewards.scorers.soft_tifa import SoftTifa, first_ids
from rewards.tiny_world.vlm.qwen3_vl import make_qwen3_vl, save_qwen3_vl
from rewards.tiny_world.vlm.tokenizer import train
from wire.pictures import read_picture, to_rgb

#: Of one prompt: GenEval 2 has 7.5 in the mean, of 13 tokens.
QUESTIONS = [
    *(["How many dogs are in the image?", "two"], ["Are the dogs white?", "Yes"]),
    *(["Are there any dogs in the image?", "Yes"], ["Are the dogs in front of the cows?", "Yes"]),
    *(["How many cows are in the image?", "three"], ["Are the cows made of plastic?", "Yes"]),
    *(["Are there any cows in the image?", "Yes"], ["Are the cows jumping over the bench?", "Yes"]),
]


def model(folder: Path, layers: int, device: str, small: bool) -> Qwen3VL:
    """The published widths with few layers, or the tiny world's; in float32."""
    made = make_qwen3_vl(train(), 1) if small else _wide(layers)
    save_qwen3_vl(made, train(), folder)
    del made
    return Qwen3VL(folder, torch.float32, device, "the model")


def _wide(layers: int) -> Any:
    width, hidden, _ = SIZE_8B.vision
    return make_qwen3_vl(
        train(),
        1,
        {"depth": layers, "hidden_size": width, "intermediate_size": hidden, "num_heads": 16}
        | {"out_hidden_size": SIZE_8B.width, "num_position_embeddings": 2304}
        | {"deepstack_visual_indexes": list(range(layers))},
        hidden_size=SIZE_8B.width,
        intermediate_size=SIZE_8B.hidden,
        num_hidden_layers=layers,
        num_attention_heads=SIZE_8B.queries,
        num_key_value_heads=8,
        head_dim=128,
        vocab_size=151_936,
        rope_scaling={"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"},
    )


def authors(script: Path, loaded: Any, processor: Any) -> Callable[[Path], list[float]]:
    """The script's own function, on our model."""
    from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

    real = AutoProcessor.from_pretrained, Qwen3VLForConditionalGeneration.from_pretrained
    AutoProcessor.from_pretrained = lambda *_, **__: processor
    Qwen3VLForConditionalGeneration.from_pretrained = lambda *_, **__: loaded
    names: dict[str, Any] = {"__name__": script.stem}
    exec(compile(script.read_text(encoding="utf-8"), script.name, "exec"), names)  # noqa: S102 - the user names the file
    AutoProcessor.from_pretrained, Qwen3VLForConditionalGeneration.from_pretrained = real
    return lambda image: list(names["soft_tifa"](QUESTIONS, str(image))[1])


def ours(loaded: Qwen3VL, folder: Path) -> Callable[[Path], list[float]]:
    """The scorer's, from the image's file on."""
    scorer: Any = SoftTifa()
    scorer._model, scorer._ids = loaded, first_ids(folder / "tokenizer.json")
    line = {"prompt": "dogs and cows", "vqa_list": QUESTIONS}

    def score(image: Path) -> list[float]:
        with torch.inference_mode():
            pixels = scorer.prepare_image(read_picture(image.read_bytes(), to_rgb))
            return [detail["p"] for detail in scorer.judge(Batch([pixels], [line["prompt"]], None, [line]))[0].details]

    return score


class Inside:
    """Seconds spent in parts of the model."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.seconds = dict.fromkeys(parts, 0.0)
        self._since: dict[str, float] = {}
        for name, part in parts.items():
            part.register_forward_pre_hook(lambda *_, name=name: self._since.update({name: time.perf_counter()}))
            part.register_forward_hook(lambda *_, name=name: self._add(name))

    def _add(self, name: str) -> None:
        self.seconds[name] += time.perf_counter() - self._since[name]


def main() -> None:
    """Print a row for each side, and their ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("script", type=Path, help="without it there, ours is measured alone")
    for name, default in (("images", 2), ("edge", 512), ("rounds", 2), ("layers", 2)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--device", default="cpu")
    options.add_argument("--small", action="store_true", help="the tiny world's model, to try the script out")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        loaded = model(folder, chosen.layers, chosen.device, chosen.small)
        from transformers import AutoProcessor

        sides = {"ours": ours(loaded, folder)}
        if chosen.script.exists():
            processor = AutoProcessor.from_pretrained(folder)
            sides = {"evaluation.py": authors(chosen.script, loaded._model, processor), **sides}
        files = [folder / name for name, _ in images(folder, chosen.images, 1, chosen.edge)]
        inside = Inside({"image tower": loaded._core.visual, "text layers": loaded._core.language_model})
        for line in report(sides, files, chosen.rounds, inside):
            print(line, flush=True)  # noqa: T201


def report(
    sides: dict[str, Callable[[Path], list[float]]], files: list[Path], rounds: int, inside: Inside
) -> list[str]:
    """Take turns; a table's lines."""
    spent: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    found: dict[str, list[list[float]]] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            inside.seconds = dict.fromkeys(inside.seconds, 0.0)
            start, processor = time.perf_counter(), time.process_time()
            found[name] = [side(file) for file in files]
            wall, busy = time.perf_counter() - start, time.process_time() - processor
            spent[name].append({"seconds": wall, "CPU seconds": busy, **inside.seconds})
    columns = list(spent["ours"][0])
    mean = {
        name: {column: sum(turn[column] for turn in turns) / rounds / len(files) for column in columns}
        for name, turns in spent.items()
    }
    lines = [f"| an image, {len(QUESTIONS)} questions | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {name} | {' | '.join(f'{row[column]:.2f}' for column in columns)} |" for name, row in mean.items()]
    if len(sides) == 1:
        return [*lines, "evaluation.py is not there: not compared"]
    off = max(abs(a - b) / a for x, y in zip(*found.values(), strict=True) for a, b in zip(x, y, strict=True))
    theirs, own = (spent[name] for name in sides)
    ratios = [one["seconds"] / other["seconds"] for one, other in zip(theirs, own, strict=True)]
    ratio = {column: mean["evaluation.py"][column] / mean["ours"][column] for column in columns}
    lines.append(f"| ratio | {' | '.join(f'{ratio[column]:.2f}x' for column in columns)} |")
    spread = f"rounds {min(ratios):.2f} to {max(ratios):.2f}, load {os.getloadavg()[0]:.1f}"
    return [*lines, f"{spread}; probabilities differ by at most {off:.1e} of themselves"]


if __name__ == "__main__":
    main()
