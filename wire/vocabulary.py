"""The words that every part of the project shares: object classes, colors, tags and the seven rewards.

Standard library only; imported by the orchestrator, by reports and by the stages.
"""

from __future__ import annotations

#: The 80 COCO object classes under GenEval's names, in the detector's order (Ghosh et al. 2023, arXiv 2310.11513;
#: the order is that of COCO's category ids). GenEval says "computer mouse", "tv remote" and "computer keyboard".
OBJECT_CLASSES: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "computer mouse", "tv remote", "computer keyboard", "cell phone", "microwave", "oven", "toaster",
    "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

#: GenEval's ten colors, in the order that its classifier answers in.
COLORS: tuple[str, ...] = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")

#: GenEval's six tags, in the suite's order.
TAGS: tuple[str, ...] = ("single_object", "two_object", "counting", "colors", "position", "color_attr")

#: Metric id of GenEval 2's judge, which asks the questions that a prompt brings (Kamath et al. 2025, arXiv 2512.16853).
SOFT_TIFA = "soft_tifa"

#: What its questions test, in the order of the authors' ``soft_tifa_analysis.py``; atoms of a prompt, 100 prompts each.
SKILLS: tuple[str, ...] = ("object", "attribute", "count", "position", "verb")
ATOMS: tuple[int, ...] = tuple(range(3, 11))
#: Its scores, from 0 to 100, the headline first, and what tables head them with.
GENEVAL2_LABELS: dict[str, str] = {
    "geneval2": "geneval2",
    "geneval2_am": "am",
    **{f"geneval2_{skill}": skill for skill in SKILLS},
    **{f"geneval2_atoms_{atoms}": f"{atoms} atoms" for atoms in ATOMS},
}
GENEVAL2_SCORES: tuple[str, ...] = tuple(GENEVAL2_LABELS)
#: Metric id of DPG-Bench's judge, which asks the questions of that suite (Hu et al. 2024, arXiv 2403.05135).
DPG = "dpg"

#: Metric ids of the seven rewards MIRO is conditioned on; an id names model and version.
SEVEN_REWARDS: tuple[str, ...] = ("clip_jina", "aesthetic", "image_reward", "pick_score", "hpsv2.1", "vqa", "sciscore")
