"""Stage *rewards*: images and prompts to one number per metric.

The worker writes *cells* (image, metric, value or reason); ``rewards.jsonl`` has one row per image. Metrics of several
environments are parts of the stage, each with workers of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.environments.spec import ENVIRONMENTS, find_spec
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RewardSettings, RunSettings
from harness.stages.base import Merged, Prompts, Row, Stage, StagePlan, keyed_rows, known_rows, record_of
from harness.weights.weight_source import WeightSource
from rewards.scorers.card import Weight
from rewards.settings import validate as faults_of
from wire.errors import UserError
from wire.files import fingerprint, sha256_of_file, write_rows
from wire.own_code import one_line, reason_of
from wire.paths import home, stage_code
from wire.protocol import SAMPLES_DIGEST, Item, cell_key, digest_of, samples_of
from wire.settings import values
from wire.vocabulary import SEVEN_REWARDS

if TYPE_CHECKING:
    from rewards.scorers.base import Scorer

T = TypeVar("T")

#: Keys of a row of ``rewards.jsonl`` that are not metrics.
_IMAGE_KEYS = ("filename", "prompt", "prompt_index", "sample_index", "image_sha256")
_METRICS_KEYS = ("unscored", "details")
#: The environment of a metric whose card names no other.
USUAL = "rewards"
#: Imports own scorers where they will run: that environment has other packages than the orchestrator's.
_PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from rewards.own_scorer import check_imports
try:
    check_imports(sys.argv[2:])
except Exception as error:
    sys.exit(str(error))
"""


def plan(
    run: RunDirectory, manifest: Manifest, settings: RunSettings, source: WeightSource, environment: str = ""
) -> StagePlan:
    """All images by all metrics asked for; done are the numbers known for just these bytes.

    Finished values of a metric that is to be rescored, or that something else decides now, are passed over, and
    replaced when the file is merged; what a worker has written since then counts, so that an interrupted rescoring goes
    on where it was.
    ``environment``: the part that is meant; without it the whole stage.
    Raises UserError: see :func:`validate`; or no readable images.
    """
    validate(settings, {})
    shares = by_environment(settings.rewards, Path.cwd())
    meant = {name: share for name, share in shares.items() if environment in ("", name)}
    items, chosen = run.scan(), values(settings.rewards)
    require_prompts(settings, {item.prompt_index: item.metadata for item in items})
    deciding = chosen | {"weights": source.identity_of("rewards")}
    parts = {_name(one): deciding | _also_deciding(one, source) for one in meant}
    marks = {
        metric: "" if one == USUAL else fingerprint(parts[_name(one)] | {"facts": _facts([metric])})
        for one, share in meant.items()
        for metric in own_scorers(share)[1]
    }
    record = record_of(manifest, "rewards", fingerprint(deciding))
    before = record.marks if record else {}
    passed_over = {*settings.rewards.rescore, *(one for one, mark in marks.items() if before.get(one, "") != mark)}
    rows = known_rows(run, manifest, "rewards", "rewards.jsonl", deciding, parts)
    known = _of_these_questions(_of_these_samples(keyed_rows(_cells(rows, passed_over), items), items), items)
    wanted = {cell_key(item.filename, metric) for item in items for metric in marks}
    done = frozenset(key for key in wanted if known.get(key, {}).get("value") is not None)
    scorers = [text for share in meant.values() for text in share.scorers]
    parameters: dict[str, Any] = {"metrics": list(marks), "device": settings.device}
    parameters |= source.parameters(find_spec(environment or USUAL).name)
    parameters |= chosen | {"text_cache": str(home() / "text-features")} | ({"scorers": scorers} if scorers else {})
    parameters |= {"alone": False} if len(shares) > 1 else {}
    notes = tuple(_of_other_code(settings.rewards, record, done))
    return StagePlan(items, done, len(wanted), deciding, parameters, known, parts, marks, notes=notes)


def _of_other_code(settings: RewardSettings, record: StageRecord | None, done: Iterable[str]) -> Iterator[str]:
    """A line for each of the user's scorers with numbers that are there, whose file was another when they were made."""
    from rewards.own_scorer import load_scorers, source_of

    metrics = {key.rpartition("#")[2] for key in done}
    used = record.provenance.get("weights", []) if record else []
    for metric, scorer in load_scorers(own_scorers(settings)[0]).items():
        file = source_of(scorer)
        before = {one.get("sha256") for one in used if (one.get("metric"), one.get("file")) == (metric, file.name)}
        if metric in metrics and before and sha256_of_file(file) not in before:
            yield f"{metric}: {file.name} has changed since its numbers were made; --rescore {metric} replaces them"


def _name(environment: str) -> str:
    """What the part in that environment is called."""
    return "rewards" if environment == USUAL else f"rewards.{find_spec(environment).name}"


