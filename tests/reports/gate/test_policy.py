from __future__ import annotations

from pathlib import Path

import pytest

from reports.gate.policy import default_text, parse_policy, read_policy, require_known
from wire.errors import UserError
from wire.vocabulary import TAGS


def test_the_default_demands_overall_and_tags_and_watches_rewards() -> None:
    policy = read_policy(None)
    assert (policy.level, policy.correction, policy.cannot_tell) == (0.05, "holm", "pass")
    assert policy.rule("overall").margin == 0.02
    assert all(policy.rule(tag).margin == 0.05 and policy.rule(tag).demands for tag in TAGS)
    assert not policy.rule("aesthetic").demands
    assert policy.rule("overall").coverage == 0.99


def test_the_default_s_commented_example_is_a_policy_too() -> None:
    start = default_text().index('# [metrics."hpsv2.1"]')
    example = default_text()[start:].replace("# ", "")
    policy = parse_policy(default_text()[:start] + example, "here")
    assert policy.rule("hpsv2.1").margin == 0.002
    assert policy.rule("hpsv2.1").demands


def test_a_metric_s_own_table_goes_before_its_group_s() -> None:
    text = '[metrics.tags]\nmargin = 0.1\ncannot_tell = "fail"\n[metrics.colors]\nmargin = 0.2\n'
    policy = parse_policy(text, "here")
    assert (policy.rule("colors").margin, policy.rule("colors").cannot_tell) == (0.2, "fail")
    assert policy.rule("counting").margin == 0.1
    assert not policy.rule("overall").demands


def test_a_metric_with_a_limit_of_its_own_is_judged_though_its_group_is_watched() -> None:
    watched = "[metrics.rewards]\nwatch = true\n[metrics.vqa]\nfloor = 0.5\nwatch = true\n"
    policy = parse_policy(watched + "[metrics.pick_score]\nmargin = 0.01", "here")
    assert policy.rule("pick_score").demands
    assert not policy.rule("vqa").demands
    assert not policy.rule("aesthetic").demands


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "levle = 0.1",
            ("'levle'", "level, correction, cannot_tell, coverage, outside_range, may_differ, sequential, metrics"),
        ),
        ("[metrics.overall]\nmargins = 1", ("metrics.overall", "'margins'", "margin, tolerated, floor")),
        ("[metrics.overall]\nmargin = -1", ("'margin'", "a number from 0", "-1")),
        ("[metrics.overall]\nmargin = nan", ("'margin'", "a number from 0")),
        (f"[metrics.overall]\nmargin = {10**400}", ("'margin'", "a number from 0")),
        ("[metrics.overall]\nmargin = 2", ("'margin' is 2", "overall is a share from 0 to 1")),
        ("[metrics.tags]\nlargest_drop = 5", ("metrics.tags", "'largest_drop' is 5", "0.02 are two points")),
        ("[metrics.colors]\nfloor = 70.5", ("metrics.colors", "'floor' is 70.5", "a share from 0 to 1")),
        ("[metrics.overall]\nwatch = 1", ("'watch'", "true or false")),
        ('correction = "bonferroni"', ("'correction'", "'holm' or 'none'")),
        ('cannot_tell = "warn"', ("'cannot_tell'", "'pass' or 'fail'")),
        ("level = true", ("'level'", "between 0 and 0.5")),
        ("coverage = 99", ("'coverage'", "from 0 to 1")),
        ('may_differ = "steps"', ("'may_differ'", "a list")),
        ("sequential = 3", ("[sequential]",)),
        ("[sequential]\nlook = [1]", ("sequential", "'look'", "looks, spending")),
        ("[sequential]\nlooks = [200, 100]", ("'looks'", "ascending", "[200, 100]")),
        ("[sequential]\nlooks = [0, 100]", ("'looks'", "ascending")),
        ("[sequential]\nlooks = 100", ("'looks'", "ascending")),
        ("[sequential]\nspending = 0", ("'spending'", "above 0")),
        ("metrics = 3", ("[metrics.overall]",)),
        ("level = x", ("not TOML", "line 1")),
        ("[metrics.overall.more]\nmargin = 1", ("metrics.overall", "'more'", "allowed: margin")),
    ],
)
def test_a_mistake_is_one_line_with_the_key_and_what_is_allowed(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as caught:
        parse_policy(text, "gate.toml")
    message = str(caught.value)
    assert message.startswith("gate.toml: ")
    assert "\n" not in message
    assert all(part in message for part in parts)


def test_an_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"unknown metric 'colours'; allowed: overall, tags, geneval2_skills, "):
        require_known(parse_policy("[metrics.colours]\nmargin = 0.1", "gate.toml"), (), "gate.toml")
    with pytest.raises(UserError, match=r"metrics\.hpsv2: unknown key '1'.*; a name with a dot needs quotes"):
        parse_policy("[metrics.hpsv2.1]\nmargin = 0.1", "gate.toml")
    require_known(parse_policy("[metrics.mine]\nmargin = 0.1", "gate.toml"), ("mine",), "gate.toml")


def test_more_tolerated_than_the_margin_is_refused() -> None:
    with pytest.raises(UserError, match=r"'tolerated' .* exceeds 'margin'"):
        parse_policy("[metrics.overall]\nmargin = 0.01\ntolerated = 0.02", "gate.toml").rule("overall")


def test_a_floor_above_the_ceiling_is_refused() -> None:
    policy = parse_policy("[metrics.rewards]\nceiling = 1\n[metrics.image_reward]\nfloor = 2", "here")
    assert policy.rule("aesthetic").ceiling == 1
    with pytest.raises(UserError, match=r"image_reward: 'floor' \(2\) exceeds 'ceiling' \(1\)"):
        policy.rule("image_reward")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--init"):
        read_policy(tmp_path / "none.toml")
