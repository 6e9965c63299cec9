"""All that is worth measuring on a GPU, in one go: ``python -m bench.gpu``; README.md beside this says how.

Each part is a process of its own, with a limit of its own, most valuable first. Its figures are printed and added to
``figures.md`` as soon as it ends; a part that cannot run is named there with the reason, and the next one begins.
mmcv is compiled, and large weights are written, in the background meanwhile.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.gpu import say
from wire.host import compilers, processors

ROOT = Path(__file__).resolve().parents[2]
#: Cores that the compilers leave to what is measured meanwhile.
LEFT = 4
PACKAGES = ("torch", "torchvision", "transformers", "diffusers", "miro-t2i", "mmdet", "open_clip_torch", "numpy")


@dataclass(frozen=True)
class Part:
    """A command ``python -m MODULE ...``.

    Attributes:
        title: names it, in the figures and for ``--parts``.
        limit: seconds.
        real: module and arguments. ``{work}`` is a scratch folder, ``{given}`` the one of ``--given``.
        small: the same at sizes for a CPU; empty: left out then.
        after: name of what has to be prepared in the background.
    """

    title: str
    limit: int
    real: str
    small: str = ""
    after: str = ""


def _detector(more: str, images: int) -> tuple[str, str]:
    real = f"bench.geneval --real-size --images {images} --batch-size 8 {more}"
    return real, f"bench.geneval --images 6 --size 128 --batch-size 4 --rounds 1 {more}"


def _rewards(metric: str) -> tuple[str, str]:
    real = f"bench.rewards --real {{work}}/{metric} --metric {metric} --prompts 16 --rounds 2 --reference-images 32"
    return real, f"bench.rewards --metric {metric} --prompts 2 --samples 2 --edge 64 --batch-size 2"


PARTS = (
    Part("sampling", 90, "bench.gpu.generation", "bench.gpu.generation --small --batches 1 --steps 1"),
    Part("detector, float32", 100, *_detector("", 48)),
    Part("mmcv: its compiled operator", 90, "bench.gpu.mmcv_build", "bench.gpu.mmcv_build --images 0", after="mmcv"),
    Part("mmcv: the detector with it", 75, _detector("", 24)[0], after="mmcv"),
    Part("sampling, compiled", 150, "bench.gpu.generation --compile"),
    Part("memory of sampling", 60, "bench.gpu.memory", "bench.gpu.memory --small"),
    Part("pick_score", 90, *_rewards("pick_score"), after="pick_score"),
    Part("memory of rewards", 60, "bench.gpu.memory {work}/pick_score pick_score --free 8", after="pick_score"),
    Part("detector, bf16", 75, *_detector("--precision bf16", 24)),
    Part("hpsv2.1", 90, *_rewards("hpsv2.1"), after="hpsv2.1"),
    Part("image_reward", 90, *_rewards("image_reward"), after="image_reward"),
    Part("aesthetic", 90, *_rewards("aesthetic"), after="aesthetic"),
    Part("detector of transformers", 75, *_detector("--detector transformers", 24)),
    Part(
        "generation against upstream's script",
        120,
        "bench.generation --real {work}/generation --prompts 16 --steps 50",
        "bench.generation --prompts 1 --samples 1 --steps 1",
        after="generation",
    ),
    Part(
        "Soft-TIFA",
        90,
        "bench.judges {given}/evaluation.py --layers 4",
        "bench.judges {given}/evaluation.py --small --images 1 --edge 64 --rounds 1",
    ),
)
#: Written by :mod:`bench.real_sizes` in this order; sciscore's network is pick_score's.
WEIGHTS = ("pick_score", "hpsv2.1", "image_reward", "aesthetic", "generation")


class Session:
    """One call: its folders, its deadline, and what is prepared in the background."""

    def __init__(self, chosen: argparse.Namespace, work: Path, parts: Sequence[Part]) -> None:
        self.chosen, self.work, self.parts = chosen, work, parts
        self.deadline = time.monotonic() + 60 * chosen.minutes
        self.figures = chosen.out / "figures.md"
        self.log = (chosen.out / "log.txt").open("a", encoding="utf-8")
        self.variables = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, work / "mmcv", work / "site"))),
            "PYTHONUNBUFFERED": "1",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        self.running: set[subprocess.Popen[str]] = set()
        #: Of what is prepared: whether it is there yet, and why it will not be.
        unprepared = {""} | (
            {part.after for part in parts} if chosen.small else {"mmcv"} if chosen.device == "cpu" else set()
        )
        self.ready = {part.after: threading.Event() for part in parts if part.after not in unprepared}
        self.failed: dict[str, str] = {}

    def left(self) -> float:
        """Seconds."""
        return self.deadline - time.monotonic()

    def write(self, text: str) -> None:
        """Print, and add to the figures at once."""
        say(text)
        with self.figures.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def install(self) -> None:
        """What was given, into folders of this session."""
        for sdist in self.chosen.given.glob("miro_t2i-*.tar.gz"):
            subprocess.run(["tar", "xzf", sdist, "-C", self.work], check=True)
            self.variables["MIRO_T2I_SDIST"] = str(self.work / sdist.name.removesuffix(".tar.gz"))
        if wheels := sorted(self.chosen.given.glob("*.whl")):
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
            subprocess.run([*command, "--target", self.work / "site", *wheels], check=True)

    def prepare(self) -> None:
        """Begin what later parts wait for."""
        written = {name: f"bench.real_sizes {{work}}/{name} {name}" for name in WEIGHTS if name in self.ready}
        source = next(map(str, self.chosen.given.glob("mmcv-*.tar.gz")), "mmcv==2.1.0")
        jobs = min(compilers(1.3), max(1, processors() - LEFT))
        built = {"mmcv": f"bench.gpu.mmcv_build --build {source} --folder {{work}}/mmcv --jobs {jobs}"}
        for commands in (written, built):
            wanted = {name: command for name, command in commands.items() if name in self.ready}
            threading.Thread(target=self._prepare, args=(wanted,), daemon=True).start()

    def _prepare(self, commands: dict[str, str]) -> None:
        for name, command in commands.items():
            code, text = self.run(command, max(self.left(), 1))
            if code:
                self.failed[name] = "\n".join(text.strip().splitlines()[-12:])
            elif name == "mmcv":
                self.write(f"\n({text.strip().splitlines()[-1]})")
            self.ready[name].set()

    def stop(self) -> None:
        """End what still runs."""
        for process in self.running:
            os.killpg(process.pid, signal.SIGKILL)

    def run(self, command: str, seconds: float, *more: str) -> tuple[int, str]:
        """Exit code and what a command printed; of one that fails or is ended also why, as the last line."""
        words = shlex.split(command.format(work=self.work, given=self.chosen.given))
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            started = [sys.executable, "-W", "ignore", "-m", *words, *more]
            process = subprocess.Popen(
                started, cwd=ROOT, env=self.variables, stdout=out, stderr=errors, process_group=0
            )
            self.running.add(process)
            try:
                code, why = process.wait(seconds), ""
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code, why = process.wait(), f"ended after {seconds:.0f} s"
            self.running.discard(process)
            printed, said = (_read(file) for file in (out, errors))
        self.log.write(f"--- {command}\n{said}\n")
        self.log.flush()
        return code, f"{printed}\n{why or _reason(said, code)}" if code else printed

    def in_turn(self) -> Iterator[Part]:
        """The parts; one that has to wait for what is not prepared yet lets later ones go first."""
        waiting = list(self.parts)
        while waiting:
            able = [part for part in waiting if part.after not in self.ready or self.ready[part.after].is_set()]
            chosen = (able or waiting)[0]
            waiting.remove(chosen)
            yield chosen

    def measure(self, part: Part) -> None:
        """One part, its figures, or why there are none."""
        command = part.small if self.chosen.small else part.real
        self.write(f"\n## {part.title}\n")
        if part.after in self.ready and not self.ready[part.after].wait(max(self.left(), 0)):
            self.write(f"not measured: no time was left to wait for {part.after}")
        elif part.after in self.failed:
            self.write(f"not measured: {part.after} could not be prepared:\n{self.failed[part.after]}")
        elif self.left() < 1:
            self.write("not measured: no time was left")
        else:
            start = time.monotonic()
            code, text = self.run(
                command,
                min(self.left(), self.left() if self.chosen.small else part.limit),
                "--device",
                self.chosen.device,
            )
            busy = ", while weights or mmcv were made ready" if not all(e.is_set() for e in self.ready.values()) else ""
            figures, _, why = text.rpartition("\n") if code else (text, "", "")
            self.write(f"```text\n{figures.strip()}\n```" if figures.strip() else "")
            self.write(f"{f'not measured to its end: {why}; ' if code else ''}{time.monotonic() - start:.0f} s{busy}")


def _reason(said: str, code: int) -> str:
    """The line of what was said that names an error, or else the last one."""
    lines = said.strip().splitlines() or [f"exit code {code}"]
    return next((line for line in reversed(lines) if re.match(r"[\w.]+(Error|Failure|Exception)\b", line)), lines[-1])


def _read(file: Any) -> str:
    file.seek(0)
    return str(file.read())


def machine(device: str) -> str:
    """Date, GPU, driver and versions, a line each."""
    lines = [f"# Figures of {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC\n", f"- {processors()} CPU cores"]
    if device != "cpu":
        lines.append(_last_line("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"))
        lines.append(_last_line("nvcc", "--version"))
        lines.append(_last_line(sys.executable, "-c", "import torch; print('torch for CUDA', torch.version.cuda)"))
    return "\n".join([*lines, f"- Python {sys.version.split()[0]}"])


def _last_line(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"- {command[0]}: {error}"
    return f"- {(answer.stdout or answer.stderr).strip().splitlines()[-1]}"


def versions(site: Path) -> str:
    """Of the packages that decide speed, those given first."""
    found = {one.name.lower(): one.version for one in metadata.distributions(path=[*sys.path, str(site)])}
    return ", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found)


def main(arguments: Sequence[str]) -> None:
    """Measure all parts that fit into the time."""
    parser = argparse.ArgumentParser("python -m bench.gpu", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of figures.md and log.txt")
    parser.add_argument("--given", type=Path, default=Path("given"), help="folder of packages that the machine lacks")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything [default: 9]")
    parser.add_argument("--parts", nargs="+", metavar="NAME", help="only those whose title begins so")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="small sizes, to try the script out; see --device cpu")
    chosen = parser.parse_args(arguments)
    parts = [part for part in PARTS if not chosen.parts or part.title.startswith(tuple(chosen.parts))]
    parts = [part for part in parts if part.small or not chosen.small]
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as name:
        session = Session(chosen, Path(name), parts)
        session.write(machine(chosen.device))
        session.install()
        session.write(f"- {versions(session.work / 'site')}")
        session.prepare()
        try:
            for part in session.in_turn():
                session.measure(part)
        finally:
            session.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
