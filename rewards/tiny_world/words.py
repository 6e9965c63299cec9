"""Words that the stand-in tokenizers know whole: those of GenEval's prompts."""

from __future__ import annotations

from wire.vocabulary import COLORS, OBJECT_CLASSES

_FUNCTION_WORDS = (
    *("a", "an", "the", "of", "photo", "and", "two", "three", "four"),
    *("above", "below", "left", "right", "is", "on", "in", "with", "painting"),
)

#: Lower-case words, each once, in a fixed order.
WORDS: tuple[str, ...] = tuple(
    dict.fromkeys([*_FUNCTION_WORDS, *COLORS, *(word for name in OBJECT_CLASSES for word in name.split())])
)
