"""The autoregressive loop: a cue sheet becomes music, one token after another.

Every token is chosen under the affect of its time, the offset to the next unanswered boundary and the place in the
planned bars. In `exact` mode a step that would pass a boundary is cut to land on it and a CHORD is sampled there; in
`paper` mode nothing is forced. The last chord is held to the end of the film.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emsync.errors import CueSheetError, WeightsError
from emsync.music.bar_plan import on_the_grid, plan_bars, tempo_of_arousal
from emsync.music.conditions import GROUP_CONDITIONS, Condition, bar_positions, group_flags
from emsync.music.dynamics import shape_dynamics
from emsync.music.grammar import Grammar
from emsync.music.key_plan import KeyPlan
from emsync.music.model import ComposerModel
from emsync.music.sampling import FEW_CANDIDATES, draw, nucleus, probabilities, risen_temperature
from emsync.music.tokenizer import Piece, decode
from emsync.music.vocabulary import LONGEST_SHIFT_TICKS, VOCABULARIES
from emsync.options import ComposeOptions, SyncMode
from emsync.types import TICK_S, TICKS_PER_S, Composition, CueSheet, Floats, Hit, InstrumentGroup, Ticks
from emsync.weights import COMPOSER, load_weights, weights_entry

Logits: TypeAlias = NDArray[np.float32]

ANSWER_WINDOW_S = 1.0
"""In `paper` mode a CHORD this close to a boundary answers it (arXiv:2502.10154)."""
HELD_ENDING_S = 3.0
"""The last chord is held for about this long, less in a short film."""
SILENT_ENDING_S = 0.3
"""What sounds is released this long before the end, so that the release is heard."""
SHORTEST_HOLD_S = 0.2
"""A last chord that would be held for no longer sounds to the very end instead."""
SHORTEST_MUSIC_TICKS = 5
TOKENS_PER_S_BOUND = 400
"""A piece denser than this is not music; the loop ends with an error rather than run on."""


class NextToken(Protocol):
    """What composing asks of a network; `ComposerModel` is the one that comes with the package."""

    vocabulary_name: str
    horizon_s: float

    def reset(self) -> None:
        """Forget everything."""

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feed tokens (B, T) with their conditions (B, T, 11); logits of the next, (B, V)."""


