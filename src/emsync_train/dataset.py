"""Windows of tokens with their conditions, drawn from a shard folder.

Every draw depends on (seed, step) alone, so a resumed run sees exactly the windows the first would have seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.errors import InputError
from emsync.music.boundary_offsets import answered_offsets
from emsync.music.tokenizer import Tokens, token_times_ticks, with_time_shifts
from emsync.music.vocabulary import PITCHES, VOCABULARIES, Vocabulary
from emsync.types import TICK_S, Floats, InstrumentGroup, Ticks

LOOKAHEAD_TOKENS = 512
"""Tokens read beyond the window to find the next CHORD; about the horizon of 8 s in dense music."""


@dataclass(frozen=True)
class WindowOptions:
    """How windows are drawn and varied; the dropout and bar-line shares are the paper's (section 1, Training)."""

    length: int
    horizon_s: float = 8.0
    transpose_semitones: int = 5
    tempo_spread: float = 0.08
    bar_start_share: float = 0.5
    thin_chords_share: float = 0.5
    widest_chord_spacing_s: float = 12.0
    boundary_dropout: float = 0.2
    affect_dropout: float = 0.2


@dataclass(frozen=True)
class PieceEntry:
    """Where one piece lies in the shards."""

    path: str
    source: str
    split: str
    token_offset: int
    token_count: int
    affect_offset: int
    affect_count: int


@dataclass(frozen=True)
class Batch:
    """Input and target of one step.

    `tokens` int64 (B, T + 1): the network reads [:, :-1] and must say [:, 1:]. `conditions` float32 and
    `present` float32, both (B, T, 3): valence, arousal, boundary offset in seconds.
    """

    tokens: NDArray[np.int64]
    conditions: NDArray[np.float32]
    present: NDArray[np.float32]


class Shards:
    """A shard folder, memory-mapped. Raises InputError when it is incomplete or cut short."""

    def __init__(self, folder: Path) -> None:
        try:
            summary = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
            self.vocabulary: Vocabulary = VOCABULARIES[summary["vocabulary"]]
            self.label_hop_s = float(summary["label_hop_s"])
            self.tokens_sha256 = str(summary["tokens_sha256"])
            rows = (folder / "pieces.jsonl").read_text(encoding="utf-8").splitlines()
            self.pieces = [_entry(json.loads(row)) for row in rows]
            self.tokens: Tokens = np.memmap(folder / "tokens.u16", "<u2", "r")
            self.affect: NDArray[np.int8] = np.memmap(folder / "affect.i8", np.int8, "r").reshape(-1, 2)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder}: not a complete shard folder ({error}); build it again") from error
        self._check_length(folder, "tokens", len(self.tokens), [piece.token_count for piece in self.pieces])
        self._check_length(folder, "labels", len(self.affect), [piece.affect_count for piece in self.pieces])

    @staticmethod
    def _check_length(folder: Path, what: str, found: int, counts: Sequence[int]) -> None:
        if found != sum(counts):
            raise InputError(
                f"{folder}: {found} {what} where the index promises {sum(counts)}; build it again"
            )

    def of_split(self, split: str) -> list[PieceEntry]:
        """The pieces of `train`, `validation` or `test`."""
        return [piece for piece in self.pieces if piece.split == split]

    def tokens_of(self, piece: PieceEntry) -> Tokens:
        """All tokens of a piece, shape (N,)."""
        return self.tokens[piece.token_offset : piece.token_offset + piece.token_count]

    def affect_of(self, piece: PieceEntry) -> Floats:
        """Affect labels of a piece, shape (W, 2), in [-1, 1]."""
        rows = self.affect[piece.affect_offset : piece.affect_offset + piece.affect_count]
        return rows.astype(np.float64) / 127


def _entry(row: Mapping[str, object]) -> PieceEntry:
    return PieceEntry(**{name: row[name] for name in PieceEntry.__dataclass_fields__})  # type: ignore[arg-type]


