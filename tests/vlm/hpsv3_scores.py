"""Scores of hpsv3's own model class; run where that package and its transformers come first.

Standard input: ``[[image file, prompt], ...]``. Standard output: a list of scores in JSON. The stand-in of the
weights is looked for in ``HF_HOME``. Of the package, the code of training is passed by: what it imports
(trl, peft, datasets and others) is stood in for by empty classes, none of which is ever made or called here.
"""

from __future__ import annotations

import json
import sys
import types
import warnings
from importlib.machinery import ModuleSpec
from typing import Any

TRAINING = ("datasets", "matplotlib", "matplotlib.patches", "matplotlib.pyplot", "pandas", "peft", "trl")
BASE = "Qwen/Qwen2-VL-7B-Instruct"


class Unused(types.ModuleType):
    """A module of which any name is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def pass_by_training() -> None:
    """Stand empty modules in for what the package needs for training alone, and for its ``__init__``."""
    import importlib.util
    from pathlib import Path

    for name in (*TRAINING, "torch.utils.tensorboard"):
        sys.modules[name] = Unused(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    spec = importlib.util.find_spec("hpsv3")
    assert spec is not None
    assert spec.origin is not None
    package = types.ModuleType("hpsv3")
    package.__path__ = [str(Path(spec.origin).parent)]
    sys.modules["hpsv3"] = package


def inferencer() -> tuple[Any, Any]:
    """Model and processor as ``create_model_and_processor`` and ``HPSv3RewardInferencer`` make them, in float32.

    But the base's own weights are not read first: every one is replaced by the checkpoint's, which is loaded strictly.
    """
    import torch
    from hpsv3.model.qwen2vl_trainer import Qwen2VLRewardModelBT  # type: ignore[import-not-found]
    from huggingface_hub import hf_hub_download
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoProcessor

    processor = AutoProcessor.from_pretrained(BASE, padding_side="right")
    processor.tokenizer.add_special_tokens({"additional_special_tokens": ["<|Reward|>"]})
    token = processor.tokenizer.convert_tokens_to_ids(["<|Reward|>"])
    config = AutoConfig.from_pretrained(BASE, attn_implementation="sdpa", use_cache=False)
    model = Qwen2VLRewardModelBT(
        config, output_dim=2, reward_token="special", special_token_ids=token, rm_head_type="ranknet"
    )
    model.resize_token_embeddings(len(processor.tokenizer))
    model.rm_head.to(torch.float32)
    model.config.pad_token_id = processor.tokenizer.pad_token_id
    model.load_state_dict(load_file(hf_hub_download("MizzenAI/HPSv3", "HPSv3.safetensors")), strict=True)
    return model.eval(), processor


def score(model: Any, processor: Any, image: str, prompt: str) -> float:
    """The first of the two numbers that ``HPSv3RewardInferencer.reward`` gives."""
    import torch
    from hpsv3.dataset import data_collator_qwen as texts  # type: ignore[import-not-found]
    from hpsv3.dataset.utils import process_vision_info  # type: ignore[import-not-found]

    words = texts.INSTRUCTION.format(text_prompt=prompt) + texts.prompt_with_special_token
    pixels = {"min_pixels": 256 * 28 * 28, "max_pixels": 256 * 28 * 28}
    content = [{"type": "image", "image": image, **pixels}, {"type": "text", "text": words}]
    turn = [[{"role": "user", "content": content}]]
    whole = processor.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    batch = processor(text=whole, images=process_vision_info(turn)[0], padding=True, return_tensors="pt")
    with torch.inference_mode():
        return float(model(return_dict=True, **batch)["logits"][0][0])


def main() -> None:
    """See the module."""
    warnings.simplefilter("ignore")
    import transformers

    asked = json.load(sys.stdin)
    assert transformers.__version__ == "4.45.2"
    pass_by_training()
    made = inferencer()
    print(json.dumps([score(*made, *pair) for pair in asked]))


if __name__ == "__main__":
    main()
