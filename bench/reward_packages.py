"""The authors' packages behind one signature, as an evaluation script uses them: one image and one prompt at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Score = Callable[[Any, str], float]
"""From a decoded image and a prompt to its score."""


def reference_scorer(metric: str, world: Path, device: str) -> Score:
    """One metric through its authors' package (PickScore and SciScore: transformers, as their pages show)."""
    makers = {"aesthetic": _aesthetic, "image_reward": _image_reward, "hpsv2.1": _hps}
    return makers[metric](world, device) if metric in makers else _clip(metric, device)


def _aesthetic(world: Path, device: str) -> Score:
    import clip
    import torch
    from clip.model import build_model

    from rewards.models.layers import load_linear_head

    model = build_model(torch.load(world / "files" / "clip-vit-l-14.pt", weights_only=True)).float().eval().to(device)
    preprocess = clip.clip._transform(model.visual.input_resolution)
    head = load_linear_head(torch.load(world / "files" / "aesthetic-mlp.pth", weights_only=True), "head").to(device)

    def score(image: Any, prompt: str) -> float:
        features = model.encode_image(preprocess(image)[None].to(device))
        return float(head(features / features.norm(dim=-1, keepdim=True)))

    return score


def _image_reward(_: Path, device: str) -> Score:
    import importlib

    import torch
    from transformers import modeling_utils, pytorch_utils

    from rewards.hub import hub_file
    from rewards.models.blip_reward import vision_config

    state = torch.load(hub_file("THUDM/ImageReward", "ImageReward.pt").path, weights_only=True)
    sizes = vision_config(state)
    for name in ("apply_chunking_to_forward", "find_pruneable_heads_and_indices", "prune_linear_layer"):
        setattr(
            modeling_utils, name, getattr(pytorch_utils, name)
        )  # where the package looks, and later versions do not
    blip = importlib.import_module("ImageReward.models.BLIP.blip_pretrain")
    tower = importlib.import_module("ImageReward.models.BLIP.vit").VisionTransformer
    # the package's own class at the weights' size, which it hard-codes
    blip.create_vit = lambda *_: (
        tower(
            img_size=224,
            patch_size=sizes.patch_size,
            embed_dim=sizes.hidden_size,
            depth=sizes.num_hidden_layers,
            num_heads=sizes.num_attention_heads,
        ),
        sizes.hidden_size,
    )
    package = importlib.import_module("ImageReward.ImageReward")
    model = package.ImageReward(device=device, med_config=str(hub_file("THUDM/ImageReward", "med_config.json").path))
    model.load_state_dict(state, strict=False)
    model.eval().to(device)
    return lambda image, prompt: float(model.score(prompt, image))


def _hps(_: Path, device: str) -> Score:
    import gzip

    import open_clip
    import torch

    # the package's wheel lacks its vocabulary, which open_clip ships byte for byte
    vocabulary, original = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz", gzip.open
    gzip.open = lambda name, *a, **k: original(name if Path(name).exists() else vocabulary, *a, **k)
    from hpsv2.src.open_clip import get_tokenizer
    from hpsv2.src.open_clip.model import CLIP
    from hpsv2.src.open_clip.transform import image_transform

    from rewards.hub import hub_file
    from rewards.models.open_clip_model import architecture

    state = torch.load(hub_file("xswu/HPSv2", "HPS_v2.1_compressed.pt").path, weights_only=True)["state_dict"]
    model = CLIP(**architecture(state), output_dict=True)
    model.load_state_dict(state)
    model.eval().to(device)
    preprocess, tokenize = image_transform(224, is_train=False, resize_longest_max=True), get_tokenizer("ViT-H-14")

    def score(image: Any, prompt: str) -> float:
        found = model(preprocess(image)[None].to(device), tokenize([prompt]).to(device))
        return float((found["image_features"] @ found["text_features"].T).diagonal()[0])

    return score


def _clip(metric: str, device: str) -> Score:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    from rewards.hub import snapshot
    from rewards.scorers import SCORERS

    scorer: Any = SCORERS[metric]
    processor: Any = CLIPProcessor.from_pretrained(snapshot("laion/CLIP-ViT-H-14-laion2B-s32B-b79K"))
    model: Any = CLIPModel.from_pretrained(snapshot(scorer.repo), torch_dtype=torch.float32).eval().to(device)
    options = {"padding": True, "truncation": True, "max_length": 77, "return_tensors": "pt"}

    def score(image: Any, prompt: str) -> float:
        return float(model(**processor(text=prompt, images=image, **options).to(device)).logits_per_image) / 100

    return score
