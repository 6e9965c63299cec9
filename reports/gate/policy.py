"""The policy: what a candidate must show, metric by metric. TOML, checked key by key."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import tomllib

from wire.errors import UserError
from wire.untrusted import read_bytes
from wire.vocabulary import ATOMS, GENEVAL2_SCORES, SKILLS, TAGS

TAGS_GROUP, REWARDS_GROUP, SKILLS_GROUP, ATOMS_GROUP = "tags", "rewards", "geneval2_skills", "geneval2_atoms"
GROUPS = (TAGS_GROUP, SKILLS_GROUP, ATOMS_GROUP, REWARDS_GROUP)
#: What a suite is ranked by: a policy may judge all of them, and a run has one.
HEADLINES = ("overall", GENEVAL2_SCORES[0])
#: Group of each metric that is no reward; of the headlines and GenEval 2's arithmetic mean, none.
_GROUP_OF: dict[str, str] = {
    **dict.fromkeys(("overall", *GENEVAL2_SCORES), ""),
    **dict.fromkeys(TAGS, TAGS_GROUP),
    **{f"geneval2_{skill}": SKILLS_GROUP for skill in SKILLS},
    **{f"geneval2_atoms_{atoms}": ATOMS_GROUP for atoms in ATOMS},
}


@dataclass(frozen=True)
class Rule:
    """What one metric must show; amounts are in the metric's own unit. A drop is a rise where lower is better.

    Attributes:
        margin: passes where a drop beyond this can be excluded.
        tolerated: fails where a drop beyond this is shown, and one beyond the margin cannot be excluded.
        largest_drop, largest_drop_errors: largest observed drop, and the same in standard errors of the difference.
        coverage: share of the baseline's scored images that must have a scored counterpart, from 0 to 1.
    """

    margin: float | None = None
    tolerated: float = 0.0
    floor: float | None = None
    ceiling: float | None = None
    largest_drop: float | None = None
    largest_drop_errors: float | None = None
    coverage: float = 0.0
    cannot_tell: str = "pass"
    watch: bool = False

    @property
    def limits(self) -> bool:
        """Whether observed values are limited, beside the margin."""
        limits = (self.floor, self.ceiling, self.largest_drop, self.largest_drop_errors)
        return any(limit is not None for limit in limits)

    @property
    def demands(self) -> bool:
        """Whether a metric can fail by this rule."""
        return not self.watch and (self.margin is not None or self.limits)


@dataclass(frozen=True)
class Policy:
    """Rules for all metrics, and what is common to them.

    Attributes:
        level: largest probability of a false alarm.
        correction: ``holm`` for all metrics together, ``none`` for each by itself.
        cannot_tell, coverage: of rules that say nothing else.
        outside_range: what is done with a metric that is to be judged and has values which its card rules out.
        looks: ascending numbers of prompts after which a growing sweep is looked at; empty for once, at the end.
        spending: a look after the share t of the last look's prompts has spent the share t^spending of the level.
        metrics: keys of the rules, by metric or group.
    """

    level: float = 0.05
    correction: str = "holm"
    cannot_tell: str = "pass"
    coverage: float = 0.0
    outside_range: str = "refuse"
    may_differ: tuple[str, ...] = ()
    looks: tuple[int, ...] = ()
    spending: float = 1.0
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def rule(self, metric: str) -> Rule:
        """The rule of ``overall``, a tag, a score of GenEval 2 or a metric id.
        One with a limit of its own is not watched for its group.
        """
        group = _GROUP_OF.get(metric, REWARDS_GROUP)
        common = {"cannot_tell": self.cannot_tell, "coverage": self.coverage}
        own = self.metrics.get(metric, {})
        judged = {"watch": False} if Rule(**own).demands else {}
        rule = Rule(**{**common, **self.metrics.get(group, {}), **judged, **own})
        for less, more in (("tolerated", "margin"), ("floor", "ceiling")):
            low, high = getattr(rule, less), getattr(rule, more)
            if low is not None and high is not None and low > high:
                raise UserError(f"policy: {metric}: {less!r} ({low:g}) exceeds {more!r} ({high:g})")
        return rule


def default_text() -> str:
    """The commented default policy."""
    return resources.files("reports.gate").joinpath("default_policy.toml").read_text(encoding="utf-8")


def read_policy(path: Path | None) -> Policy:
    """Read a policy; None is the default.

    Raises:
        UserError: the file cannot be read, or a key or value is not known; the message names those that are.
    """
    try:
        text = default_text() if path is None else read_bytes(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"`miro-eval check --init {path}` writes one"
        raise UserError(f"{path}: not a readable policy ({error}); {remedy}") from error
    return parse_policy(text, "policy" if path is None else str(path))


def parse_policy(text: str, where: str) -> Policy:
    """A policy from TOML; ``where`` begins the messages."""
    try:
        record = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not TOML ({error})") from error
    metrics, sequential = record.pop("metrics", {}), record.pop("sequential", {})
    _check(record, _TOP_LEVEL, where, "sequential", "metrics")
    if not isinstance(sequential, dict):
        raise UserError(f"{where}: expected a table [sequential]")
    _check(sequential, _SEQUENTIAL, f"{where}: sequential")
    if not isinstance(metrics, dict) or not all(isinstance(table, dict) for table in metrics.values()):
        raise UserError(f"{where}: metrics: expected tables such as [metrics.overall]")
    for name, table in metrics.items():
        _check(table, _RULE, f"{where}: metrics.{name}")
        if name in ("overall", TAGS_GROUP, *TAGS) and (large := [key for key in _IN_UNITS if table.get(key, 0) > 1]):
            share = f"{name} is a share from 0 to 1, of which 0.02 are two points of 100"
            raise UserError(f"{where}: metrics.{name}: {large[0]!r} is {table[large[0]]:g}, but {share}")
    return Policy(**{key: _frozen(value) for key, value in (record | sequential).items()}, metrics=metrics)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else float(value) if isinstance(value, int) else value


def require_known(policy: Policy, found: Collection[str], where: str) -> None:
    """Refuse tables of metrics that are not among those found: known by their cards, or there in the runs.

    Raises:
        UserError: with the allowed names.
    """
    allowed = dict.fromkeys(("overall", *GROUPS, *TAGS, *GENEVAL2_SCORES, *found))
    unknown = [name for name in policy.metrics if name not in allowed]
    if unknown:
        raise UserError(f"{where}: unknown metric {unknown[0]!r}; allowed: {', '.join(allowed)}")


def are_looks(value: Any) -> bool:
    """Whether these are ascending numbers of prompts."""
    if not isinstance(value, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in value):
        return False
    return all(before < after for before, after in itertools.pairwise([0, *value]))


#: Of a key: whether a value will do, and what it must be, in words.
_Known = Mapping[str, tuple[Callable[[Any], bool], str]]


def _check(table: dict[str, Any], known: _Known, where: str, *more: str) -> None:
    for key, value in table.items():
        if key not in known:
            dot = "; a name with a dot needs quotes" if known is _RULE and isinstance(value, dict) else ""
            raise UserError(f"{where}: unknown key {key!r}; allowed: {', '.join((*known, *more))}{dot}")
        holds, wanted = known[key]
        if not holds(value):
            raise UserError(f"{where}: {key!r} must be {wanted}, found {value!r}")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _choice(*words: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in words, " or ".join(map(repr, words))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


_AMOUNT = (lambda value: _number(value) and value >= 0, "a number from 0")
_COMMON: _Known = {
    "cannot_tell": _choice("pass", "fail"),
    "coverage": (lambda value: _number(value) and 0 <= value <= 1, "a number from 0 to 1"),
}
_TOP_LEVEL: _Known = {
    "level": (lambda value: _number(value) and 0 < value < 0.5, "a number between 0 and 0.5"),
    "correction": _choice("holm", "none"),
    **_COMMON,
    "outside_range": _choice("refuse", "judge"),
    "may_differ": (_are_texts, "a list of field names"),
}
_SEQUENTIAL: _Known = {
    "looks": (are_looks, "ascending numbers of prompts such as [100, 200, 553]"),
    "spending": (lambda value: _number(value) and value > 0, "a number above 0"),
}
#: Keys of amounts in the metric's own unit.
_IN_UNITS = ("margin", "tolerated", "floor", "ceiling", "largest_drop")
_RULE: _Known = {
    "margin": _AMOUNT,
    "tolerated": _AMOUNT,
    "floor": (_number, "a number"),
    "ceiling": (_number, "a number"),
    "largest_drop": _AMOUNT,
    "largest_drop_errors": _AMOUNT,
    **_COMMON,
    "watch": (lambda value: isinstance(value, bool), "true or false"),
}
