"""A stretch of a score composed anew: all else is as it was, and the seams hold, whatever the weights say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from made_up_composer import BOTH, MadeUpModel, compose, cue_sheet_of, unhurried

from emsync.errors import InputError, MidiError
from emsync.music.kept_score import KeptScore
from emsync.music.key_plan import tonic_of
from emsync.music.midi_file import read_markers, read_midi, write_midi
from emsync.music.regenerate import LONGEST_RING_S, Regeneration, check_stretch, regenerate_with
from emsync.music.vocabulary import Vocabulary
from emsync.options import ComposeOptions, RegenerateOptions, SyncMode
from emsync.types import NOTE_DTYPE, TICKS_PER_S, AffectCurve, AffectPoint, InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
SHEET = cue_sheet_of(20, 4.0, 9.0, 13.5)
STRETCHES = [(0.0, 5.0), (3.3, 7.7), (6.0, 12.0), (9.0, 13.5), (12.0, 20.0)]
Event = tuple[int, int, str]


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The score of `SHEET`; read only."""
    path = tmp_path_factory.mktemp("kept") / "film.mid"
    write_midi(compose(SHEET, unhurried(seed=3)), SHEET, path)
    return path


def options_of(begin_s: float, end_s: float, **others: Any) -> RegenerateOptions:
    candidates = others.pop("candidates", 2)
    return RegenerateOptions(begin_s, end_s, ComposeOptions(affect_guidance=1.0, **others), candidates)


def again(
    path: Path, options: RegenerateOptions, model: MadeUpModel | None = None
) -> tuple[mido.MidiFile, Regeneration]:
    kept = KeptScore.read(path)
    check_stretch(kept, SHEET, options)
    made, done = regenerate_with(model or unhurried(seed=8), kept, SHEET, options)
    saved = path.with_name("made.mid")
    made.save(saved)
    return mido.MidiFile(saved, charset="latin-1"), done


def events_of(track: Iterable[Any]) -> list[tuple[int, Any]]:
    now, events = 0, []
    for message in track:
        now += message.time
        events.append((now, message))
    return events


def outside(path: Path | mido.MidiFile, begin_s: float, end_s: float) -> list[list[Event]]:
    """(track, MIDI tick, message) of all but notes that begin in the stretch and markers in it, by track."""
    file = path if isinstance(path, mido.MidiFile) else mido.MidiFile(path, charset="latin-1")
    kept = KeptScore.read(Path(file.filename))
    gone = {
        (note.lane.track, place)
        for note, onset in zip(kept.kept_notes, kept.onsets_ticks.tolist(), strict=True)
        for place in note.places
        if begin_s * TICKS_PER_S <= onset < end_s * TICKS_PER_S
    }
    told: list[list[Event]] = []
    for number, track in enumerate(file.tracks):
        rows: list[Event] = []
        for place, (now, message) in enumerate(events_of(track)):
            if (number, place) in gone:
                continue
            text = (
                "boundary"
                if message.type == "marker" and "boundary" in message.text
                else str(message.copy(time=0))
            )
            rows.append((number, now, text))
        told.append(rows)
    return told


@pytest.mark.parametrize(("begin_s", "end_s"), STRETCHES)
def test_every_event_outside_the_stretch_is_as_it_was(score: Path, begin_s: float, end_s: float) -> None:
    made, done = again(score, options_of(begin_s, end_s))
    assert outside(made, begin_s, end_s) == outside(score, begin_s, end_s)
    assert [track.name for track in made.tracks] == [track.name for track in mido.MidiFile(score).tracks]
    assert done.put_in > 0
    assert done.taken_out > 0


@BOTH
@pytest.mark.parametrize(("begin_s", "end_s"), STRETCHES)
def test_boundaries_in_the_stretch_are_answered_and_bars_stay(
    tmp_path: Path, vocabulary: Vocabulary, begin_s: float, end_s: float
) -> None:
    path = tmp_path / "film.mid"
    write_midi(compose(SHEET, unhurried(vocabulary, seed=3)), SHEET, path)
    _, done = again(path, options_of(begin_s, end_s), unhurried(vocabulary, seed=8))
    inside = [one.time_s for one in SHEET.boundaries if begin_s <= one.time_s < end_s]
    assert [hit.boundary.time_s for hit in done.hits] == inside
    assert [hit.chord_onset_ticks for hit in done.hits] == [round(time_s * TICKS_PER_S) for time_s in inside]


@pytest.mark.parametrize(("begin_s", "end_s"), STRETCHES)
def test_no_pitch_of_a_lane_is_struck_while_it_sounds(score: Path, begin_s: float, end_s: float) -> None:
    made, _ = again(score, options_of(begin_s, end_s), MadeUpModel(seed=2))
    for track in made.tracks:
        sounding: set[tuple[int, int]] = set()
        for message in track:
            if message.type == "note_on" and message.velocity:
                assert (message.channel, message.note) not in sounding
                sounding.add((message.channel, message.note))
            elif message.type == "note_off":
                sounding.remove((message.channel, message.note))
        assert not sounding


