from __future__ import annotations

import pytest

from reports.gate.decision import Judgement, Measured, Outcome, Settling, judge
from reports.gate.evidence import Evidence
from reports.gate.policy import parse_policy


def measured(difference: float, error: float, metric: str = "overall", coverage: float = 1.0) -> Measured:
    return Measured(metric, 0.5 + difference, Evidence(difference, error, 100, 99, discordant_prompts=10), coverage)


def one(text: str, what: Measured) -> Judgement:
    return judge([what], parse_policy(f"[metrics.overall]\n{text}", "here"))[0]


@pytest.mark.parametrize(
    ("difference", "error", "outcome"),
    [
        (0.0, 0.005, Outcome.PASSES),  # 0.02 is four standard errors away
        (-0.01, 0.004, Outcome.PASSES),  # a drop is shown, and is within the margin
        (-0.03, 0.01, Outcome.FAILS),
        (-0.018, 0.01, Outcome.FAILS),  # shown (t = 1.8), and may be beyond the margin
        (-0.01, 0.01, Outcome.CANNOT_TELL),
        (0.0, 0.02, Outcome.CANNOT_TELL),
        (0.0, 0.0, Outcome.PASSES),
        (-0.01, 0.0, Outcome.PASSES),
        (-0.03, 0.0, Outcome.FAILS),  # every prompt alike: by flipping signs
    ],
)
def test_three_outcomes_by_the_margin(difference: float, error: float, outcome: Outcome) -> None:
    judgement = one("margin = 0.02", measured(difference, error))
    assert judgement.outcome is outcome
    assert judgement.fails == (outcome is Outcome.FAILS)


def test_a_tolerated_drop_is_no_reason_to_fail() -> None:
    assert one("margin = 0.04", measured(-0.03, 0.01)).outcome is Outcome.FAILS
    assert one("margin = 0.04\ntolerated = 0.02", measured(-0.03, 0.01)).outcome is Outcome.CANNOT_TELL


def test_cannot_tell_fails_where_the_policy_says_so_and_tells_what_would_settle_it() -> None:
    open_question = measured(-0.001, 0.02)
    judgement = one('margin = 0.02\ncannot_tell = "fail"', open_question)
    assert (judgement.outcome, judgement.fails) == (Outcome.CANNOT_TELL, True)
    assert judgement.question is not None
    prompts = judgement.question.settling.prompts
    assert prompts is not None
    assert judgement.question.settling.samples is None  # how much of the error comes from the images is not known here
    assert f"{prompts:,} prompts (now 100)" in judgement.text
    # With so many prompts the error shrinks by the root of their number, and the question is settled.
    for number, settled in ((prompts, True), (int(0.9 * prompts), False)):
        more = Evidence(-0.001, 0.02 * (100 / number) ** 0.5, number, number - 1)
        assert (more.excludes_drop_beyond(0.02) < 0.05) == settled


def test_nothing_settles_a_drop_of_exactly_the_margin_that_is_tolerated() -> None:
    judgement = one("margin = 0.02\ntolerated = 0.02", measured(-0.02, 0.01))
    assert judgement.question is not None
    assert judgement.question.settling == Settling(None, None)
    assert "no number of prompts" in judgement.text


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("floor = 0.46", True),
        ("floor = 0.44", False),
        ("largest_drop = 0.04", True),
        ("largest_drop = 0.06", False),
        ("largest_drop_errors = 2", True),
        ("largest_drop_errors = 3", False),
        ("largest_drop = 0.04\nwatch = true", False),
        ("largest_drop = 0.04\nmargin = 0.9", True),  # not inferior by the margin, but the limit is broken
    ],
)
def test_limits(text: str, fails: bool) -> None:
    judgement = one(text, measured(-0.05, 0.02))
    assert judgement.fails == fails
    assert judgement.outcome is not Outcome.CANNOT_TELL


def test_too_little_coverage_fails_and_so_does_a_metric_that_is_not_there() -> None:
    assert one("margin = 0.02\ncoverage = 0.95", measured(0.0, 0.001, coverage=0.94)).text == (
        "coverage 94.0% is below 95.0%"
    )
    absent = one("margin = 0.02", Measured("overall", None, None, 0.0))
    assert absent.fails
    assert "too few scored prompts" in absent.text


def test_holm_counts_the_metrics_that_are_tested() -> None:
    text = "[metrics.overall]\nmargin = 0.02\n[metrics.tags]\nmargin = 0.02\n"
    drop = [measured(-0.02, 0.01)]  # one-sided p 0.024
    others = [measured(0.0, 0.01, tag) for tag in ("colors", "counting")]
    assert judge(drop, parse_policy(text, "here"))[0].outcome is Outcome.FAILS
    assert judge([*drop, *others], parse_policy(text, "here"))[0].outcome is Outcome.CANNOT_TELL
    uncorrected = parse_policy(f'correction = "none"\n{text}', "here")
    assert judge([*drop, *others], uncorrected)[0].outcome is Outcome.FAILS
    watched = parse_policy(f"{text}watch = true", "here")
    assert judge([*drop, *others], watched)[0].outcome is Outcome.FAILS


def test_before_the_last_look_limits_wait_and_margins_do_not() -> None:
    policy = parse_policy("[metrics.overall]\nmargin = 0.02\nfloor = 0.9\n[metrics.colors]\nmargin = 0.02", "here")
    better, worse = measured(0.01, 0.004), measured(-0.05, 0.004)
    early = judge([better, measured(0.01, 0.004, "colors")], policy, interim=True)
    assert [one.outcome for one in early] == [Outcome.CANNOT_TELL, Outcome.PASSES]
    assert [(one.certain, one.fails) for one in early] == [(False, False), (True, False)]
    assert "below the floor of 0.9; limits are judged at the last look" in early[0].text
    assert judge([better], policy)[0].outcome is Outcome.FAILS
    shown = judge([worse], policy, interim=True)[0]
    assert (shown.outcome, shown.certain, shown.fails) == (Outcome.FAILS, True, True)
    open_question = judge([measured(0.0, 0.02, "colors")], policy, interim=True)[0]
    assert (open_question.outcome, open_question.certain) == (Outcome.CANNOT_TELL, False)
