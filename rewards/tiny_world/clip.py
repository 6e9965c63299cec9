"""Stand-ins for CLIPs: transformers' layout, open_clip's (HPSv2) and OpenAI's own."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import torch

from rewards.preprocessing import CLIP_MEAN, CLIP_STD
from rewards.tiny_world.parts import randomise, repository, state, write_json

#: CLIP's logit scale at its upper bound, ln 100, where training leaves it.
LOG_SCALE = 4.6052
#: CLIP's vocabulary: 256 bytes twice, 48,894 merges, two special tokens.
VOCABULARY, MERGES = 49408, 49408 - 2 * 256 - 2
_START, _END = "<|startoftext|>", "<|endoftext|>"


def write_clip_repositories(hub: Path) -> None:
    """PickScore with the tokenizer of laion's CLIP-H, SciScore, OpenAI's CLIP ViT-L/14."""
    processor = repository(hub, "laion/CLIP-ViT-H-14-laion2B-s32B-b79K")
    write_tokenizer(processor)
    write_image_processor(processor, 224)
    write_clip(repository(hub, "yuvalkirstain/PickScore_v1"), seed=21)
    for seed, (repo, act) in enumerate(
        [("Jialuo21/SciScore", "gelu"), ("openai/clip-vit-large-patch14", "quick_gelu")], start=22
    ):
        folder = repository(hub, repo)
        write_clip(folder, seed, act)
        write_tokenizer(folder)


def write_dinov2(hub: Path) -> None:
    """DINOv2-large: of the published layout, width 32, its positions interpolated as the published ones are."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=112, patch_size=28
    )
    randomise(Dinov2Model(config), seed=25).half().save_pretrained(repository(hub, "facebook/dinov2-large"))


def write_clip_tower(hub: Path) -> None:
    """CLIP ViT-L/14-336, whose image half CLIP-FlanT5 reads."""
    write_clip(repository(hub, "openai/clip-vit-large-patch14-336"), seed=24, resolution=336, patch=84, layers=3)


def write_clip(
    folder: Path, seed: int, act: str = "gelu", resolution: int = 224, patch: int = 32, layers: int = 2
) -> None:
    """A CLIPModel of width 32 with its image preprocessing."""
    from transformers import CLIPConfig, CLIPModel

    common: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "hidden_act": act,
        "projection_dim": 32,
    }
    text = {**common, "vocab_size": VOCABULARY, "max_position_embeddings": 77, "eos_token_id": 2}
    vision = {**common, "image_size": resolution, "patch_size": patch}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=32, logit_scale_init_value=LOG_SCALE)
    randomise(CLIPModel(config), seed, keep=("logit_scale",)).half().save_pretrained(folder)
    write_image_processor(folder, resolution)


def write_image_processor(folder: Path, resolution: int) -> None:
    """``preprocessor_config.json`` as OpenAI's repositories have it."""
    config = {
        "crop_size": resolution,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": list(CLIP_MEAN),
        "image_processor_type": "CLIPImageProcessor",
        "image_std": list(CLIP_STD),
        "resample": 3,
        "size": resolution,
    }
    write_json(folder / "preprocessor_config.json", config)


def write_tokenizer(folder: Path) -> None:
    """CLIP's real vocabulary, from the file that open_clip ships, in transformers' layout."""
    import open_clip
    from open_clip.tokenizer import bytes_to_unicode

    packed = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.decompress(packed.read_bytes()).decode("utf-8").split("\n")[1 : MERGES + 1]
    letters = list(bytes_to_unicode().values())
    pieces = letters + [letter + "</w>" for letter in letters] + [merge.replace(" ", "") for merge in merges]
    write_json(folder / "vocab.json", {piece: i for i, piece in enumerate([*pieces, _START, _END])})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": _END}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "errors": "replace"}
    write_json(folder / "tokenizer_config.json", {**settings, **special})


def write_hps(hub: Path) -> None:
    """Both releases of HPSv2: head widths are those of ViT-H-14, since weights do not show them."""
    from open_clip.model import CLIP

    vision = {"image_size": 224, "layers": 2, "width": 80, "head_width": 80, "patch_size": 32}
    text = {"context_length": 77, "vocab_size": VOCABULARY, "width": 64, "heads": 1, "layers": 2}
    folder = repository(hub, "xswu/HPSv2")
    for seed, name in enumerate(["HPS_v2_compressed.pt", "HPS_v2.1_compressed.pt"], start=31):
        model = randomise(CLIP(embed_dim=32, vision_cfg=vision, text_cfg=text), seed, keep=("logit_scale",))
        torch.save({"state_dict": state(model)}, folder / name)


def write_openai_clip(path: Path) -> None:
    """OpenAI's ViT-L/14 file, as a plain state dict; 768 wide embeddings are what the aesthetic head reads."""
    from clip.model import CLIP

    model = CLIP(
        embed_dim=768,
        image_resolution=224,
        vision_layers=2,
        vision_width=64,
        vision_patch_size=32,
        context_length=77,
        vocab_size=VOCABULARY,
        transformer_width=64,
        transformer_heads=1,
        transformer_layers=1,
    )
    torch.save(state(randomise(model, 41, keep=("logit_scale",))), path)
