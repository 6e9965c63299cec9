from __future__ import annotations

from pathlib import Path

import pytest

from harness.executors import find, sbatch
from harness.run.settings import RunSettings, SlurmSettings
from wire.errors import UserError
from wire.settings import pair as pair_parser

parse_argument = pair_parser("--slurm-arg", "NAME=VALUE")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("90:30", 91),
        ("1:30:00", 90),
        ("0:00:30", 1),
        ("2-12", 3600),
        ("1-0:30", 1470),
        ("1-01:00:00", 1500),
    ],
)
def test_times_are_written_as_slurm_writes_them(text: str, minutes: int) -> None:
    assert sbatch.minutes(text) == minutes


@pytest.mark.parametrize("text", ["soon", "", "0", "1:2:3:4", "-5", "1-", "4h"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"expected minutes, H:MM:SS or D-HH:MM"):
        sbatch.minutes(text)


@pytest.mark.parametrize("name", ["array", "dependency", "export", "output", "no-such"])
def test_an_option_that_is_not_the_user_s_to_set_lists_those_that_are(name: str) -> None:
    with pytest.raises(UserError, match=rf"--slurm-arg {name}: unknown; choose from account, .*qos"):
        sbatch.check(SlurmSettings(arguments={name: "1"}))


def test_shards_get_the_resources_and_merging_gets_none_of_them() -> None:
    pairs = ["mem=64G", "qos=low", "--time=2:00:00", "array-parallelism=4"]
    settings = SlurmSettings("gpus", "gpu:1", dict(map(parse_argument, pairs)))
    shards = sbatch.for_shards(settings, "run-rewards", "ab", "aftercorr:7")
    assert shards["partition"] == "gpus"
    assert (shards["time"], shards["array_parallelism"]) == (120, 4)
    extra = {"mem": "64G", "qos": "low", "gres": "gpu:1", "dependency": "aftercorr:7", "kill-on-invalid-dep": "yes"}
    assert shards["additional_parameters"] == extra | {"requeue": True, "comment": "miro-eval:ab"}
    merge = sbatch.for_merge(settings, "run-merge", "ab", "afterany:7:8")["additional_parameters"]
    after = {"dependency": "afterany:7:8", "kill-on-invalid-dep": "yes"}
    assert merge == {"qos": "low", **after, "requeue": True, "comment": "miro-eval:ab"}


@pytest.mark.parametrize("text", ["1", "4", "0:04:00", "0:00:30"])
def test_a_time_in_which_no_task_can_begin_is_refused(text: str) -> None:
    """It would be told of its end before it has begun, go back to the queue, and so ten times."""
    with pytest.raises(UserError, match=rf"time={text}: too short .* 5 minutes or more"):
        sbatch.check(SlurmSettings(arguments={"time": text}))
    sbatch.check(SlurmSettings(arguments={"time": "5"}))


@pytest.mark.parametrize("pair", ["time", "=1", "time="])
def test_a_pair_without_name_or_value_is_refused(pair: str) -> None:
    with pytest.raises(UserError, match="expected NAME=VALUE"):
        parse_argument(pair)


def test_executors_are_known_by_name_and_others_list_them() -> None:
    assert find(RunSettings(Path())) is find(RunSettings(Path(), executor="local"))
    with pytest.raises(UserError, match="unknown executor 'condor': choose from local, slurm"):
        find(RunSettings(Path(), executor="condor"))


def test_options_of_slurm_mean_nothing_elsewhere() -> None:
    with pytest.raises(UserError, match="go with --executor slurm"):
        find(RunSettings(Path(), slurm=SlurmSettings(gres="gpu:1")))


def test_gpus_of_this_machine_mean_nothing_on_a_cluster() -> None:
    from harness.executors.slurm import check

    with pytest.raises(UserError, match=r"--gres gpu:1"):
        check(RunSettings(Path(), executor="slurm", gpus=("0", "1")))
