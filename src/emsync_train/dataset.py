"""Windows of tokens with their conditions, drawn from a shard folder.

Every draw depends on (seed, step) alone, so a resumed run sees exactly the windows the first would have seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.errors import InputError
from emsync.music.boundary_offsets import answered_offsets
from emsync.music.conditions import GROUP_CONDITIONS, Condition, bar_positions, group_flags
from emsync.music.tokenizer import Tokens, token_times_ticks, with_time_shifts
from emsync.music.vocabulary import PITCHES, VOCABULARIES, Vocabulary
from emsync.types import TICK_S, Floats, InstrumentGroup, Ticks

MISSING_LABEL = -128
"""In `affect.i8`: no label is known."""

LOOKAHEAD_TOKENS = 512
"""Tokens read beyond the window to find the next CHORD; about the horizon of 8 s in dense music."""


@dataclass(frozen=True)
class WindowOptions:
    """How windows are drawn and varied, and how often conditions are left out.

    Boundary dropout and bar-line share are the paper's (section 1, Training). Valence and arousal are left out
    together in `affect_dropout` of the windows, and each alone in `axis_dropout`.
    """

    length: int
    horizon_s: float = 8.0
    transpose_semitones: int = 5
    tempo_spread: float = 0.08
    bar_start_share: float = 0.5
    thin_chords_share: float = 0.5
    widest_chord_spacing_s: float = 12.0
    boundary_dropout: float = 0.2
    affect_dropout: float = 0.1
    axis_dropout: float = 0.1
    end_dropout: float = 0.2
    bar_dropout: float = 0.1
    group_dropout: float = 0.3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith(("_dropout", "_share")) and not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {value}")
        if self.transpose_semitones < 0 or self.tempo_spread < 0 or self.widest_chord_spacing_s < 1:
            raise ValueError(
                "transpose_semitones and tempo_spread must be at least 0, widest_chord_spacing_s at least 1, "
                f"got {self.transpose_semitones}, {self.tempo_spread} and {self.widest_chord_spacing_s}"
            )

    def as_they_are(self) -> WindowOptions:
        """The same windows without variation, all conditions given."""
        return replace(
            self,
            transpose_semitones=0,
            tempo_spread=0.0,
            thin_chords_share=0.0,
            boundary_dropout=0.0,
            affect_dropout=0.0,
            axis_dropout=0.0,
            end_dropout=0.0,
            bar_dropout=0.0,
            group_dropout=0.0,
        )


@dataclass(frozen=True)
class PieceEntry:
    """Where one piece lies in the shards."""

    path: str
    song: str
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
    `present` float32, both (B, T, 11): what `emsync.music.conditions` lists, 0 where it is missing.
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
        """Affect labels of a piece, shape (W, 2), in [-1, 1]; NaN where none is known."""
        rows = self.affect[piece.affect_offset : piece.affect_offset + piece.affect_count]
        return np.where(rows == MISSING_LABEL, np.nan, rows / 127)


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
        """One window: tokens (T + 1,), conditions (T, 11), present (T, 11)."""
        index = min(int(np.searchsorted(self.cumulative_shares, rng.random())), len(self.pieces) - 1)
        piece = self.pieces[index]
        tokens, vocabulary = self.shards.tokens_of(piece), self.shards.vocabulary
        begin, fresh = self._place(tokens, rng)
        stop = begin + self.options.length + 1 + LOOKAHEAD_TOKENS
        codes = self._thin_chords(tokens[begin:stop].astype(np.int64), rng)
        if fresh:
            codes = as_opening(codes, vocabulary)
        codes = transposed(codes, self._transposition(rng), vocabulary)
        factor = float(np.exp(rng.uniform(-self.options.tempo_spread, self.options.tempo_spread)))
        codes = stretched(codes, factor, vocabulary)
        surroundings = Surroundings.of(tokens, begin, stop, factor, vocabulary)
        return self._fitted(codes, self._conditions(piece, codes, surroundings), rng)

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

    def _conditions(self, piece: PieceEntry, codes: Ticks, surroundings: Surroundings) -> Floats:
        """What is known after each token, shape (len(codes), 11); NaN where nothing is."""
        vocabulary, horizon_s = self.shards.vocabulary, self.options.horizon_s
        ticks = token_times_ticks(codes, vocabulary)
        played_s = (ticks * TICK_S).astype(np.float64)
        labels = self.shards.affect_of(piece)
        centres_s = (np.arange(len(labels)) + 0.5) * self.shards.label_hop_s
        label_times_s = surroundings.begin_s + played_s / surroundings.factor
        answers = np.flatnonzero(codes == vocabulary.special("CHORD"))
        bars = ticks[codes == vocabulary.special("BAR")]
        conditions = np.full((len(codes), len(Condition)), np.nan)
        conditions[:, Condition.VALENCE] = np.interp(label_times_s, centres_s, labels[:, 0])
        conditions[:, Condition.AROUSAL] = np.interp(label_times_s, centres_s, labels[:, 1])
        conditions[:, Condition.BOUNDARY_OFFSET_S] = answered_offsets(
            played_s, played_s[answers], answers, horizon_s=horizon_s
        )
        conditions[:, Condition.END_OFFSET_S] = np.clip(surroundings.end_s - played_s, 0.0, horizon_s)
        in_bar = slice(Condition.BAR_LENGTH_S, Condition.BAR_PHASE + 1)
        conditions[:, in_bar] = bar_positions(ticks, surroundings.with_neighbours(bars))
        conditions[:, GROUP_CONDITIONS] = self._playing(codes)
        return conditions

    def _playing(self, codes: Ticks) -> Floats:
        """Which groups strike a note in the window, shape (5,)."""
        window = codes[: self.options.length + 1]
        struck = self.shards.vocabulary.notes_of(window[self.shards.vocabulary.is_on(window)])
        return group_flags(InstrumentGroup(int(group)) for group in np.unique(struck // PITCHES))

    def _fitted(
        self, codes: Ticks, conditions: Floats, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Cut or pad to T + 1 tokens; drop whole conditions as drawn."""
        length = self.options.length
        tokens = np.full(length + 1, self.shards.vocabulary.special("PAD"), np.int64)
        tokens[: len(codes[: length + 1])] = codes[: length + 1]
        padded = np.full((length, conditions.shape[1]), np.nan)
        padded[: len(conditions[:length])] = conditions[:length]
        padded[:, self._dropped(rng)] = np.nan
        present = np.isfinite(padded)
        return tokens, np.where(present, padded, 0.0).astype(np.float32), present.astype(np.float32)

    def _dropped(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Which conditions this window does without, shape (11,)."""
        options = self.options
        dropped = np.zeros(len(Condition), bool)
        dropped[[Condition.VALENCE, Condition.AROUSAL]] = rng.random() < options.affect_dropout
        dropped[[Condition.VALENCE, Condition.AROUSAL]] |= rng.random(2) < options.axis_dropout
        dropped[Condition.BOUNDARY_OFFSET_S] = rng.random() < options.boundary_dropout
        dropped[Condition.END_OFFSET_S] = rng.random() < options.end_dropout
        dropped[[Condition.BAR_LENGTH_S, Condition.BAR_PHASE]] = rng.random() < options.bar_dropout
        dropped[GROUP_CONDITIONS] = rng.random() < options.group_dropout
        return dropped


@dataclass(frozen=True)
class Surroundings:
    """What a window must know of its piece: where it begins there, and what lies around it.

    `begin_s` is in the piece's own time; `end_s` (of the piece) and the neighbouring bars count from the
    window's beginning, in its tempo, which is `factor` times as slow as the piece's.
    """

    begin_s: float
    end_s: float
    factor: float
    bars_before_ticks: tuple[int, ...]
    bars_after_ticks: tuple[int, ...]

    @classmethod
    def of(cls, tokens: Tokens, begin: int, stop: int, factor: float, vocabulary: Vocabulary) -> Surroundings:
        """Look around the tokens `begin` to `stop` of a piece."""
        times = token_times_ticks(tokens, vocabulary)
        origin = int(times[begin - 1]) if begin else 0
        bars = np.flatnonzero(tokens == vocabulary.special("BAR"))
        before, after = bars[bars < begin], bars[bars >= stop]

        def moved(places: NDArray[np.intp]) -> tuple[int, ...]:
            return tuple(round((int(times[place]) - origin) * factor) for place in places)

        return cls(
            begin_s=origin * TICK_S,
            end_s=(int(times[-1]) - origin) * TICK_S * factor,
            factor=factor,
            bars_before_ticks=moved(before[-2:]),
            bars_after_ticks=moved(after[:1]),
        )

    def with_neighbours(self, bars: Ticks) -> Ticks:
        """The bars of the window with two before, in case the window has none, and one after, increasing."""
        around = (self.bars_before_ticks, bars, self.bars_after_ticks)
        return np.unique(np.concatenate(around).astype(np.int64))


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
    _, first_places = np.unique(vocabulary.notes_of(codes), return_index=True)
    is_first = np.zeros(len(codes), bool)
    is_first[first_places] = True
    return is_first & vocabulary.off.holds(codes)


def transposed(codes: Ticks, semitones: int, vocabulary: Vocabulary) -> Ticks:
    """All pitched groups moved by `semitones`, or by 0 if a pitch would leave the range. Drums stay."""
    notes = vocabulary.notes_of(codes)
    pitched = notes >= PITCHES * (InstrumentGroup.DRUMS + 1)
    pitch_index = notes[pitched] % PITCHES
    if not len(pitch_index) or pitch_index.min() + semitones < 0 or pitch_index.max() + semitones >= PITCHES:
        return codes
    return codes + np.where(pitched, semitones, 0)
