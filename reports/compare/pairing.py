"""Which image of one run answers to which image of another: the same prompt, the same sample.

Files of different tools number and name prompts differently, so a prompt is recognised by what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reports.read.prompts import prompt_identities
from reports.read.reward_rows import RewardTable
from reports.statistics.clusters import Clusters

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Pairs:
    """The images of two runs, matched."""

    #: One row an image of either: ``stratum``, ``prompt``, ``first``, ``second`` (floats, NaN where there is no value),
    #: ``weight`` (by what a value counts), ``found`` (in ``both``, ``left_only``, ``right_only``).
    images: pd.DataFrame

    def of(self, stratum: str) -> Pairs:
        """The images of one stratum."""
        return Pairs(self.images[self.images["stratum"] == stratum])

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The pairs with both scored."""
        return self.images.dropna(subset=["first", "second"]).reset_index(drop=True)

    @property
    def left_out(self) -> str:
        """What could not be paired, e.g. ``36 images only in the first``; empty where all could."""
        found, both = self.images["found"], self.images["found"] == "both"
        in_first, in_second = (self.images[side].notna() for side in ("first", "second"))
        left_out = {
            "only in the first": found == "left_only",
            "only in the second": found == "right_only",
            "unscored in the first": both & ~in_first & in_second,
            "unscored in the second": both & in_first & ~in_second,
            "unscored in both": both & ~in_first & ~in_second,
        }
        counts = {what: int(places.sum()) for what, places in left_out.items()}
        texts = [f"{count:,} image{'' if count == 1 else 's'} {what}" for what, count in counts.items() if count]
        return ", ".join(texts)

    def differences(self) -> Clusters:
        """Second minus first, gathered by prompt within stratum."""
        frame = self.frame
        values = list(frame["second"] - frame["first"])
        weights = None if (frame["weight"] == 1).all() else frame["weight"].tolist()
        return Clusters.gather(list(frame["prompt"]), list(frame["stratum"]), values, weights=weights)

    def means(self) -> pd.Series[float]:
        """``first`` and ``second`` over the pairs."""
        frame = self.frame
        weighted: pd.Series[float] = frame[["first", "second"]].mul(frame["weight"], axis=0).sum()
        return weighted / frame["weight"].sum()


def pair_verdicts(first: pd.DataFrame, second: pd.DataFrame) -> Pairs:
    """Pair two tables of :func:`reports.read.verdicts.read_verdicts`; strata are the tags."""
    sides = [_places(frame, frame["tag"].tolist(), frame["correct"].astype("Float64")) for frame in (first, second)]
    return _pair(*sides)


def pair_rewards(first: RewardTable, second: RewardTable, metric: str, tags: Mapping[str, str]) -> Pairs:
    """Pair the values of one metric, which both have.
    ``tags``: file name of the first run -> GenEval tag, the stratum; may be empty.
    """
    strata = [tags.get(name, "") for name in first.frame["filename"]]
    theirs = _places(second.frame, [""] * len(second.frame), second.frame[metric])
    return _pair(_places(first.frame, strata, first.frame[metric]), theirs)


def pair_parts(first: pd.DataFrame, second: pd.DataFrame) -> Pairs:
    """Pair what one score of GenEval 2 rests on; see :func:`reports.summary.geneval2_summary.geneval2_parts`."""
    return _pair(*(_places(side, [""] * len(side), side["value"], side["weight"].tolist()) for side in (first, second)))


def image_places(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """(prompt, sample) of each image, equal for the images of two files that answer to each other.
    ``frame``: a table of verdicts, of rewards, or both merged.
    """
    places = _places(frame, [""] * len(frame), [None] * len(frame))
    return list(zip(places["identity"], places["sample"], strict=True))


def _places(
    frame: pd.DataFrame, strata: Sequence[str], values: Sequence[Any] | pd.Series[Any], weights: int | list[int] = 1
) -> pd.DataFrame:
    """(identity, sample) of each image; samples are counted where numbers are missing or stand for two images."""
    import pandas as pd

    samples = list(frame["sample_index"])
    named = {"identity": prompt_identities(frame), "stratum": strata, "sample": samples, "weight": weights}
    places = pd.DataFrame(named)
    if places["sample"].isna().any() or places.duplicated(["identity", "sample"]).any():
        places["sample"] = places.groupby("identity").cumcount()
    places["sample"] = places["sample"].astype("int64")
    return places.assign(value=pd.to_numeric(pd.Series(list(values), dtype="Float64")))


def _pair(first: pd.DataFrame, second: pd.DataFrame) -> Pairs:
    place = ["identity", "sample"]
    joined = first.merge(second, on=place, how="outer", suffixes=("_first", "_second"), indicator="found")
    images = joined[["found"]].assign(
        stratum=joined["stratum_first"].fillna(joined["stratum_second"]),
        prompt=joined["identity"],
        weight=joined["weight_first"].fillna(joined["weight_second"]).astype("int64"),
        **{side: joined[f"value_{side}"].astype("float64") for side in ("first", "second")},
    )
    return Pairs(images)