class WindowSampler:
    """Draws training windows: pieces by source weight and length, then a place inside the piece."""

    def __init__(
        self,
        shards: Shards,
        pieces: Sequence[PieceEntry],
        weights: Mapping[str, float],
        options: WindowOptions,
    ) -> None:
        self.shards, self.options = shards, options
        self.pieces = [piece for piece in pieces if weights.get(piece.source, 1.0) > 0]
        if not self.pieces:
            raise InputError("no piece to train on: every source has weight 0 or the split is empty")
        shares = np.array([weights.get(piece.source, 1.0) * piece.token_count for piece in self.pieces])
        self.cumulative_shares = np.cumsum(shares / shares.sum())

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """`size` windows, each varied by its own draws."""
        windows = [self.window(rng) for _ in range(size)]
        return Batch(*(np.stack(parts) for parts in zip(*windows, strict=True)))

    def window(
        self, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """One window: tokens (T + 1,), conditions (T, 3), present (T, 3)."""
        index = min(int(np.searchsorted(self.cumulative_shares, rng.random())), len(self.pieces) - 1)
        piece = self.pieces[index]
        tokens, vocabulary = self.shards.tokens_of(piece), self.shards.vocabulary
        begin, fresh = self._place(tokens, rng)
        begin_s = float(token_times_ticks(tokens[:begin], vocabulary)[-1]) * TICK_S if begin else 0.0
        stop = begin + self.options.length + 1 + LOOKAHEAD_TOKENS
        codes = self._thin_chords(tokens[begin:stop].astype(np.int64), rng)
        if fresh:
            codes = as_opening(codes, vocabulary)
        codes = transposed(codes, self._transposition(rng), vocabulary)
        factor = np.exp(rng.uniform(-self.options.tempo_spread, self.options.tempo_spread))
        codes = stretched(codes, factor, vocabulary)
        played_s = np.asarray(token_times_ticks(codes, vocabulary) * TICK_S)
        return self._fitted(codes, self._conditions(piece, codes, begin_s + played_s / factor, played_s), rng)

    def _place(self, tokens: Tokens, rng: np.random.Generator) -> tuple[int, bool]:
        """First token of the window, and whether the window shall sound like the opening of a piece."""
        latest = max(len(tokens) - self.options.length // 2, 1)
        begin = int(rng.integers(latest))
        if rng.random() >= self.options.bar_start_share:
            return begin, False
        bars = np.flatnonzero(tokens[:latest] == self.shards.vocabulary.special("BAR"))
        return (int(bars[rng.integers(len(bars))]) if len(bars) else 0), True

    def _thin_chords(self, codes: Ticks, rng: np.random.Generator) -> Ticks:
        """Sometimes keep only CHORDs a drawn distance apart, so that sparse cut lists are seen in training."""
        spacing_s = np.exp(rng.uniform(0.0, np.log(self.options.widest_chord_spacing_s)))
        if rng.random() >= self.options.thin_chords_share:
            return codes
        return thinned_chords(codes, spacing_s, self.shards.vocabulary)

    def _transposition(self, rng: np.random.Generator) -> int:
        return int(rng.integers(-self.options.transpose_semitones, self.options.transpose_semitones + 1))

    def _conditions(self, piece: PieceEntry, codes: Ticks, label_times_s: Floats, played_s: Floats) -> Floats:
        """Valence, arousal and boundary offset after each token, shape (len(codes), 3)."""
        labels = self.shards.affect_of(piece)
        centres_s = (np.arange(len(labels)) + 0.5) * self.shards.label_hop_s
        answers = np.flatnonzero(codes == self.shards.vocabulary.special("CHORD"))
        offsets_s = answered_offsets(played_s, played_s[answers], answers, horizon_s=self.options.horizon_s)
        affect = [np.interp(label_times_s, centres_s, column) for column in labels.T]
        return np.stack((*affect, offsets_s), axis=1)

    def _fitted(
        self, codes: Ticks, conditions: Floats, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Cut or pad to T + 1 tokens; drop whole conditions as drawn."""
        length = self.options.length
        dropouts = (self.options.affect_dropout, self.options.affect_dropout, self.options.boundary_dropout)
        given = np.array([rng.random() >= dropout for dropout in dropouts], np.float32)
        tokens = np.full(length + 1, self.shards.vocabulary.special("PAD"), np.int64)
        tokens[: len(codes[: length + 1])] = codes[: length + 1]
        padded = np.zeros((length, 3), np.float32)
        padded[: len(conditions[:length])] = conditions[:length]
        return tokens, padded, np.broadcast_to(given, (length, 3)).copy()


def as_opening(codes: Ticks, vocabulary: Vocabulary) -> Ticks:
    """START in front; OFFs of notes that began before the window are left out."""
    start = vocabulary.special("START")
    if codes[0] != start:
        codes = np.concatenate(([start], codes))
    return codes[~orphan_offs(codes, vocabulary)]


def thinned_chords(codes: Ticks, spacing_s: float, vocabulary: Vocabulary) -> Ticks:
    """Without the CHORDs that lie less than `spacing_s` after the last one kept."""
    times_s = token_times_ticks(codes, vocabulary) * TICK_S
    keep = np.ones(len(codes), bool)
    last_s = -np.inf
    for position in np.flatnonzero(codes == vocabulary.special("CHORD")):
        if times_s[position] - last_s < spacing_s:
            keep[position] = False
        else:
            last_s = times_s[position]
    return codes[keep]


def stretched(codes: Ticks, factor: float, vocabulary: Vocabulary) -> Ticks:
    """The same events in another tempo, their time shifts written as the tokenizer writes them.

    An event moves to its time multiplied by `factor`, to the nearest tick; a little later only where instants
    would melt into one, which stay at least a tick apart.
    """
    times = token_times_ticks(codes, vocabulary)
    is_event = np.diff(times, prepend=0) == 0
    instants, instant_of_event = np.unique(times[is_event], return_inverse=True)
    numbers = np.arange(len(instants))
    apart = numbers + np.maximum.accumulate(np.round(instants * factor).astype(np.int64) - numbers)
    return with_time_shifts(codes[is_event], apart[instant_of_event], vocabulary).astype(np.int64)


def orphan_offs(codes: Ticks, vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """True at each OFF whose ON does not come before it in `codes`; shape of `codes`."""
    _, first_places = np.unique(vocabulary.started_by(codes), return_index=True)
    is_first = np.zeros(len(codes), bool)
    is_first[first_places] = True
    return is_first & vocabulary.off.holds(codes)


def transposed(codes: Ticks, semitones: int, vocabulary: Vocabulary) -> Ticks:
    """All pitched groups moved by `semitones`, or by 0 if a pitch would leave the range. Drums stay."""
    ons = vocabulary.started_by(codes) - vocabulary.on.first
    pitched = (ons >= PITCHES * (InstrumentGroup.DRUMS + 1)) & (ons < vocabulary.on.size)
    pitch_index = ons[pitched] % PITCHES
    if not len(pitch_index) or pitch_index.min() + semitones < 0 or pitch_index.max() + semitones >= PITCHES:
        return codes
    return codes + np.where(pitched, semitones, 0)
