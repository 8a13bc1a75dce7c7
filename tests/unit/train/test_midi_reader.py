"""One MIDI file to a piece: the right bars, groups and lengths, and a reason for every file left out."""

from __future__ import annotations

import re
from pathlib import Path

import mido
import numpy as np
import pytest
from made_up_midi import QUARTER, add_track, meter, tempo, write_midi

from emsync.music.midi_groups import group_of_program
from emsync.music.tokenizer import VELOCITIES, Piece
from emsync.music.vocabulary import EMSYNC, PAPER
from emsync.types import InstrumentGroup
from emsync_train import midi_reader
from emsync_train.midi_reader import FEWEST_NOTES, LONGEST_NOTE_TICKS, UnusableError, read_midi_piece

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup


def read(path: Path, *, free_time: bool = False) -> Piece:
    return read_midi_piece(path, EMSYNC, free_time=free_time)


def test_without_tempo_and_meter_a_bar_is_four_beats_of_half_a_second(tmp_path: Path) -> None:
    piece = read(write_midi(tmp_path / "a.mid"))
    assert piece.bar_onsets_ticks.tolist() == [250 * bar for bar in range(8)]
    assert piece.notes["onset_ticks"].tolist() == [int(62.5 * beat + 0.5) for beat in range(32)]


def test_bars_follow_time_signatures(tmp_path: Path) -> None:
    changes = [tempo(0, 150), meter(0, 3, 4), meter(6 * QUARTER, 6, 8), meter(12 * QUARTER, 2, 4)]
    piece = read(write_midi(tmp_path / "a.mid", changes=changes))
    beat_ticks = 50
    expected_beats = [0, 3, 6, 9, 12, *range(14, 32, 2)]
    assert piece.bar_onsets_ticks.tolist() == [beat_ticks * beat for beat in expected_beats]


def test_a_new_time_signature_begins_a_bar_even_inside_the_old_one(tmp_path: Path) -> None:
    piece = read(write_midi(tmp_path / "a.mid", changes=[tempo(0, 150), meter(6 * QUARTER, 4, 4)]))
    assert piece.bar_onsets_ticks.tolist()[:4] == [0, 200, 300, 500]


def test_bars_and_notes_follow_the_tempo_map(tmp_path: Path) -> None:
    changes = [tempo(0, 150), tempo(4 * QUARTER, 75), tempo(6 * QUARTER, 150)]
    piece = read(write_midi(tmp_path / "a.mid", changes=changes))
    assert piece.bar_onsets_ticks.tolist()[:4] == [0, 200, 500, 700]
    assert piece.notes["onset_ticks"].tolist()[:8] == [0, 50, 100, 150, 200, 300, 400, 450]


def test_notes_lie_exactly_on_bars_however_long_the_tempo_map(tmp_path: Path) -> None:
    changes = [tempo(beat * QUARTER, 60 + 7 * (beat % 13)) for beat in range(4000)]
    onsets = [QUARTER * 4 * bar for bar in range(1000)]
    piece = read(write_midi(tmp_path / "a.mid", changes=changes, onsets=onsets))
    assert piece.bar_onsets_ticks.tolist() == piece.notes["onset_ticks"].tolist()


@pytest.mark.parametrize("numerator, power", [(0, 2), (4, 7)], ids=["0/4", "4/128"])
def test_a_time_signature_that_counts_nothing_is_passed_over(
    tmp_path: Path, numerator: int, power: int
) -> None:
    changes = [tempo(0, 150), meter(8 * QUARTER, numerator, 2**power)]
    piece = read(write_midi(tmp_path / "a.mid", changes=changes))
    assert np.diff(piece.bar_onsets_ticks).min() >= 200


def test_a_metre_of_one_beat_throughout_gives_no_bars(tmp_path: Path) -> None:
    piece = read(write_midi(tmp_path / "a.mid", changes=[meter(0, 1, 4)]))
    assert len(piece.bar_onsets_ticks) == 0


def test_an_upbeat_of_one_beat_leaves_the_bars_after_it(tmp_path: Path) -> None:
    changes = [tempo(0, 150), meter(0, 1, 4), meter(QUARTER, 4, 4)]
    piece = read(write_midi(tmp_path / "a.mid", changes=changes))
    assert piece.bar_onsets_ticks.tolist()[:3] == [0, 50, 250]


