"""Text embeddings: upstream's, whatever else is encoded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

from generation.precision import PAPER, PIPELINE, Precision  # noqa: E402 - torch decides whether this module runs
from generation.suites import SUITES  # noqa: E402
from generation.text_encoding import EncodedPrompt, TextEncoder, stack_prompts  # noqa: E402
from tests.generation.conftest import World  # noqa: E402
from wire.errors import EnvironmentFailure  # noqa: E402

PROMPTS = [line["prompt"] for line in SUITES["geneval"].lines[::40]]
LONG = " ".join(PROMPTS * 9)


def encode(prompts: list[str], precision: Precision, length: int) -> dict[str, EncodedPrompt]:
    return dict(TextEncoder(torch.device("cpu"), precision, length).encode(prompts))


@pytest.fixture(scope="module")
def encoded(world: World) -> dict[str, EncodedPrompt]:
    return encode([*PROMPTS, LONG], PAPER, 256)


def test_embedding_does_not_depend_on_the_other_prompts(encoded: dict[str, EncodedPrompt]) -> None:
    for prompt in (PROMPTS[3], LONG):
        alone = encode([prompt], PAPER, 256)[prompt]
        assert torch.equal(alone.embedding, encoded[prompt].embedding)


def test_repeated_prompts_are_encoded_once(world: World) -> None:
    encoder = TextEncoder(torch.device("cpu"), PAPER, 256)
    assert [prompt for prompt, _ in encoder.encode(["a cat", "a dog", "a cat"])] == ["a cat", "a dog"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", r"model\.safetensors: a git-lfs pointer"),
        (b"<html>", r"model\.safetensors: a web page"),
        (b"damaged", "cannot be read"),
    ],
)
def test_what_lies_in_place_of_the_encoder_s_weights_is_named(
    world: World, tmp_path: Path, content: bytes, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "models--google--flan-t5-xl"
    shutil.copytree(world.folder / "hub" / name, tmp_path / name)
    (weights,) = (tmp_path / name).glob("snapshots/*/model.safetensors")
    weights.write_bytes(content)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentFailure, match=rf"google/flan-t5-xl: .*{told}") as caught:
        TextEncoder(torch.device("cpu"), PAPER, 256)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("left", [("tokenizer_config.json",), ("tokenizer_config.json", "special_tokens_map.json")])
def test_no_vocabulary_is_made_up(
    world: World, tmp_path: Path, left: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "models--google--flan-t5-xl"
    shutil.copytree(world.folder / "hub" / name, tmp_path / name)
    for file in (tmp_path / name).glob("snapshots/*/*"):
        if file.name not in ("config.json", "model.safetensors", *left):
            file.unlink()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentFailure, match=r"google/flan-t5-xl: .*(no vocabulary|cannot be read)"):
        TextEncoder(torch.device("cpu"), PAPER, 256)


def test_equals_what_upstreams_script_computes(encoded: dict[str, EncodedPrompt]) -> None:
    """Padding to the longest, then float16, then zeros up to 256."""
    from transformers import AutoTokenizer, T5EncoderModel

    tokens = AutoTokenizer.from_pretrained("google/flan-t5-xl")(PROMPTS[:4], padding="longest", return_tensors="pt")
    with torch.no_grad():
        theirs = T5EncoderModel.from_pretrained("google/flan-t5-xl")(**tokens).last_hidden_state.half()
    ours, mask = stack_prompts([encoded[prompt] for prompt in PROMPTS[:4]], 256, torch.device("cpu"))
    assert ours.shape == (4, 256, 2048)
    assert torch.equal(mask[:, : theirs.shape[1]], tokens["attention_mask"].bool())
    real = tokens["attention_mask"].bool()
    # One unit in float16's last place is 2^-10 of the value: another padding may move the bit before rounding.
    torch.testing.assert_close(ours[:, : theirs.shape[1]][real], theirs[real], rtol=2**-10, atol=1e-6)


def test_long_prompt_is_cut_as_upstream_cuts_it(world: World, encoded: dict[str, EncodedPrompt]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained("google/flan-t5-xl")
    assert len(tokenizer(LONG)["input_ids"]) > 256
    assert encoded[LONG].embedding.shape == (256, 2048)
    short = encode([LONG], PIPELINE, 77)[LONG]
    assert short.embedding.shape == (77, 2048)
    assert short.embedding.dtype == torch.float32
