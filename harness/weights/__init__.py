"""The weights of every stage: one list, fetched once, verified always.

``entries``    the list itself, ``envs/weights.toml``
``ledger``     what was seen on this machine: digests recorded on first use, files verified already
``by_address`` files that are published by address
``on_hub``     repositories of the Hugging Face hub, as its cache holds them; what workers load of them
``at_hand``    whether what workers fetch is here or to be had
``inventory``  what is here
``fetching``   brings both here
``bundle``     one file for a machine without a network; ``bundle_contents`` is its list, ``unbundle`` reads it
``git_proof``  that a file is of a commit, by git's own objects; ``git_fetch`` asks the hub for them
"""

from __future__ import annotations

from harness.weights.by_address import ensure_weights
from harness.weights.entries import HubWeight, WeightFile, load_hub, load_weights, weights_of

__all__ = ["HubWeight", "WeightFile", "ensure_weights", "load_hub", "load_weights", "weights_of"]