def test_a_metre_of_one_whole_note_is_a_bar(tmp_path: Path) -> None:
    piece = read(write_midi(tmp_path / "a.mid", changes=[tempo(0, 150), meter(0, 1, 1)]))
    assert piece.bar_onsets_ticks.tolist()[:3] == [0, 200, 400]


def test_a_piece_begins_with_the_bar_of_its_first_note(tmp_path: Path) -> None:
    onsets = [QUARTER * beat for beat in range(9, 40)]
    piece = read(write_midi(tmp_path / "a.mid", changes=[tempo(0, 150)], onsets=onsets))
    assert piece.bar_onsets_ticks[0] == 0
    assert piece.notes["onset_ticks"][0] == 50


def test_a_performance_without_a_beat_has_no_bars_and_begins_with_its_first_note(tmp_path: Path) -> None:
    onsets = [QUARTER * beat for beat in range(9, 40)]
    piece = read(write_midi(tmp_path / "a.mid", onsets=onsets), free_time=True)
    assert len(piece.bar_onsets_ticks) == 0
    assert piece.notes["onset_ticks"][0] == 0


def test_a_piece_ends_with_its_last_note_whatever_happens_later(tmp_path: Path) -> None:
    late = (2000 * QUARTER, "marker", {"text": "end"})
    piece = read(write_midi(tmp_path / "a.mid", changes=[tempo(0, 150), late]))  # type: ignore[list-item]
    assert piece.end_ticks == 32 * 50


@pytest.mark.parametrize(
    ("channel", "program", "group"),
    [
        (0, 0, PIANO),
        (0, 25, GUITAR),
        (0, 33, BASS),
        (0, 48, STRINGS),
        (0, 53, STRINGS),
        (0, 73, STRINGS),
        (0, 81, STRINGS),
    ],
    ids=["piano", "guitar", "bass", "strings", "voice", "flute", "synth lead"],
)
def test_notes_go_to_the_group_of_their_program(
    tmp_path: Path, channel: int, program: int, group: InstrumentGroup
) -> None:
    piece = read(write_midi(tmp_path / "a.mid", channel=channel, program=program))
    assert set(piece.notes["group"].tolist()) == {group}


