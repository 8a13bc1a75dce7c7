"""Shards in another vocabulary: the same music, labels and splits, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up_shards import made_up_piece, made_up_shards, write_shards

from emsync.errors import InputError
from emsync.music.tokenizer import DRUM_HIT_TICKS, Piece, canonical, decode, encode
from emsync.music.vocabulary import EMSYNC, PAPER
from emsync.types import NOTE_DTYPE, InstrumentGroup
from emsync_train import translate as translate_module
from emsync_train.dataset import Shards
from emsync_train.translate import in_vocabulary, main, translate


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_shards(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def translated(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("translated") / "deep" / "paper"
    translate(source, out, PAPER)
    return out


def pieces_of(folder: Path) -> list[Piece]:
    shards = Shards(folder)
    return [decode(shards.tokens_of(entry), shards.vocabulary) for entry in shards.pieces]


def without_velocity(piece: Piece) -> list[tuple[int, ...]]:
    return [row[:4] for row in piece.notes.tolist()]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_notes_bars_chords_and_ends_are_the_same(source: Path, translated: Path) -> None:
    assert Shards(translated).vocabulary is PAPER
    for before, after in zip(pieces_of(source), pieces_of(translated), strict=True):
        assert without_velocity(after) == without_velocity(before)
        assert after.bar_onsets_ticks.tolist() == before.bar_onsets_ticks.tolist()
        assert after.chord_onsets_ticks.tolist() == before.chord_onsets_ticks.tolist()
        assert after.end_ticks == before.end_ticks


def test_the_papers_vocabulary_loses_velocities(source: Path, translated: Path) -> None:
    assert {int(velocity) for piece in pieces_of(source) for velocity in piece.notes["velocity"]} == {
        60,
        80,
        100,
    }
    assert {int(velocity) for piece in pieces_of(translated) for velocity in piece.notes["velocity"]} == {80}


def test_labels_splits_songs_and_sources_are_the_same(source: Path, translated: Path) -> None:
    before, after = Shards(source), Shards(translated)
    assert after.label_hop_s == before.label_hop_s
    for old, new in zip(before.pieces, after.pieces, strict=True):
        assert (new.path, new.song, new.source, new.split) == (old.path, old.song, old.source, old.split)
        assert after.affect_of(new).tolist() == before.affect_of(old).tolist()


def test_the_summary_counts_and_hashes_the_new_tokens_and_names_the_old(
    source: Path, translated: Path
) -> None:
    summary = json.loads((translated / "corpus.json").read_text(encoding="utf-8"))
    assert summary["tokens_sha256"] == hashlib.sha256((translated / "tokens.u16").read_bytes()).hexdigest()
    assert summary["translated_from"] == Shards(source).tokens_sha256
    shards = Shards(translated)
    for split in ("train", "validation"):
        assert summary["tokens"][split] == sum(piece.token_count for piece in shards.of_split(split))
    assert sum(summary["tokens"].values()) == len(shards.tokens)


def test_counts_of_sources_are_renewed_where_the_summary_has_them(tmp_path: Path) -> None:
    folder = made_up_shards(tmp_path / "shards")
    summary = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    counts = {
        piece.source: {piece.split: {"files": 1, "tokens": 7, "hours": 0.5}}
        for piece in Shards(folder).pieces
    }
    (folder / "corpus.json").write_text(json.dumps({**summary, "sources": counts}), encoding="utf-8")
    translate(folder, tmp_path / "out", PAPER)
    found = json.loads((tmp_path / "out" / "corpus.json").read_text(encoding="utf-8"))["sources"]
    for piece in Shards(tmp_path / "out").pieces:
        assert found[piece.source][piece.split] == {"files": 1, "tokens": piece.token_count, "hours": 0.5}


def test_there_and_back_gives_all_but_velocity_and_into_itself_gives_the_same_tokens(
    source: Path, translated: Path, tmp_path: Path
) -> None:
    translate(translated, tmp_path / "back", EMSYNC)
    translate(source, tmp_path / "same", EMSYNC)
    for before, after in zip(pieces_of(source), pieces_of(tmp_path / "back"), strict=True):
        assert without_velocity(after) == without_velocity(before)
    assert (tmp_path / "same" / "tokens.u16").read_bytes() == (source / "tokens.u16").read_bytes()


@pytest.mark.parametrize("before_the_end_ticks", [0, 3])
def test_a_drum_hit_at_the_very_end_rings_out_where_drums_have_off(before_the_end_ticks: int) -> None:
    rows = [(0, 100, InstrumentGroup.PIANO, 60, 80)]
    rows.append((100 - before_the_end_ticks, DRUM_HIT_TICKS, InstrumentGroup.DRUMS, 38, 80))
    notes = canonical(np.array(rows, NOTE_DTYPE))
    nothing = np.zeros(0, np.int64)
    heard = decode(encode(Piece(notes, nothing, nothing, 100)))
    assert heard.end_ticks == 100
    said = decode(in_vocabulary(heard, PAPER), PAPER)
    assert without_velocity(said) == without_velocity(heard)
    assert in_vocabulary(heard, EMSYNC).tolist() == encode(heard).tolist()


def test_shards_that_were_cut_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    folder = made_up_shards(tmp_path / "shards")
    content = (folder / "tokens.u16").read_bytes()
    (folder / "tokens.u16").write_bytes(content[:-2])
    with pytest.raises(InputError, match=f"^{folder}: .*tokens where the index promises"):
        translate(folder, tmp_path / "out", PAPER)
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is full")], ids=["ctrl-c", "disk"])
def test_an_interrupted_translation_leaves_no_folder(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    calls = []

    def fail_at_the_third(piece: Piece, vocabulary: object) -> np.ndarray:
        calls.append(piece)
        if len(calls) == 3:
            raise error
        return encode(piece)

    monkeypatch.setattr(translate_module, "in_vocabulary", fail_at_the_third)
    with pytest.raises(type(error)):
        translate(source, tmp_path / "out", EMSYNC)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("onto_itself", [False, True])
def test_an_existing_folder_is_refused_and_left_as_it_is(tmp_path: Path, onto_itself: bool) -> None:
    folder = made_up_shards(tmp_path / "shards")
    out = folder if onto_itself else write_shards(tmp_path / "out", [encode(made_up_piece(0))])
    before = files_of(out)
    with pytest.raises(InputError, match=f"^{out}: already exists; delete it or choose another --out folder"):
        translate(folder, out, PAPER)
    assert files_of(out) == before


def test_the_command_line_translates_and_ends_in_one_line_if_it_cannot(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = ["translate", "--shards", str(source), "--out", str(out), "--vocabulary", "paper"]
    monkeypatch.setattr(sys, "argv", arguments)
    main()
    assert Shards(out).vocabulary is PAPER
    assert {path.name for path in out.iterdir()} == {"tokens.u16", "affect.i8", "pieces.jsonl", "corpus.json"}
    with pytest.raises(SystemExit, match=f"^error: {out}: already exists"):
        main()
