"""The table of what may be built, against the installed classes, and what it keeps out."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("miro", reason="runs in the generation environment")

from generation.checkpoints import known_parts
from generation.checkpoints.known_parts import (
    KNOWN,
    NETWORK,
    POSTPROCESSING,
    PRECONDITIONING,
    SCHEDULER,
    VAE,
    build_part,
    load_vae,
)
from generation.checkpoints.plain_yaml import read_mapping
from generation.tiny_world.checkpoint import CONFIG
from tests.generation.checkpoints.config_fuzz import stand_ins
from tests.generation.conftest import World
from wire.errors import UserError


def refusal(section: Any, target: str) -> str:
    with stand_ins(), pytest.raises(UserError) as caught:
        build_part(section, "part", target)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def signature(*classes: type) -> set[str]:
    names = {name for each in classes for name in inspect.signature(each.__init__).parameters}
    return names - {"self", "args", "kwargs"}


def test_the_arguments_are_those_of_the_classes() -> None:
    from miro.models.networks.rin import CADRINTextCond, RINBackbone
    from miro.models.postprocessing import VAEDecoderPostProcessing
    from miro.models.preconditioning import FlowPrecond
    from miro.models.scheduler import LinearScheduler

    assert KNOWN[NETWORK].keys() == signature(CADRINTextCond, RINBackbone)
    assert KNOWN[PRECONDITIONING].keys() == signature(FlowPrecond)
    assert KNOWN[POSTPROCESSING].keys() | {"device"} == signature(VAEDecoderPostProcessing)
    assert KNOWN[SCHEDULER].keys() == signature(LinearScheduler)


@pytest.mark.parametrize("target", [NETWORK, PRECONDITIONING, POSTPROCESSING, SCHEDULER])
def test_a_target_is_what_its_name_says(target: str) -> None:
    made = known_parts.maker(target)
    assert f"{made.__module__}.{made.__qualname__}" == target


def section(target: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": target, **arguments}


VAE_SECTION = section(VAE, pretrained_model_name_or_path="stabilityai/sdxl-vae")


def test_arguments_arrive_as_they_are() -> None:
    with stand_ins():
        built = build_part(section(POSTPROCESSING, vae=VAE_SECTION, model_type="sdxl"), "part", POSTPROCESSING)
    vae = {"built": VAE, "pretrained_model_name_or_path": "stabilityai/sdxl-vae"}
    assert built == {"built": POSTPROCESSING, "vae": vae, "model_type": "sdxl"}


@pytest.mark.parametrize(
    "target", ["os.system", "builtins.eval", ["os.system"], {"a": 1}, 7, None, True, "", VAE + " "]
)
@pytest.mark.parametrize(
    "around", [lambda it: it, lambda it: section(SCHEDULER, start=it), lambda it: section(SCHEDULER, start=[it])]
)
def test_other_targets_are_refused_wherever_they_are(target: Any, around: Any) -> None:
    assert "refused, because part would call" in refusal(around(section(target, command="id")), SCHEDULER)


@pytest.mark.parametrize(
    ("placed", "wanted"),
    [
        (section(PRECONDITIONING), NETWORK),
        (VAE_SECTION, SCHEDULER),
        (section(POSTPROCESSING, vae=section(SCHEDULER)), POSTPROCESSING),
        (section(SCHEDULER, start=section(SCHEDULER)), SCHEDULER),
        (section(NETWORK, coherence_keys=[section(SCHEDULER)]), NETWORK),
        ([section(SCHEDULER)], SCHEDULER),
        ({}, SCHEDULER),
        ("text", SCHEDULER),
        (section(POSTPROCESSING, vae="stabilityai/sdxl-vae"), POSTPROCESSING),
    ],
)
def test_known_targets_where_another_belongs(placed: Any, wanted: str) -> None:
    assert "; expected " in refusal(placed, wanted)


UNDERSCORES = ["_args_", "_partial_", "_recursive_", "_convert_", "_mode_", "__class__", "_"]


@pytest.mark.parametrize("name", UNDERSCORES)
@pytest.mark.parametrize("value", [True, [1], "all"])
def test_hydra_s_other_keys_are_refused(name: str, value: Any) -> None:
    assert f"part.{name} is not an argument that is known" in refusal(section(SCHEDULER, **{name: value}), SCHEDULER)
    inner = section(POSTPROCESSING, vae=VAE_SECTION | {name: value})
    assert f"part.vae.{name} is not an argument" in refusal(inner, POSTPROCESSING)


FROM_PRETRAINED = (
    *("token", "proxies", "cache_dir", "force_download", "local_files_only", "mirror", "quantization_config", "dtype"),
    *("use_safetensors", "torch_dtype", "device_map", "offload_folder", "variant", "trust_remote_code", "disable_mmap"),
    *("custom_pipeline", "use_flashpack", "flashpack_kwargs", "parallel_config", "output_loading_info", "max_memory"),
)


@pytest.mark.parametrize("name", FROM_PRETRAINED)
def test_from_pretrained_takes_only_what_says_which_vae(name: str) -> None:
    assert f"part.{name} is not an argument that is known" in refusal(VAE_SECTION | {name: "x"}, VAE)


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        *((NETWORK, "num_latents", value) for value in (0, -1, 1 << 17, 16.0, "16", True, None, [16], {"a": 1})),
        *((NETWORK, "num_blocks", value) for value in (-1, 1025, "1")),
        *((NETWORK, "coherence_dropout", value) for value in (-0.1, 1.1, float("nan"), "0", True)),
        *((NETWORK, "use_self_conditioning", value) for value in (1, "true", None)),
        *((NETWORK, "dropout_strategy", value) for value in ("__class__", "Binomial", "", None, ["none"])),
        *((NETWORK, "coherence_keys", value)
          for value in ("clip", ["a.b"], [1], ["_x"], ["a"] * 65, [["a"]], {"a": 1})),
        *((PRECONDITIONING, "do_normalization", value) for value in ("data_driven", 1, None, ["noise_driven"])),
        *((PRECONDITIONING, "sigma_data", value) for value in (float("inf"), float("nan"), 1e300, 10**40, "0.5", True)),
        *((POSTPROCESSING, "model_type", value) for value in ("sd", "__doc__", None, 1)),
        (POSTPROCESSING, "device", "cuda"),
        (SCHEDULER, "clip_min", "1e-9"),
        *((VAE, "subfolder", value) for value in ("..", "../x", "a/../b", "/etc", "a//b", "", ".git", 1, "a\n")),
        *((VAE, "revision", value) for value in ("..", "refs/../x", "", 1)),
        *((VAE, "pretrained_model_name_or_path", value)
          for value in ("", "x", "../../x/y", "/etc/passwd", "https://x.org/a/b", "a/b/c", "a/b\n", None, 1, "x" * 5000,
                        "a" * 300 + "/b", "\x00", "\ud800/x")),
    ],
)  # fmt: skip
def test_values_of_the_wrong_kind_are_named(target: str, name: str, value: Any) -> None:
    message = refusal(section(target, **{name: value}), target)
    assert message.startswith(f"part.{name} is ")
    assert len(message) < 400


def test_a_repository_id_that_is_a_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers would open it as the weights."""
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "name").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert "expected owner/name" in refusal(section(VAE, pretrained_model_name_or_path="owner/name"), VAE)


