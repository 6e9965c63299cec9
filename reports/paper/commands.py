"""What it takes to make a table or a figure of the paper again: every command, from suites to pictures."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reports.paper.printed import (
    PAPER_SEED,
    TABLES,
    exact_counts,
    footnotes,
    printed_table,
    published_speedups,
    usual_protocol,
)
from reports.paper.results import FIGURE, STRIP, TABLE, Checkpoint, Result, RunSet, checkpoints, find_result, results
from wire.errors import UserError

#: Suites that come with the program; all others are fetched. In the tiny world, which has no network, GenEval's
#: prompts stand in for them.
BUILT_IN = ("geneval", "miro-figure7")


@dataclass(frozen=True)
class Reproduction:
    """What is made again, and with what.

    Attributes:
        keys: of results; empty for all.
        out: folder that the runs go into.
        limit: prompts of each suite, at most; None for all.
        samples: images per prompt, at most; None for the paper's, or ``limit`` where that is given.
        own: name of a model -> a checkpoint of the user's for it; ``training`` -> a pattern of its checkpoints.
        further: options of every command that makes images.
    """

    keys: tuple[str, ...] = ()
    out: str = "paper"
    limit: int | None = None
    samples: int | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)
    tiny_world: bool = False
    further: tuple[str, ...] = ()

    def checked(self) -> list[Result]:
        """The results in the paper's order.

        Raises:
            UserError: no such result, or a checkpoint of a model that the paper does not have.
        """
        for name in (*self.own, *self.training):
            if name not in checkpoints():
                raise UserError(f"the paper has no model {name!r}; its models are {', '.join(checkpoints())}")
        wanted = {find_result(key).key for key in self.keys} or {*results()}
        return [one for one in results().values() if one.key in wanted]

    def samples_of(self, run_set: RunSet) -> int:
        """Images a prompt."""
        cap = self.samples or self.limit
        return min(run_set.samples, cap) if cap else run_set.samples


@dataclass(frozen=True)
class Made:
    """Runs that a command makes: of each checkpoint so many, alike in what they cost; for ``plan``'s arithmetic."""

    checkpoints: tuple[str, ...]
    suite: str
    samples: int
    metrics: tuple[str, ...]
    points: int
    backend: str = "auto"


@dataclass(frozen=True)
class Command:
    """A command line without its ``miro-eval``; ``suite`` is what it fetches, ``about`` a comment before it."""

    words: tuple[str, ...]
    made: Made | None = None
    suite: str = ""
    about: str = ""

    @property
    def line(self) -> str:
        """As a shell reads it."""
        return shlex.join(("miro-eval", *self.words))


@dataclass(frozen=True)
class _Wanted:
    """What results want of a set: its models, each with the points wanted, none for all."""

    set: RunSet
    models: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)


def commands(wanted: Reproduction) -> list[Command]:
    """Suites, images with verdicts and rewards, then tables, figures and strips; what several results share is once.

    Raises:
        UserError: see :meth:`Reproduction.checked`.
    """
    chosen = wanted.checked()
    sets = [one for one in _sets(chosen) if _present(wanted, one)]
    suites = dict.fromkeys(_suite(wanted, one.set) for one in sets)
    found = [Command(("suites", "fetch", suite), suite=suite) for suite in suites if suite not in BUILT_IN]
    for one in sets:
        found += _of_set(wanted, one)
    return [*found, *_shown(wanted, chosen)]


def missing(wanted: Reproduction) -> Iterator[str]:
    """A line for each model that is not made, with what would give it."""
    for one in _sets(wanted.checked()):
        names = [name for name in one.models if not _source(wanted, one.set, name)]
        if names:
            option = "--training NAME='PATTERN'" if one.set.training else "--checkpoint NAME=PATH"
            what = "checkpoints along training" if one.set.training else "checkpoint of a known format"
            yield f"{one.set.key}: without {', '.join(names)}: no {what} was published; give yours with {option}"


