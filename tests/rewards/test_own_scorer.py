"""The documentation's scorer, run as a user runs it, and scorers that are none."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rewards.own_scorer import GROUP, absolute, check_imports, environment_of, load_scorers
from rewards.scorers import SCORERS
from tests.rewards.jobs import image_items, make_job, run_job
from tests.rewards.pairs import picture
from wire.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "docs" / "own_scorer.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


@pytest.fixture
def example(tmp_path: Path) -> str:
    (tmp_path / "brightness_example.py").write_text(EXAMPLE, encoding="utf-8")
    return f"{tmp_path / 'brightness_example.py'}:Brightness"


def test_the_documentations_scorer_gives_a_column_like_any_other(
    tmp_path: Path, example: str, files: Mapping[str, str]
) -> None:
    items = image_items(tmp_path / "run", prompts=2)
    parameters = {"files": files, "scorers": [example], "metrics": ["aesthetic", "brightness"], "batch_size": 3}
    job = make_job(tmp_path, items, parameters)
    job.write(tmp_path / "job.json")
    command = [sys.executable, "-m", "rewards", str(tmp_path / "job.json")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    rows = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [row["value"] for row in rows if row["metric"] == "brightness"]
    images = [picture(100 * prompt + sample, (96, 96)).resize((64, 64)) for prompt in range(2) for sample in range(2)]
    assert found == pytest.approx([np.asarray(image).mean() / 255 for image in images], abs=1e-6)
    started = json.loads(done.stdout.splitlines()[0])
    assert {
        "metric": "brightness",
        "source": "Brightness",
        "revision": None,
        "file": "brightness_example.py",
        "sha256": hashlib.sha256(EXAMPLE.encode()).hexdigest(),
    } in started["weights"]
    assert started["cards"]["brightness"]["range"] == [0.0, 1.0]


def test_a_scorer_may_tell_more_than_a_number_and_refuse_prompts_and_images(tmp_path: Path, example: str) -> None:
    (tmp_path / "brightness_example.py").write_text(
        EXAMPLE.replace(
            "from rewards.scorers.base import Scorer", "from rewards.scorers.base import Judged, Scorer, Unfit"
        )
        + """
    any_shape = True
    one_by_one = True
    @classmethod
    def refusal(cls, line):
        return "it is not about a bench" if "bench" not in line["prompt"] else ""
    def pixel_key(self, size):
        return "64x64"
    def prepare_image(self, image):
        if image.width < 90:
            raise Unfit("it is too narrow")
        from torchvision.transforms import functional
        return functional.to_tensor(image)
    def judge(self, batch):
        assert len(batch.pixels) == len(batch.lines) == 1
        return [Judged(float(one.mean()), {"tag": line["tag"]}) for one, line in zip(batch.pixels, batch.lines)]
