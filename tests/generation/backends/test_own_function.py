"""A user's function as generator; the documented example is one of them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")

from PIL import Image  # noqa: E402 - torch decides whether this module runs

from tests.generation.jobs import Outcome, failure_of, items_of, make_job, outcome, run_here, start_process  # noqa: E402
from wire.errors import UserError  # noqa: E402
from wire.protocol import Item  # noqa: E402

PAGE = Path(__file__).resolve().parents[3] / "docs" / "own_generator.md"
ITEMS = items_of([0, 100, 200, 300, 400], samples=2)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The page's example, as a user would save it."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    path = tmp_path / "my_model.py"
    path.write_text(code)
    return path


def run_example(example: Path, folder: Path, items: list[Item] | None = None, **more: object) -> Outcome:
    """In a process of its own, as the module must be imported afresh."""
    job = make_job(
        folder, items or ITEMS, checkpoint="", generator="my_model:images", generator_folder=str(example.parent), **more
    )
    process = start_process(job)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    return outcome(job, [])


def test_documented_example_makes_every_image(example: Path, tmp_path: Path) -> None:
    made = run_example(example, tmp_path / "one")
    assert len(made.rows) == len(made.images) == len({row["image_sha256"] for row in made.rows}) == 10
    with Image.open(io.BytesIO(made.images["00200/samples/0001.png"])) as image:
        assert (image.size, image.mode) == ((64, 64), "RGB")
        assert image.text["prompt"] == ITEMS[5].prompt


def test_same_images_in_any_batch_and_order(example: Path, tmp_path: Path) -> None:
    first = run_example(example, tmp_path / "one")
    second = run_example(example, tmp_path / "two", list(reversed(ITEMS[2:])), batch_size=3)
    assert second.images == {name: first.images[name] for name in second.images}
    other = run_example(example, tmp_path / "three", ITEMS[:1], seed=7)
    assert other.images[ITEMS[0].filename] != first.images[ITEMS[0].filename]


def test_checkpoint_is_handed_on(example: Path, tmp_path: Path) -> None:
    torch.save(torch.zeros(3, 3), tmp_path / "black.pt")
    job = make_job(
        tmp_path / "job",
        ITEMS[:1],
        checkpoint=str(tmp_path / "black.pt"),
        generator="my_model:images",
        generator_folder=str(tmp_path),
    )
    process = start_process(job)
    stdout, _ = process.communicate(timeout=120)
    assert '"black.pt"' in stdout
    with Image.open(Path(job.run_dir) / ITEMS[0].filename) as image:
        assert image.getextrema() == ((0, 0), (0, 0), (0, 0))


def run_body(folder: Path, body: str) -> tuple[list[dict[str, object]], Outcome]:
    (folder / "one_model.py").write_text(f"from PIL import Image\n\n\ndef images(prompts, seeds):\n    {body}\n")
    parameters = {"checkpoint": "", "generator": "one_model:images", "generator_folder": str(folder)}
    job = make_job(folder / "job", ITEMS[:5], batch_size=4, **parameters)
    process = start_process(job)
    stdout, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    return [json.loads(line) for line in stdout.splitlines()], outcome(job, [])


@pytest.mark.parametrize(
    ("color", "count"),
    [("'black'", 5), ("(9, 200, 9)", 5), ("(seed % 7 + 1,) * 3", 5), ("'black' if seed == seeds[0] else None", 2)],
)
def test_images_of_one_color_are_counted_in_a_warning(color: str, count: int, tmp_path: Path) -> None:
    several = "Image.radial_gradient('L').resize((8, 8))"
    body = f"return [Image.new('RGB', (8, 8), c) if (c := {color}) else {several} for seed in seeds]"
    events, _ = run_body(tmp_path, body)
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    assert warnings == [
        f"{count} of 5 images are of a single color (the first: 00000/samples/0000.png): "
        "the model, its precision or its guidance may be at fault"
    ]


def test_images_of_several_colors_are_not(tmp_path: Path) -> None:
    body = "return [Image.radial_gradient('L').resize((8, 8)) for seed in seeds]"
    assert not [event for event in run_body(tmp_path, body)[0] if event["event"] == "warning"]


def test_sixteen_bit_gray_of_a_function_keeps_its_high_byte(tmp_path: Path) -> None:
    body = "return [Image.frombytes('I;16', (2, 1), bytes([255, 100, 7, 200])) for seed in seeds]"
    _, made = run_body(tmp_path, body)
    with Image.open(io.BytesIO(made.images["00000/samples/0000.png"])) as image:
        assert list(image.convert("L").tobytes()) == [100, 200]


#: Body of a function that is called with prompts and seeds -> what the user is told.
FAILURES = {
    "raise ValueError('no such thing\\nsecond line')": "failed (ValueError: no such thing)",
    "return []": "returned 0 images for 4 prompts; expected a list of 4 PIL images",
    "return None": "returned NoneType for 4 prompts",
    "from PIL import Image; return [Image.new('F', (8, 8))] * 4": "pixels of mode F have no range",
    "return prompts": "returned a str where a PIL image was expected",
}


@pytest.mark.parametrize("body", FAILURES)
def test_function_that_misbehaves(tmp_path: Path, body: str) -> None:
    (tmp_path / "bad_model.py").write_text(f"def images(prompts, seeds):\n    {body}\n")
    parameters = {"checkpoint": "", "generator": "bad_model:images", "generator_folder": str(tmp_path)}
    code, message = failure_of(make_job(tmp_path / "job", ITEMS, **parameters))
    assert code == 2
    assert FAILURES[body] in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("broken", "import a_package_nobody_has\n", "cannot be imported (ModuleNotFoundError"),
        ("empty", "", "has no function images"),
        ("json", "def images(prompts, seeds): ...\n", "a module of that name is loaded already; rename"),
    ],
)
def test_module_that_is_of_no_use(tmp_path: Path, name: str, source: str, told: str) -> None:
    (tmp_path / f"{name}.py").write_text(source)
    parameters = {"checkpoint": "", "generator": f"{name}:images", "generator_folder": str(tmp_path)}
    code, message = failure_of(make_job(tmp_path / "job", ITEMS[:1], **parameters))
    assert code == 2
    assert told in message


def test_settings_of_other_kinds_are_refused(example: Path, tmp_path: Path) -> None:
    own = {"checkpoint": "", "generator": "my_model:images", "generator_folder": str(tmp_path)}
    for setting in ({"reward_targets": {"clip_score": 1.0}}, {"resolution": "512"}, {"compile": True}):
        with pytest.raises(UserError, match="does not apply to a generator of your own"):
            run_here(make_job(tmp_path / "job", ITEMS[:1], **own, **setting))
