"""Several pieces side by side on one network: what each asks for is answered in one step of a batch.

Each piece is written on a thread of its own, as if it had the network to itself; the threads wait until all that still
write have asked, the network reads its weights once for all of them, and each goes on with its answer. Rows of a batch
do not hear each other, but sums of products are rounded differently in batches of different sizes: the same pieces come
out whenever the same number of them is written together, not when one of them is written alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from emsync.music.conditions import Condition
from emsync.music.model import ComposerModel
from emsync.music.next_token import NextToken

Written = TypeVar("Written")
Logits = NDArray[np.float32]


class _Abandoned(Exception):  # noqa: N818  (no error: another piece failed, or the user gave up)
    """Raised in a piece that is not to be finished."""


@dataclass(frozen=True)
class _Ask:
    """One token for all rows of a piece, (rows, 1), with what each is told, (rows, 1, 11)."""

    lane: int
    tokens: NDArray[np.int64]
    conditions: NDArray[np.float32]


@dataclass(frozen=True)
class _Done(Generic[Written]):
    """A piece is written, or failed."""

    lane: int
    written: Written | None = None
    error: BaseException | None = None


@dataclass(frozen=True)
class _Lane:
    """The rows of one piece, as a network of its own. `step` takes one token at a time."""

    number: int
    rows: slice
    model: ComposerModel
    asks: SimpleQueue[_Ask | _Done[object]]
    answers: SimpleQueue[Logits | None] = field(default_factory=SimpleQueue)

    @property
    def vocabulary_name(self) -> str:
        return self.model.vocabulary_name

    @property
    def horizon_s(self) -> float:
        return self.model.horizon_s

    @property
    def position(self) -> int:
        return self.model.position_of(self.rows)

    def reset(self) -> None:
        self.model.reset(self.rows)

    def truncate(self, position: int) -> None:
        self.model.truncate(position, self.rows)

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> Logits:
        if tokens.shape != (self.rows.stop - self.rows.start, 1):
            raise ValueError(f"a piece beside others is written token by token, got tokens {tokens.shape}")
        self.asks.put(_Ask(self.number, tokens, conditions))
        logits = self.answers.get()
        if logits is None:
            raise _Abandoned
        return logits


def write_together(
    model: ComposerModel,
    pieces: Sequence[Callable[[NextToken], Written]],
    *,
    on_step: Callable[[], None] = lambda: None,
) -> tuple[Written, ...]:
    """Write pieces at the same time, each with its share of the model's rows; what they wrote, in order.

    `on_step` is called on the caller's thread after every step. Whatever a piece raises is raised here, and the others
    are abandoned. Raises: ValueError if the rows cannot be shared out equally.
    """
    share, left = divmod(model.batch, len(pieces))
    if left or not share:
        raise ValueError(f"{model.batch} rows cannot be shared by {len(pieces)} pieces")
    asks: SimpleQueue[_Ask | _Done[object]] = SimpleQueue()
    lanes = [
        _Lane(number, slice(number * share, (number + 1) * share), model, asks)
        for number in range(len(pieces))
    ]
    threads = [
        Thread(target=_write, args=(lane, piece), daemon=True)
        for lane, piece in zip(lanes, pieces, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        written = _serve(model, lanes, on_step)
    finally:
        for lane in lanes:
            lane.answers.put(None)
        for thread in threads:
            thread.join()
    return tuple(written)  # type: ignore[arg-type]


def _write(lane: _Lane, piece: Callable[[NextToken], object]) -> None:
    try:
        lane.asks.put(_Done(lane.number, piece(lane)))
    except BaseException as error:
        lane.asks.put(_Done(lane.number, error=error))


def _serve(model: ComposerModel, lanes: Sequence[_Lane], on_step: Callable[[], None]) -> list[object]:
    """Answer until every piece is written. Rows of finished pieces hear an empty piece that is forgotten."""
    written: dict[int, object] = {}
    waiting: dict[int, _Ask] = {}
    tokens = np.zeros((model.batch, 1), np.int64)
    conditions = np.full((model.batch, 1, len(Condition)), np.nan, np.float32)
    while len(written) < len(lanes):
        message = lanes[0].asks.get()
        if isinstance(message, _Done):
            if message.error is not None:
                raise message.error
            written[message.lane] = message.written
        else:
            waiting[message.lane] = message
        if not waiting or len(waiting) + len(written) < len(lanes):
            continue
        for lane in lanes:
            if lane.number in waiting:
                tokens[lane.rows], conditions[lane.rows] = (
                    waiting[lane.number].tokens,
                    waiting[lane.number].conditions,
                )
            else:
                model.reset(lane.rows)
        logits = model.step(tokens, conditions)
        on_step()
        for number in sorted(waiting):
            lanes[number].answers.put(logits[lanes[number].rows])
        waiting.clear()
    return [written[number] for number in range(len(lanes))]