def compose(
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Composition:
    """Compose the music for a cue sheet with the weights that come with the package.

    The same cue sheet, options and weights give the same notes. `on_progress` gets the part done, 0 to 1.
    Raises: CueSheetError if the film is too short for any music, WeightsError if the weights are missing,
        altered or give no finite numbers.
    """
    batch = len(guidance_rows(options))
    model = ComposerModel.load(load_weights(COMPOSER), threads=options.threads, batch=batch)
    sha256 = weights_entry(COMPOSER).sha256
    return compose_with(model, cue_sheet, options, weights_sha256=sha256, on_progress=on_progress)


def compose_with(
    model: NextToken,
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    weights_sha256: str = "",
    on_progress: Callable[[float], None] | None = None,
) -> Composition:
    """Compose with a model that is already loaded, with a batch of `guidance_rows(options)`, and reset before."""
    end_ticks = int(cue_sheet.duration_s * TICKS_PER_S + 1e-6)  # 8.04 s are 1005 ticks, not 1004.999
    if end_ticks < SHORTEST_MUSIC_TICKS:
        raise CueSheetError(f"{cue_sheet.title}: {cue_sheet.duration_s:.3f} s is too short for music")
    model.reset()
    score = _Score(cue_sheet, options, model, end_ticks)
    piece = score.write(on_progress)
    chords = tuple(int(ticks) for ticks in piece.chord_onsets_ticks)
    hits = _hits(cue_sheet, chords)
    notes = shape_dynamics(
        piece.notes,
        affect=cue_sheet.affect,
        chord_onsets_ticks=chords,
        hits=hits,
        bar_onsets_ticks=piece.bar_onsets_ticks,
    )
    return Composition(
        notes=notes,
        bar_onsets_ticks=tuple(int(ticks) for ticks in piece.bar_onsets_ticks),
        chord_onsets_ticks=chords,
        duration_ticks=end_ticks,
        hits=hits,
        seed=options.seed,
        weights_sha256=weights_sha256,
    )


@dataclass(frozen=True)
class GuidanceRow:
    """A copy of the piece that is fed without some conditions, and how much its logits count."""

    dropped: tuple[Condition, ...]
    weight: float


def guidance_rows(options: ComposeOptions) -> list[GuidanceRow]:
    """The rows of the batch that guidance needs, the fully conditioned one first; weights sum to 1.

    logits = all + (a - 1) (all - without affect) + (b - 1) (all - without boundary), a and b the guidance scales:
    classifier-free guidance (Ho & Salimans 2022) for each condition by itself.
    """
    scales = (
        ((Condition.VALENCE, Condition.AROUSAL), options.affect_guidance),
        ((Condition.BOUNDARY_OFFSET_S,), options.boundary_guidance),
    )
    rows = [GuidanceRow(dropped, 1 - scale) for dropped, scale in scales if scale != 1]
    return [GuidanceRow((), 1 - sum(row.weight for row in rows)), *rows]


@dataclass(frozen=True)
class _Ending:
    """When the last chord is struck and when it is released."""

    chord_ticks: int
    release_ticks: int

    @classmethod
    def of(cls, end_ticks: int, boundaries_ticks: list[int]) -> _Ending:
        """A boundary near the end takes the last chord; otherwise it falls a little before the end."""
        release_ticks = max(end_ticks - round(SILENT_ENDING_S * TICKS_PER_S), end_ticks * 9 // 10)
        wanted_ticks = end_ticks - min(round(HELD_ENDING_S * TICKS_PER_S), end_ticks // 4)
        last = max((ticks for ticks in boundaries_ticks if ticks < end_ticks), default=0)
        chord_ticks = last if last >= wanted_ticks - TICKS_PER_S else wanted_ticks
        if release_ticks - chord_ticks <= min(round(SHORTEST_HOLD_S * TICKS_PER_S), end_ticks // 10):
            release_ticks = end_ticks
        return cls(chord_ticks, release_ticks)


class _Score:
    """A piece being written for one cue sheet."""

    def __init__(
        self, cue_sheet: CueSheet, options: ComposeOptions, model: NextToken, end_ticks: int
    ) -> None:
        self.vocabulary = VOCABULARIES[model.vocabulary_name]
        self._model, self._options, self._cue_sheet = model, options, cue_sheet
        groups = frozenset(InstrumentGroup if options.instruments is None else options.instruments)
        self._grammar = Grammar(
            self.vocabulary, end_ticks=end_ticks, groups=groups, bars_are_planned=options.planned_bars
        )
        self._rng = np.random.default_rng(options.seed)
        tonic = int(self._rng.integers(12))
        self._key = KeyPlan(self.vocabulary, tonic=tonic, strength=options.key_strength)
        boundaries_ticks = [round(boundary.time_s * TICKS_PER_S) for boundary in cue_sheet.boundaries]
        self._ending = _Ending.of(end_ticks, boundaries_ticks)
        asked = {ticks for ticks in boundaries_ticks if ticks < self._ending.chord_ticks}
        self._asked_ticks = [*sorted(asked), self._ending.chord_ticks]
        self._next_asked = 0
        self._bars_ticks = self._planned_bars(end_ticks)
        self._next_bar = 0
        self._rows = guidance_rows(options)
        self._row_weights = np.array([row.weight for row in self._rows], np.float32)
        self._narrow_steps = 0
        self._tokens: list[int] = []

    def _planned_bars(self, end_ticks: int) -> Ticks:
        """Bar lines on what must be answered, in the tempo asked for or that of the film's mean arousal."""
        if not self._options.planned_bars:
            return np.zeros(0, np.int64)
        tempo_bpm = self._options.tempo_bpm
        if tempo_bpm is None:
            times_s = np.linspace(0.0, self._cue_sheet.duration_s, 100)
            tempo_bpm = tempo_of_arousal(float(self._cue_sheet.affect.arousal_at(times_s).mean()))
        return plan_bars(self._asked_ticks, end_ticks, tempo_bpm)

    def write(self, on_progress: Callable[[float], None] | None) -> Piece:
        """Sample up to the last chord, hold it, release it; nothing sounds after the release."""
        logits = self._feed(self.vocabulary.special("START"))
        most_tokens = 1000 + int(self._grammar.end_ticks * TICK_S * TOKENS_PER_S_BOUND)
        while not self._last_chord_is_struck():
            token = self._choose(logits)
            self._answer(token)
            logits = self._feed(token)
            if on_progress and token in self.vocabulary.time_shift:
                on_progress(self._grammar.now_ticks / self._grammar.end_ticks)
            if len(self._tokens) > most_tokens:
                raise WeightsError(
                    "the composer's weights write music too dense to end; install emsync again"
                )
        self._hold_to_the_end()
        if on_progress:
            on_progress(1.0)
        piece = decode(np.array(self._tokens, np.uint16), self.vocabulary)
        room = self._ending.release_ticks - piece.notes["onset_ticks"]  # a last drum hit has no OFF
        piece.notes["duration_ticks"] = np.minimum(piece.notes["duration_ticks"], room)
        return piece

    def _choose(self, logits: Logits) -> int:
        """Sample the next token; a step over the next chord that must come is cut to land on it."""
        if not np.isfinite(logits).all():
            raise WeightsError(
                "the composer's weights give numbers that are not finite; install emsync again"
            )
        due_ticks, bar_ticks = self._due_ticks(), self._bar_ticks()
        allowed = self._grammar.allowed(
            chord_required=due_ticks == self._grammar.now_ticks,
            bar_required=bar_ticks == self._grammar.now_ticks,
        )
        temperature = risen_temperature(self._options.temperature, self._narrow_steps)
        distribution = probabilities(logits, allowed, temperature=temperature)
        candidates = nucleus(distribution, self._options.top_p)
        is_narrow = len(candidates) <= FEW_CANDIDATES < int(allowed.sum())
        self._narrow_steps = self._narrow_steps + 1 if is_narrow else 0
        token = draw(distribution, candidates, self._rng)
        if token in self.vocabulary.time_shift:
            token = self._onto_the_grid(token)
            limits = [ticks for ticks in (due_ticks, bar_ticks) if ticks is not None]
            room = min(limits, default=self._grammar.end_ticks) - self._grammar.now_ticks
            return min(token, self.vocabulary.shift_token(min(room, LONGEST_SHIFT_TICKS)))
        return token

    def _onto_the_grid(self, token: int) -> int:
        """A time shift that ends on a 16th or triplet if it would end next to one; the longest may go on."""
        ticks = token - self.vocabulary.time_shift.first + 1
        if ticks == LONGEST_SHIFT_TICKS or not len(self._bars_ticks):
            return token
        now_ticks = self._grammar.now_ticks
        moved_ticks = on_the_grid(now_ticks + ticks, self._bars_ticks) - now_ticks
        return self.vocabulary.shift_token(moved_ticks) if 0 < moved_ticks <= LONGEST_SHIFT_TICKS else token

    def _bar_ticks(self) -> int | None:
        """The next planned bar line that has no BAR yet."""
        return int(self._bars_ticks[self._next_bar]) if self._next_bar < len(self._bars_ticks) else None

    def _due_ticks(self) -> int | None:
        """The time that must not be passed without a CHORD; None while the mode forces nothing."""
        if self._next_asked >= len(self._asked_ticks) or self._grammar.chord_is_due:
            return None
        is_last = self._next_asked == len(self._asked_ticks) - 1
        forced = is_last or self._options.sync is SyncMode.EXACT
        return self._asked_ticks[self._next_asked] if forced else self._ending.chord_ticks

    def _answer(self, token: int) -> None:
        """Retire boundaries: a CHORD answers the next one, a boundary that was passed is dropped."""
        self._grammar.accept(token)
        self._next_bar += token == self.vocabulary.special("BAR")
        now_ticks = self._grammar.now_ticks
        window_ticks = 0 if self._options.sync is SyncMode.EXACT else round(ANSWER_WINDOW_S * TICKS_PER_S)
        last = len(self._asked_ticks) - 1
        if token == self.vocabulary.special("CHORD") and self._next_asked <= last:
            reach_ticks = window_ticks if self._next_asked < last else 0
            if self._asked_ticks[self._next_asked] - now_ticks <= reach_ticks:
                self._next_asked += 1
        while self._next_asked < last and self._asked_ticks[self._next_asked] < now_ticks:
            self._next_asked += 1

    def _last_chord_is_struck(self) -> bool:
        return (
            self._next_asked == len(self._asked_ticks)
            and not self._grammar.chord_is_due
            and self._tokens[-1] in self.vocabulary.time_shift
        )

    def _feed(self, token: int) -> Logits:
        """Append a token and return the logits of the next, under the conditions of the music's time now."""
        self._tokens.append(token)
        rows = len(self._rows)
        now = self._conditions()
        conditions = np.repeat(now[None, None], rows, axis=0).astype(np.float32)
        for place, row in enumerate(self._rows):
            conditions[place, 0, list(row.dropped)] = np.nan
        logits: Logits = self._model.step(np.full((rows, 1), token, np.int64), conditions)
        guided = logits[0] if rows == 1 else self._row_weights @ logits
        return np.asarray(guided + self._key.bias(float(now[Condition.VALENCE])), np.float32)

    def _conditions(self) -> Floats:
        """What the network is told now, shape (11,); NaN for what is left to it."""
        now_ticks = self._grammar.now_ticks
        now_s = now_ticks * TICK_S
        times_s = np.array([now_s])
        horizon_s = self._model.horizon_s
        boundary_s = np.inf
        if self._next_asked < len(self._asked_ticks):
            boundary_s = self._asked_ticks[self._next_asked] * TICK_S
        conditions = np.full(len(Condition), np.nan)
        conditions[Condition.VALENCE] = self._cue_sheet.affect.valence_at(times_s)[0]
        conditions[Condition.AROUSAL] = self._cue_sheet.affect.arousal_at(times_s)[0]
        conditions[Condition.BOUNDARY_OFFSET_S] = min(max(boundary_s - now_s, 0.0), horizon_s)
        end_s = self._ending.release_ticks * TICK_S
        conditions[Condition.END_OFFSET_S] = min(max(end_s - now_s, 0.0), horizon_s)
        in_bar = slice(Condition.BAR_LENGTH_S, Condition.BAR_PHASE + 1)
        conditions[in_bar] = bar_positions(np.array([now_ticks]), self._bars_ticks)[0]
        if self._options.instruments is not None:
            conditions[GROUP_CONDITIONS] = group_flags(self._options.instruments)
        return conditions

    def _hold_to_the_end(self) -> None:
        """Replace what followed the last chord by its resonance: hold, release together, silence, END."""
        while self._tokens[-1] in self.vocabulary.time_shift:
            self._tokens.pop()
        self._append_shift(self._ending.release_ticks - self._ending.chord_ticks)
        self._tokens.extend(self._grammar.release_all())
        self._append_shift(self._grammar.end_ticks - self._ending.release_ticks)
        if "END" in self.vocabulary.specials:
            self._tokens.append(self.vocabulary.special("END"))

    def _append_shift(self, ticks: int) -> None:
        while ticks > 0:
            step = min(ticks, LONGEST_SHIFT_TICKS)
            self._tokens.append(self.vocabulary.shift_token(step))
            ticks -= step


def _hits(cue_sheet: CueSheet, chord_onsets_ticks: tuple[int, ...]) -> tuple[Hit, ...]:
    """For every boundary the nearest chord within `ANSWER_WINDOW_S`, or none."""
    chords = np.array(chord_onsets_ticks, np.int64)
    hits = []
    for boundary in cue_sheet.boundaries:
        distances = np.abs(chords - round(boundary.time_s * TICKS_PER_S))
        answered = len(chords) > 0 and distances.min() <= ANSWER_WINDOW_S * TICKS_PER_S
        hits.append(Hit(boundary, int(chords[distances.argmin()]) if answered else None))
    return tuple(hits)
