"""Whether weights that workers fetch by themselves are here or to be had: looked at before anything is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from harness.weights.entries import WeightFile, load_hub, load_weights
from harness.weights.fetching import Entry, is_here
from rewards.scorers.card import Weight
from wire import hub_client
from wire.errors import EnvironmentFailure


def lacking(weights: Mapping[str, Iterable[Weight]], offline: bool) -> dict[str, str]:
    """Metric -> why it cannot be scored, of those of which a weight is not here and not to be had.

    The hub is asked for what its cache lacks; files published by address have been fetched before, or could not be.
    """
    faults = {metric: next(filter(None, (_fault(one, offline) for one in its)), "") for metric, its in weights.items()}
    return {metric: fault for metric, fault in faults.items() if fault}


def _fault(weight: Weight, offline: bool) -> str:
    absent = [entry for entry in _entries(weight) if not is_here(entry)]
    off = offline or hub_client.is_off()
    for entry in absent:
        if isinstance(entry, WeightFile):
            fault = f"weights {entry.name} are not here" + (", and the run is offline" if offline else "")
        elif off:
            fault = f"{entry.repo}: not in the hub cache {hub_client.cache()}, and the run is offline"
        else:
            fault = _refusal(entry.repo, entry.revision)
        if fault:
            return fault
    return ""


def _entries(weight: Weight) -> list[Entry]:
    """Where ``weights.toml`` lists what a card names; nothing for a weight of a user's own scorer."""
    listed = [entry for entry in load_hub().values() if entry.repo == weight.source and "rewards" in entry.stages]
    exact = [entry for entry in listed if weight.file in entry.files]
    files = [entry for entry in load_weights().values() if entry.name == weight.source]
    return [*files, *(exact or listed)]


@cache
def _refusal(repo: str, revision: str) -> str:
    """Why the hub does not give a repository; empty where it would. Asked once."""
    if reason := hub_client.away(hub_client.endpoint()):
        return f"{repo}: not in the hub cache {hub_client.cache()}, and {reason}"
    try:
        with hub_client.asking(repo):
            hub_client.ask(repo, revision or "main")
    except EnvironmentFailure as error:
        return str(error)
    return ""
