"""Lightning checkpoints: right weights or a clear refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

from generation.checkpoint_kinds import describe_checkpoint  # noqa: E402 - torch decides whether this module runs
from generation.checkpoints import load_checkpoint  # noqa: E402
from generation.checkpoints.lightning import ema_prefix  # noqa: E402
from generation.checkpoints.training_config import read_config  # noqa: E402
from generation.miro_model import MiroModel  # noqa: E402
from tests.generation.conftest import World  # noqa: E402
from wire.errors import MiroEvalError, UserError  # noqa: E402


def load(path: Path, trusted: bool = False) -> MiroModel:
    return load_checkpoint(describe_checkpoint(str(path)), trusted).model


def change_state(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    content = torch.load(path, weights_only=False)
    content["state_dict"] = change(content["state_dict"])
    torch.save(content, path)


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same_weights(one: MiroModel, other: MiroModel) -> bool:
    mine, others = one.network.state_dict(), other.network.state_dict()
    return mine.keys() == others.keys() and all(torch.equal(mine[key], others[key]) for key in mine)


def test_ema_weights_are_used(world: World, model: MiroModel) -> None:
    state = torch.load(world.checkpoint, weights_only=False)["state_dict"]
    latents = model.network.latents
    assert torch.equal(latents, state["ema_network.latents"])
    assert not torch.equal(latents, state["network.latents"])


def test_compiled_checkpoint_gives_the_same_weights(own_checkpoint: Path, model: MiroModel) -> None:
    def compiled(state: dict[str, Any]) -> dict[str, Any]:
        return {key.replace("network.", "network._orig_mod."): value for key, value in state.items()}

    change_state(own_checkpoint, compiled)
    assert same_weights(load(own_checkpoint), model)


#: Where trainers wrap a module, and with what.
WRAPPINGS = [
    lambda key: f"module.{key}",
    lambda key: f"_forward_module.{key}",
    lambda key: f"_forward_module.module.{key}",
    lambda key: f"_orig_mod._fsdp_wrapped_module.{key}",
    lambda key: key.replace("network.", "network.module.", 1),
    lambda key: key.replace("network.", "network._fsdp_wrapped_module.", 1),
    lambda key: key.replace("network.", "network._fsdp_wrapped_module._orig_mod.", 1),
    lambda key: key.replace(".", "._fsdp_wrapped_module."),
    lambda key: key.replace("network.", "network._fsdp_wrapped_module._checkpoint_wrapped_module.", 1),
]


@pytest.mark.parametrize("wrap", WRAPPINGS)
def test_what_training_wrapped_around_modules_is_taken_off(
    own_checkpoint: Path, model: MiroModel, wrap: Callable[[str], str]
) -> None:
    change_state(own_checkpoint, lambda state: {wrap(key): value for key, value in state.items()})
    assert same_weights(load(own_checkpoint), model)


def test_one_weight_inside_and_outside_a_wrapper(own_checkpoint: Path) -> None:
    more = {"module.ema_network.latents": torch.zeros(1)}
    change_state(own_checkpoint, lambda state: state | more)
    assert "holds 'ema_network.latents' twice" in refusal(own_checkpoint)


def test_whole_numbers_in_place_of_weights(own_checkpoint: Path) -> None:
    change_state(
        own_checkpoint, lambda state: state | {"ema_network.latents": state["ema_network.latents"].to(torch.int8)}
    )
    assert "of another kind of number: ema_network.latents" in refusal(own_checkpoint)


def test_missing_keys_are_named(own_checkpoint: Path) -> None:
    change_state(own_checkpoint, lambda state: {k: v for k, v in state.items() if not k.startswith("ema_network.lat")})
    assert "keys missing: ema_network.latents" in refusal(own_checkpoint)


def test_checkpoint_without_ema_says_how_much_is_missing(own_checkpoint: Path) -> None:
    change_state(own_checkpoint, lambda state: {k: v for k, v in state.items() if not k.startswith("ema_network.")})
    assert "keys missing: ema_network." in refusal(own_checkpoint)
    assert " more" in refusal(own_checkpoint)


def test_unexpected_keys_are_named(own_checkpoint: Path) -> None:
    change_state(own_checkpoint, lambda state: state | {"ema_network.stranger": torch.zeros(1)})
    assert "unexpected: ema_network.stranger" in refusal(own_checkpoint)


def test_other_sizes_than_the_configuration_says(own_checkpoint: Path) -> None:
    config = own_checkpoint.parent / "config.yaml"
    config.write_text(config.read_text().replace("num_latents: 16", "num_latents: 32"))
    assert "of another shape: ema_network.latents" in refusal(own_checkpoint)


def test_idle_output_scaling_of_early_runs(own_checkpoint: Path, model: MiroModel) -> None:
    change_state(own_checkpoint, lambda state: state | {"ema_network.output_scaling": torch.ones(4)})
    assert same_weights(load(own_checkpoint), model)
    change_state(own_checkpoint, lambda state: state | {"ema_network.output_scaling": torch.full((4,), 2.0)})
    assert "output_scaling is not one" in refusal(own_checkpoint)


def test_checkpoint_stripped_of_its_vae_uses_the_hubs(own_checkpoint: Path, model: MiroModel) -> None:
    change_state(own_checkpoint, lambda state: {k: v for k, v in state.items() if ".vae." not in k})
    mine, others = load(own_checkpoint).postprocessing.state_dict(), model.postprocessing.state_dict()
    assert all(torch.equal(mine[key], others[key]) for key in others)


def test_not_lightnings(own_checkpoint: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, own_checkpoint)
    assert "has no state_dict" in refusal(own_checkpoint)


@pytest.mark.parametrize(
    ("old", "new", "prefix"),
    [
        ("ema_decay: 0.9999", "ema_decay: 0.9999", "ema_network."),
        ("ema_decay: 0.9999", "ema_decay: [0.999, 0.9999]", "ema_network."),
        ("ema_decay: 0.9999\n  default_ema_index: 0", "ema_decay: [0.999, 0.9999]\n  default_ema_index: 1",
         "ema_network_0_9999."),
        ("default_ema_index: 0", "default_ema_index: 7", "ema_network."),
    ],
)  # fmt: skip
def test_default_ema_is_named_as_upstream_names_it(own_checkpoint: Path, old: str, new: str, prefix: str) -> None:
    path = own_checkpoint.parent / "config.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert ema_prefix(read_config(path, trusted=False)) == prefix


def test_targets_and_axes_come_from_the_configuration(own_checkpoint: Path) -> None:
    path = own_checkpoint.parent / "config.yaml"
    path.write_text(path.read_text().replace("vqa_score_coherence: 1.0", "vqa_score_coherence: 0.5"))
    loaded = load(own_checkpoint)
    assert loaded.default_targets["vqa_score"] == 0.5
    assert loaded.axes[0] == "clip_score"
    assert len(loaded.axes) == 7


#: Values that end in an output, or in a library, if nothing stops them.
PLACES = [
    "guidance_type", "negative_prompts", "coherence_values", "coherence_keys", "ema_decay", "default_ema_index"
]  # fmt: skip


def changed_model(checkpoint: Path, **values: Any) -> None:
    import yaml

    path = checkpoint.parent / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["model"] |= values
    path.write_text(yaml.safe_dump(config))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", ["${oc.env:HF_TOKEN}", "x ${oc.env:HF_TOKEN} y", "\\${oc.env:HF_TOKEN}"])
def test_no_value_takes_from_the_environment(
    own_checkpoint: Path, place: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    value = {"clip_score_coherence": text} if place == "coherence_values" else text
    changed_model(own_checkpoint, **{place: value})
    message = refusal(own_checkpoint)
    assert f"model.{place}" in message
    assert "not a plain reference" in message
    assert "hf_secret" not in message


def test_no_vae_is_named_by_the_environment(own_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    path = own_checkpoint.parent / "config.yaml"
    path.write_text(path.read_text().replace("stabilityai/sdxl-vae", "x/${oc.env:HF_TOKEN}"))
    message = refusal(own_checkpoint)
    assert "model.postprocessing.vae.pretrained_model_name_or_path cannot be resolved" in message
    assert "hf_secret" not in message


def test_a_vae_that_is_no_repository(own_checkpoint: Path) -> None:
    path = own_checkpoint.parent / "config.yaml"
    path.write_text(path.read_text().replace("stabilityai/sdxl-vae", "https://example.org/vae"))
    assert "vae.pretrained_model_name_or_path is 'https://example.org/vae'; expected owner/name" in refusal(
        own_checkpoint
    )


def test_the_vae_s_provenance_is_of_the_revision_that_the_configuration_names(own_checkpoint: Path) -> None:
    vae = {
        "_target_": "diffusers.AutoencoderKL.from_pretrained",
        "pretrained_model_name_or_path": "stabilityai/sdxl-vae",
    }
    section = {"_target_": "miro.models.postprocessing.VAEDecoderPostProcessing", "model_type": "sdxl"}
    changed_model(own_checkpoint, postprocessing=section | {"vae": vae | {"revision": "no-such-branch"}})
    with pytest.raises(MiroEvalError, match="sdxl-vae@no-such-branch"):
        load(own_checkpoint)


@pytest.mark.parametrize(
    ("shape", "told"), [((), "a single number"), ((3,), "3"), ((2, 0), "2 x 0"), ((77, 4096), "77 x 4096")]
)
def test_an_embedding_of_another_width(own_checkpoint: Path, shape: tuple[int, ...], told: str) -> None:
    change_state(own_checkpoint, lambda state: state | {"uncond_conditioning": torch.ones(shape)})
    assert f"uncond_conditioning is {told}; expected" in refusal(own_checkpoint)
