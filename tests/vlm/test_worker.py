"""The rewards worker in the environment of the vision-language judges, on a scorer that needs no weights."""

from __future__ import annotations

from pathlib import Path

from tests.rewards.jobs import image_items, make_job, run_job

EXAMPLE = Path("docs/own_scorer.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


def test_a_scorer_s_numbers_and_the_versions_of_what_is_installed_here(tmp_path: Path) -> None:
    import transformers

    (tmp_path / "mine.py").write_text(EXAMPLE, encoding="utf-8")
    parameters = {"scorers": [f"{tmp_path}/mine.py:Brightness"], "metrics": ["brightness"], "batch_size": 3}
    cells, (started, *_) = run_job(make_job(tmp_path, image_items(tmp_path / "run", prompts=2), parameters))
    assert [cell["error"] for cell in cells] == [None] * 4
    assert len({cell["value"] for cell in cells}) == 4
    assert started["packages"]["transformers"] == transformers.__version__
    assert "open-clip-torch" not in started["packages"]
