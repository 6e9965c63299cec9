"""Figures of the rewards benchmark: kept in a file, joined, and put into tables."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rewards.flops import PROMPT_TOKENS, Cost
from rewards.scorers import SCORERS

#: Edge of the square matrices whose product is timed: large enough to reach the library's best rate.
EDGE = 2048


def matrix_rate(device: str) -> float:
    """Float32 operations a second of a device's matrix product, the best of five."""
    import torch

    first, second = torch.randn(2, EDGE, EDGE, device=device)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        (first @ second)[0, 0].item()  # which waits for a GPU
        seconds.append(time.perf_counter() - start)
    return 2 * EDGE**3 / min(seconds)


@dataclass(frozen=True)
class Figures:
    """One metric, or all in one pass, on one side.

    Attributes:
        images: how many were scored, each turn.
        seconds: in which, by turn.
        cpu_seconds: of all threads together, by turn.
        scores: of the images in order; empty for all metrics together.
        peak_gb: largest memory of the process, which several metrics may have shared.
    """

    images: int
    seconds: list[float]
    cpu_seconds: list[float]
    scores: list[float]
    peak_gb: float

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images * len(self.seconds) / sum(self.seconds)

    @property
    def cpu_rate(self) -> float:
        """Images a CPU second."""
        return self.images * len(self.cpu_seconds) / sum(self.cpu_seconds)


@dataclass(frozen=True)
class Run:
    """Figures by metric (``all``: in one pass) and side.

    Attributes:
        metrics: metric id -> side (``reference``, ``ours``, ``fast``) -> figures.
        samples: images per prompt.
        matrix_rate: see :func:`matrix_rate`.
        real: whether the models have their real sizes.
    """

    metrics: dict[str, dict[str, Figures]]
    samples: int
    matrix_rate: float
    real: bool

    @classmethod
    def of(cls, sides: Mapping[str, Sequence[Mapping[str, Any]]], samples: int, rate: float, real: bool) -> Run:
        """From what the sides' processes say of each turn."""
        metrics = {
            metric: {side: _figures(turns, metric) for side, turns in sides.items()}
            for metric in next(iter(sides.values()))[0]["seconds"]
        }
        return cls(metrics, samples, rate, real)

    @classmethod
    def read(cls, path: Path) -> Run:
        """What :meth:`write` kept."""
        record = json.loads(path.read_text(encoding="utf-8"))
        record["metrics"] = {
            metric: {side: Figures(**figures) for side, figures in sides.items()}
            for metric, sides in record["metrics"].items()
        }
        return cls(**record)

    def write(self, path: Path) -> None:
        """Keep the figures."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def joined(self, later: Run) -> Run:
        """Both runs' metrics and sides; "all" of single runs means nothing and is left out."""
        names = [name for name in {**self.metrics, **later.metrics} if name != "all"]
        metrics = {name: self.metrics.get(name, {}) | later.metrics.get(name, {}) for name in names}
        return Run(metrics, later.samples, max(self.matrix_rate, later.matrix_rate), later.real)

    def table(self) -> str:
        """Images a second, ratios and the largest difference of a score; with real sizes also what binds."""
        head = ["metric", "reference, images/s", "ours", "ratio", "ratio in CPU s", "off by"]
        head += ["fast", "ratio", "ratio in CPU s", "off by"]
        head += ["GFLOP an image", "GFLOP/s", "peak memory, GB: reference", "ours", "fast"] if self.real else []
        lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
        shown = [metric for metric in self.metrics if metric != "all" or not self.real]
        lines += [f"| {' | '.join(self._row(metric))} |" for metric in shown]
        return "\n".join([*lines, "", self._overall() if self.real else self._peaks()])

    def _row(self, metric: str) -> list[str]:
        sides = self.metrics[metric]
        reference = sides["reference"]
        digits = 3 if self.real else 2
        cells = [metric, f"{reference.rate:.{digits}f}"]
        for side in ("ours", "fast"):
            if (found := sides.get(side)) is None:
                cells += ["not run"] + [""] * 3
                continue
            cells += [f"{found.rate:.{digits}f}", ratio(reference, found)]
            cells += [f"{found.cpu_rate / reference.cpu_rate:.2f}x", difference(reference.scores, found.scores)]
        if self.real:
            work = self.operations(metric)
            cells += [f"{work / 1e9:.0f}", f"{work * sides['ours'].rate / 1e9:.0f}"]
            peaks = (sides.get(side) for side in ("reference", "ours", "fast"))
            cells += [f"{found.peak_gb:.1f}" if found else "" for found in peaks]
        return cells

    def operations(self, metric: str) -> float:
        """Operations an image, its share of the prompt's included."""
        known = SCORERS[metric].card.cost
        each = known(PROMPT_TOKENS) if known else Cost(0.0)
        return each.image + each.prompt / self.samples

    def _overall(self) -> str:
        """One scorer after the other, without what one pass saves by decoding each image once."""
        whole = [metric for metric in self.metrics if metric != "all"]
        reference, ours = (sum(1 / self.metrics[m][side].rate for m in whole) for side in ("reference", "ours"))
        before, now = (sum(1 / self.metrics[m][side].cpu_rate for m in whole) for side in ("reference", "ours"))
        return (
            f"One after the other: reference {1 / reference:.3f} images/s, ours {1 / ours:.3f}, "
            f"ratio {reference / ours:.2f}x ({before / now:.2f}x in CPU seconds).\n"
            f"Float32 matrix products of edge {EDGE} run at {self.matrix_rate / 1e9:.0f} GFLOP/s on this machine."
        )

    def _peaks(self) -> str:
        sides = next(iter(self.metrics.values()))
        peaks = ", ".join(f"{side} {figures.peak_gb:.2f} GB" for side, figures in sides.items())
        return f"Peak memory of the process: {peaks}."


def _figures(turns: Sequence[Mapping[str, Any]], metric: str) -> Figures:
    seconds, cpu_seconds = (list(kind) for kind in zip(*(found["seconds"][metric] for found in turns), strict=True))
    last = turns[-1]
    return Figures(last["images"], seconds, cpu_seconds, last["scores"].get(metric, []), last["peak_gb"])


def ratio(reference: Figures, ours: Figures) -> str:
    """How many times as many images a second; of several rounds, also the lowest and the highest."""
    whole = f"{ours.rate / reference.rate:.2f}x"
    if len(ours.seconds) != len(reference.seconds) or len(ours.seconds) == 1:
        return whole
    scale = ours.images / reference.images
    rounds = [scale * before / now for before, now in zip(reference.seconds, ours.seconds, strict=True)]
    return f"{whole} ({min(rounds):.2f} to {max(rounds):.2f})"


def difference(first: list[float], second: list[float]) -> str:
    """Largest difference of two lists of scores, and that of their means; nothing without scores."""
    pairs = list(zip(first, second, strict=False))  # one side may have scored the first images only
    if not pairs:
        return ""
    largest = max(abs(a - b) for a, b in pairs)
    means = abs(statistics.fmean(a - b for a, b in pairs))
    return f"{largest:.1e} (mean {means:.1e})"
