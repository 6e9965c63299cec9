from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("open_clip", reason="runs in the geneval environment")
zsc = pytest.importorskip("clip_benchmark.metrics.zeroshot_classification", reason="runs in the geneval environment")

import numpy as np  # noqa: E402
import open_clip  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

from geneval.color import (  # noqa: E402
    ColorClassifier,
    ColorOptions,
    Cutout,
    Shown,
    load_clip,
    show_object,
)
from geneval.judge import Box  # noqa: E402
from geneval.parameters import Parameters  # noqa: E402
from tests.geneval.scenes import draw  # noqa: E402
from wire.protocol import EnvironmentFailure, UserError  # noqa: E402
from wire.vocabulary import COLORS  # noqa: E402

FILES = {"mask2former": "/w/a.pth", "clip-vit-l-14": "/w/b.pt"}
TEMPLATES = ["a photo of a {c} dog", "a photo of a {c}-colored dog", "a photo of a {c} object"]


@pytest.fixture(scope="module")
def classifier(tiny_files: Path) -> ColorClassifier:
    return ColorClassifier(tiny_files / "clip-vit-l-14.pt", "cpu", ColorOptions())


@pytest.fixture(scope="module")
def open_clips_own(tiny_files: Path) -> Any:
    return open_clip.load_openai_model(str(tiny_files / "clip-vit-l-14.pt"), precision="fp32", device="cpu")


def disc(size: tuple[int, int], center: tuple[int, int], radius: int) -> Cutout:
    rows, columns = np.ogrid[: size[1], : size[0]]
    mask = (columns - center[0]) ** 2 + (rows - center[1]) ** 2 < radius**2
    ys, xs = np.nonzero(mask)
    return Cutout(Box(float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1), 0.9), mask)


CUTOUTS = [disc((120, 90), (30, 40), 20), disc((120, 90), (100, 80), 35), disc((120, 90), (60, 30), 3)]


def reference_crop(image: Any, cutout: Cutout) -> Any:
    """GenEval's order of steps: the whole image is masked, then cut."""
    blank = Image.new("RGB", image.size, color="#999")
    return Image.composite(image, blank, Image.fromarray(cutout.mask)).crop(np.asarray(cutout.box, np.float32)[:4])


@pytest.mark.parametrize("cutout", CUTOUTS)
def test_an_object_is_shown_as_the_reference_implementation_shows_it(cutout: Cutout) -> None:
    image = draw(0, (120, 90))
    assert show_object(image, cutout, ColorOptions()).tobytes() == reference_crop(image, cutout).tobytes()


def test_other_ways_to_show_an_object() -> None:
    image, cutout = draw(0, (120, 90)), CUTOUTS[0]
    plain = show_object(image, cutout, ColorOptions(background="original"))
    assert plain.tobytes() == image.crop(cutout.box[:4]).tobytes()
    whole = show_object(image, cutout, ColorOptions(crop=False, background="#f00"))
    assert whole.size == image.size
    assert whole.getpixel((0, 0)) == (255, 0, 0)
    assert whole.getpixel((30, 40)) == image.getpixel((30, 40))


def test_preprocessing_is_open_clips(classifier: ColorClassifier) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    expected = image_transform_v2(PreprocessCfg(), is_train=False)
    crop = show_object(draw(1, (120, 90)), CUTOUTS[1], ColorOptions())
    assert torch.equal(classifier._transform(crop), expected(crop))


def test_the_classifier_is_clip_benchmarks(classifier: ColorClassifier, open_clips_own: Any) -> None:
    tokenizer = open_clip.get_tokenizer("ViT-L-14")
    expected = zsc.zero_shot_classifier(open_clips_own, tokenizer, COLORS, TEMPLATES, "cpu", amp=False)
    # One forward of thirty prompts against ten of three: matrix products may round differently.
    torch.testing.assert_close(classifier.classifier("dog"), expected, rtol=0, atol=1e-6)


