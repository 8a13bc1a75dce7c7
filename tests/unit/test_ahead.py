"""Items made in a thread: the same items, the same errors, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from emsync.ahead import made_ahead
from emsync.errors import VideoError


def threads_at_work() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "emsync-ahead"]


def test_items_come_in_their_order_and_from_another_thread() -> None:
    def items() -> Iterator[tuple[int, int]]:
        for number in range(100):
            yield number, threading.get_ident()

    with made_ahead(items(), depth=3) as made:
        taken = list(made)
    assert [number for number, _ in taken] == list(range(100))
    assert threading.get_ident() not in {maker for _, maker in taken}
    assert threads_at_work() == []


def test_no_more_than_the_depth_is_made_before_it_is_taken() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            begun.append(number)
            yield number

    with made_ahead(items(), depth=2) as made:
        assert next(made) == 0
        time.sleep(0.3)
        assert len(begun) <= 1 + 2 + 1  # taken, waiting, and one that waits for room


def test_an_error_reaches_the_one_who_waits_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise VideoError("film.mp4: is damaged")

    taken = []
    with pytest.raises(VideoError, match=r"^film\.mp4: is damaged$"), made_ahead(items(), depth=2) as made:
        for item in made:
            taken.append(item)
    assert taken == [1]
    assert threads_at_work() == []


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, SystemExit, ValueError])
def test_whatever_ends_the_body_ends_the_thread_and_closes_its_generator(
    stopped_by: type[BaseException],
) -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    with pytest.raises(stopped_by), made_ahead(items(), depth=1) as made:
        next(made)
        raise stopped_by
    assert closed == [True]
    assert threads_at_work() == []
