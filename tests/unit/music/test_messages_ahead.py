"""What is told of a score while it is written is what its file says in the end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_composer import BOTH, CUT_LISTS, MadeUpModel, cue_sheet_of, unhurried

from emsync.audio.performance import read_performance
from emsync.music.compose import compose_with
from emsync.music.midi_file import write_midi
from emsync.music.vocabulary import EMSYNC, Vocabulary
from emsync.options import ComposeOptions, SyncMode
from emsync.types import TICK_S, CueSheet, PlayedMessage

OPTIONS = ComposeOptions(affect_guidance=1.0)
SURE_AFTER_S = 2.0
TOLD_EVERY_S = 1.0
LONGEST_STEP_S = 1.0
SETUP = ("program_change", "control_change")

Said = tuple[float, str, tuple[int, ...]]


def said(played: PlayedMessage) -> Said:
    return played.time_s, played.message.type, tuple(played.message.bytes())


def by_channel(messages: list[PlayedMessage]) -> dict[int, list[Said]]:
    channels: dict[int, list[Said]] = defaultdict(list)
    for played in messages:
        channels[played.message.channel].append(said(played))
    return channels


def told_and_written(
    folder: Path, film: CueSheet, model: MadeUpModel, **options: Any
) -> tuple[list[PlayedMessage], list[PlayedMessage], float]:
    """What was told, what the file says, and when the last chord comes."""
    told: list[PlayedMessage] = []
    piece = compose_with(model, film, replace(OPTIONS, **options), hear=told.extend)
    write_midi(piece, film, folder / "score.mid", overwrite=True)
    last_chord_s = piece.chord_onsets_ticks[-1] * TICK_S
    return told, list(read_performance(folder / "score.mid").messages), last_chord_s


@BOTH
@pytest.mark.parametrize(("duration_s", "boundaries_s"), CUT_LISTS)
def test_the_file_begins_with_what_was_told(
    tmp_path: Path, vocabulary: Vocabulary, duration_s: float, boundaries_s: tuple[float, ...]
) -> None:
    film = cue_sheet_of(duration_s, *boundaries_s)
    told, written, _ = told_and_written(tmp_path, film, unhurried(vocabulary))
    channels = by_channel(written)
    for channel, messages in by_channel(told).items():
        if channel in channels:
            assert channels[channel][: len(messages)] == messages
        else:  # its player is set up and has nothing to play
            assert all(kind in SETUP for _, kind, _ in messages)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sync", [SyncMode.EXACT, SyncMode.BEAT])
def test_dense_music_with_themes_is_told_as_it_is_written(tmp_path: Path, sync: SyncMode, seed: int) -> None:
    film = cue_sheet_of(90, 10, 20, 30, 40, 50, 60, 70)
    told, written, _ = told_and_written(
        tmp_path, film, MadeUpModel(seed=seed), sync=sync, seed=seed, density_ceiling=None
    )
    channels = by_channel(written)
    assert len(told) > 500
    for channel, messages in by_channel(told).items():
        assert channels.get(channel, messages)[: len(messages)] == messages


def test_what_is_told_is_all_that_is_sure(tmp_path: Path) -> None:
    told, written, last_chord_s = told_and_written(tmp_path, cue_sheet_of(30, 9, 20), unhurried())
    sure_s = last_chord_s - SURE_AFTER_S
    assert max(played.time_s for played in told) < sure_s
    to_tell = [said(played) for played in written if played.time_s < sure_s - TOLD_EVERY_S - LONGEST_STEP_S]
    assert len(to_tell) > 50
    assert set(to_tell) <= {said(played) for played in told}


def test_it_is_told_in_playing_order_and_while_the_music_is_written() -> None:
    times_s: list[list[float]] = []
    done: list[float] = []
    compose_with(
        unhurried(),
        cue_sheet_of(30, 9, 20),
        OPTIONS,
        hear=lambda messages: times_s.append([played.time_s for played in messages]),
        on_progress=lambda part: done.append(len(times_s)),
    )
    flat = [time_s for batch in times_s for time_s in batch]
    assert flat == sorted(flat)
    assert len(times_s) > 10
    assert len(set(done)) > 10


def test_a_player_is_set_up_before_anything_is_played() -> None:
    told: list[PlayedMessage] = []
    compose_with(unhurried(), cue_sheet_of(12, 4), OPTIONS, hear=told.extend)
    assert [played.message.type for played in told[:15]] == ["program_change", *["control_change"] * 2] * 5
    assert all(played.message.type in ("note_on", "note_off") for played in told[15:])


@pytest.mark.parametrize(
    ("duration_s", "options"), [(30, {"sync": SyncMode.PAPER, "planned_bars": False}), (3, {}), (0.5, {})]
)
def test_nothing_is_told_where_nothing_is_sure(duration_s: float, options: dict[str, Any]) -> None:
    told: list[PlayedMessage] = []
    compose_with(unhurried(EMSYNC), cue_sheet_of(duration_s), replace(OPTIONS, **options), hear=told.extend)
    assert told == []