def script(wanted: Reproduction) -> list[str]:
    """The commands as lines of a shell script, with comments on what they are for and on what is not made."""
    keys = ", ".join(one.key for one in wanted.checked())
    lines = [f"# {keys} of the paper (arXiv 2510.25897v2), into {wanted.out}"]
    for command in commands(wanted):
        lines += ["", f"# {command.about}"] if command.about else []
        lines.append(command.line)
    return [*lines, *(["", *(f"# {line}" for line in missing(wanted))])]


def _sets(chosen: Iterable[Result]) -> list[_Wanted]:
    found: dict[str, _Wanted] = {}
    for result in chosen:
        for one in result.inputs:
            entry = found.setdefault(one.set.key, _Wanted(one.set))
            entry.keys.append(result.key)
            for model in one.models:
                known = entry.models.get(model)
                whole = not one.points or known == ()
                entry.models[model] = () if whole else tuple(dict.fromkeys((*(known or ()), *one.points)))
    return list(found.values())


def _present(wanted: Reproduction, one: _Wanted) -> bool:
    return any(_source(wanted, one.set, name) for name in one.models)


def _source(wanted: Reproduction, run_set: RunSet, name: str) -> str:
    """What ``all`` is given for a model; empty where there is nothing."""
    if run_set.training:
        return wanted.training.get(name, "")
    return wanted.own.get(name, checkpoints()[name].checkpoint)


def _suite(wanted: Reproduction, run_set: RunSet) -> str:
    return "geneval" if wanted.tiny_world and run_set.suite not in BUILT_IN else run_set.suite


def _of_set(wanted: Reproduction, one: _Wanted) -> Iterator[Command]:
    images = f"{wanted.samples_of(one.set)} images per prompt of {one.set.suite}"
    about = f"{one.set.key}: {images}; for {', '.join(one.keys)}"
    names = [name for name in one.models if _source(wanted, one.set, name)]
    # Side by side goes what is published and, of a grid, all of it.
    whole = not (one.set.points or one.set.training) and not any(one.models.values())
    published = [name for name in names if whole and name not in wanted.own]
    found: list[Command] = []
    for family in ("miro", "diffusers"):
        of_family = [name for name in published if checkpoints()[name].family == family]
        if len(of_family) > 1:
            found.append(_together(wanted, one.set, of_family))
            names = [name for name in names if name not in of_family]
    for command in (*found, *(command for name in names for command in _alone(wanted, one, name))):
        yield replace(command, about=about)
        about = ""


def _together(wanted: Reproduction, run_set: RunSet, names: Sequence[str]) -> Command:
    """Published models of one family side by side: each goes by its own name into the set's folder."""
    sources, family = [checkpoints()[name].checkpoint for name in names], checkpoints()[names[0]]
    common = (*_sampling(family), *_common(wanted, run_set), *_grid(run_set, run_set.sweep))
    words = ("sweep" if run_set.sweep else "all", *sources, *common, "--out", f"{wanted.out}/{run_set.key}")
    return Command(words, _made(wanted, run_set, sources, _points(run_set.sweep), _backend(family)))


def _grid(run_set: RunSet, axes: Sequence[str]) -> Iterator[str]:
    yield from (word for axis in axes for word in ("--sweep", axis))
    yield from _negative(run_set.negative)


def _backend(model: Checkpoint) -> str:
    return "diffusers" if model.family == "diffusers" else "auto"


def _alone(wanted: Reproduction, one: _Wanted, name: str) -> Iterator[Command]:
    """One model's runs: points of a grid, named points, checkpoints along training, or a single one."""
    run_set, model, source = one.set, checkpoints()[name], _source(wanted, one.set, name)
    place = f"{wanted.out}/{run_set.key}/{name}"
    common = (*_sampling(model), *_common(wanted, run_set))
    if run_set.points:
        for point, negative in run_set.points.items():
            words = ("all", source, *common, *_negative(negative), "--out", f"{place}/{point}")
            yield Command(words, _made(wanted, run_set, [source]))
    elif run_set.sweep:
        chosen: list[tuple[str, ...]] = [(point,) for point in one.models[name]]
        for axes in chosen or [run_set.sweep]:
            words = ("sweep", source, *common, *_grid(run_set, axes), "--out", place)
            yield Command(words, _made(wanted, run_set, [source], points=_points(axes)))
    else:
        yield Command(
            ("all", source, *common, "--out", place), _made(wanted, run_set, [source], backend=_backend(model))
        )


