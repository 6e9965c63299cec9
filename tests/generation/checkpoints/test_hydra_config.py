"""The configuration beside a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("miro", reason="runs in the generation environment")

from generation.checkpoints.kinds import NUMBER, TEXT, Kind
from generation.checkpoints.known_parts import NETWORK, SCHEDULER
from generation.checkpoints.lightning import _build, ema_prefix
from generation.checkpoints.training_config import TrainingConfig, package_folder, read_config
from tests.generation.checkpoints.config_fuzz import stand_ins
from wire.errors import UserError

ANYTHING = Kind("anything", lambda _value: True)


def config_of(tmp_path: Path, text: str, trusted: bool = False) -> TrainingConfig:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return read_config(path, trusted)


@pytest.mark.parametrize("trusted", [False, True])
def test_sections_are_resolved_one_by_one(tmp_path: Path, trusted: bool) -> None:
    text = "a: {x: '${b}'}\nb: 3\nroot_dir: '${hydra:runtime.cwd}'\nbroken: '${oc.env:NOT_SET_X}'"
    config = config_of(tmp_path, text, trusted)
    assert config.get("a", ANYTHING) == {"x": 3}
    assert config.get("none", ANYTHING, 7) == 7
    assert config.get("root_dir", TEXT) == package_folder()
    with pytest.raises(UserError, match=r"config\.yaml: broken cannot be resolved"):
        config.get("broken", ANYTHING)


def test_root_dir_is_the_package_s_folder(tmp_path: Path) -> None:
    import miro

    config = config_of(tmp_path, "a: ${root_dir}/x\nroot_dir: '${hydra:runtime.cwd}'")
    assert config.get("a", TEXT) == f"{Path(miro.__file__).parent}/x"


@pytest.mark.parametrize("trusted", [False, True])
def test_section_that_is_not_there(tmp_path: Path, trusted: bool) -> None:
    config = config_of(tmp_path, "model: {}", trusted)
    with pytest.raises(UserError, match=r"config\.yaml: has no model\.network"):
        config.require("model.network", ANYTHING)
    with pytest.raises(UserError, match=r"config\.yaml: has no model\.network"):
        config.build("model.network", NETWORK)


@pytest.mark.parametrize("trusted", [False, True])
def test_value_of_another_kind(tmp_path: Path, trusted: bool) -> None:
    with pytest.raises(UserError, match=r"config\.yaml: a\.b is 'x'; expected a finite number"):
        config_of(tmp_path, "a: {b: x}", trusted).get("a.b", NUMBER)


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("text", ["- 1\n", "a: [", "\tx"])
def test_not_a_configuration(tmp_path: Path, text: str, trusted: bool) -> None:
    with pytest.raises(UserError, match="Hydra configuration") as caught:
        config_of(tmp_path, text, trusted)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("trusted", [False, True])
def test_a_part_is_built_with_values_from_elsewhere(tmp_path: Path, trusted: bool) -> None:
    text = f"part: {{_target_: {SCHEDULER}, start: '${{x.y}}', clip_min: 1e-9}}\nx: {{y: 0.5}}"
    built = config_of(tmp_path, text, trusted).build("part", SCHEDULER)
    assert (built.start, built.end, built.clip_min) == (0.5, 0, 1e-9)


ATTACK = f"part: {{_target_: {SCHEDULER}, start: {{_target_: os.mkdir, path: %s}}}}"


def test_functions_off_the_list_are_named_and_not_called(tmp_path: Path) -> None:
    config = config_of(tmp_path, ATTACK % (tmp_path / "marker"))
    with pytest.raises(UserError, match=r"part would call os\.mkdir; .* --trust-checkpoint"):
        config.build("part", SCHEDULER)
    assert not (tmp_path / "marker").exists()
    config_of(tmp_path, ATTACK % (tmp_path / "marker"), trusted=True).build("part", SCHEDULER)
    assert (tmp_path / "marker").exists()


#: What each resolves to, once or twice, makes the folder %s. Single quotes: a backslash is a backslash.
CALL = "oc.create:{_target_: os.mkdir, path: %s}"
HIDDEN = {
    "plain": "start: '${CALL}'",
    "escaped": r"start: '\${CALL}'",
    "escaped twice": r"start: '\\\${CALL}'",
    "escaped, and a backslash": r"start: '\\${CALL}'",
    "in a list": r"start: ['\${CALL}']",
    "in a mapping": r"start: {x: '\${CALL}'}",
    "behind a reference": r"start: '${there}'",
    "in a key": r"'\${CALL}': 1",
    "as the target": r"_target_: '\${CALL}'",
    "as the section": None,
    "with text around": r"start: 'x \${CALL} y'",
    "nested": r"start: '${oc.create:{x: ''\${CALL}''}}'",
    "decoded": r"start: '${oc.decode:''\${CALL}''}'",
}


def hidden(inside: str | None, call: str) -> str:
    target = "" if inside and "_target_" in inside.split(":")[0] else f"_target_: {SCHEDULER}, "
    part = f"'\\${{{call}}}'" if inside is None else f"{{{target}{inside}}}"
    return f"part: {part}\nthere: '\\${{CALL}}'\n".replace("CALL", call)


@pytest.mark.parametrize("inside", HIDDEN.values(), ids=HIDDEN)
def test_no_interpolation_hides_a_call(tmp_path: Path, inside: str | None) -> None:
    config = config_of(tmp_path, hidden(inside, CALL % (tmp_path / "marker")))
    with pytest.raises(UserError, match=r"config\.yaml: part[^ ]* cannot be resolved: refused.*--trust-checkpoint"):
        config.build("part", SCHEDULER)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("form", ["${%s}", r"\${%s}", r"\\${%s}", "x${%s}", r"x \${%s} y"])
@pytest.mark.parametrize(
    "call", ["oc.env:HF_TOKEN", "oc.decode:'${oc.env:HF_TOKEN} ['", "oc.create:'${oc.env:HF_TOKEN}: 1'"]
)
@pytest.mark.parametrize("place", ["a: {b: TEXT}", "a: {b: [TEXT]}", "a: {b: {TEXT: 1}}", "a: {b: '${c}'}\nc: TEXT"])
def test_no_secret_is_read(tmp_path: Path, form: str, call: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    text = "'" + (form % call).replace("'", "''") + "'"
    config = config_of(tmp_path, place.replace("TEXT", text))
    with pytest.raises(UserError, match=r"config\.yaml: a\.b[.0]* cannot be resolved: refused") as caught:
        config.get("a.b", ANYTHING)
    assert "hf_secret" not in str(caught.value)


def test_wrong_arguments(tmp_path: Path) -> None:
    text = f"part: {{_target_: {SCHEDULER}, speed: 3}}"
    with pytest.raises(UserError, match=r"part\.speed is not an argument that is known; expected some of start, end"):
        config_of(tmp_path, text).build("part", SCHEDULER)
    with pytest.raises(UserError, match="part cannot be built"):
        config_of(tmp_path, text, trusted=True).build("part", SCHEDULER)


def test_evaluated_expressions_need_trust(tmp_path: Path) -> None:
    text = "x: '${eval:1+1}'"
    with pytest.raises(UserError, match="x cannot be resolved"):
        config_of(tmp_path, text).get("x", ANYTHING)
    assert config_of(tmp_path, text, trusted=True).get("x", ANYTHING) == 2


def test_trust_in_one_file_is_no_trust_in_the_next(tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    expression = f"""x: '${{eval:''__import__("os").mkdir("{tmp_path}/marker") or 1''}}'"""
    trusted, other = tmp_path / "trusted", tmp_path / "other"
    for folder in (trusted, other):
        folder.mkdir()
    assert config_of(trusted, expression, trusted=True).get("x", ANYTHING) == 1
    (tmp_path / "marker").rmdir()
    assert not OmegaConf.has_resolver("eval")
    for text in (expression, expression.replace("$", "\\$")):
        with pytest.raises(UserError, match="x cannot be resolved"):
            config_of(other, text).get("x", ANYTHING)
    assert not (tmp_path / "marker").exists()


def test_resolvers_of_the_process_are_not_asked(tmp_path: Path) -> None:
    """Whoever has registered one: a trusted file's own code may have, too."""
    from omegaconf import OmegaConf

    called: list[Any] = []
    OmegaConf.register_new_resolver("left_behind", called.append)
    try:
        with pytest.raises(UserError, match="x cannot be resolved"):
            config_of(tmp_path, "x: '${left_behind:1}'").get("x", ANYTHING)
    finally:
        OmegaConf.clear_resolver("left_behind")
    assert called == []


