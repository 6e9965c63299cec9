"""``miro-eval all``: the main job, from a checkpoint to a leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options
from harness.cli.signature import takes_settings
from harness.run.settings import GenerationSettings, GenevalSettings, RewardSettings, RunSettings
from harness.terminal.display import Display
from harness.terminal.echo import echo
from wire.errors import MiroEvalError, UserError

if TYPE_CHECKING:
    from harness.plan.evaluations import Evaluation

Watch = Annotated[
    Path | None, typer.Option(help="evaluate the checkpoints in this folder as training writes them, until Ctrl-C")
]
Settle = Annotated[float, typer.Option(help="with --watch: seconds a file must stay unchanged", min=0)]


@takes_settings
def all_stages(
    generation: GenerationSettings,
    geneval: GenevalSettings,
    rewards: RewardSettings,
    run: RunSettings,
    checkpoint: options.Checkpoints = [],  # noqa: B006 - typer copies it
    out: options.Out = None,
    variants: options.Variants = None,
    watch: Watch = None,
    settle: Settle = 30.0,
    tiny_world: options.TinyWorld = False,
) -> None:
    """Generate images, judge them, score them, report. Run the same command again to resume.

    Several checkpoints share one leaderboard. A folder of existing images is judged and scored where it is.

    \b
    Examples:
      miro-eval all path/to/last.ckpt
      miro-eval all nicolas-dufour/miro --limit 100 --metric image_reward
      miro-eval all 'runs/*/last.ckpt' --out evaluations --gpus 0,1,2,3
    """
    from harness.cli.session import run_evaluations
    from harness.environments.manager import environment_backend
    from harness.plan.evaluations import evaluations
    from harness.plan.selection import each_checkpoint, run_directories

    backend = environment_backend(geneval.detector, run.env_backend)
    common = replace(run, out=out or Path(), geneval=geneval, rewards=rewards, env_backend=backend)

    def runs_of(named: Sequence[str]) -> list[Evaluation]:
        chosen = each_checkpoint(generation, named, variants)
        return evaluations(chosen, run_directories(chosen, out), common)

    if watch:
        if checkpoint or common.out != Path():
            raise UserError("--watch finds checkpoints by itself and writes beside them: omit CHECKPOINT and --out")
        if common.executor != "local":
            raise UserError("--watch needs --executor local: it waits for each run to end")
        return _watch(watch, settle, runs_of, common, tiny_world)
    runs = runs_of(checkpoint)
    for note in (note for one in runs for note in one.notes):
        echo(note, err=True)
    alone = runs[0].settings.out if len(runs) == 1 else common.out
    return run_evaluations(runs, tiny_world=tiny_world, report=alone / "report")


def _watch(
    folder: Path,
    settle: float,
    runs_of: Callable[[Sequence[str]], list[Evaluation]],
    common: RunSettings,
    tiny_world: bool,
) -> None:
    """Evaluate checkpoint after checkpoint, and after each rewrite the leaderboard and the training curves.

    Goes on until it is stopped. A checkpoint that cannot be evaluated is reported and passed over; when its file
    changes it is tried again.
    """
    from harness.cli.session import choose_source
    from harness.plan.evaluations import evaluate
    from harness.plan.watching import settled_checkpoints

    finished: list[Path] = []
    with Display() as display:
        source = choose_source(common, display, tiny_world=tiny_world)
        display.note(f"watching {folder} for checkpoints; Ctrl-C ends it")
        for paths in settled_checkpoints(folder, settle):
            for path in paths:
                try:
                    runs = runs_of([str(path)])
                except MiroEvalError as error:
                    display.note(f"{path}: {error}")
                    continue
                outcome = evaluate(runs, source, display)
                finished += [out for out in outcome.finished if out not in finished]
                for out, failure in outcome.failures.items():
                    display.note(f"{out}: {failure}")
            if finished:
                _report(finished, folder / "report", display)


def _report(runs: list[Path], folder: Path, display: Display) -> None:
    """Leaderboard and curves; what they lack is reported and does not end the watch."""
    from reports import report
    from reports.analysis.track import write_track
    from rewards.scorers import CARDS

    try:
        files = report(runs, folder, cards=CARDS)
        curves = write_track(runs, folder, CARDS)
        display.note(f"{len(runs)} checkpoints: {files.markdown}, {curves.markdown}")
    except UserError as error:
        display.note(str(error))
