from __future__ import annotations

import subprocess
import sys

import pytest

from rewards.scorers import SCORERS, check_metrics
from rewards.scorers.clip_jina import PINS
from wire.errors import UserError
from wire.vocabulary import SEVEN_REWARDS


def test_importing_the_registry_imports_nothing_heavy() -> None:
    """The orchestrator reads names and cards where torch is not installed."""
    program = (
        "import sys, rewards.scorers; print([m for m in ('torch', 'transformers', 'PIL', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_id_has_its_own_complete_card() -> None:
    for metric, scorer in SCORERS.items():
        card = scorer.card
        assert card.metric == metric
        assert set(scorer.dtypes) == {"reference", "fast"}
        assert card.reference_dtype == scorer.dtypes["reference"]
        assert card.weights
        assert all([card.definition, card.scale, card.miro_normalised, card.preprocessing, card.licence, card.source])


def test_the_seven_rewards_are_the_default_and_registered() -> None:
    assert set(SEVEN_REWARDS) <= set(SCORERS)


def test_digests_are_whole_and_jinas_four_repositories_are_pinned() -> None:
    weights = [weight for scorer in SCORERS.values() for weight in scorer.card.weights]
    assert all(len(weight.sha256) == 64 for weight in weights if weight.sha256)
    assert {w.source: w.revision for w in SCORERS["clip_jina"].card.weights} == dict(PINS)
    assert all(len(revision) == 40 for revision in PINS.values())


def test_metrics_are_taken_once_in_order() -> None:
    assert check_metrics(["vqa", "aesthetic", "vqa"]) == ("vqa", "aesthetic")


@pytest.mark.parametrize(
    ("asked", "message"), [(["hpsv2"], "unknown metric hpsv2; choose from: clip_jina"), ([], "no metric")]
)
def test_an_unknown_metric_is_refused_with_the_list_of_known_ones(asked: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_metrics(asked)
