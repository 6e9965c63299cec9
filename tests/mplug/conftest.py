"""Warnings that third-party packages raise about themselves."""

from __future__ import annotations

import pytest

_NOISE = ("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::SyntaxWarning", "ignore::UserWarning")


def pytest_configure(config: pytest.Config) -> None:
    for line in _NOISE:
        config.addinivalue_line("filterwarnings", line)
