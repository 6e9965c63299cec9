from __future__ import annotations

from pathlib import Path

import pytest

from reports.files import write_text, writing
from wire.errors import EnvironmentFailure, UserError
from wire.files import replacing

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
def test_a_full_disk_is_not_the_users_mistake_and_leaves_no_half_file(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match=r"table\.csv: cannot be written \(No space left on device\)"):
        _run_out(tmp_path / "table.csv")
    assert not [*tmp_path.iterdir()]


def _run_out(path: Path) -> None:
    with writing(path), replacing(path) as partial:
        partial.write_text("half")
        FULL.write_text("more")


def test_a_folder_that_is_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"a\.md: cannot be written \(.*\); name another folder$"):
        write_text(tmp_path / "file" / "a.md", "text")


def test_what_a_library_raises_besides(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be written \(no such type\)"), writing(tmp_path, also=TypeError):
        raise TypeError("no such type")
    with pytest.raises(KeyError), writing(tmp_path):
        raise KeyError("a bug of ours")
