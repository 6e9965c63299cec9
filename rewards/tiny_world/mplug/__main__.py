"""Write the stand-in: a small mPLUG with random weights that answers yes or no, after what it is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import yaml
from modelscope.models.multi_modal.mplug import CONFIG_NAME, MPlugConfig
from modelscope.models.multi_modal.mplug.modeling_mplug import MPlugForVisualQuestionAnswering

from rewards.models.mplug import CONFIGURATION, WEIGHTS
from rewards.scorers.dpg import REPO
from rewards.tiny_world.parts import WORDS, randomise, repository, write_json

#: The beam search begins with token 101 and ends with token 102, whatever the vocabulary.
_FIRST = 101
_WIDTH = 64
_BERT = {
    "architectures": ["BertForMaskedLM"],
    "hidden_size": _WIDTH,
    "intermediate_size": 2 * _WIDTH,
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "text_encoder_layers": 2,
    "text_decode_layers": 2,
    "fusion_layers": 2,
    "stride_layer": 2,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "model_type": "bert",
    "add_cross_attention": False,
    "encoder_width": _WIDTH,
}


def write_world(folder: Path) -> None:
    """Write ``folder/hub``, an ``HF_HOME`` with the judge's repository; the same bytes every time."""
    hub = folder / "hub"
    hub.mkdir(parents=True, exist_ok=True)
    (hub / "version.txt").write_text("1", encoding="ascii")
    place = repository(hub, REPO)
    words = ["[PAD]", *(f"[unused{number}]" for number in range(_FIRST - 2)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += dict.fromkeys(["yes", "no", "there", "?", "'", ",", "are", "image", *WORDS])
    (place / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    write_json(place / "config_bert.json", _BERT | {"vocab_size": len(words)})
    facts = {
        "task": "visual-question-answering",
        "bert_config": "config_bert.json",
        "image_res": 56,
        "vision_width": 1024,
        "distill": True,
        "clip_name": "ViT-L-14",
        "beam_size": 5,
        "min_length": 1,
        "max_length": 10,
        "clip_embed_dim": _WIDTH,
        "clip_vision_layers": 1,
        "clip_vision_width": 1024,
        "clip_transformer_width": _WIDTH,
        "clip_transformer_heads": 2,
        "clip_transformer_layers": 1,
    }
    (place / CONFIG_NAME).write_text(yaml.safe_dump(facts), encoding="utf-8")
    write_json(place / CONFIGURATION, {"task": "visual-question-answering", "model": {"type": "mplug"}})
    config = MPlugConfig(**facts | {"distill": False})
    config.model_dir = str(place)
    network = MPlugForVisualQuestionAnswering(config)
    randomise(network, seed=31, gain=2.0)
    _prefer(network, {word: words.index(word) for word in ("yes", "no", "[SEP]")})
    torch.save({"model": network.state_dict()}, place / WEIGHTS)


def _prefer(network: MPlugForVisualQuestionAnswering, words: dict[str, int]) -> None:
    """Let the decoder say yes or no, and then end."""
    bias = network.text_decoder.cls.predictions.bias
    with torch.no_grad():
        bias[[words["yes"], words["no"]]] += 9
        bias[words["[SEP]"]] += 11.5


if __name__ == "__main__":
    write_world(Path(sys.argv[1]))