def _sampling(model: Checkpoint) -> tuple[str, ...]:
    """MIRO's as upstream's script has it; other models are sampled as their own pipelines do."""
    if model.family == "diffusers":
        return ("--backend", "diffusers", "--seed", PAPER_SEED)
    usual = usual_protocol()
    sampler = ("--steps", str(usual.steps), "--guidance-scale", str(usual.guidance_scale))
    return (*sampler, "--seed", PAPER_SEED, "--precision", "paper")


def _common(wanted: Reproduction, run_set: RunSet) -> Iterator[str]:
    yield from ("--suite", _suite(wanted, run_set), "--samples", str(wanted.samples_of(run_set)))
    yield from ("--limit", str(wanted.limit)) if wanted.limit else ()
    yield from (word for metric in run_set.metrics for word in ("--metric", metric))
    yield from ("--tiny-world",) if wanted.tiny_world else ()
    yield from wanted.further


def _negative(targets: Mapping[str, float]) -> Iterator[str]:
    for axis, value in targets.items():
        yield from ("--negative-reward-target", f"{axis}={value:g}")


def _points(axes: Sequence[str]) -> int:
    """Points of a grid as ``sweep`` would make them, of the forms that ``data/results.toml`` uses."""
    count = 1
    for axis in axes:
        written = axis.rpartition("=")[2]
        numbers = [float(part) for part in written.split(":")] if ":" in written else []
        count *= round((numbers[1] - numbers[0]) / numbers[2]) + 1 if numbers else written.count(",") + 1
    return count


def _made(
    wanted: Reproduction, run_set: RunSet, sources: Sequence[str], points: int = 1, backend: str = "auto"
) -> Made:
    suite, samples = _suite(wanted, run_set), wanted.samples_of(run_set)
    return Made(tuple(sources), suite, samples, run_set.metrics, points, backend)


def _shown(wanted: Reproduction, chosen: Sequence[Result]) -> Iterator[Command]:
    about = "what was measured, beside what is printed"
    for result in chosen:
        if result.kind == TABLE:
            yield Command(("paper", result.key, "--from", wanted.out, "--out", f"{wanted.out}/tables"), about=about)
            about = ""
    for verb, kind in (("figures", FIGURE), ("strips", STRIP)):
        keys = [result.key for result in chosen if result.kind == kind]
        if keys:
            every = len(keys) == sum(result.kind == kind for result in results().values())
            only = () if every else tuple(word for key in keys for word in ("--only", key))
            yield Command(("paper", verb, "--from", wanted.out, *only, "--out", f"{wanted.out}/figures"), about=about)
            about = ""


def overview() -> str:
    """Tables, figures and models, a line each."""
    lines = ["MIRO: MultI-Reward cOnditioned pretraining (Dufour et al., arXiv 2510.25897v2)", "", "tables"]
    for key in TABLES:
        table = printed_table(key)
        size = f"{len(table.rows)} rows, {len(table.decimals)} columns, {len(table.footnotes)} footnotes"
        lines.append(f"  {key:<18}{table.title} ({size})")
    factors = ", ".join(f"{metric} {factor:.2f}" for metric, factor in published_speedups().items())
    shown = [one for one in results().values() if one.kind != TABLE]
    lines += ["", "figures and strips", *(f"  {one.key:<18}{one.title}" for one in shown)]
    lines += [f"  speed-ups by interpolation: {factors}", *(f"  note: {note.text}" for note in footnotes("figures"))]
    lines += ["", f"exact GenEval counts of {len(exact_counts())} models: {', '.join(exact_counts())}"]
    lines += ["", "models"]
    for model in checkpoints().values():
        rows = "; ".join(
            f"{key}: {row.name}" for key in TABLES for row in printed_table(key).rows if row.model == model.name
        )
        lines.append(f"  {model.name:<36}{rows}{'' if model.checkpoint else ' (not published)'}")
    return "\n".join(lines)
