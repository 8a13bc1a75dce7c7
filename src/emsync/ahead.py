"""Work that waits for nothing, done in a thread while its results are awaited.

Decoders, encoders and networks let go of Python's lock while they work, so a thread is enough to keep a second core
busy. What is made, and in which order, is the same as without a thread.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

UNLIMITED = 0
"""The depth of work that need not wait until what it made is taken."""

PATIENCE_S = 0.1
"""How long either side waits before it looks whether the other has stopped; Ctrl-C is heard no later, anywhere."""


def usable_cores() -> int:
    """Cores that this program may use, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


@dataclass(frozen=True)
class _Made(Generic[T]):
    item: T


@dataclass(frozen=True)
class _Ended:
    """No more items; `error` is what stopped them, if anything did."""

    error: BaseException | None


@contextmanager
def made_ahead(items: Iterable[T], *, depth: int) -> Iterator[Iterator[T]]:
    """The same items in the same order, made in a thread of their own, at most `depth` of them before they are taken.

    An error of `items` is raised where the next item is awaited. However the body ends, the thread ends with it:
    `items` makes at most one more item, is closed if it is a generator, and only then the body is left.

    >>> with made_ahead(range(3), depth=2) as numbers:
    ...     list(numbers)
    [0, 1, 2]
    """
    made: queue.Queue[_Made[T] | _Ended] = queue.Queue(depth)
    is_over = threading.Event()
    thread = threading.Thread(target=_make, args=(items, made, is_over), name="emsync-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(made)
    finally:
        is_over.set()
        thread.join()


def _make(items: Iterable[T], made: queue.Queue[_Made[T] | _Ended], is_over: threading.Event) -> None:
    error: BaseException | None = None
    maker = iter(items)
    try:
        for item in maker:
            if not _put(made, _Made(item), is_over):
                break
    except BaseException as stopped_by:  # whatever it is belongs to the one who waits
        error = stopped_by
    with contextlib.suppress(AttributeError):
        maker.close()  # type: ignore[attr-defined]
    _put(made, _Ended(error), is_over)


def _put(made: queue.Queue[_Made[T] | _Ended], result: _Made[T] | _Ended, is_over: threading.Event) -> bool:
    """Wait for room; False if nobody takes results any more."""
    while not is_over.is_set():
        with contextlib.suppress(queue.Full):
            made.put(result, timeout=PATIENCE_S)
            return True
    return False


def _taken(made: queue.Queue[_Made[T] | _Ended]) -> Iterator[T]:
    while True:
        try:
            result = made.get(timeout=PATIENCE_S)
        except queue.Empty:
            continue
        if isinstance(result, _Made):
            yield result.item
        elif result.error is not None:
            raise result.error
        else:
            return
