from __future__ import annotations

import threading

import pytest

from geneval.worker import prefetch


def test_order_is_kept() -> None:
    assert list(prefetch(lambda item: item * item, range(20), ahead=3)) == [item * item for item in range(20)]


def test_it_works_ahead_but_not_further() -> None:
    begun: list[int] = []
    enough = threading.Event()

    def begin(item: int) -> int:
        begun.append(item)
        if item == 3:
            enough.set()
        return item

    results = prefetch(begin, range(10), ahead=3)
    assert next(results) == 0
    assert enough.wait(10)
    assert begun == [0, 1, 2, 3]


def test_errors_come_out_at_their_item() -> None:
    results = prefetch(lambda item: 1 // item, [1, 0, 1], ahead=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_several_threads_keep_the_order() -> None:
    both = threading.Barrier(2, timeout=10)

    def together(item: int) -> int:
        both.wait()  # passes only when two are at work at once
        return item

    assert list(prefetch(together, range(8), ahead=4, threads=2)) == list(range(8))