def test_new_notes_ring_on_for_at_most_a_second(score: Path) -> None:
    made, _ = again(score, options_of(3.3, 7.7), MadeUpModel(seed=2))
    kept = KeptScore.read(Path(made.filename))
    new = kept.notes[(kept.notes["onset_ticks"] >= 413) & (kept.notes["onset_ticks"] < 962)]
    ends_s = (new["onset_ticks"] + new["duration_ticks"]) / TICKS_PER_S
    assert ends_s.max() <= 7.7 + LONGEST_RING_S + 0.008


def test_a_note_that_sounds_into_the_stretch_is_not_struck_again_before_its_end(tmp_path: Path) -> None:
    path = tmp_path / "film.mid"
    held = [(100 + number, 1200, PIANO, 60 + number, 80) for number in range(3)]
    composition = compose(SHEET, unhurried(seed=3))
    rest = composition.notes[(composition.notes["group"] != PIANO)]
    notes = np.sort(
        np.concatenate((rest, np.array(held, NOTE_DTYPE))), order=["onset_ticks", "group", "pitch"]
    )
    write_midi(replace(composition, notes=notes), SHEET, path)
    made, _ = again(path, options_of(3.0, 12.0))
    found = {
        (onset, length, pitch)
        for onset, length, group, pitch, _ in KeptScore.read(Path(made.filename)).notes.tolist()
        if group == PIANO
    }
    assert {(onset, length, pitch) for onset, length, _, pitch, _ in held} <= found


def test_a_stretch_up_to_the_end_ends_as_a_score_does(score: Path) -> None:
    made, done = again(score, options_of(12.0, 20.0))
    notes = KeptScore.read(Path(made.filename)).notes
    assert done.end_s == 20.0
    assert (notes["onset_ticks"] + notes["duration_ticks"]).max() <= 2500 - 37
    assert np.isnan(done.nats_at_end)
    assert len(set(notes["pitch"][(notes["onset_ticks"] == 2125) & (notes["group"] != DRUMS)].tolist())) >= 3


def test_the_same_seed_gives_the_same_stretch_and_another_seed_another(score: Path) -> None:
    first, second, other = (again(score, options_of(5, 9, seed=seed))[0] for seed in (1, 1, 2))
    assert first.tracks == second.tracks
    assert first.tracks != other.tracks


def test_the_candidate_after_which_the_kept_music_surprises_least_is_taken(score: Path) -> None:
    several = again(score, options_of(5, 9, candidates=4))[1]
    one = again(score, options_of(5, 9, candidates=1))[1]
    assert several.nats_at_end <= one.nats_at_end
    assert several.candidate in range(4)


