"""Events that must come: each at its time, in the order of the tokenizer, whatever the network would choose."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_composer import BOTH, CUT_LISTS, MadeUpModel, cue_sheet_of, unhurried

from emsync.music.forced_events import ForcedEvent, ForcedEvents
from emsync.music.score import ScoreWriter
from emsync.music.score_plan import ScorePlan
from emsync.music.tokenizer import Piece
from emsync.music.vocabulary import EMSYNC, Vocabulary
from emsync.options import ComposeOptions
from emsync.types import CueSheet, InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup


def written(cue_sheet: CueSheet, events: list[ForcedEvent], model: MadeUpModel) -> Piece:
    options = ComposeOptions(affect_guidance=1.0)
    writer = ScoreWriter(ScorePlan.of(cue_sheet, options, tonic=0), model, np.random.default_rng(0))
    writer.force(events)
    return writer.write()


def note_events(
    group: InstrumentGroup, pitch: int, onset: int, length: int, vocabulary: Vocabulary = EMSYNC
) -> list[ForcedEvent]:
    return [
        ForcedEvent(onset, vocabulary.on_token(group, pitch)),
        ForcedEvent(onset + length, vocabulary.off_token(group, pitch)),
    ]


@BOTH
@pytest.mark.parametrize(("duration_s", "boundaries_s"), CUT_LISTS[:6])
def test_forced_notes_sound_exactly_from_their_onset_to_their_end(
    vocabulary: Vocabulary, duration_s: float, boundaries_s: tuple[float, ...]
) -> None:
    wanted = [(PIANO, 60, 311, 77), (STRINGS, 91, 311, 700), (BASS, 40, 500, 125), (BASS, 40, 625, 50)]
    events = [event for note in wanted for event in note_events(*note, vocabulary)]
    piece = written(cue_sheet_of(duration_s, *boundaries_s), events, MadeUpModel(vocabulary))
    found = {(group, pitch, onset, length) for onset, length, group, pitch, _ in piece.notes.tolist()}
    assert set(wanted) <= found


@pytest.mark.parametrize("seed", range(4))
def test_a_piece_with_forced_events_still_follows_the_order_of_the_tokenizer(seed: int) -> None:
    model = MadeUpModel(seed=seed)
    events = [event for pitch in (50, 62, 71) for event in note_events(GUITAR, pitch, 500, 90)]
    written(cue_sheet_of(20, 4, 8), [*events, *note_events(STRINGS, 80, 400, 600)], model)
    instant: list[tuple[int, int]] = []
    for token in model.tokens[1:]:
        if token in EMSYNC.time_shift:
            assert instant == sorted(instant)
            instant = []
            continue
        rank = (
            0 if token in EMSYNC.off else {EMSYNC.special("BAR"): 1, EMSYNC.special("CHORD"): 2}.get(token, 3)
        )
        instant.append((rank, int(EMSYNC.notes_of(np.array(token))) if rank == 3 else 0))


def test_a_note_that_sounds_is_released_before_it_is_forced_again() -> None:
    model = unhurried()
    for on in EMSYNC.ons:
        model.bias[on.first + 3 * 88 + 39] = 9.0  # the network would always strike PIANO 60
    piece = written(cue_sheet_of(10), note_events(PIANO, 60, 333, 40), model)
    lane = piece.notes[(piece.notes["group"] == PIANO) & (piece.notes["pitch"] == 60)]
    assert (333, 40) in {(onset, length) for onset, length, *_ in lane.tolist()}


def test_what_the_grammar_forbids_is_left_out() -> None:
    never_struck = [ForcedEvent(300, EMSYNC.off_token(PIANO, 108))]
    model, plain = unhurried(), unhurried()
    model.bias[EMSYNC.on_token(PIANO, 108)] = plain.bias[EMSYNC.on_token(PIANO, 108)] = -50
    written(cue_sheet_of(6), never_struck, model)
    assert EMSYNC.off_token(PIANO, 108) not in model.tokens


def test_a_chord_that_must_come_is_struck_even_if_twenty_notes_are_held() -> None:
    held = [event for pitch in range(40, 60) for event in note_events(STRINGS, pitch, 10, 1500)]
    piece = written(cue_sheet_of(20, 4), held, MadeUpModel())
    assert 500 in piece.chord_onsets_ticks
    lengths = piece.notes["duration_ticks"][piece.notes["onset_ticks"] == 10]
    assert (lengths == 1500).sum() == 20


def test_an_event_that_was_played_or_passed_by_leaves_the_queue() -> None:
    first, second = note_events(PIANO, 60, 10, 5)
    queue = ForcedEvents.of(EMSYNC, [second, first])
    assert queue.events == (first, second)
    assert queue.after(first.token, 10, 10).events == (second,)
    assert queue.after(EMSYNC.shift_token(20), 0, 20).events == ()
    assert queue.next_after(10) == 15
    assert queue.next_after(15) is None


def test_a_note_is_held_from_its_onset_until_its_end_is_due() -> None:
    _, off = note_events(PIANO, 60, 10, 5)
    queue = ForcedEvents.of(EMSYNC, [off])
    assert queue.held(14).sum() == 1
    assert not queue.held(15).any()
    assert not ForcedEvents.of(EMSYNC, note_events(PIANO, 60, 10, 5)).held(0).any()


def test_time_cannot_be_forced() -> None:
    with pytest.raises(ValueError, match="a time shift cannot be forced"):
        ForcedEvents.of(EMSYNC, [ForcedEvent(3, EMSYNC.shift_token(1))])
