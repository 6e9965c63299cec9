"""A tokenizer of Qwen's kind, trained on a few lines: the published pipeline and control tokens, 700 pieces.

As in the published one a digit is a piece of its own, which no space joins: " 3" begins with the bare space.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from rewards.tiny_world.parts import WORDS, write_json

PIECES = 700
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
NUMBERS = "one two three four five six seven eight nine ten"
#: What the pieces are learned from; the answers often enough to become one piece each, with and without a space.
LINES: tuple[str, ...] = (
    *[f"{word} {word}" for word in ("Yes", "yes", "No", "no", *NUMBERS.split(), *NUMBERS.title().split())] * 4,
    *["How many dogs are in the image? Answer in one word.", "Does this figure show it? Please answer Yes or No."] * 4,
    *["You are a helpful assistant.", "user assistant system", "0 1 2 3 4 5 6 7 8 9"] * 4,
    *[f"a photo of {word}" for word in WORDS],
)
#: Qwen2-VL's control tokens in their order; Qwen3-VL has twelve more behind them, which are no *special* tokens there.
CONTROL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>"),
    *("<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
FURTHER = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"),
)
_TEMPLATE = (
    "{% for turn in messages %}"
    "{% if loop.first and turn['role'] != 'system' and SYSTEM %}{{ '<|im_start|>system\n' + SYSTEM + '<|im_end|>\n' }}"
    "{% endif %}{{ '<|im_start|>' + turn['role'] + '\n' }}"
    "{% if turn['content'] is string %}{{ turn['content'] }}{% else %}{% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def train(further: Sequence[str] = FURTHER) -> Tokenizer:
    """The pieces, the control tokens, and ``further`` tokens that are none."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=PIECES, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in further])
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, system: str = "") -> None:
    """The files of a published repository; ``system`` is said in a turn of its own where none is given."""
    tokenizer.save(str(folder / "tokenizer.json"))
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    write_json(folder / "vocab.json", model["vocab"])
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    template = {"chat_template": _TEMPLATE.replace("SYSTEM", repr(system))}
    write_json(folder / "chat_template.json", template)
    settings = {
        "additional_special_tokens": list(CONTROL[1:]),
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 32_768,
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
    }
    write_json(folder / "tokenizer_config.json", settings | template)
