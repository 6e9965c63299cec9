"""Notices weights that a library makes up: both libraries fill what a checkpoint lacks with random numbers."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from wire.protocol import UserError

#: What both libraries say of such weights, in a warning; neither raises.
_MADE_UP = "newly initialized"
_LIBRARIES = ("diffusers", "transformers")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class _Listener(logging.Handler):
    """Keeps the warnings that matter."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = _STYLE.sub("", record.getMessage())
        if _MADE_UP in message:
            self.heard.append(" ".join(message.split()))


@contextmanager
def no_weights_made_up(place: str) -> Iterator[None]:
    """Refuse a model of which the libraries report made-up weights while it is loaded.

    Raises:
        UserError: they did; it quotes the library.
    """
    listener, loggers = _Listener(), [logging.getLogger(name) for name in _LIBRARIES]
    for logger in loggers:
        logger.addHandler(listener)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(listener)
    if listener.heard:
        raise UserError(f"{place}: incomplete, some of its weights would be random ({listener.heard[0][:400]})")