def test_without_trust_neither_hydra_nor_omegaconf_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocked imports: a module that is None in ``sys.modules`` cannot be imported."""
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] in ("omegaconf", "hydra")] + ["omegaconf", "hydra"]:
        monkeypatch.setitem(sys.modules, name, None)
    text = f"part: {{_target_: {SCHEDULER}, start: '${{x}}'}}\nx: 0.5\ny: ${{oc.env:HOME}}"
    config = config_of(tmp_path, text)
    assert config.build("part", SCHEDULER).start == 0.5
    with pytest.raises(UserError, match="y cannot be resolved"):
        config.get("y", TEXT)
    assert os.environ["HOME"]


EXPERIMENTS = [["multi_cad", "multi_cad_synth"], ["multi_cad"], ["clip_score_cad"], ["vqa_score_cad"]]


@pytest.mark.parametrize("experiments", EXPERIMENTS, ids="+".join)
def test_upstream_s_own_configurations_are_read_as_omegaconf_reads_them(tmp_path: Path, experiments: list[str]) -> None:
    """Composed by hand from the source distribution: its ``defaults`` only name the files to merge."""
    from omegaconf import OmegaConf

    if "MIRO_T2I_SDIST" not in os.environ:
        pytest.skip("MIRO_T2I_SDIST is not set")
    folder = Path(os.environ["MIRO_T2I_SDIST"]) / "configs"
    files = [folder / "config.yaml", *(folder / "experiment" / f"{name}.yaml" for name in experiments)]
    composed = OmegaConf.merge(*map(OmegaConf.load, files))
    OmegaConf.save(composed, tmp_path / "config.yaml", resolve=False)
    config = read_config(tmp_path / "config.yaml", trusted=False)
    for key in SECTIONS:
        value = OmegaConf.select(composed, key)
        theirs = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        assert repr(config.get(key, ANYTHING)) == repr(theirs)
    with stand_ins():
        model = _build(config)
    assert (model.network["built"], model.network["num_latents"]) == (NETWORK, 256)
    assert ema_prefix(config) == "ema_network."


SECTIONS = (
    *("model.network", "model.preconditioning", "model.postprocessing", "model.inference_noise_scheduler"),
    *("model.coherence_values", "model.coherence_keys", "model.negative_prompts", "model.ema_decay", "model.loss"),
)


def bomb(levels: int) -> str:
    """A few hundred bytes that aliases make 9 to the power of ``levels`` values of."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [bomb(9), "a: &a [*a]", "a: &a {b: *a}", "[" * 3000, "a: " + "[" * 45 + "]" * 45])
@pytest.mark.parametrize("trusted", [False, True])
def test_a_bomb_of_aliases_is_refused_at_once(tmp_path: Path, text: str, trusted: bool) -> None:
    with pytest.raises(UserError, match=r"config\.yaml: not a readable Hydra configuration"):
        config_of(tmp_path, text, trusted)


def test_trusted_files_may_have_aliases(tmp_path: Path) -> None:
    assert config_of(tmp_path, "a: &a [1, 2]\nb: *a", trusted=True).get("b", ANYTHING) == [1, 2]
