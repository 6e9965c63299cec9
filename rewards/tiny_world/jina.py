"""A stand-in for jina-clip-v2: four repositories that refer to each other as the real ones do.

The model is code on the hub. The files under ``remote_code`` are our own, of the real model's shape and interface,
and are copied into the repositories under the real names and commits: the loading code then runs unchanged.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rewards.scorers.clip_jina import PINS
from rewards.tiny_world.flan_t5 import sentencepiece_pieces
from rewards.tiny_world.parts import randomise, repository, write_json

MODEL, CODE, TEXT, TEXT_CODE = PINS
#: The real model's resolution, and ln(1 / 0.07), where CLIP training starts.
RESOLUTION, LOG_SCALE = 512, 2.6592
WIDTH, PROJECTION = 64, 64

_SOURCES = Path(__file__).parent / "remote_code"
_FILES = {
    CODE: ("configuration_clip.py", "modeling_clip.py", "eva_model.py", "hf_model.py", "processing_clip.py"),
    TEXT_CODE: ("configuration_xlm_roberta.py", "modeling_lora.py"),
}


_TEXT_CONFIG: dict[str, Any] = {
    "auto_map": {
        "AutoConfig": f"{TEXT_CODE}--configuration_xlm_roberta.XLMRobertaFlashConfig",
        "AutoModel": f"{TEXT_CODE}--modeling_lora.XLMRobertaLoRA",
    },
    "model_type": "xlm-roberta",
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 2 * WIDTH,
    "lora_rank": 4,
    "lora_adaptations": ["retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"],
    "pad_token_id": 1,
}
_CLIP_CONFIG: dict[str, Any] = {
    "architectures": ["JinaCLIPModel"],
    "auto_map": {
        "AutoConfig": f"{CODE}--configuration_clip.JinaCLIPConfig",
        "AutoModel": f"{CODE}--modeling_clip.JinaCLIPModel",
    },
    "model_type": "jina_clip",
    "projection_dim": PROJECTION,
    "logit_scale_init_value": LOG_SCALE,
    "text_config": {"hf_model_name_or_path": TEXT, "default_lora_task": "retrieval.query"},
    "vision_config": {"image_size": RESOLUTION, "patch_size": 64, "width": WIDTH, "layers": 2, "heads": 2},
}
_PROCESSOR_CONFIG: dict[str, Any] = {
    "auto_map": {
        "AutoImageProcessor": f"{CODE}--processing_clip.JinaCLIPImageProcessor",
        "AutoProcessor": f"{CODE}--processing_clip.JinaCLIPProcessor",
    },
    "image_processor_type": "JinaCLIPImageProcessor",
    "processor_class": "JinaCLIPProcessor",
    "size": RESOLUTION,
}


def write_jina(hub: Path) -> None:
    """All four repositories; the weights belong to the first."""
    from rewards.tiny_world.remote_code.configuration_clip import JinaCLIPConfig
    from rewards.tiny_world.remote_code.configuration_xlm_roberta import XLMRobertaFlashConfig
    from rewards.tiny_world.remote_code.modeling_clip import JinaCLIPModel
    from rewards.tiny_world.remote_code.modeling_lora import XLMRobertaLoRA

    folders = {repo: repository(hub, repo, revision) for repo, revision in PINS.items()}
    for repo, names in _FILES.items():
        for name in names:
            shutil.copyfile(_SOURCES / name, folders[repo] / name)
    write_xlm_tokenizer(folders[TEXT])
    encoder = _TEXT_CONFIG | {"vocab_size": write_xlm_tokenizer(folders[MODEL])}
    write_json(folders[TEXT] / "config.json", encoder)
    text = XLMRobertaLoRA(XLMRobertaFlashConfig(**encoder))
    model = randomise(JinaCLIPModel(JinaCLIPConfig(**_CLIP_CONFIG), text_transformer=text), 71, keep=("logit_scale",))
    model.save_pretrained(folders[MODEL], state_dict=model.state_dict())
    write_json(folders[MODEL] / "config.json", _CLIP_CONFIG)  # save_pretrained has put its own in place
    write_json(folders[MODEL] / "preprocessor_config.json", _PROCESSOR_CONFIG)


def write_xlm_tokenizer(folder: Path) -> int:
    """A fast tokenizer with XLM-RoBERTa's special tokens and order; returns its length."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(token, 0.0) for token in special] + sentencepiece_pieces()
    tokenizer = Tokenizer(models.Unigram([*pieces, ("<mask>", 0.0)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens([*special, "<mask>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>"}
    names |= {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
    write_json(folder / "special_tokens_map.json", names)
    settings = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 8194}
    write_json(folder / "tokenizer_config.json", {**settings, **names})
    return len(pieces) + 1
