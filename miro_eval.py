"""The door to miro-eval: the command line's entry point, and three functions for other programs.

    evaluated = miro_eval.evaluate("runs/last.ckpt", run=miro_eval.RunSettings(offline=True))
    files = miro_eval.report([evaluated.out], "report")
    assert miro_eval.check(evaluated.out, "baseline.json").passes

Importing it makes sure that ``wire``, ``generation``, ``geneval``, ``rewards``, ``reports`` and ``harness`` are ours:
a training repository may have its own ``rewards/``, and ``PYTHONPATH=.`` would put that first.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from harness.run.settings import GenerationSettings, GenevalSettings, RewardSettings, RunSettings
    from reports import ReportFiles
    from reports.gate.check import Gate
    from reports.summary.run_summary import RunSummary

__all__ = [
    "Evaluated",
    "GenerationSettings",
    "GenevalSettings",
    "RewardSettings",
    "RunSettings",
    "check",
    "evaluate",
    "main",
    "report",
]

#: Our top-level packages; none of another origin may replace one of them.
PARTS = ("wire", "generation", "geneval", "rewards", "reports", "harness")


def _root() -> Path:
    """Folder of our packages: where the installed door's clone is, which may be anywhere, else above this file."""
    here = Path(__file__).resolve()
    clones = [Path(line) for file in here.parents[1].glob("*miro_eval*.pth") for line in file.read_text().splitlines()]
    return next((folder for folder in (*clones, *here.parents) if (folder / "wire" / "errors.py").is_file()), here)


_ROOT = _root()


class _OurParts:
    """Finds our packages beside this file, wherever else Python's path has packages of their names."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(_ROOT)]) if path is None and name in PARTS else None


def _claim_names() -> None:
    """Find our packages first. Raises ImportError: another package of such a name has been imported already."""
    for name in PARTS:
        file = getattr(sys.modules.get(name), "__file__", None)
        if name in sys.modules and (file is None or not Path(file).resolve().is_relative_to(_ROOT)):
            raise ImportError(f"a package {name!r} of another origin is imported already: run miro-eval as a program")
    if _OurParts not in sys.meta_path:
        sys.meta_path.insert(0, _OurParts)


def _give_up(words: str) -> NoReturn:
    """Exit with 4: Python's own status for an error is 1, which here means that a gate failed."""
    with contextlib.suppress(OSError, AttributeError):  # standard error may be full or closed
        sys.stderr.write(f"miro-eval: {words}\n")
        sys.stderr.flush()
    os._exit(4)


try:
    _claim_names()
except ImportError as found:
    if Path(sys.argv[0]).name == "miro-eval":
        _give_up(str(found))
    raise


def __getattr__(name: str) -> Any:
    """The settings classes, imported on first use."""
    if name.endswith("Settings") and name in __all__:
        return getattr(import_module("harness.run.settings"), name)
    raise AttributeError(f"module 'miro_eval' has no attribute {name!r}")


@dataclass(frozen=True)
class Evaluated:
    """A finished run, or one that was submitted to a cluster; then the summary is None.

    ``unscored`` counts items without a result; their rows say why.
    """

    out: Path
    unscored: int
    summary: RunSummary | None


def evaluate(
    checkpoint: str | Path,
    out: str | Path | None = None,
    *,
    generation: GenerationSettings | None = None,
    geneval: GenevalSettings | None = None,
    rewards: RewardSettings | None = None,
    run: RunSettings | None = None,
    tiny_world: bool = False,
) -> Evaluated:
    """Generate, judge and score, like ``miro-eval all`` for one checkpoint; finished work is kept.

    Args:
        checkpoint: a file, a folder (also of existing images), or a repository's id.
        out: the run directory; None: a folder beside the checkpoint.
        tiny_world: use small random models; the scores mean nothing.

    Raises MiroEvalError: bad input, an environment or a weight that cannot be had, a stage that failed; what is
    finished is kept.
    """
    from harness.cli.session import choose_source
    from harness.environments.manager import environment_backend
    from harness.plan.evaluations import evaluate as bring_to_end
    from harness.plan.evaluations import evaluation
    from harness.plan.open import default_directory
    from harness.plan.selection import with_defaults
    from harness.run.settings import GenerationSettings, RunSettings
    from harness.terminal.display import Display
    from reports.read.runs import read_run
    from reports.summary.run_summary import summarise_run
    from rewards.scorers import CARDS

    common = run or RunSettings()
    common = replace(common, geneval=geneval or common.geneval, rewards=rewards or common.rewards)
    common = replace(common, env_backend=environment_backend(common.geneval.detector, common.env_backend))
    model = with_defaults(replace(generation or GenerationSettings(), checkpoint=str(checkpoint)))
    one = evaluation(model, Path(out) if out else default_directory(model.source), common)
    with Display() as display:
        outcome = bring_to_end([one], choose_source(common, display, tiny_world=tiny_world), display)
    for failure in outcome.failures.values():
        raise failure
    summary = summarise_run(read_run(outcome.finished[0], CARDS)) if outcome.finished else None
    return Evaluated(one.settings.out, outcome.unscored, summary)


def report(runs: Sequence[str | Path], out: str | Path, across: Sequence[str] = ()) -> ReportFiles:
    """Write a leaderboard of finished runs, like ``miro-eval report``.

    Args:
        runs: run directories, folders of them, or files of GenEval or reward rows.
        across: fields of the protocol in which runs may differ and still be ranked together.

    Raises UserError: an input is missing, empty or malformed; then nothing is written.
    """
    from reports import report as write_report
    from rewards.scorers import CARDS

    return write_report([Path(run) for run in runs], Path(out), across, CARDS)


def check(
    candidate: str | Path,
    baseline: str | Path,
    policy: str | Path | None = None,
    *,
    subset: bool = False,
    looks: Sequence[int] = (),
) -> Gate:
    """Judge a run against a baseline, like ``miro-eval check``; ``.passes`` is the verdict.

    Args:
        candidate, baseline: run directory, file of rows, or saved baseline.
        policy: a TOML file; None: the default policy.
        subset: compare only the candidate's prompts.
        looks: ascending numbers of prompts after which to test; empty: the policy's.

    Raises UserError: an input is missing or malformed, or the runs were made with different settings.
    """
    from harness.plan.gate import gate_of

    return gate_of(Path(candidate), Path(baseline), Path(policy) if policy else None, subset=subset, looks=looks)


def main() -> NoReturn:
    """Run the command line, and exit with one of :class:`wire.errors.ExitCode`."""
    try:
        from harness.cli import main
    except ImportError as error:
        _give_up(f"the installation is incomplete: install miro-eval again ({error})")
    main()


if __name__ == "__main__":
    main()
