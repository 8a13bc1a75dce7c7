"""The autoregressive loop: a cue sheet becomes music, one token after another.

Every token is chosen under the affect of its time and the offset to the next unanswered boundary. In `exact` mode a
step that would pass a boundary is cut to land on it and a CHORD is sampled there; in `paper` mode nothing is forced.
The last chord is held to the end of the film.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from emsync.errors import CueSheetError, WeightsError
from emsync.music.dynamics import shape_dynamics
from emsync.music.grammar import Grammar
from emsync.music.model import ComposerModel
from emsync.music.sampling import FEW_CANDIDATES, draw, nucleus, probabilities, risen_temperature
from emsync.music.tokenizer import Piece, decode
from emsync.music.vocabulary import LONGEST_SHIFT_TICKS, VOCABULARIES
from emsync.options import ComposeOptions, SyncMode
from emsync.types import TICK_S, TICKS_PER_S, Composition, CueSheet, Hit
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
    model = ComposerModel.load(load_weights(COMPOSER), threads=options.threads)
    sha256 = weights_entry(COMPOSER).sha256
    return compose_with(model, cue_sheet, options, weights_sha256=sha256, on_progress=on_progress)


def compose_with(
    model: ComposerModel,
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    weights_sha256: str = "",
    on_progress: Callable[[float], None] | None = None,
) -> Composition:
    """Compose with a model that is already loaded, and reset before."""
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
        self, cue_sheet: CueSheet, options: ComposeOptions, model: ComposerModel, end_ticks: int
    ) -> None:
        self.vocabulary = VOCABULARIES[model.vocabulary_name]
        self._model, self._options, self._cue_sheet = model, options, cue_sheet
        self._grammar = Grammar(self.vocabulary, end_ticks=end_ticks)
        self._rng = np.random.default_rng(options.seed)
        boundaries_ticks = [round(boundary.time_s * TICKS_PER_S) for boundary in cue_sheet.boundaries]
        self._ending = _Ending.of(end_ticks, boundaries_ticks)
        asked = {ticks for ticks in boundaries_ticks if ticks < self._ending.chord_ticks}
        self._asked_ticks = [*sorted(asked), self._ending.chord_ticks]
        self._next_asked = 0
        self._narrow_steps = 0
        self._tokens: list[int] = []

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
        due_ticks = self._due_ticks()
        allowed = self._grammar.allowed(chord_required=due_ticks == self._grammar.now_ticks)
        temperature = risen_temperature(self._options.temperature, self._narrow_steps)
        distribution = probabilities(logits, allowed, temperature=temperature)
        candidates = nucleus(distribution, self._options.top_p)
        is_narrow = len(candidates) <= FEW_CANDIDATES < int(allowed.sum())
        self._narrow_steps = self._narrow_steps + 1 if is_narrow else 0
        token = draw(distribution, candidates, self._rng)
        if token in self.vocabulary.time_shift and due_ticks is not None:
            room = due_ticks - self._grammar.now_ticks
            return min(token, self.vocabulary.shift_token(min(room, LONGEST_SHIFT_TICKS)))
        return token

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
        now_s = self._grammar.now_ticks * TICK_S
        times_s = np.array([now_s])
        affect = self._cue_sheet.affect
        offset_s = self._model.horizon_s
        if self._next_asked < len(self._asked_ticks):
            offset_s = self._asked_ticks[self._next_asked] * TICK_S - now_s
        valence, arousal = affect.valence_at(times_s)[0], affect.arousal_at(times_s)[0]
        conditions = np.array(
            [[[valence, arousal, np.clip(offset_s, 0.0, self._model.horizon_s)]]], np.float32
        )
        logits: Logits = self._model.step(np.array([[token]], np.int64), conditions)[0]
        return logits

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