def test_kept_groups_play_the_stretch(score: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mid"
    composition = compose(SHEET, unhurried(seed=3), instruments=(PIANO, STRINGS))
    write_midi(composition, SHEET, path)
    made, _ = again(path, options_of(5, 12))
    assert set(KeptScore.read(Path(made.filename)).notes["group"].tolist()) == {PIANO, STRINGS}
    assert [track.name for track in made.tracks[1:]] == ["Piano", "Strings"]


def test_a_group_that_is_new_gets_a_track_after_all_others(tmp_path: Path) -> None:
    path = tmp_path / "film.mid"
    write_midi(compose(SHEET, unhurried(seed=3), instruments=(PIANO,)), SHEET, path)
    made, _ = again(path, options_of(5, 12, instruments=(BASS,)))
    assert [track.name for track in made.tracks[1:]] == ["Piano", "Bass"]
    assert outside(made, 5, 12)[:2] == outside(path, 5, 12)


def test_paper_mode_works_too(score: Path) -> None:
    made, _ = again(score, options_of(3.3, 12, sync=SyncMode.PAPER))
    assert outside(made, 3.3, 12) == outside(score, 3.3, 12)


# Files edited in a DAW.


def edited(score: Path, path: Path, edit: Callable[[mido.MidiFile], None]) -> Path:
    file = mido.MidiFile(score, charset="utf-8")
    edit(file)
    file.save(path)
    return path


def rename(file: mido.MidiFile) -> None:
    for track in file.tracks[1:]:
        track[0] = mido.MetaMessage("track_name", name="Mein Tr\u00e4ck", time=0)


def add_controllers(file: mido.MidiFile) -> None:
    for track in file.tracks[1:]:
        track.insert(4, mido.Message("control_change", channel=2, control=11, value=99, time=0))
        track.insert(5, mido.Message("pitchwheel", channel=2, pitch=77, time=0))


def add_a_track(file: mido.MidiFile) -> None:
    text = mido.MetaMessage("text", text="notes of the mixer", time=0)
    file.tracks.insert(1, mido.MidiTrack([mido.MetaMessage("track_name", name="Extra", time=0), text]))


def release_by_velocity_0(file: mido.MidiFile) -> None:
    for track in file.tracks:
        track[:] = [
            mido.Message("note_on", channel=one.channel, note=one.note, velocity=0, time=one.time)
            if one.type == "note_off"
            else one
            for one in track
        ]


def trim(file: mido.MidiFile) -> None:
    for track in file.tracks[1:]:
        track[-1] = track[-1].copy(time=0)


def into_one_track(file: mido.MidiFile) -> None:
    merged = mido.merge_tracks(file.tracks)
    file.tracks[:] = [merged]
    file.type = 0


@pytest.mark.parametrize(
    "edit", [rename, add_controllers, add_a_track, release_by_velocity_0, trim, into_one_track]
)
def test_a_score_edited_in_a_daw_keeps_its_edits(
    score: Path, tmp_path: Path, edit: Callable[[mido.MidiFile], None]
) -> None:
    path = edited(score, tmp_path / "edited.mid", edit)
    made, done = again(path, options_of(6, 12))
    assert outside(made, 6, 12) == outside(path, 6, 12)
    assert done.put_in > 0


def test_a_coarse_clock_leaves_no_note_without_length(score: Path, tmp_path: Path) -> None:
    file = mido.MidiFile(score)
    coarse = mido.MidiFile(type=1, ticks_per_beat=24)
    for track in file.tracks:
        moved, now = mido.MidiTrack(), 0
        for ticks, message in events_of(track):
            at = ticks * 24 // file.ticks_per_beat
            moved.append(message.copy(time=at - now))
            now = at
        coarse.tracks.append(moved)
    path = tmp_path / "coarse.mid"
    coarse.save(path)
    made, _ = again(path, options_of(6, 12), MadeUpModel(seed=2))
    kept = KeptScore.read(Path(made.filename))
    inside = (kept.onsets_ticks >= 750) & (kept.onsets_ticks < 1500)
    lengths = [kept.kept_notes[place].end - kept.kept_notes[place].onset for place in np.flatnonzero(inside)]
    assert len(lengths) > 10
    assert min(lengths) >= 1


def test_the_markers_of_boundaries_in_the_stretch_are_refreshed(score: Path, tmp_path: Path) -> None:
    def miss(file: mido.MidiFile) -> None:
        file.tracks[0][:] = [
            one.copy(text=" ".join([*one.text.split()[:2], "missed"])) if one.type == "marker" else one
            for one in file.tracks[0]
        ]

    path = edited(score, tmp_path / "missed.mid", miss)
    made, _ = again(path, options_of(6, 12))
    texts = [marker.text for marker in read_markers(Path(made.filename))]
    assert [text.split()[2] for text in texts if text.startswith("boundary")] == ["missed", "hit", "missed"]


# What cannot be done.


def test_the_score_of_another_film_is_refused(score: Path) -> None:
    kept = KeptScore.read(score)
    with pytest.raises(MidiError, match=r"lasts 20\.0 s and the film 60\.0 s"):
        check_stretch(kept, cue_sheet_of(60), options_of(2, 5))


@pytest.mark.parametrize(
    ("begin_s", "end_s", "said"),
    [
        (5.0, 5.4, "is too short; let --to lie at least 0.5 s after --from"),
        (12.0, 25.0, "--to 25 lies after the end of the film at 20.00 s"),
        (18.0, 19.0, "--from 18 lies after the last chord at 17.00 s"),
    ],
)
def test_a_stretch_that_is_none_is_refused(score: Path, begin_s: float, end_s: float, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_stretch(KeptScore.read(score), SHEET, options_of(begin_s, end_s))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"RIFF....WAVEfmt ", "is not a MIDI file"),
        (b"MThd\0\0\0\6\0\2\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0", "format 2"),
        (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0", "holds no notes"),
    ],
    ids=["empty", "WAV", "format 2", "no notes"],
)
def test_a_file_that_is_no_score_gets_one_clear_error(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(content)
    with pytest.raises(MidiError, match=said):
        KeptScore.read(path)


def test_a_kept_score_reads_as_read_midi_does(score: Path) -> None:
    assert KeptScore.read(score).notes.tobytes() == read_midi(score).tobytes()


def test_the_bars_of_our_own_files_are_those_that_were_planned(score: Path) -> None:
    composition = compose(SHEET, unhurried(seed=3))
    written = list(composition.bar_onsets_ticks)  # none while the last chord is held
    assert KeptScore.read(score).bars(2500).bars_ticks.tolist()[: len(written)] == written


@pytest.mark.parametrize(
    ("valence", "scale"), [(1.0, (0, 2, 4, 5, 7, 9, 11)), (-1.0, (0, 2, 3, 5, 7, 8, 10))]
)
def test_the_tonic_of_a_scale_is_found(valence: float, scale: tuple[int, ...]) -> None:
    affect = AffectCurve((AffectPoint(0.0, valence, 0.0),))
    weights = {0: 3, 7: 2, scale[2]: 2}
    for tonic in range(12):
        rows = [
            (10 * place, 10 * weights.get(step, 1), PIANO, 48 + tonic + step, 80)
            for place, step in enumerate(scale)
        ]
        assert tonic_of(np.array(rows, NOTE_DTYPE), affect) == tonic
    assert tonic_of(np.zeros(0, NOTE_DTYPE), affect) == 0