def _also_deciding(environment: str, source: WeightSource) -> dict[str, Any]:
    """What decides the numbers of an environment's metrics besides the stage's settings; nothing in the usual one."""
    from rewards.scorers import SCORERS

    if environment == USUAL:
        return {}
    name = find_spec(environment).name
    facts = _facts(metric for metric, scorer in SCORERS.items() if scorer.card.env == environment)
    return {"environment": name, "its weights": source.identity_of(name), "facts": facts}


def _facts(metrics: Iterable[str]) -> dict[str, Any]:
    """What the cards of our own scorers say that decides their numbers, by metric, where one says anything."""
    from rewards.scorers import SCORERS

    return {one: dict(facts) for one in metrics if one in SCORERS and (facts := SCORERS[one].card.decides)}


@cache
def by_environment(settings: RewardSettings, folder: Path) -> dict[str, RewardSettings]:
    """The settings of each environment's metrics alone, the usual one's first.
    ``folder``: where the user is, which names of scorers start from.
    Raises UserError: there is no such environment for scorers, two have one name, or as :func:`own_scorers`.
    """
    from rewards.own_scorer import environment_of, load_scorers, registry

    scorers, metrics = own_scorers(settings)
    known, own = registry(scorers), {text: next(iter(load_scorers([text]))) for text in scorers}
    homes = {metric: environment_of(known[metric]) for metric in metrics}
    names = dict[str, str]()
    for metric, home_of in homes.items():
        spec = find_spec(home_of)
        if spec.stage != REWARDS.module:
            fit = ", ".join(one.name for one in ENVIRONMENTS.values() if one.stage == REWARDS.module)
            raise UserError(f"{metric}: env = {home_of!r} is no environment for scorers: use {fit}, or a folder")
        if names.setdefault(spec.name, home_of) != home_of:
            both = f"environments {names[spec.name]} and {home_of}"
            raise UserError(f"{both} are both called {spec.name}: rename a folder")

    def share(environment: str) -> RewardSettings:
        its = [metric for metric in metrics if homes[metric] == environment]
        return replace(
            settings,
            metrics=tuple(metric for metric in its if metric not in own.values()),
            scorers=tuple(text for text in scorers if own[text] in its),
            rescore=tuple(metric for metric in settings.rescore if metric in its),
        )

    return {one: share(one) for one in sorted(names.values(), key=lambda one: one != USUAL)}


def divide(settings: RunSettings) -> tuple[Stage, ...]:
    """A part for each environment; none where all is scored in the usual one."""
    shares = by_environment(settings.rewards, Path.cwd())
    return () if [*shares] == [USUAL] else _parts(tuple(shares.items()))


@cache
def _parts(shares: tuple[tuple[str, RewardSettings], ...]) -> tuple[Stage, ...]:
    def of_its_own(look: Callable[[RunSettings], T], share: RewardSettings) -> Callable[[RunSettings], T]:
        return lambda settings: look(replace(settings, rewards=share))

    return tuple(
        replace(
            REWARDS,
            name=_name(environment),
            environment=environment,
            plan=partial(plan, environment=environment),
            weights=of_its_own(weights, share),
            probe=of_its_own(probe, share),
            divide=lambda _settings: (),
            part_of=REWARDS,
        )
        for environment, share in shares
    )


def _of_these_samples(known: dict[str, Row], items: Iterable[Item]) -> dict[str, Row]:
    """Known cells, but for those over a prompt's images of which one has changed, gone or come."""
    digests = {
        prompt: digest_of(item.image_sha256 for item in samples) for prompt, samples in samples_of(items).items()
    }

    def holds(cell: Row) -> bool:
        details = cell.get("details")
        digest = details.get(SAMPLES_DIGEST) if isinstance(details, dict) else None
        return digest is None or digest == digests.get(cell.get("prompt_index", -1))

    return {key: cell for key, cell in known.items() if holds(cell)}


def _of_these_questions(known: dict[str, Row], items: Iterable[Item]) -> dict[str, Row]:
    """Known cells, but for judges' answers to other questions than the prompt has now."""
    from rewards.scorers import SCORERS
    from rewards.scorers.base import Judge

    lines = {item.filename: item.metadata for item in items}

    def holds(cell: Row) -> bool:
        scorer, details = SCORERS.get(cell.get("metric", "")), cell.get("details")
        if not (scorer and issubclass(scorer, Judge) and isinstance(details, list)):
            return True
        try:
            asked = scorer.about(lines[cell["filename"]])
        except ValueError:
            return False
        pairs = zip(asked, details, strict=False)
        same = all(isinstance(said, dict) and one.items() <= said.items() for one, said in pairs)
        return not asked or (same and len(asked) == len(details))

    return {key: cell for key, cell in known.items() if holds(cell)}


def own_scorers(settings: RewardSettings) -> tuple[list[str], tuple[str, ...]]:
    """The user's scorers, named so that a worker finds them, and all metric ids asked for, theirs last.
    Raises UserError: an unknown metric, or an unfit scorer.
    """
    from rewards.scorers import check_metrics

    metrics = check_metrics(settings.metrics) if settings.metrics or not settings.scorers else ()
    if not settings.scorers:
        return [], metrics
    from rewards.own_scorer import absolute, load_scorers

    scorers = [absolute(text, Path.cwd()) for text in settings.scorers]
    return scorers, (*metrics, *load_scorers(scorers))