""",
        encoding="utf-8",
    )
    items = image_items(tmp_path / "run", prompts=2, samples=3)
    for item, size in zip(items, [(96, 96), (80, 96), (120, 96)], strict=False):
        picture(1, size).save(tmp_path / "run" / item.filename)
    items = [replace(item, image_sha256=None) for item in items]
    parameters = {"scorers": [example], "metrics": ["brightness"], "batch_size": 4, "device": "cpu"}
    rows, _ = run_job(make_job(tmp_path, items, parameters))
    assert [row["error"] for row in rows] == [None, "it is too narrow", None, *["it is not about a bench"] * 3]
    assert [row.get("details") for row in rows] == [
        {"tag": "single_object"},
        None,
        {"tag": "single_object"},
        *[None] * 3,
    ]


#: What a user's judge may give of a pair, in its words -> value and reason in the row.
GIVEN: dict[str, tuple[float | None, str | None]] = {
    "0.25": (0.25, None),
    "1": (1.0, None),
    "numpy.float32(0.5)": (0.5, None),
    "float('nan')": (None, "the model gave nan"),
    "float('inf')": (None, "the model gave inf"),
    "None": (None, "the model gave None"),
    "[1, 2]": (None, "the model gave [1, 2]"),
    "''": (None, "no reason is given"),
    "'two\\nlines'": (None, "two lines"),
    "'half \\ud800'": (None, "half \\ud800"),
    "Judged(1, {'all': 'well'})": (1.0, None),
    "Judged(0.5, numpy.zeros(3))": (None, "its details are not JSON (Object of type ndarray is not JSON serializable)"),
    "Judged(0.5, '\\ud800')": (None, "its details are not JSON ('utf-8' codec can't encode character"),
}
#: The same of a whole batch of two.
BATCHES = {
    "[]": "the scorer failed (ValueError: judge gave a list of 0, not a list of 2)",
    "{}": "the scorer failed (ValueError: judge gave a dict, not a list of 2)",
    "1 / 0": "the scorer failed (ZeroDivisionError: division by zero)",
}


@pytest.mark.parametrize("given", [*GIVEN, *BATCHES])
def test_whatever_a_judge_gives_ends_as_a_value_or_a_reason(given: str, tmp_path: Path, example: str) -> None:
    """Its class writes ``judge`` alone, as the documentation says."""
    found = f"[{given}, 0.75]" if given in GIVEN else given
    judge = f"    def judge(self, batch):\n        import numpy\n        return {found}\n"
    source = EXAMPLE.partition("    def score")[0].replace("import Scorer\n", "import Judge, Judged\n")
    source = source.replace("Brightness(Scorer)", "Brightness(Judge)") + judge
    (tmp_path / "brightness_example.py").write_text(source, encoding="utf-8")
    parameters = {"scorers": [example], "metrics": ["brightness"], "batch_size": 2, "device": "cpu"}
    rows, _ = run_job(make_job(tmp_path, image_items(tmp_path / "run", prompts=1), parameters))
    values = [(row["value"], row["error"]) for row in rows]
    if given in BATCHES:
        assert values == [(None, BATCHES[given])] * 2
        return
    value, reason = GIVEN[given]
    assert values[1] == (0.75, None)
    assert values[0][0] == value
    assert (values[0][1] or "").startswith(reason or "")
    assert (values[0][1] is None) is (reason is None)


def test_the_example_is_as_short_as_promised() -> None:
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 22


def test_names_become_absolute_where_there_is_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "mine.py").write_text("")
    assert absolute("mine:A", tmp_path) == absolute("mine.py:A", tmp_path) == f"{tmp_path}/mine.py:A"
    assert absolute("package.mine:A", tmp_path) == f"{tmp_path}/package/mine.py:A"
    assert absolute("installed.package:A", tmp_path) == "installed.package:A"
    with pytest.raises(UserError, match="expected module:Class"):
        absolute("mine", tmp_path)


def test_a_scorer_says_where_it_runs(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(EXAMPLE)
    card = EXAMPLE.replace('licence="MIT"', 'licence="MIT", env="vlm"')
    (tmp_path / "card.py").write_text(card)
    (tmp_path / "class.py").write_text(card.replace("(Scorer):", '(Scorer):\n    env = "./mine"'))
    found = [next(iter(load_scorers([f"{tmp_path}/{name}.py:Brightness"]).values())) for name in ("plain", "card")]
    assert [environment_of(scorer) for scorer in found] == ["rewards", "vlm"]
    (scorer,) = load_scorers([f"{tmp_path}/class.py:Brightness"]).values()
    assert environment_of(scorer) == str(tmp_path / "mine")
    for place, env in enumerate(('"./a\\0"', "5", '"./a\\n"')):
        odd = tmp_path / f"odd{place}.py"
        odd.write_text(EXAMPLE.replace("(Scorer):", f"(Scorer):\n    env = {env}"))
        with pytest.raises(UserError, match=r"env is .*; expected an environment's name or a folder"):
            load_scorers([f"{odd}:Brightness"])


def test_what_its_methods_import_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("")
    needs = "import beside\n        try:\n            import faster\n        except ImportError:\n            pass"
    (tmp_path / "fine.py").write_text(EXAMPLE.replace("return []", f"{needs}\n        return []"))
    check_imports([f"{tmp_path}/fine.py:Brightness"])
    (tmp_path / "lacks.py").write_text(EXAMPLE.replace("return []", "from jaxy.numpy import sum\n        return []"))
    with pytest.raises(UserError, match="it imports jaxy, which environment rewards does not have: add it there"):
        check_imports([f"{tmp_path}/lacks.py:Brightness"])


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that offers the documentation's scorer, which imports what lies beside it."""
    folder = tmp_path / "site"
    (folder / "brightness_package").mkdir(parents=True)
    (folder / "brightness_package" / "__init__.py").write_text("")
    (folder / "brightness_package" / "size.py").write_text("EDGE = 64\n")
    code = EXAMPLE.replace("(64, 64)", "(EDGE, EDGE)")
    (folder / "brightness_package" / "scorers.py").write_text(f"from .size import EDGE\n{code}")
    about = folder / "brightness_package-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: brightness-package\nVersion: 1\n")
    points = f"[{GROUP}]\nbright = brightness_package.scorers:Brightness\n"
    (about / "entry_points.txt").write_text(points + "lost = no_such_package_anywhere:Brightness\n")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_an_installed_packages_scorer_is_named_by_its_entry_point(package: Path, tmp_path: Path) -> None:
    place = absolute("bright", tmp_path)
    assert place == f"{package}/brightness_package/scorers.py:Brightness"
    assert "brightness_package.scorers" not in sys.modules, "names are found without importing the package"
    code = f"from rewards.own_scorer import load_scorers; print(load_scorers([{place!r}])['brightness'].__module__)"
    elsewhere = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **elsewhere)
    assert done.stdout == "brightness_package.scorers\n"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "message"),
    [("dark", "'dark': no installed package offers it; offered are bright, lost"), ("lost", "which is not there")],
)
def test_a_name_that_leads_nowhere_is_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        absolute(name, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("brightness", "aesthetic"), "metric id 'aesthetic' is taken"),
        (("brightness", "filename"), "metric id 'filename' is taken"),
        (("brightness", "overall"), "metric id 'overall' is taken"),
        (("brightness", "aesthetic_low"), "metric id 'aesthetic_low' is taken"),
        (("brightness", "rewards.overall"), "metric id 'rewards.overall' is taken"),
        (("brightness", "Bright ness"), "use lower-case letters"),
        (("def score", "def scores"), "not a rewards.scorers.base.Scorer; it lacks score"),
        (("card = SpecCard(", "card = dict("), "its card must be"),
        (("class Brightness(Scorer)", "class Brightness"), "not a rewards.scorers.base.Scorer"),
        (("class Brightness", "class Other"), "the module has no Brightness"),
        (("from rewards.scorers.base", "from no_such_module"), "cannot be imported (ModuleNotFoundError"),
        (("class Brightness", "class class"), "cannot be imported (SyntaxError"),
        (("class Brightness", "raise SystemExit(3)\n\nclass Brightness"), "cannot be imported (SystemExit: 3"),
    ],
)
def test_what_is_no_scorer_is_refused_in_one_line(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    name = f"unfit_{hashlib.sha256(repr(change).encode()).hexdigest()[:8]}"
    (tmp_path / f"{name}.py").write_text(EXAMPLE.replace(f'"{change[0]}"', f'"{change[1]}"').replace(*change))
    with pytest.raises(UserError) as refused:
        load_scorers([f"{tmp_path / name}.py:Brightness"])
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_scorers_of_one_id_are_refused(tmp_path: Path, example: str) -> None:
    (tmp_path / "second_example.py").write_text(EXAMPLE, encoding="utf-8")
    with pytest.raises(UserError, match="is another --scorer's"):
        load_scorers([example, example.replace("brightness_example", "second_example")])


def test_an_id_that_was_not_loaded_is_unknown(tmp_path: Path) -> None:
    items = image_items(tmp_path / "run", prompts=1)
    with pytest.raises(UserError, match="unknown metric brightness"):
        run_job(make_job(tmp_path, items, {"metrics": ["brightness"]}))
    assert "brightness" not in SCORERS


def test_a_card_that_no_report_could_read_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    text = EXAMPLE.replace("range=(0.0, 1.0)", 'range=("low", "high")')
    (tmp_path / "odd_card.py").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="card of 'brightness' is malformed"):
        load_scorers([f"{tmp_path / 'odd_card.py'}:Brightness"])


def test_infinite_bounds_are_none(tmp_path: Path) -> None:
    text = EXAMPLE.replace("range=(0.0, 1.0)", 'range=(0.0, float("inf"))')
    (tmp_path / "unbounded.py").write_text(text, encoding="utf-8")
    scorer = load_scorers([f"{tmp_path / 'unbounded.py'}:Brightness"])["brightness"]
    assert scorer.card.record()["range"] == [0.0, None]
