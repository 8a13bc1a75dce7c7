"""From MIDI files to shards: the right bars and groups, and a reason for every file left out."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from pathlib import Path

import mido
import numpy as np
import pytest

from emsync.errors import InputError
from emsync.music.tokenizer import Piece, decode
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.types import InstrumentGroup
from emsync_train import corpus
from emsync_train.corpus import (
    FEWEST_NOTES,
    ReadPiece,
    Skipped,
    Source,
    read_piece,
    sources_of,
    split_of,
    write_shards,
)
from emsync_train.dataset import Shards
from emsync_train.labels import AffectLabeller

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
QUARTER = 480
Change = tuple[int, str, dict[str, int]]


def write_midi(
    path: Path,
    *,
    changes: list[Change] | None = None,
    channel: int = 0,
    program: int = 0,
    onsets: list[int] | None = None,
    length: int = QUARTER,
    pitch: int = 60,
) -> Path:
    """One track of equal notes; `changes` are (quarter ticks, kind of meta message, its fields)."""
    onsets = [QUARTER * beat for beat in range(32)] if onsets is None else onsets
    timed = [(at, 0, mido.MetaMessage(kind, **fields)) for at, kind, fields in changes or []]
    timed.append((0, 0, mido.Message("program_change", channel=channel, program=program)))
    for onset in onsets:
        timed.append((onset, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=70)))
        timed.append((onset + length, 1, mido.Message("note_off", channel=channel, note=pitch)))
    track, now = mido.MidiTrack(), 0
    for at, _, message in sorted(timed, key=lambda event: event[:2]):
        track.append(message.copy(time=at - now))
        now = at
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(type=1, ticks_per_beat=QUARTER, tracks=[track]).save(path)
    return path


def source_of(path: Path, source: str = "made_up") -> Source:
    return Source(path, path.name, path.stem, source)


def read(path: Path, source: str = "made_up") -> ReadPiece | Skipped:
    return read_piece(source_of(path, source), EMSYNC, AffectLabeller.load())


def piece_of(path: Path, source: str = "made_up") -> Piece:
    result = read(path, source)
    assert isinstance(result, ReadPiece), result
    return decode(result.tokens)


def tempo(at: int, bpm: float) -> Change:
    return (at, "set_tempo", {"tempo": round(60e6 / bpm)})


def meter(at: int, numerator: int, denominator: int) -> Change:
    return (at, "time_signature", {"numerator": numerator, "denominator": denominator})


def test_without_tempo_and_meter_a_bar_is_four_beats_of_half_a_second(tmp_path: Path) -> None:
    piece = piece_of(write_midi(tmp_path / "a.mid"))
    assert piece.bar_onsets_ticks.tolist() == [250 * bar for bar in range(8)]
    assert piece.notes["onset_ticks"].tolist() == [round(62.5 * beat) for beat in range(32)]


def test_bars_follow_time_signatures(tmp_path: Path) -> None:
    changes = [tempo(0, 150), meter(0, 3, 4), meter(6 * QUARTER, 6, 8), meter(12 * QUARTER, 2, 4)]
    piece = piece_of(write_midi(tmp_path / "a.mid", changes=changes))
    beat_ticks = 50
    expected_beats = [0, 3, 6, 9, 12, *range(14, 32, 2)]
    assert piece.bar_onsets_ticks.tolist() == [beat_ticks * beat for beat in expected_beats]


def test_a_new_time_signature_begins_a_bar_even_inside_the_old_one(tmp_path: Path) -> None:
    piece = piece_of(write_midi(tmp_path / "a.mid", changes=[tempo(0, 150), meter(6 * QUARTER, 4, 4)]))
    assert piece.bar_onsets_ticks.tolist()[:4] == [0, 200, 300, 500]


def test_bars_and_notes_follow_the_tempo_map(tmp_path: Path) -> None:
    changes = [tempo(0, 150), tempo(4 * QUARTER, 75), tempo(6 * QUARTER, 150)]
    piece = piece_of(write_midi(tmp_path / "a.mid", changes=changes))
    assert piece.bar_onsets_ticks.tolist()[:4] == [0, 200, 500, 700]
    assert piece.notes["onset_ticks"].tolist()[:8] == [0, 50, 100, 150, 200, 300, 400, 450]


def test_a_time_signature_that_counts_nothing_is_passed_over(tmp_path: Path) -> None:
    piece = piece_of(write_midi(tmp_path / "a.mid", changes=[tempo(0, 150), meter(8 * QUARTER, 0, 4)]))
    assert np.diff(piece.bar_onsets_ticks).min() >= 200


def test_a_piece_begins_with_the_bar_of_its_first_note(tmp_path: Path) -> None:
    onsets = [QUARTER * beat for beat in range(9, 40)]
    piece = piece_of(write_midi(tmp_path / "a.mid", changes=[tempo(0, 150)], onsets=onsets))
    assert piece.bar_onsets_ticks[0] == 0
    assert piece.notes["onset_ticks"][0] == 50


def test_a_performance_without_a_beat_has_no_bars_and_begins_with_its_first_note(tmp_path: Path) -> None:
    onsets = [QUARTER * beat for beat in range(9, 40)]
    piece = piece_of(write_midi(tmp_path / "a.mid", onsets=onsets), source="giantmidi")
    assert len(piece.bar_onsets_ticks) == 0
    assert piece.notes["onset_ticks"][0] == 0


def test_a_piece_ends_with_its_last_note(tmp_path: Path) -> None:
    result = read(write_midi(tmp_path / "a.mid", changes=[tempo(0, 150)]))
    assert isinstance(result, ReadPiece)
    assert result.duration_s == 32 * 0.4
    assert decode(result.tokens).end_ticks == 32 * 50


@pytest.mark.parametrize(
    ("channel", "program", "group"),
    [
        (0, 0, PIANO),
        (0, 25, GUITAR),
        (0, 33, BASS),
        (0, 48, STRINGS),
        (0, 73, STRINGS),
        (9, 0, DRUMS),
        (9, 33, DRUMS),
    ],
)
def test_notes_go_to_the_group_of_their_program_and_channel(
    tmp_path: Path, channel: int, program: int, group: InstrumentGroup
) -> None:
    piece = piece_of(write_midi(tmp_path / "a.mid", channel=channel, program=program))
    assert set(piece.notes["group"].tolist()) == {group}


def test_chords_are_found_in_beats_of_the_file(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid", changes=[tempo(0, 150)])
    file = mido.MidiFile(path)
    for pitch in (64, 67, 71):
        track = mido.MidiTrack([mido.Message("program_change", program=48, time=0)])
        track.append(mido.Message("note_on", note=pitch, velocity=70, time=8 * QUARTER))
        track.append(mido.Message("note_off", note=pitch, time=2 * QUARTER))
        file.tracks.append(track)
    file.save(path)
    assert piece_of(path).chord_onsets_ticks.tolist() == [400]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not readable"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0", "not readable|lasts"),
        (b"eggs, milk", "not readable"),
    ],
    ids=["empty", "cut short", "text"],
)
def test_a_file_that_is_no_midi_is_left_out_with_a_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.mid").write_bytes(content)
    result = read(tmp_path / "a.mid")
    assert isinstance(result, Skipped)
    assert result.name == "a.mid"
    assert any(result.reason.startswith(one) for one in reason.split("|"))


def test_a_piece_too_short_or_with_too_few_notes_is_left_out_with_a_reason(tmp_path: Path) -> None:
    brief = write_midi(tmp_path / "brief.mid", onsets=[40 * step for step in range(40)], length=20)
    sparse = write_midi(
        tmp_path / "sparse.mid", onsets=[QUARTER * 4 * bar for bar in range(FEWEST_NOTES - 1)]
    )
    assert read(brief) == Skipped("brief.mid", "lasts 1.6 s")
    assert read(sparse) == Skipped("sparse.mid", "has 15 notes")


def test_labels_cover_the_piece(tmp_path: Path) -> None:
    result = read(write_midi(tmp_path / "a.mid"))
    assert isinstance(result, ReadPiece)
    assert result.affect.shape == (4, 2)  # 16 s in steps of 4 s
    assert result.affect.dtype == np.int8
    assert result.affect.any()


def test_split_of_depends_on_the_name_alone_and_never_changes() -> None:
    songs = ("song 1", "song 30", "song 40", "freedoom:musics/d_dm02.mid")
    assert [split_of(song) for song in songs] == ["train", "test", "validation", "validation"]
    shares = [split_of(f"song {number}") for number in range(20_000)]
    assert shares.count("validation") / 20_000 == pytest.approx(0.03, abs=0.005)
    assert shares.count("test") / 20_000 == pytest.approx(0.03, abs=0.005)


def song_of_split(split: str) -> str:
    return next(f"song {number}" for number in range(10_000) if split_of(f"song {number}") == split)


def write_manifest(path: Path, rows: list[tuple[str, str, str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "song", "source", "near_duplicate_of"])
        writer.writerows(rows)
    return path


def test_near_duplicates_land_on_the_side_of_the_piece_they_resemble(tmp_path: Path) -> None:
    held_out, trained = song_of_split("test"), song_of_split("train")
    rows = [
        ("s/a.mid", held_out, "s", ""),
        ("s/b.mid", trained, "s", "s/a.mid"),
        ("s/c.mid", trained, "s", ""),
        ("s/d.mid", trained, "s", "elsewhere.mid"),
    ]
    sources = sources_of(tmp_path, write_manifest(tmp_path / "manifest.csv", rows), frozenset())
    assert [split_of(source.song) for source in sources] == ["test", "test", "train", "train"]


def test_near_duplicates_of_near_duplicates_land_on_one_side(tmp_path: Path) -> None:
    held_out, trained, other = song_of_split("test"), song_of_split("train"), song_of_split("validation")
    rows = [
        ("s/a.mid", trained, "s", "s/b.mid"),
        ("s/b.mid", other, "s", "s/c.mid"),
        ("s/c.mid", held_out, "s", ""),
    ]
    sources = sources_of(tmp_path, write_manifest(tmp_path / "manifest.csv", rows), frozenset())
    assert [source.song for source in sources] == [held_out] * 3


def test_near_duplicates_of_each_other_do_not_turn_in_circles(tmp_path: Path) -> None:
    rows = [("s/a.mid", "a", "s", "s/b.mid"), ("s/b.mid", "b", "s", "s/a.mid")]
    sources = sources_of(tmp_path, write_manifest(tmp_path / "manifest.csv", rows), frozenset())
    assert len({source.song for source in sources}) == 1


def test_a_source_can_be_skipped(tmp_path: Path) -> None:
    rows = [("s/a.mid", "a", "s", ""), ("t/b.mid", "b", "t", "")]
    sources = sources_of(tmp_path, write_manifest(tmp_path / "manifest.csv", rows), frozenset({"s"}))
    assert [(source.path, source.source) for source in sources] == [(tmp_path / "t/b.mid", "t")]


def test_without_a_manifest_every_midi_file_below_the_folder_is_read(tmp_path: Path) -> None:
    for name in ("b.MID", "x/a.midi", "x/c.txt"):
        write_midi(tmp_path / name)
    assert [source.name for source in sources_of(tmp_path, None, frozenset())] == ["b.MID", "x/a.midi"]


@pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)
def test_written_shards_are_read_back_and_name_what_was_skipped(
    tmp_path: Path, vocabulary: Vocabulary
) -> None:
    midi, out = tmp_path / "midi", tmp_path / "shards"
    names = [f"{song_of_split('train')}.mid", f"{song_of_split('validation')}.mid"]
    for number, name in enumerate(names):
        write_midi(midi / name, program=48 * number, pitch=60 + number)
    (midi / "broken.mid").write_bytes(b"eggs")
    summary = write_shards(sources_of(midi, None, frozenset()), out, vocabulary, workers=1)
    shards = Shards(out)
    assert shards.vocabulary is vocabulary
    assert [piece.path for piece in shards.pieces] == sorted(names)
    assert {piece.path: piece.split for piece in shards.pieces} == dict(
        zip(names, ("train", "validation"), strict=True)
    )
    for piece in shards.pieces:
        result = read_piece(source_of(midi / piece.path), vocabulary, AffectLabeller.load())
        assert isinstance(result, ReadPiece)
        assert shards.tokens_of(piece).tolist() == result.tokens.tolist()
        assert (np.round(shards.affect_of(piece) * 127) == result.affect).all()
    assert summary["skipped"] == [{"name": "broken.mid", "reason": summary["skipped"][0]["reason"]}]
    assert summary["tokens_sha256"] == hashlib.sha256((out / "tokens.u16").read_bytes()).hexdigest()
    assert json.loads((out / "corpus.json").read_text(encoding="utf-8")) == summary


def test_an_interrupted_build_over_an_old_one_is_no_shard_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_midi(tmp_path / "midi" / "a.mid")
    sources = sources_of(tmp_path / "midi", None, frozenset())
    write_shards(sources, tmp_path / "shards", EMSYNC, workers=1)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus, "read_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_shards(sources, tmp_path / "shards", EMSYNC, workers=1)
    assert not (tmp_path / "shards" / "corpus.json").exists()


def test_a_midi_folder_that_is_none_ends_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["corpus", "--midi", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match=f"^error: {tmp_path / 'none'} is not a folder"):
        corpus.main()
    assert not (tmp_path / "out").exists()


def test_a_manifest_without_a_column_is_refused_naming_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,song,source\na.mid,a,s\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.csv: lacks the column near_duplicate_of"):
        sources_of(tmp_path, tmp_path / "manifest.csv", frozenset())


def test_a_missing_manifest_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lost\.csv"):
        sources_of(tmp_path, tmp_path / "lost.csv", frozenset())
