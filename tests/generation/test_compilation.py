"""``--compile``: one graph for the whole run, and one line where it cannot be had."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

from generation.miro_model import MiroModel  # noqa: E402
from generation.noise import image_noise  # noqa: E402
from generation.sampling import SamplerSettings, compile_errors, compiled, sample_latents  # noqa: E402 - torch decides whether this module runs  # noqa: E402
from wire.errors import UserError  # noqa: E402


def inputs(prompt: int) -> tuple[Any, Any, Any]:
    """Noise, embeddings and mask of two images."""
    generator = torch.Generator().manual_seed(prompt)
    noise = torch.stack([image_noise(42, prompt, sample, (4, 8, 8)) for sample in range(2)])
    return noise, torch.randn(2, 77, 2048, generator=generator), torch.ones(2, 77, dtype=torch.bool)


def test_one_graph_serves_every_batch_and_step(model: MiroModel) -> None:
    """Traced by the compiler, run by PyTorch itself: the code generator takes minutes on a CPU."""
    from torch._dynamo.testing import CompileCounter

    counter = CompileCounter()
    network = compiled(model.network, counter)
    settings = SamplerSettings(3, 7.0, dict.fromkeys(model.axes, 1.0), dict.fromkeys(model.axes, 0.0))
    for prompt in (1, 2):
        plain = sample_latents(model, settings, *inputs(prompt))
        assert torch.equal(sample_latents(model, settings, *inputs(prompt), network), plain)
    assert counter.frame_count == 1


def test_network_that_cannot_be_compiled_is_one_line() -> None:
    def broken(_graph: Any, _inputs: Any) -> Any:
        raise RuntimeError("no C++ compiler\nfound")

    network = compiled(torch.nn.Linear(2, 2), broken)
    with (
        pytest.raises(UserError, match=r"--compile: .* no C\+\+ compiler found.*; omit --compile") as caught,
        compile_errors(),
    ):
        network(torch.ones(1, 2))
    assert "\n" not in str(caught.value)


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), compile_errors():
        raise ZeroDivisionError