def test_logits_are_clip_benchmarks(classifier: ColorClassifier, open_clips_own: Any) -> None:
    image = draw(2, (120, 90))
    crops = torch.stack([classifier._transform(reference_crop(image, cutout)) for cutout in CUTOUTS])
    batches = [(crops, torch.zeros(len(CUTOUTS)))]
    expected, _ = zsc.run_classification(open_clips_own, classifier.classifier("dog"), batches, "cpu", amp=False)
    logits = classifier.logits(classifier.encode(crops), "dog")
    assert torch.equal(logits, expected)
    answers = classifier.probabilities([Shown(image, {"dog": CUTOUTS})])[0]["dog"]
    assert [row.index(max(row)) for row in answers] == expected.argmax(1).tolist()
    assert answers == expected.double().softmax(-1).tolist()


def test_objects_of_several_classes_share_a_forward(classifier: ColorClassifier) -> None:
    image = draw(3, (120, 90))
    (together,) = classifier.probabilities([Shown(image, {"dog": CUTOUTS[:2], "tv remote": CUTOUTS[2:]})])
    assert {name: len(rows) for name, rows in together.items()} == {"dog": 2, "tv remote": 1}
    for name, cutouts in (("dog", CUTOUTS[:2]), ("tv remote", CUTOUTS[2:])):
        # Another batch size: sums may be ordered differently.
        assert together[name] == pytest.approx(
            np.array(classifier.probabilities([Shown(image, {name: cutouts})])[0][name]), abs=1e-5
        )
        assert [sum(row) for row in together[name]] == pytest.approx([1.0] * len(cutouts))


def test_an_image_s_colors_do_not_depend_on_its_batch(tiny_files: Path) -> None:
    batched = ColorClassifier(tiny_files / "clip-vit-l-14.pt", "cpu", ColorOptions(), together=4)
    asked: tuple[dict[str, list[Cutout]], ...] = ({"dog": CUTOUTS[:2]}, {}, {"dog": CUTOUTS})
    images = [Shown(draw(seed, (120, 90)), objects) for seed, objects in enumerate(asked)]
    together = batched.probabilities(images)
    assert [len(one.get("dog", [])) for one in together] == [2, 0, 3]
    assert together == [batched.probabilities([image])[0] for image in images]


def as_module(state: dict[str, Any]) -> Any:
    """A module tree whose state dict is ``state``."""
    module = torch.nn.Module()
    children: dict[str, dict[str, Any]] = {}
    for name, value in state.items():
        first, _, rest = name.partition(".")
        if rest:
            children.setdefault(first, {})[rest] = value
        else:
            module.register_buffer(first, value)
    for name, child in children.items():
        module.add_module(name, as_module(child))
    return module


def test_openais_archive_is_read_like_a_state_dict(tiny_files: Path, tmp_path: Path) -> None:
    state = torch.load(tiny_files / "clip-vit-l-14.pt", weights_only=True)
    torch.jit.script(as_module(state)).save(str(tmp_path / "archive.pt"))
    plain, scripted = (
        load_clip(folder).state_dict() for folder in (tiny_files / "clip-vit-l-14.pt", tmp_path / "archive.pt")
    )
    assert "input_resolution" not in plain
    assert list(plain) == list(scripted)
    assert all(torch.equal(plain[key], scripted[key]) for key in plain)


def test_weights_are_single_precision(classifier: ColorClassifier) -> None:
    assert {parameter.dtype for parameter in classifier._model.parameters()} == {torch.float32}


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_file_that_is_no_clip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.pt").write_bytes(content)
    with pytest.raises(EnvironmentFailure, match=r"clip\.pt: neither a TorchScript archive nor a state dict"):
        load_clip(tmp_path / "clip.pt")


def test_other_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"visual.proj": torch.zeros(2, 2)}, tmp_path / "clip.pt")
    with pytest.raises(EnvironmentFailure, match=r"clip\.pt: these weights are not OpenAI CLIP's"):
        load_clip(tmp_path / "clip.pt")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 3}, "unknown color option 'size': choose from crop, background"),
        ({"crop": "no"}, "--crop 'no': expected true or false"),
        ({"background": "#99"}, "--background '#99': expected \"original\" or a color"),
        ({"background": 9}, "--background 9: expected a text"),
    ],
)
def test_bad_options_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Parameters.parse({"files": FILES, "color_options": values})
