"""Boxes under names that GenEval does not have."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from wire.class_names import class_note, own_name
from wire.vocabulary import OBJECT_CLASSES


def lines(*classes: str) -> list[str]:
    return [json.dumps({"include": [{"class": name, "count": 1}], "prompt": f"a photo of {name}"}) for name in classes]


def test_geneval_s_own_names_are_no_matter() -> None:
    assert class_note(OBJECT_CLASSES, lines(*OBJECT_CLASSES)) == ""
    assert class_note([], lines("dog")) == ""


def test_coco_s_three_names_with_what_they_cost() -> None:
    suite = lines("dog", "computer keyboard", "computer mouse", "tv remote", "tv remote")
    assert class_note({"dog", "keyboard", "mouse", "remote"}, suite) == (
        "boxes under names that the suite does not know: keyboard (GenEval: computer keyboard), "
        "mouse (GenEval: computer mouse), remote (GenEval: tv remote); "
        "prompts that ask for these classes can only fail: 3"
    )


def test_prompts_are_lost_only_where_no_box_has_the_right_name() -> None:
    note = class_note({"mouse", "computer mouse", "keyboard"}, lines("computer mouse", "dog"))
    assert "mouse (GenEval: computer mouse)" in note
    assert "can only fail" not in note


def test_a_suite_of_its_own_classes_knows_them() -> None:
    assert class_note({"unicorn", "keyboard"}, lines("unicorn", "keyboard")) == ""
    assert class_note({"unicorn", "gnome"}, lines("unicorn")) == (
        "boxes under names that the suite does not know: gnome (not in GenEval)"
    )


@pytest.mark.parametrize(
    ("name", "own"),
    [
        *(("Keyboard", "computer keyboard"), ("wine_glass", "wine glass"), ("diningtable", "dining table")),
        *(("tvmonitor", "tv"), ("Traffic-Light", "traffic light"), ("hair dryer", "hair drier"), ("gnome", "")),
    ],
)
def test_what_a_name_should_be(name: str, own: str) -> None:
    assert own_name(name) == own


@pytest.mark.parametrize("found", [["\x1b[31m" + "x" * 99, ""], [f"class {number}" for number in range(1200)]])
def test_the_note_is_one_short_line(found: Sequence[str]) -> None:
    note = class_note(found, lines("dog"))
    assert note.isprintable()
    assert len(note) < 300
