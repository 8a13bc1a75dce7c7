"""The composer network at work: ONNX Runtime over a KV cache that is updated in place.

Each row of the batch has a line of `context` places. A token fills the next place; when a line is full, its oldest
quarter is dropped and the rest moves to the front. Keys were rotated by the position of their token in the
music, not by their place, and only differences of positions count, so nothing has to be computed again.
Rows are independent: each may be longer than another, be taken back, or begin anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from emsync.ahead import usable_cores
from emsync.errors import WeightsError
from emsync.music.conditions import Condition
from emsync.music.vocabulary import VOCABULARIES

FORMAT = "emsync-composer-4"
"""What this runtime reads; `emsync_train.export` writes it."""
CONDITION_COUNT = len(Condition)
CACHE_TYPES: dict[str, np.dtype[Any]] = {"fp32": np.dtype(np.float32), "int8": np.dtype(np.int8)}
MOST_THREADS = 4
ONE_THREAD_BYTES = 8_000_000
"""Up to this size of weights times batch, one thread is as fast as two and leaves the other core free."""
LONGEST_FEED = 256
"""Tokens that go through the network at once; bounds the memory of a long prefill."""
ALL_ROWS = slice(None)
_DROPPED_PART = 4
"""A full line drops one place in this many; moving the rest costs a 37 M network 0.03 ms a token."""


@dataclass(frozen=True)
class _Sizes:
    """What the weights say about themselves."""

    vocabulary: str
    vocabulary_size: int
    context: int
    horizon_s: float
    rope_base: float
    layers: int
    heads: int
    width: int
    cache: str

    @classmethod
    def of(cls, name: str, properties: Mapping[str, str]) -> _Sizes:
        """Read the metadata of an ONNX file. Raises WeightsError if it is not one of ours."""
        if properties.get("format") != FORMAT:
            raise WeightsError(f"{name}: holds no composer of format {FORMAT}; install emsync again")
        try:
            whole = ("vocabulary_size", "context", "layers", "heads", "width")
            sizes = cls(
                vocabulary=properties["vocabulary"],
                horizon_s=float(properties["horizon_s"]),
                rope_base=float(properties["rope_base"]),
                cache=properties["cache"],
                **{key: int(properties[key]) for key in whole},
            )
            if sizes.cache not in CACHE_TYPES:
                raise ValueError(f"unknown cache {sizes.cache!r}")
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{name}: damaged metadata ({error}); install emsync again") from error
        vocabulary = VOCABULARIES.get(sizes.vocabulary)
        if vocabulary is None or vocabulary.size != sizes.vocabulary_size:
            raise WeightsError(
                f"{name}: made for vocabulary {sizes.vocabulary!r} of {sizes.vocabulary_size} tokens, which "
                "this version of emsync does not know; use weights and program of one version"
            )
        return sizes


class ComposerModel:
    """Next-token logits, one step after another, for the `batch` rows of one piece or of several.

    One instance serves one thread at a time. `step` allocates nothing that grows with the music. `position`,
    `truncate` and `reset` are about all rows or about those of a slice, which must stand at one position.
    """

    def __init__(self, session: onnxruntime.InferenceSession, sizes: _Sizes, batch: int) -> None:
        self._session = session
        self.batch = batch
        self._lengths = np.zeros(batch, np.int64)
        self._first_positions = np.zeros(batch, np.int64)
        self.vocabulary_name = sizes.vocabulary
        self.vocabulary_size = sizes.vocabulary_size
        self.context = sizes.context
        self.horizon_s = sizes.horizon_s
        self._memory = _Memory.of(sizes, batch)
        self._single = _Feed(session, self._memory, 1)

    @classmethod
    def load(cls, weights: Path | bytes, *, threads: int = 0, batch: int = 1) -> ComposerModel:
        """Read weights that `emsync_train.export` wrote.

        Args:
            weights: the ONNX file, or its content. Its hash is the business of `emsync.weights`.
            threads: for one step; 0 chooses.
            batch: rows decoded side by side, at least 1.
        Raises: WeightsError if the file is missing, damaged, or made for a vocabulary unknown here.
        """
        if batch < 1 or threads < 0:
            raise ValueError(f"batch must be at least 1 and threads at least 0, got {batch} and {threads}")
        name = str(weights) if isinstance(weights, Path) else "the composer's weights"
        if isinstance(weights, Path) and not weights.is_file():
            raise WeightsError(f"{name}: weights not found; install emsync again")
        content = weights.read_bytes() if isinstance(weights, Path) else weights
        options = _session_options(threads or _thread_count(len(content) * batch))
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no common base for its load errors
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(f"{name}: cannot be loaded ({reason}); install emsync again") from error
        return cls(session, _Sizes.of(name, session.get_modelmeta().custom_metadata_map), batch)

    @property
    def position(self) -> int:
        """Tokens fed so far, those that left the window included."""
        return self.position_of(ALL_ROWS)

    @property
    def first_position(self) -> int:
        """Position of the oldest token still in the window; `truncate` reaches back this far."""
        return int(self._first_positions[0])

    def position_of(self, rows: slice) -> int:
        """Tokens fed so far to some rows."""
        return int((self._first_positions + self._lengths)[rows][0])

    def reset(self, rows: slice = ALL_ROWS) -> None:
        """Forget everything."""
        self._lengths[rows] = self._first_positions[rows] = 0

    def truncate(self, position: int, rows: slice = ALL_ROWS) -> None:
        """Take back the newest tokens, so that `position` tokens count as fed.

        Costs nothing. Steps after it give what they gave the first time, unless the window slid in between:
        what it dropped stays forgotten.

        Raises: ValueError if `position` lies before the window or in the future.
        """
        first, newest = int(self._first_positions[rows].max()), self.position_of(rows)
        if not first <= position <= newest:
            raise ValueError(f"position {position} is outside the window {first}..{newest}")
        self._lengths[rows] = position - self._first_positions[rows]

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feed tokens after those fed before; slide the window as often as needed.

        Args:
            tokens: shape (B, T), T >= 1.
            conditions: what `emsync.music.conditions` lists at each token, shape (B, T, 11); NaN where the
                condition is missing.
        Returns: logits of the token after the last one, shape (B, V), free to change.
        Raises: ValueError for other shapes, a token outside the vocabulary, an infinite condition.
        """
        self._check(tokens, conditions)
        fed, total = 0, tokens.shape[1]
        while fed < total:
            self._slide()
            count = min(total - fed, self.context - int(self._lengths.max()), LONGEST_FEED)
            self._feed(tokens[:, fed : fed + count], conditions[:, fed : fed + count])
            self._lengths += count
            fed += count
        return self._memory.logits.copy()

    def _check(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> None:
        if tokens.ndim != 2 or tokens.shape[0] != self.batch or tokens.shape[1] < 1:
            raise ValueError(f"tokens must have shape ({self.batch}, T >= 1), got {tokens.shape}")
        if conditions.shape != (*tokens.shape, CONDITION_COUNT):
            expected = (*tokens.shape, CONDITION_COUNT)
            raise ValueError(f"conditions must have shape {expected}, got {conditions.shape}")
        if tokens.min() < 0 or tokens.max() >= self.vocabulary_size:
            raise ValueError(
                f"tokens must lie in 0..{self.vocabulary_size - 1}, got {tokens.min()}..{tokens.max()}"
            )
        if np.isinf(conditions).any():
            raise ValueError("conditions must be finite, or NaN where they are missing")

    def _feed(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> None:
        """Feed tokens for which there is place."""
        count = tokens.shape[1]
        if count == 1:
            self._single.run(tokens, conditions, self._lengths, self._first_positions)
        elif self.batch == 1 or not self._lengths.any():
            feed = _Feed(self._session, self._memory, count)
            feed.run(tokens, conditions, self._lengths, self._first_positions)
        else:  # GroupQueryAttention takes several tokens after others for one piece only
            for row in range(self.batch):
                part = slice(row, row + 1)
                feed = _Feed(self._session, self._memory.row(row), count)
                feed.run(tokens[part], conditions[part], self._lengths[part], self._first_positions[part])

    def _slide(self) -> None:
        """Drop the oldest places of every full line and move the rest to the front."""
        if self._lengths.max() < self.context:
            return
        dropped = math.ceil(self.context / _DROPPED_PART)
        for row in np.flatnonzero(self._lengths == self.context):
            self._memory.row(int(row)).drop(dropped)
            self._first_positions[row] += dropped
            self._lengths[row] -= dropped


@dataclass(frozen=True)
class _Memory:
    """Buffers that live as long as the model; ONNX Runtime reads and writes them where they lie."""

    cache: NDArray[Any]
    """Keys and values, float32 or int8, shape (layers, 2, B, heads, context, head size)."""
    frequencies: NDArray[np.float64]
    """Radians per position, shape (head size / 2,)."""
    cosines: NDArray[np.float32]
    """Of the rotations that a step needs, in its first rows, shape (context, head size / 2)."""
    sines: NDArray[np.float32]
    logits: NDArray[np.float32]
    """Shape (B, V)."""
    width: int
    """Of the network's stream."""

    @classmethod
    def of(cls, sizes: _Sizes, batch: int) -> _Memory:
        head_size = sizes.width // sizes.heads
        places = max(sizes.context, batch)
        return cls(
            cache=np.zeros(
                (sizes.layers, 2, batch, sizes.heads, sizes.context, head_size), CACHE_TYPES[sizes.cache]
            ),
            frequencies=sizes.rope_base ** (-np.arange(0, head_size, 2) / head_size),
            cosines=np.empty((places, head_size // 2), np.float32),
            sines=np.empty((places, head_size // 2), np.float32),
            logits=np.empty((batch, sizes.vocabulary_size), np.float32),
            width=sizes.width,
        )

    def row(self, row: int) -> _Memory:
        """The part of one row of the batch; the same memory, batch 1."""
        part = slice(row, row + 1)
        return replace(self, cache=self.cache[:, :, part], logits=self.logits[part])

    def rotate_to(self, positions: NDArray[np.int64]) -> None:
        """Prepare the rotations of some positions, shape (N,); angles in fp64 stay exact for hours."""
        angles = positions[:, None] * self.frequencies
        self.cosines[: len(positions)] = np.cos(angles)
        self.sines[: len(positions)] = np.sin(angles)

    def drop(self, count: int) -> None:
        """Move what lies after the first `count` places to the front, in pieces that do not overlap."""
        kept = self.cache.shape[4] - count
        for start in range(0, kept, count):
            stop = min(start + count, kept)
            self.cache[..., start:stop, :] = self.cache[..., start + count : stop + count, :]


class _Feed:
    """Inputs for a fixed number of tokens, bound once to the session together with the memory."""

    def __init__(self, session: onnxruntime.InferenceSession, memory: _Memory, count: int) -> None:
        batch = memory.logits.shape[0]
        self._session, self._memory, self._count = session, memory, count
        self._tokens = np.zeros((batch, count), np.int64)
        self._conditions = np.zeros((batch, count, CONDITION_COUNT), np.float32)
        self._present = np.zeros((batch, count, CONDITION_COUNT), np.float32)
        self._heard = b""  # the conditions that `told` was worked out from
        self._changed = np.ones((), np.bool_)
        self._told_before = np.zeros((batch, count, memory.width), np.float32)
        self._told = np.zeros_like(self._told_before)  # never the same memory, see docs/decisions/0005
        self._last_place = np.zeros(batch, np.int32)
        self._length = np.zeros(1, np.int32)
        self._rotations = np.zeros((batch, count), np.int64)
        self._rotations[:] = np.arange(count) if count > 1 else np.arange(batch)[:, None]
        self._binding = session.io_binding()
        inputs: dict[str, NDArray[Any]] = {
            "tokens": self._tokens,
            "conditions": self._conditions,
            "present": self._present,
            "changed": self._changed,
            "told_before": self._told_before,
            "last_place": self._last_place,
            "length": self._length,
            "cosines": memory.cosines,
            "sines": memory.sines,
            "rotations": self._rotations,
        }
        for name, array in inputs.items():
            self._binding.bind_ortvalue_input(name, _share(array))
        self._binding.bind_ortvalue_output("told", _share(self._told))
        self._binding.bind_ortvalue_output("logits", _share(memory.logits))
        for layer, keys_and_values in enumerate(memory.cache):
            for kind, array in zip(("key", "value"), keys_and_values, strict=True):
                buffer = _share(array)
                self._binding.bind_ortvalue_input(f"past_{kind}.{layer}", buffer)
                self._binding.bind_ortvalue_output(f"present_{kind}.{layer}", buffer)

    def run(
        self,
        tokens: NDArray[np.int64],
        conditions: NDArray[np.float32],
        lengths: NDArray[np.int64],
        first_positions: NDArray[np.int64],
    ) -> None:
        """Put each row's tokens at its places `lengths` and on; their logits land in the memory.

        Several tokens at once: rows must stand at one position.
        """
        self._tokens[:] = tokens
        self._hear(conditions)
        self._last_place[:] = lengths + (self._count - 1)
        self._length[:] = lengths.max() + self._count
        positions = first_positions + lengths
        self._memory.rotate_to(positions if self._count == 1 else positions[0] + np.arange(self._count))
        self._session.run_with_iobinding(self._binding)
        if self._changed:
            self._told_before[:] = self._told

    def _hear(self, conditions: NDArray[np.float32]) -> None:
        """Pass the conditions on; many tokens lie on one tick and are told the same, which is then not read again."""
        heard = conditions.tobytes()
        self._changed[...] = heard != self._heard
        if not self._changed:
            return
        self._heard = heard
        missing = np.isnan(conditions)
        self._conditions[:] = conditions
        self._conditions[missing] = 0.0
        np.logical_not(missing, out=self._present, casting="unsafe")


def _share(array: NDArray[Any]) -> Any:
    """An OrtValue over the same memory: on the CPU a contiguous array is not copied."""
    if not array.flags.c_contiguous:
        raise ValueError("only a contiguous array can be shared")
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _thread_count(weight_bytes: int) -> int:
    """One for a small network, else the cores this program may use, at most `MOST_THREADS`."""
    if weight_bytes <= ONE_THREAD_BYTES:
        return 1
    return min(MOST_THREADS, usable_cores())


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # errors reach the caller as exceptions; stderr stays clean
    # Between steps the caller samples: helper threads must not burn its core meanwhile.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options