def validate(settings: RunSettings, prompts: Prompts) -> list[str]:
    """Metrics, the user's scorers (they are imported) and the other settings; a UserError that names all faults."""
    if faults := faults_of(settings.rewards, Path.cwd()):
        raise UserError("; ".join(faults))
    by_environment(settings.rewards, Path.cwd())
    require_prompts(settings, prompts)
    return []


def require_prompts(settings: RunSettings, prompts: Prompts) -> None:
    """See that each metric can score images of some of the prompts.
    Raises UserError: one cannot, whatever they show.
    """
    from rewards.own_scorer import registry

    scorers, metrics = own_scorers(settings.rewards)
    known = registry(scorers)
    lines = [*prompts.values()]
    for metric in metrics if lines else ():
        if all(_refusal(known[metric], line) for line in lines):
            reason = _refusal(known[metric], lines[0])
            raise UserError(f"{metric} can score none of these prompts: {reason}; choose another --suite, or omit it")


def _refusal(scorer: type[Scorer], line: Mapping[str, Any]) -> str:
    """Why a scorer refuses a line; a user's may raise whatever it likes."""
    try:
        return one_line(str(scorer.refusal(line) or ""))
    except Exception as error:
        return f"its refusal failed ({reason_of(error)})"


def weights(settings: RunSettings) -> dict[str, tuple[Weight, ...]]:
    """What each metric asked for is computed with, as the scorers' cards tell."""
    from rewards.own_scorer import registry

    scorers, metrics = own_scorers(settings.rewards)
    known = registry(scorers)
    return {metric: known[metric].card.weights for metric in metrics}


def probe(settings: RunSettings) -> list[str]:
    """See :class:`Stage`."""
    scorers, _ = own_scorers(settings.rewards)
    return ["-c", _PROBE, str(stage_code()), *scorers] if scorers else []


def _cells(rows: Iterable[Row], passed_over: Container[str]) -> Iterator[Row]:
    """Cells of a mixture of finished rows (one per image), but for metrics passed over, and the worker's own."""
    for row in rows:
        if "metric" in row:
            yield row
            continue
        image = {key: row.get(key) for key in _IMAGE_KEYS}
        reasons, details = (said if isinstance(said := row.get(key), dict) else {} for key in _METRICS_KEYS)
        for metric, value in row.items():
            if metric not in _IMAGE_KEYS and metric not in _METRICS_KEYS and metric not in passed_over:
                number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
                cell = image | {"metric": metric, "value": number, "error": reasons.get(metric)}
                yield cell | ({"details": details[metric]} if metric in details else {})


def merge(_run: RunDirectory, plan: StagePlan, into: Path) -> Merged:
    """Write a row an image, in order, the seven metrics first; a missing number is null, with its reason."""
    there = {cell["metric"] for cell in plan.known.values()} | plan.reasons.keys()
    metrics = [metric for metric in SEVEN_REWARDS if metric in there] + sorted(there - set(SEVEN_REWARDS))
    rows = [_row(item, metrics, plan.known, plan.reasons) for item in plan.items]
    write_rows(into, rows)
    return Merged(len(rows), sum(len(row["unscored"]) for row in rows))


def _row(item: Item, metrics: list[str], known: dict[str, Row], why: dict[str, str]) -> Row:
    row: Row = {key: getattr(item, key) for key in _IMAGE_KEYS}
    cells = {metric: known.get(cell_key(item.filename, metric), {}) for metric in metrics}
    row |= {metric: cell.get("value") for metric, cell in cells.items()}
    reasons = {metric: why.get(metric) or cell.get("error") or "not scored yet" for metric, cell in cells.items()}
    row["unscored"] = {metric: reasons[metric] for metric in metrics if row[metric] is None}
    details = {metric: cell["details"] for metric, cell in cells.items() if "details" in cell}
    return row | ({"details": details} if details else {})


def keys(item: Item, parameters: dict[str, Any]) -> Iterator[str]:
    """Keys of an image's cells, one for each metric asked for."""
    return (cell_key(item.filename, metric) for metric in parameters["metrics"])


def batch(settings: RunSettings) -> int:
    """Images in a batch; where metrics are over a prompt's images together, whole prompts of a sweep as well."""
    from rewards.scorers import SCORERS

    size = settings.rewards.batch_size
    together = any(SCORERS[metric].card.over_samples for metric in settings.rewards.metrics if metric in SCORERS)
    return math.lcm(size, settings.generation.samples) if together and settings.generation else size


REWARDS = Stage(
    "rewards", "rewards", "rewards", "rewards.jsonl", "scores", plan, merge,
    batch=batch, validate=validate, keys=keys, weights=weights, probe=probe,
    divide=divide,
)  # fmt: skip
