"""Which image of one run answers to which image of another: the same prompt, the same sample.

Files of different tools number and name prompts differently, so a prompt is recognised by what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.read.prompts import prompt_identities
from reports.read.reward_rows import RewardTable
from reports.statistics.clusters import Clusters

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Pairs:
    """The images of two runs, matched.

    Attributes:
        frame: one row a pair with both scored: ``stratum``, ``prompt``, ``first``, ``second`` (floats).
        only_first, only_second: images whose prompt or sample the other run lacks.
        unscored: pairs of which one or both have no value.
    """

    frame: pd.DataFrame
    only_first: int
    only_second: int
    unscored: int

    def differences(self) -> Clusters:
        """Second minus first, gathered by prompt within stratum."""
        frame = self.frame
        return Clusters.gather(list(frame["prompt"]), list(frame["stratum"]), list(frame["second"] - frame["first"]))

    @property
    def left_out(self) -> str:
        """What could not be paired, e.g. ``36 images only in the first``; empty where all could."""
        counts = (
            (self.only_first, "only in the first"),
            (self.only_second, "only in the second"),
            (self.unscored, "unscored in one or both"),
        )
        return ", ".join(f"{count:,} image{'' if count == 1 else 's'} {what}" for count, what in counts if count)


def pair_verdicts(first: pd.DataFrame, second: pd.DataFrame) -> Pairs:
    """Pair two tables of :func:`reports.read.verdicts.read_verdicts`; strata are the tags."""
    return _pair(_verdict_places(first), _verdict_places(second))


def pair_rewards(first: RewardTable, second: RewardTable, metric: str, tags: Mapping[str, str]) -> Pairs:
    """Pair the values of one metric, which both have.

    Args:
        tags: file name of the first run -> GenEval tag, the stratum; may be empty.
    """
    return _pair(_reward_places(first, metric, tags), _reward_places(second, metric, {}))


def image_places(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """(prompt, sample) of each image, equal for the images of two files that answer to each other.

    Args:
        frame: a table of verdicts, of rewards, or both merged.
    """
    places = _places(frame, prompt_identities(frame), [""] * len(frame), [None] * len(frame))
    return list(zip(places["identity"], places["sample"], strict=True))


def _verdict_places(frame: pd.DataFrame) -> pd.DataFrame:
    return _places(frame, prompt_identities(frame), list(frame["tag"]), list(frame["correct"].astype("Float64")))


def _reward_places(table: RewardTable, metric: str, tags: Mapping[str, str]) -> pd.DataFrame:
    frame = table.frame
    strata = [tags.get(name, "") for name in frame["filename"]]
    return _places(frame, prompt_identities(frame), strata, list(frame[metric]))


def _places(frame: pd.DataFrame, identities: list[str], strata: list[str], values: list[object]) -> pd.DataFrame:
    """(identity, sample) of each image; samples are counted where numbers are missing or stand for two images."""
    import pandas as pd

    places = pd.DataFrame({"identity": identities, "stratum": strata, "sample": list(frame["sample_index"])})
    if places["sample"].isna().any() or places.duplicated(["identity", "sample"]).any():
        places["sample"] = places.groupby("identity").cumcount()
    places["sample"] = places["sample"].astype("int64")
    return places.assign(value=pd.to_numeric(pd.Series(values, dtype="Float64")))


def _pair(first: pd.DataFrame, second: pd.DataFrame) -> Pairs:
    import pandas as pd

    place = ["identity", "sample"]
    theirs = second.drop(columns="stratum")
    joined = first.merge(theirs, on=place, how="outer", suffixes=("_first", "_second"), indicator=True)
    both = joined[joined["_merge"] == "both"]
    scored = both.dropna(subset=["value_first", "value_second"])
    frame = pd.DataFrame(
        {
            "stratum": scored["stratum"],
            "prompt": scored["identity"],
            "first": scored["value_first"].astype("float64"),
            "second": scored["value_second"].astype("float64"),
        }
    )
    counts = joined["_merge"].value_counts()
    only = {side: int(counts[f"{side}_only"]) for side in ("left", "right")}
    return Pairs(frame.reset_index(drop=True), only["left"], only["right"], len(both) - len(scored))
