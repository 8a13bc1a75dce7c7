"""Pieces written side by side on one network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.music.conditions import Condition
from emsync.music.lanes import write_together
from emsync.music.model import ComposerModel
from emsync.music.next_token import NextToken


class Counting:
    """In place of the engine: the logits of a row are its position and the last token it heard."""

    vocabulary_name, horizon_s = "emsync-2", 8.0

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.positions = np.zeros(batch, np.int64)
        self.steps: list[NDArray[np.int64]] = []

    def position_of(self, rows: slice) -> int:
        return int(self.positions[rows][0])

    def reset(self, rows: slice) -> None:
        self.positions[rows] = 0

    def truncate(self, position: int, rows: slice) -> None:
        self.positions[rows] = position

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        assert threading.current_thread() is threading.main_thread()
        assert conditions.shape == (self.batch, 1, len(Condition))
        self.steps.append(tokens[:, 0].copy())
        self.positions += 1
        return np.stack((self.positions, tokens[:, 0]), axis=1).astype(np.float32)


def together(model: Counting, pieces: list[Callable[[NextToken], Any]], **values: Any) -> tuple[Any, ...]:
    return write_together(cast(ComposerModel, model), pieces, **values)


def piece(token: int, length: int, *, rows: int = 1) -> Callable[[NextToken], list[list[float]]]:
    """Feeds one token `length` times; what it heard."""

    def write(network: NextToken) -> list[list[float]]:
        network.reset()
        conditions = np.zeros((rows, 1, len(Condition)), np.float32)
        return [network.step(np.full((rows, 1), token), conditions)[0].tolist() for _ in range(length)]

    return write


def test_every_piece_hears_its_own_rows_however_long_the_others_are() -> None:
    model = Counting(6)
    written = together(model, [piece(7, 3, rows=2), piece(8, 5, rows=2), piece(9, 1, rows=2)])
    assert written == tuple(
        [[float(n + 1), token] for n in range(length)] for token, length in ((7.0, 3), (8.0, 5), (9.0, 1))
    )
    assert len(model.steps) == 5
    assert model.steps[0].tolist() == [7, 7, 8, 8, 9, 9]


def test_a_piece_goes_back_without_the_others() -> None:
    def goes_back(network: NextToken) -> list[int]:
        conditions = np.zeros((1, 1, len(Condition)), np.float32)
        places = []
        for back_to in (None, 0, None):
            network.step(np.ones((1, 1), np.int64), conditions)
            places.append(network.position)
            if back_to is not None:
                network.truncate(back_to)
        return places

    written = together(Counting(2), [goes_back, piece(3, 4)])
    assert written == ([1, 2, 1], [[1.0, 3.0], [2.0, 3.0], [3.0, 3.0], [4.0, 3.0]])


def test_progress_is_told_after_every_step_on_the_callers_thread() -> None:
    told = []
    together(Counting(2), [piece(1, 2), piece(2, 3)], on_step=lambda: told.append(threading.current_thread()))
    assert told == [threading.main_thread()] * 3


@pytest.mark.parametrize("failing", [0, 1])
def test_what_a_piece_raises_reaches_the_caller_and_no_thread_is_left(failing: int) -> None:
    def fails(network: NextToken) -> None:
        piece(1, 2)(network)
        raise LookupError("out of ideas")

    before = threading.active_count()
    pieces: list[Callable[[NextToken], Any]] = [piece(5, 100), piece(6, 100)]
    pieces[failing] = fails
    with pytest.raises(LookupError, match="out of ideas"):
        together(Counting(2), pieces)
    assert threading.active_count() == before


def test_giving_up_ends_all_pieces() -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        together(Counting(2), [piece(5, 100), piece(6, 100)], on_step=give_up)
    assert threading.active_count() == before


def test_rows_that_cannot_be_shared_out_are_refused() -> None:
    with pytest.raises(ValueError, match="5 rows cannot be shared by 2 pieces"):
        together(Counting(5), [piece(1, 1), piece(2, 1)])


def test_several_tokens_at_once_are_refused() -> None:
    def hurried(network: NextToken) -> None:
        network.step(np.ones((1, 2), np.int64), np.zeros((1, 2, len(Condition)), np.float32))

    with pytest.raises(ValueError, match="token by token"):
        together(Counting(1), [hurried])