def test_the_drum_channel_is_drums_whatever_its_program(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid")
    add_track(path, 33, [(36, beat * QUARTER, (beat + 1) * QUARTER) for beat in range(4)], channel=9)
    assert np.bincount(read(path).notes["group"], minlength=5).tolist() == [4, 0, 0, 32, 0]


def test_soft_and_loud_notes_stay_soft_and_loud(tmp_path: Path) -> None:
    piece = read(write_midi(tmp_path / "a.mid", velocities=(1, 64, 127)))
    normal, soft, loud = VELOCITIES
    assert piece.notes["velocity"].tolist()[:4] == [soft, normal, loud, soft]


def test_velocities_are_kept_for_a_vocabulary_that_says_none(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", velocities=(1, 64, 127))
    piece = read_midi_piece(path, PAPER, free_time=False)
    assert piece.notes["velocity"].tolist()[:4] == [1, 64, 127, 1]


def test_long_chords_are_found_in_beats_of_the_file(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", changes=[tempo(0, 150), meter(0, 1, 4)])
    for pitch in (64, 67, 71):
        add_track(path, 48, [(pitch, 8 * QUARTER, 10 * QUARTER)])
    assert read(path).chord_onsets_ticks.tolist() == [400]


def test_a_pitched_note_lasts_eight_seconds_at_most(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", changes=[tempo(0, 120)])
    add_track(path, 25, [(50, 0, 60 * QUARTER)])
    guitar = read(path).notes
    assert guitar["duration_ticks"][guitar["group"] == GUITAR].tolist() == [LONGEST_NOTE_TICKS]


def test_a_note_whose_release_was_stacked_at_the_end_stops_at_the_first_release(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", changes=[tempo(0, 120)])
    struck_twice = [(50, 0, 4 * QUARTER), (50, 2 * QUARTER, 60 * QUARTER)]
    add_track(path, 25, struck_twice)
    guitar = read(path).notes
    guitar = guitar[guitar["group"] == GUITAR]
    assert guitar["duration_ticks"].tolist() == [125, 125]


def test_a_note_of_up_to_eight_seconds_keeps_its_own_release(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", changes=[tempo(0, 120)])
    add_track(path, 25, [(50, 0, 4 * QUARTER), (50, 2 * QUARTER, 8 * QUARTER)])
    guitar = read(path).notes
    assert guitar["duration_ticks"][guitar["group"] == GUITAR].tolist() == [125, 375]


def header(kind: int = 1, division: int = 480) -> bytes:
    return b"MThd\0\0\0\6" + kind.to_bytes(2, "big") + b"\0\1" + division.to_bytes(2, "big")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (header() + b"MTrk\0\0", "is damaged and cannot be read as MIDI|has no notes"),
        (b"eggs, milk", "is not a MIDI file"),
        (header(kind=2) + b"MTrk\0\0\0\4\0\xff\x2f\0", r"is a MIDI file of format 2 \(separate songs\)"),
        (header(division=0xE728), "counts time in SMPTE frames or not at all"),
        (header() + b"MTrk\0\0\0\4\0\xff\x2f\0", "has no notes"),
    ],
    ids=["empty", "cut short", "text", "format 2", "SMPTE", "no notes"],
)
def test_a_file_that_is_no_music_is_refused_with_a_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.mid").write_bytes(content)
    with pytest.raises(UnusableError, match=f"^({reason})$"):
        read(tmp_path / "a.mid")


def test_a_missing_file_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match=r"^cannot be read: No such file or directory$"):
        read(tmp_path / "lost.mid")


def test_a_piece_too_short_is_refused(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", onsets=[40 * step for step in range(40)], length=20)
    with pytest.raises(UnusableError, match=r"^lasts less than 4 s$"):
        read(path)


def test_a_short_piece_is_not_saved_by_silence_before_it(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", onsets=[20000 + 40 * step for step in range(40)], length=20)
    with pytest.raises(UnusableError, match=r"^lasts less than 4 s$"):
        read(path)


def test_a_piece_longer_than_an_hour_is_refused(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", onsets=[400 * QUARTER * step for step in range(20)])
    with pytest.raises(UnusableError, match=r"^lasts longer than 3600 s$"):
        read(path)


def test_a_piece_with_few_notes_is_refused(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", onsets=[4 * QUARTER * bar for bar in range(FEWEST_NOTES - 1)])
    with pytest.raises(UnusableError, match=r"^has fewer than 16 notes$"):
        read(path)


def test_drums_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match=r"^has no pitched note$"):
        read(write_midi(tmp_path / "a.mid", channel=9, pitch=36))


@pytest.mark.parametrize("tempo_us", [0, 1, 59_999])
def test_a_tempo_of_zero_or_that_nobody_plays_is_refused(tmp_path: Path, tempo_us: int) -> None:
    path = write_midi(tmp_path / "a.mid", changes=[(0, "set_tempo", {"tempo": tempo_us})])
    with pytest.raises(UnusableError, match=r"^has a tempo above 1000 beats a minute, or of 0$"):
        read(path)


def test_the_fastest_and_the_slowest_tempo_of_midi_are_read(tmp_path: Path) -> None:
    changes = [(0, "set_tempo", {"tempo": 60_000}), (QUARTER, "set_tempo", {"tempo": 2**24 - 1})]
    piece = read(write_midi(tmp_path / "a.mid", changes=changes))  # type: ignore[arg-type]
    assert np.diff(piece.notes["onset_ticks"])[:2].tolist() == [8, 2097]


def test_a_gigantic_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(midi_reader, "LARGEST_FILE_BYTES", 8_000_000)
    with (tmp_path / "a.mid").open("wb") as file:
        file.truncate(8_000_001)
    with pytest.raises(UnusableError, match=r"^is larger than 8 MB$"):
        read(tmp_path / "a.mid")


def test_a_file_with_more_notes_than_music_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(midi_reader, "MOST_NOTES", 31)
    with pytest.raises(UnusableError, match=r"^has more than 31 notes$"):
        read(write_midi(tmp_path / "a.mid"))


def test_a_controller_two_hours_later_makes_no_piece_too_long(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid")
    file = mido.MidiFile(path)
    file.tracks[0].insert(-1, mido.Message("control_change", control=7, value=0, time=14_400 * QUARTER))
    file.save(path)
    assert read(path).end_ticks == 2000


def test_the_documentation_lists_the_group_of_every_program() -> None:
    text = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)-(\d+) \|.*\| ([A-Z]+) \|$", text, re.MULTILINE)
    listed = [(program, name) for first, last, name in rows for program in range(int(first), int(last) + 1)]
    assert listed == [(program, group_of_program(program, False).name) for program in range(128)]
