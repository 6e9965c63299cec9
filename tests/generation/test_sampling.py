"""Sampling equals miro-t2i's own two entry points, bit for bit, on the same noise and weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

import numpy as np  # noqa: E402 - torch decides whether this module runs

from generation.miro_model import MiroModel  # noqa: E402
from generation.noise import image_noise  # noqa: E402
from generation.precision import PAPER, PIPELINE  # noqa: E402
from generation.sampling import SamplerSettings, conditioning_mapped_once, decode_latents, sample_latents  # noqa: E402
from generation.suites import SUITES  # noqa: E402
from generation.text_encoding import TextEncoder, stack_prompts  # noqa: E402
from tests.generation.conftest import World  # noqa: E402

CPU = torch.device("cpu")
PROMPTS = [line["prompt"] for line in SUITES["geneval"].lines[::140]]
STEPS = 3
TARGETS = {"clip_score": 0.25, "aesthetic_score": 0.0}
NEGATIVE = {"vqa_score": 0.5}


@pytest.fixture(scope="module")
def noise() -> Any:
    return torch.stack([image_noise(42, prompt, 0, (4, 8, 8)) for prompt in range(len(PROMPTS))])


@pytest.fixture(scope="module")
def paper_text(world: World) -> tuple[Any, Any]:
    encoded = dict(TextEncoder(CPU, PAPER, 256).encode(PROMPTS))
    return stack_prompts([encoded[prompt] for prompt in PROMPTS], 256, CPU)


def settings_for(model: MiroModel, guidance: float = 7.0) -> SamplerSettings:
    ones, zeros = dict.fromkeys(model.axes, 1.0), dict.fromkeys(model.axes, 0.0)
    return SamplerSettings(STEPS, guidance, ones | TARGETS, zeros | NEGATIVE)


def upstream_module(world: World) -> Any:
    from miro.models.diffusion import DiffusionModule
    from omegaconf import OmegaConf

    config = OmegaConf.load(world.checkpoint.parent / "config.yaml")
    return DiffusionModule.load_from_checkpoint(
        world.checkpoint, cfg=config.model, strict=False, weights_only=False, map_location="cpu"
    ).eval()


@pytest.mark.parametrize("guidance", [7.0, 0.0])
def test_equals_diffusion_module(
    world: World, model: MiroModel, noise: Any, paper_text: tuple[Any, Any], guidance: float
) -> None:
    embeddings, mask = paper_text
    settings = settings_for(model, guidance)
    with torch.no_grad():
        theirs = upstream_module(world).sample(
            x_N=noise,
            cond={"flan_t5_xl_embeddings": embeddings.clone(), "flan_t5_xl_mask": mask.clone()},
            cfg=guidance,
            num_steps=STEPS,
            coherence_keys=[f"{axis}_coherence" for axis in model.axes],
            coherence_values={f"{axis}_coherence": value for axis, value in settings.targets.items()},
            uncoherence_values={f"{axis}_coherence": value for axis, value in settings.negative_targets.items()},
        )
    ours = decode_latents(model, sample_latents(model, settings, noise, embeddings, mask))
    assert ours.shape == (len(PROMPTS), 64, 64, 3)
    assert ours.dtype == np.uint8
    assert np.array_equal(ours, theirs)


def test_equals_miro_pipeline(world: World, model: MiroModel, noise: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import miro.pipeline

    pipeline = miro.MiroPipeline.from_pretrained(str(world.hub_folder))
    monkeypatch.setattr(miro.pipeline, "flow_euler_sampler", starting_from(noise, miro.pipeline.flow_euler_sampler))
    theirs = pipeline(
        PROMPTS,
        reward_targets=TARGETS,
        negative_reward_targets=NEGATIVE,
        num_inference_steps=STEPS,
        output_type="numpy",
    )
    encoded = dict(TextEncoder(CPU, PIPELINE, 77).encode(PROMPTS))
    embeddings, mask = stack_prompts([encoded[prompt] for prompt in PROMPTS], 77, CPU)
    ours = decode_latents(model, sample_latents(model, settings_for(model), noise, embeddings, mask))
    assert np.array_equal(ours, theirs)


def starting_from(noise: Any, sampler: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(network: Any, batch: dict[str, Any], **more: Any) -> Any:
        return sampler(network, batch | {"y": noise}, **more)

    return wrapped


def test_targets_move_the_image(model: MiroModel, noise: Any, paper_text: tuple[Any, Any]) -> None:
    low = SamplerSettings(STEPS, 7.0, dict.fromkeys(model.axes, 0.0), dict.fromkeys(model.axes, 0.0))
    high = SamplerSettings(STEPS, 7.0, dict.fromkeys(model.axes, 1.0), dict.fromkeys(model.axes, 0.0))
    assert not torch.equal(
        sample_latents(model, low, noise, *paper_text), sample_latents(model, high, noise, *paper_text)
    )


def test_conditioning_is_mapped_once_per_batch(model: MiroModel, noise: Any, paper_text: tuple[Any, Any]) -> None:
    calls = []
    handle = model.network.map_text_tokens.register_forward_hook(lambda *_: calls.append(1))
    sample_latents(model, settings_for(model), noise, *paper_text)
    handle.remove()
    assert len(calls) == 1


def test_mapping_is_computed_anew_for_another_text(model: MiroModel, paper_text: tuple[Any, Any]) -> None:
    rewards = {f"{axis}_coherence": torch.ones(len(PROMPTS)) for axis in model.axes}
    embeddings, mask = paper_text
    first = rewards | {"text_tokens_embeddings": embeddings, "text_tokens_mask": mask}
    second = first | {"text_tokens_embeddings": embeddings + 1}
    with conditioning_mapped_once(model.network) as add, torch.no_grad():
        mapped = [model.network.cond_mapping(add(batch)) for batch in (first, second)]
    assert not torch.equal(*mapped)
    assert "cond_mapping" not in vars(model.network)
