"""From MIDI files to shards: all that can be used is in them, and every file left out is counted with a reason."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_midi import QUARTER, write_midi

from emsync.errors import EmsyncError, InputError, OutputError
from emsync.music.affect_reading import AffectLabeller
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync_train import corpus
from emsync_train.corpus import read_piece, write_shards
from emsync_train.corpus_layouts import PieceLabels, Source, sources_of, split_of
from emsync_train.dataset import MISSING_LABEL, Shards
from emsync_train.shard_writer import ReadPiece, Skipped

DATA_FILES = ("tokens.u16", "affect.i8", "pieces.jsonl")


def source_of(path: Path, source: str = "made_up", labels: PieceLabels | None = None) -> Source:
    return Source(path, path.name, path.stem, source, labels)


def read(path: Path, source: str = "made_up", labels: PieceLabels | None = None) -> ReadPiece | Skipped:
    return read_piece(source_of(path, source, labels), EMSYNC, AffectLabeller.load())


def test_labels_cover_the_piece(tmp_path: Path) -> None:
    result = read(write_midi(tmp_path / "a.mid"))
    assert isinstance(result, ReadPiece)
    assert result.affect.shape == (4, 2)  # 16 s in steps of 4 s
    assert result.affect.dtype == np.int8
    assert result.affect.any()


def test_given_labels_go_before_those_of_the_labeller(tmp_path: Path) -> None:
    result = read(write_midi(tmp_path / "a.mid"), labels=PieceLabels(1.0, -0.5))
    assert isinstance(result, ReadPiece)
    assert result.affect.tolist() == [[127, -64]] * 4


def test_a_missing_label_is_written_as_missing(tmp_path: Path) -> None:
    result = read(write_midi(tmp_path / "a.mid"), labels=PieceLabels(None, 0.0))
    assert isinstance(result, ReadPiece)
    assert result.affect.tolist() == [[MISSING_LABEL, 0]] * 4


def test_a_transcribed_performance_has_no_bars(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "a.mid")
    bar = EMSYNC.special("BAR")
    played, written = read(path, "giantmidi"), read(path, "mutopia")
    assert isinstance(played, ReadPiece)
    assert isinstance(written, ReadPiece)
    assert bar not in played.tokens
    assert bar in written.tokens


def song_of_split(split: str) -> str:
    return next(f"song {number}" for number in range(10_000) if split_of(f"song {number}") == split)


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
    assert summary["skipped"] == [{"name": "broken.mid", "reason": "is not a MIDI file"}]
    assert summary["tokens_sha256"] == hashlib.sha256((out / "tokens.u16").read_bytes()).hexdigest()
    assert json.loads((out / "corpus.json").read_text(encoding="utf-8")) == summary


def made_up_corpus(folder: Path, count: int = 12) -> list[Source]:
    """Pieces of two sources, every fourth file broken."""
    for number in range(count):
        path = folder / f"s{number % 2}" / f"{number:02d}.mid"
        write_midi(path, pitch=40 + number)
        if number % 4 == 3:
            path.write_bytes(b"eggs")
    return sources_of(folder, None, frozenset())


def test_files_are_counted_by_source_and_split_and_skips_by_reason(tmp_path: Path) -> None:
    sources = made_up_corpus(tmp_path / "midi")
    write_midi(tmp_path / "midi" / "s0" / "drums.mid", channel=9, pitch=36)
    sources = sources_of(tmp_path / "midi", None, frozenset())
    summary = write_shards(sources, tmp_path / "shards", EMSYNC, workers=1)
    assert summary["skipped_by_reason"] == {"is not a MIDI file": 3, "has no pitched note": 1}
    files = {
        name: sum(cell["files"] for cell in splits.values()) for name, splits in summary["sources"].items()
    }
    assert files == {"s0": 6, "s1": 3}
    tokens = sum(cell["tokens"] for splits in summary["sources"].values() for cell in splits.values())
    assert tokens == sum(summary["tokens"].values()) == len(Shards(tmp_path / "shards").tokens)


def test_tokens_per_second_are_reported(tmp_path: Path) -> None:
    summary = write_shards(made_up_corpus(tmp_path / "midi"), tmp_path / "shards", EMSYNC, workers=1)
    assert summary["tokens_per_s"] > 0
    assert f"{summary['tokens_per_s']:,} tokens a second with 1 processes" in corpus._report(summary)


def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    sources = made_up_corpus(tmp_path / "midi", 20)
    for workers in (1, 2):
        write_shards(sources, tmp_path / f"shards{workers}", EMSYNC, workers=workers)
    for name in DATA_FILES:
        assert (tmp_path / "shards1" / name).read_bytes() == (tmp_path / "shards2" / name).read_bytes()


def interrupt_after(monkeypatch: pytest.MonkeyPatch, count: int) -> list[int]:
    """From now on reading stops after `count` results; the list receives how many files were asked for."""
    whole, asked = corpus.read_all, []

    def interrupted(sources: Sequence[Source], *rest: Any) -> Iterator[ReadPiece | Skipped]:
        asked.append(len(sources))
        for number, result in enumerate(whole(sources, *rest)):
            if number == count:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(corpus, "read_all", interrupted)
    return asked


def same_but_for_speed(folder: Path, other: Path) -> bool:
    summaries = [json.loads((each / "corpus.json").read_text(encoding="utf-8")) for each in (folder, other)]
    for summary in summaries:
        del summary["tokens_per_s"]
    data = [[(each / name).read_bytes() for name in DATA_FILES] for each in (folder, other)]
    return data[0] == data[1] and summaries[0] == summaries[1]


@pytest.mark.parametrize("count", [0, 1, 4, 11])
def test_an_interrupted_build_goes_on_and_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    sources, out = made_up_corpus(tmp_path / "midi"), tmp_path / "shards"
    write_shards(sources, tmp_path / "whole", EMSYNC, workers=1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, count)
        write_shards(sources, out, EMSYNC, workers=1)
    assert not (out / "corpus.json").exists()
    asked = interrupt_after(monkeypatch, 1000)
    write_shards(sources, out, EMSYNC, workers=1)
    assert asked == [12 - count]
    assert same_but_for_speed(out, tmp_path / "whole")
    assert {path.name for path in out.iterdir()} == {*DATA_FILES, "corpus.json", "build.json"}


def test_a_finished_build_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = made_up_corpus(tmp_path / "midi")
    first = write_shards(sources, tmp_path / "shards", EMSYNC, workers=1)
    asked = interrupt_after(monkeypatch, 0)
    assert write_shards(sources, tmp_path / "shards", EMSYNC, workers=1) == first
    assert asked == []


def test_a_folder_with_another_build_is_refused_and_unchanged(tmp_path: Path) -> None:
    sources, out = made_up_corpus(tmp_path / "midi"), tmp_path / "shards"
    write_shards(sources, out, EMSYNC, workers=1)
    before = (out / "corpus.json").read_bytes()
    with pytest.raises(
        InputError, match=r"shards: holds shards of other files, settings or code; give --fresh"
    ):
        write_shards(sources, out, PAPER, workers=1)
    assert (out / "corpus.json").read_bytes() == before


def test_fresh_replaces_another_build(tmp_path: Path) -> None:
    sources, out = made_up_corpus(tmp_path / "midi"), tmp_path / "shards"
    write_shards(sources, out, EMSYNC, workers=1)
    write_shards(sources, out, PAPER, workers=1, fresh=True)
    write_shards(sources, tmp_path / "whole", PAPER, workers=1)
    assert same_but_for_speed(out, tmp_path / "whole")


def test_a_changed_file_or_label_is_another_build(tmp_path: Path) -> None:
    sources = made_up_corpus(tmp_path / "midi")
    write_shards(sources, tmp_path / "shards", EMSYNC, workers=1)
    labelled = [Source(*vars(sources[0]).values()), *sources[1:]]
    object.__setattr__(labelled[0], "labels", PieceLabels(0.0, 0.0))
    with pytest.raises(InputError, match="other files"):
        write_shards(labelled, tmp_path / "shards", EMSYNC, workers=1)
    write_midi(sources[0].path, onsets=[QUARTER * beat for beat in range(20)])
    with pytest.raises(InputError, match="other files"):
        write_shards(sources, tmp_path / "shards", EMSYNC, workers=1)


def test_a_reading_process_that_dies_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "read_piece", lambda *_: os._exit(9))
    with pytest.raises(EmsyncError, match="a reading process died"):
        write_shards(made_up_corpus(tmp_path / "midi"), tmp_path / "shards", EMSYNC, workers=1)
    assert not (tmp_path / "shards" / "corpus.json").exists()


def test_a_shard_folder_that_cannot_be_written_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "shards").write_bytes(b"a file")
    with pytest.raises(OutputError, match=r"shards: cannot be written"):
        write_shards(made_up_corpus(tmp_path / "midi"), tmp_path / "shards", EMSYNC, workers=1)


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["corpus", *map(str, arguments)])
    corpus.main()


def test_the_command_prints_counts_skips_and_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up_corpus(tmp_path / "midi")
    run_main(monkeypatch, "--midi", tmp_path / "midi", "--out", tmp_path / "shards", "--workers", 1)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in printed[:2]] == [["s0", "6", "files"], ["s1", "3", "files"]]
    assert printed[-3:-1] == ["skipped 3 files", "       3 x is not a MIDI file"]
    assert printed[-1].endswith("tokens a second with 1 processes")


def test_an_interrupted_command_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up_corpus(tmp_path / "midi")
    interrupt_after(monkeypatch, 2)
    with pytest.raises(SystemExit) as exit_info:
        run_main(monkeypatch, "--midi", tmp_path / "midi", "--out", tmp_path / "shards", "--workers", 1)
    assert exit_info.value.code == 130
    assert "the same command goes on where it stopped" in capsys.readouterr().err


def test_labels_of_a_table_reach_the_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up_corpus(tmp_path / "midi")
    (tmp_path / "labels.csv").write_text("path,valence,arousal\ns0/00.mid,0.5,\n", encoding="utf-8")
    midi, out = tmp_path / "midi", tmp_path / "shards"
    run_main(monkeypatch, "--midi", midi, "--labels", tmp_path / "labels.csv", "--out", out, "--workers", 1)
    assert np.fromfile(out / "affect.i8", np.int8)[:2].tolist() == [64, MISSING_LABEL]


def test_a_midi_folder_that_is_none_ends_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=f"^error: {tmp_path / 'none'} is not a folder"):
        run_main(monkeypatch, "--midi", tmp_path / "none", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