def test_a_vae_is_read_from_safetensors_only(world: World, tmp_path: Path) -> None:
    import torch
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae")
    vae.save_pretrained(tmp_path, safe_serialization=False)
    assert list(tmp_path.glob("*.bin"))
    with pytest.raises(UserError, match="part cannot be built"):
        build_part(section(VAE, pretrained_model_name_or_path=str(tmp_path)), "part", VAE)
    vae.save_pretrained(tmp_path)
    again = build_part(section(VAE, pretrained_model_name_or_path=str(tmp_path)), "part", VAE)
    assert torch.equal(again.decoder.conv_in.weight, vae.decoder.conv_in.weight)


def test_a_vae_that_asks_for_a_quantizer(world: World, tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    AutoencoderKL.from_pretrained("stabilityai/sdxl-vae").save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace("{", '{"quantization_config": {"quant_method": "torchao"},', 1))
    with pytest.raises(ValueError, match="asks for quantization"):
        load_vae(pretrained_model_name_or_path=str(tmp_path))


def test_the_parts_of_a_real_configuration_are_known() -> None:
    model = read_mapping(CONFIG)["model"]
    for key, target in (("preconditioning", PRECONDITIONING), ("postprocessing", POSTPROCESSING)):
        assert model[key].keys() - {"_target_"} <= KNOWN[target].keys()
    assert model["network"]["instance"].keys() - {"_target_"} <= KNOWN[NETWORK].keys()


def test_what_a_class_says_becomes_one_line() -> None:
    network = section(NETWORK, coherence_keys=[])
    with pytest.raises(UserError, match=r"^part cannot be built \(coherence_keys must be a list of keys\)$"):
        known_parts.build_part(network, "part", NETWORK)
