"""One run in numbers: all that a leaderboard needs of it, and the summary files in its directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reports.files import write_json
from reports.read.cards import notes_on_rewards, outside_range
from reports.read.manifest import Manifest
from reports.read.runs import Run, read_run
from reports.read.suite import suite_digest
from reports.summary.dpg_summary import DpgSummary, summarise_dpg
from reports.summary.geneval2_summary import Geneval2Summary, geneval2_effects, summarise_geneval2
from reports.summary.geneval_summary import GenevalSummary, summarise_geneval
from reports.summary.notes import run_notes
from reports.summary.numbers import plain
from reports.summary.prompt_effects import PromptEffects
from reports.summary.rewards_summary import RewardsSummary, summarise_rewards
from reports.summary.scored import Scored
from wire.errors import UserError
from wire.files import sha256_of_file
from wire.kept import keep
from wire.untrusted import read_json

#: Version of the summary files' layout (docs/statistics.md); it changes when a key changes its meaning or goes.
GENEVAL_SCHEMA = "miro-eval/geneval_summary/1"
REWARDS_SCHEMA = "miro-eval/rewards_summary/1"

#: What the verdicts' images are counted under; no metric may be called so.
GENEVAL = "geneval"


@dataclass(frozen=True)
class RunSummary:
    """The numbers of one run."""

    name: str
    folder: Path  #: where its rows are; tells apart runs of one name
    manifest: Manifest
    geneval: GenevalSummary | None
    rewards: RewardsSummary | None
    #: images, prompts: those with a row of either kind.
    images: int
    prompts: int
    unscored: int  #: images that lack a verdict or the value of a metric of the run
    #: Of each prompt on the headline score, for ranking; None without an interval of it.
    effects: PromptEffects | None = None
    outside: frozenset[str] = frozenset()  #: metrics with values that their cards rule out
    notes: tuple[str, ...] = ()  #: what a reader must know beside the numbers, the gravest first
    rewards_notes: tuple[str, ...] = ()  #: those of :func:`reports.read.cards.notes_on_rewards` alone
    geneval2: Geneval2Summary | None = None  #: of a run without verdicts on GenEval 2's prompts
    dpg: DpgSummary | None = None
    prompts_digest: str = ""  #: of a run without verdicts, which prompts its rewards are over

    @property
    def headline(self) -> float | None:
        """GenEval's overall score, else GenEval 2's: what a run is ranked by."""
        if self.geneval is not None:
            return self.geneval.overall
        return self.geneval2.overall.value if self.geneval2 else None

    @property
    def gaps(self) -> bool:
        """The prompts that were found lack too many judged images for the run to be ranked."""
        return self.geneval.coverage.gaps if self.geneval else self.geneval2 is None or self.geneval2.gaps

    @property
    def scored(self) -> dict[str, Scored]:
        """``geneval`` and each metric -> images that it rests on, of those that a whole sweep has."""
        geneval = {GENEVAL: self.geneval.coverage.scored} if self.geneval else {}
        metrics = self.rewards.metrics.items() if self.rewards else ()
        return geneval | {metric: summary.scored for metric, summary in metrics}


def summarise_run(run: Run) -> RunSummary:
    """All numbers of a run, its intervals included."""
    prompt_of: dict[str, str] = {}
    tags: dict[str, str] = {}
    unscored: set[str] = set()
    if run.rewards is not None:
        frame = run.rewards.frame
        prompt_of.update(zip(frame["filename"].tolist(), frame["prompt_key"].tolist(), strict=True))
        unscored.update(frame["filename"][frame[list(run.rewards.metrics)].isna().any(axis=1)])
    if run.verdicts is not None:
        names = run.verdicts["filename"].tolist()
        prompt_of.update(zip(names, run.verdicts["prompt_key"].tolist(), strict=True))
        tags.update(zip(names, run.verdicts["tag"].tolist(), strict=True))
        unscored.update(run.verdicts["filename"][run.verdicts["correct"].isna()])
    protocol = run.manifest.protocol
    geneval = None if run.verdicts is None else summarise_geneval(run.verdicts, protocol)
    judged = geneval.coverage.scored.expected if geneval else 0
    rewards = None if run.rewards is None else summarise_rewards(run.rewards, tags, protocol, judged)
    geneval2 = summarise_geneval2(run.rewards, protocol) if run.rewards and geneval is None else None
    effects = None if run.verdicts is None else PromptEffects.of_verdicts(run.verdicts)
    dpg = summarise_dpg(run.rewards) if run.rewards else None
    if run.rewards and geneval2:
        effects = geneval2_effects(run.rewards)
    class_note = None if run.verdicts is None else run.verdicts.attrs.get("class_note")
    rewards_notes = tuple(notes_on_rewards(run, run.manifest.cards))
    return RunSummary(
        name=run.name,
        folder=run.folder,
        manifest=run.manifest,
        geneval=geneval,
        rewards=rewards,
        images=len(prompt_of),
        prompts=len(set(prompt_of.values())),
        unscored=len(unscored),
        effects=effects,
        outside=frozenset(outside_range(run, run.manifest.cards)),
        notes=(
            *run_notes(run.manifest.random_weights, geneval, rewards, geneval2),
            *run.repeats,
            *filter(None, [dpg and dpg.note, class_note]),
            *rewards_notes,
        ),
        rewards_notes=rewards_notes,
        geneval2=geneval2,
        dpg=dpg,
        prompts_digest=_prompts_digest(run),
    )


def _prompts_digest(run: Run) -> str:
    if run.verdicts is not None or run.rewards is None:
        return ""
    return suite_digest(("", text) for text in run.rewards.frame["prompt"])


def write_summaries(run_dir: Path) -> list[Path]:
    """Write ``geneval_summary.json`` and ``rewards_summary.json`` into a run directory, as far as it has the rows.

    Another tool's file of such a name is kept as ``rewards_summary.previous.<hash>.json``.
    Returns the files written.
    Raises UserError: the directory has no rows, or malformed ones.
    """
    summary = summarise_run(read_run(run_dir))
    rewards = None if summary.rewards is None else plain(summary.rewards)
    if rewards and summary.geneval2:
        rewards["geneval2"] = plain(summary.geneval2)
    if rewards and summary.dpg:
        rewards["dpg"] = plain(summary.dpg)
    about = {"model": summary.name, "random_weights": summary.manifest.random_weights, "notes": list(summary.notes)}
    parts = (("geneval", GENEVAL_SCHEMA, plain(summary.geneval)), ("rewards", REWARDS_SCHEMA, rewards))
    return [
        write_json(_made_room(run_dir / f"{stage}_summary.json"), {"schema": schema, **about, **part})
        for stage, schema, part in parts
        if part is not None
    ]


def _made_room(path: Path) -> Path:
    """The path, after a summary there that another tool has written was kept beside it, under its hash."""
    if path.is_file():
        try:
            ours = str(read_json(path)["schema"]).startswith("miro-eval/")
        except (UserError, ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            keep(path, sha256_of_file(path)[:16])
    return path
