"""How many positions of a padded text are computed."""

from __future__ import annotations

#: Lengths are rounded up to a multiple, so that a batch's shape seldom depends on its prompts.
STEP = 16


def padded_length(longest: int, context: int) -> int:
    """The longest text's tokens, rounded up to a multiple of :data:`STEP`, at most the model's context."""
    return min(context, -(-longest // STEP) * STEP)
