"""Two runs side by side: which image stands beside which, and which verdicts flip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.gallery.records import GalleryRun


@dataclass(frozen=True)
class Card:
    """One entry of the gallery.

    Attributes:
        places: index of the record of each run; None where the run has no such image.
        flip: right in one run and wrong in the other.
    """

    places: tuple[int | None, ...]
    flip: bool = False


def matched(runs: Sequence[GalleryRun]) -> list[Card]:
    """The images of one run, or of two side by side; flips first, else in the first run's order."""
    if len(runs) == 1:
        return [Card((place,)) for place in range(len(runs[0].records))]
    first, second = runs
    partner = {place: number for number, place in enumerate(second.places)}
    cards = [_card(first, second, number, partner.pop(place, None)) for number, place in enumerate(first.places)]
    cards += [Card((None, number)) for number in partner.values()]
    return sorted(cards, key=lambda card: not card.flip)


def _card(first: GalleryRun, second: GalleryRun, left: int, right: int | None) -> Card:
    if right is None:
        return Card((left, None))
    verdicts = {first.records[left]["correct"], second.records[right]["correct"]}
    return Card((left, right), flip=verdicts == {True, False})
