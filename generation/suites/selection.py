"""Which prompts a shortened run uses."""

from __future__ import annotations

from harness.errors import UserError


def limit_indices(total: int, limit: int | None) -> list[int]:
    """Sorted prompt indices of a run shortened to ``limit`` prompts, spread evenly over the suite.

    A suite lists its tags one after the other, so an even spread reaches all of them: six prompts
    of GenEval already meet its six tags.

    Args:
        total: prompts in the suite.
        limit: prompts wanted; None, or more than there are, means all.

    Raises:
        UserError: ``limit`` is not positive.
    """
    if limit is None or limit >= total:
        return list(range(total))
    if limit < 1:
        raise UserError(f"limit {limit}: at least one prompt is needed")
    return [index * total // limit for index in range(limit)]
