"""The GenEval suite, built from its rules instead of copied: 553 prompts under six tags.

Ghosh et al. 2023 (arXiv 2310.11513): per tag, 100 draws (80 for single objects) from one seeded generator, with
repeated draws dropped. The published file is the same bytes, which a test holds this module to.
Needs numpy only; numpy's ``Generator`` keeps its streams for ``choice`` and ``integers`` across 1.26 and 2.x.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wire.vocabulary import COLORS, OBJECT_CLASSES

Metadata = dict[str, Any]
Draw = Callable[[np.random.Generator], Metadata]

#: sha256 of the published ``evaluation_metadata.jsonl``.
SHA256 = "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"

#: Seed and draws per tag of the published file.
SEED = 43
DRAWS_PER_TAG = 100

RELATIONS = ("left of", "right of", "above", "below")
#: All classes but "person", starting with the one after it: nobody is asked for in green.
_PERSON = OBJECT_CLASSES.index("person")
_COLORABLE = OBJECT_CLASSES[_PERSON + 1 :] + OBJECT_CLASSES[:_PERSON]
NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}


def build_geneval() -> list[Metadata]:
    """The suite's lines in the published order: tag, include, exclude (counting only), prompt."""
    rng = np.random.default_rng(SEED)
    suite = _without_repeats(_single_objects(rng))
    for draw in (_two_objects, _counting, _colors, _position, _color_attributes):
        suite += _without_repeats(draw(rng) for _ in range(DRAWS_PER_TAG))
    return suite


def geneval_jsonl() -> bytes:
    """The published file, byte for byte (sha256 :data:`SHA256`)."""
    return "".join(json.dumps(line) + "\n" for line in build_geneval()).encode()


def _without_repeats(draws: Iterator[Metadata]) -> list[Metadata]:
    """Draws are equal exactly where the prompt is; a repeated one takes the place of the first."""
    return list({line["prompt"]: line for line in draws}.values())


def _single_objects(rng: np.random.Generator) -> Iterator[Metadata]:
    for index in rng.choice(len(OBJECT_CLASSES), size=len(OBJECT_CLASSES), replace=False):
        name = OBJECT_CLASSES[index]
        yield _line("single_object", [_clause(name)], _with_article(name))


def _two_objects(rng: np.random.Generator) -> Metadata:
    first, second = _pick(rng, OBJECT_CLASSES, 2)
    text = f"{_with_article(first)} and {_with_article(second)}"
    return _line("two_object", [_clause(first), _clause(second)], text)


def _counting(rng: np.random.Generator) -> Metadata:
    name = OBJECT_CLASSES[rng.choice(len(OBJECT_CLASSES))]
    count = int(rng.integers(2, 4, endpoint=True))
    excess = {"exclude": [_clause(name, count + 1)]}
    return _line("counting", [_clause(name, count)], f"{NUMBER_WORDS[count]} {_plural(name)}", **excess)


def _colors(rng: np.random.Generator) -> Metadata:
    name = _COLORABLE[rng.choice(len(_COLORABLE))]
    color = COLORS[rng.choice(len(COLORS))]
    return _line("colors", [_clause(name, color=color)], _with_article(f"{color} {name}"))


def _position(rng: np.random.Generator) -> Metadata:
    name, reference = _pick(rng, OBJECT_CLASSES, 2)
    relation = RELATIONS[rng.choice(len(RELATIONS))]
    include = [_clause(reference), _clause(name, position=[relation, 0])]
    return _line("position", include, f"{_with_article(name)} {relation} {_with_article(reference)}")


def _color_attributes(rng: np.random.Generator) -> Metadata:
    names = _pick(rng, _COLORABLE, 2)
    colors = _pick(rng, COLORS, 2)
    include = [_clause(name, color=color) for name, color in zip(names, colors, strict=True)]
    parts = [_with_article(f"{color} {name}") for name, color in zip(names, colors, strict=True)]
    return _line("color_attr", include, " and ".join(parts))


def _pick(rng: np.random.Generator, words: tuple[str, ...], size: int) -> list[str]:
    return [words[index] for index in rng.choice(len(words), size=size, replace=False)]


def _clause(name: str, count: int = 1, **more: Any) -> Metadata:
    return {"class": name, "count": count, **more}


def _line(tag: str, include: list[Metadata], text: str, **more: Any) -> Metadata:
    return {"tag": tag, "include": include, **more, "prompt": f"a photo of {text}"}


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("s") else "s")
