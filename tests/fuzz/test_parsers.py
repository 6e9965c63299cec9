"""A few seconds of what ``python -m tests.fuzz`` does for longer."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import ODD, mutate
from tests.fuzz.targets import targets

TARGETS = targets()


@pytest.mark.parametrize("name", TARGETS)
def test_well_formed_input_is_accepted(name: str) -> None:
    assert all(TARGETS[name](seed) for seed in TARGETS[name].seeds)


@pytest.mark.parametrize("name", TARGETS)
def test_nearly_well_formed_input_ends_in_an_error_of_ours(name: str) -> None:
    target, chance = TARGETS[name], random.Random(name)
    for _ in range(20 if target.slow else 150):
        target(mutate(chance.choice(target.seeds), chance))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(ODD), max_size=12).map(b"".join)))
def test_arbitrary_bytes_end_in_an_error_of_ours(name: str, data: bytes) -> None:
    TARGETS[name](data)
