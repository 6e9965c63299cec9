"""The configuration beside a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("miro", reason="runs in the generation environment")

from generation.checkpoints.hydra_config import TrainingConfig
from wire.errors import UserError


def config_of(tmp_path: Path, text: str, trusted: bool = False) -> TrainingConfig:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return TrainingConfig(path, trusted)


def test_sections_are_resolved_one_by_one(tmp_path: Path) -> None:
    config = config_of(
        tmp_path, "a: {x: '${b}'}\nb: 3\nroot_dir: '${hydra:runtime.cwd}'\nbroken: '${oc.env:NOT_SET_X}'"
    )
    assert config.get("a") == {"x": 3}
    assert config.get("none", 7) == 7
    with pytest.raises(UserError, match="broken cannot be resolved"):
        config.get("broken")


def test_section_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.yaml: has no model\.network"):
        config_of(tmp_path, "model: {}").require("model.network")


@pytest.mark.parametrize("text", ["- 1\n", "a: [", "\tx"])
def test_not_a_configuration(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="Hydra configuration") as caught:
        config_of(tmp_path, text)
    assert "\n" not in str(caught.value)


ATTACK = "part: {_target_: miro.models.scheduler.LinearScheduler, start: {_target_: os.mkdir, path: %s}}"


def test_functions_off_the_list_are_named_and_not_called(tmp_path: Path) -> None:
    config = config_of(tmp_path, ATTACK % (tmp_path / "marker"))
    with pytest.raises(UserError, match=r"part would call os\.mkdir; .* --trust-checkpoint"):
        config.build("part")
    assert not (tmp_path / "marker").exists()
    config_of(tmp_path, ATTACK % (tmp_path / "marker"), trusted=True).build("part")
    assert (tmp_path / "marker").exists()


def test_wrong_arguments(tmp_path: Path) -> None:
    config = config_of(tmp_path, "part: {_target_: miro.models.scheduler.LinearScheduler, speed: 3}")
    with pytest.raises(UserError, match="part cannot be built"):
        config.build("part")


def test_evaluated_expressions_need_trust(tmp_path: Path) -> None:
    text = "x: '${eval:1+1}'"
    with pytest.raises(UserError, match="x cannot be resolved"):
        config_of(tmp_path, text).get("x")
    assert config_of(tmp_path, text, trusted=True).get("x") == 2
