"""What an interruption leaves behind is found again, and what is half-written is cut off."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emsync_train.corpus_layouts import Source
from emsync_train.shard_writer import ReadPiece, Skipped, append, recover

SOURCES = [Source(Path(f"{number}.mid"), f"{number}.mid", f"{number}", "s") for number in range(5)]


def result_of(source: Source) -> ReadPiece | Skipped:
    """Files 1 and 3 are left out; the others have 10 tokens more than their number and 3 labels."""
    number = int(source.song)
    if number % 2:
        return Skipped(source.name, "is odd")
    tokens = np.arange(10 + number).astype(np.uint16)
    return ReadPiece(source, tokens, np.full((3, 2), number, np.int8), 4.0, 20)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build that was interrupted after all five results."""
    append(tmp_path, map(result_of, SOURCES), recover(tmp_path, SOURCES))
    return tmp_path


def sizes(build: Path) -> list[int]:
    return [(build / name).stat().st_size for name in ("tokens.u16", "affect.i8")]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_nothing_is_done_in_an_empty_folder(tmp_path: Path) -> None:
    assert recover(tmp_path, SOURCES).done == 0


def test_all_results_of_an_interrupted_build_are_found(build: Path) -> None:
    progress = recover(build, SOURCES)
    assert progress.done == 5
    assert [row["path"] for row in progress.pieces] == ["0.mid", "2.mid", "4.mid"]
    assert sizes(build) == [2 * 36, 2 * 9]


def test_a_row_cut_short_does_not_count_and_its_tokens_are_cut_off(build: Path) -> None:
    index = build / "pieces.jsonl"
    index.write_bytes(index.read_bytes()[:-5])
    assert recover(build, SOURCES).done == 4
    assert sizes(build) == [2 * 22, 2 * 6]
    assert [json.loads(line)["path"] for line in lines(index)] == ["0.mid", "2.mid"]


@pytest.mark.parametrize("name", ["tokens.u16", "affect.i8"])
def test_a_row_whose_tokens_or_labels_are_missing_does_not_count(build: Path, name: str) -> None:
    with (build / name).open("r+b") as file:
        file.truncate((build / name).stat().st_size - 1)
    assert recover(build, SOURCES).done == 4
    assert sizes(build) == [2 * 22, 2 * 6]


def test_tokens_without_a_row_are_cut_off(build: Path) -> None:
    with (build / "tokens.u16").open("ab") as file:
        file.write(b"half a piece!")
    recover(build, SOURCES)
    assert sizes(build) == [2 * 36, 2 * 9]


def test_a_gap_in_the_skipped_files_ends_what_counts(build: Path) -> None:
    (build / "skipped.jsonl").write_text(lines(build / "skipped.jsonl")[1] + "\n", encoding="utf-8")
    progress = recover(build, SOURCES)
    assert [row["path"] for row in progress.pieces] == ["0.mid"]
    assert progress.skipped == ()
    assert sizes(build) == [2 * 10, 2 * 3]


@pytest.mark.parametrize("lost", range(1, 900, 37))
def test_wherever_the_index_was_cut_the_build_ends_with_the_same_bytes(build: Path, lost: int) -> None:
    names = ("tokens.u16", "affect.i8", "pieces.jsonl", "skipped.jsonl")
    whole = [(build / name).read_bytes() for name in names]
    (build / "pieces.jsonl").write_bytes(whole[2][:-lost])
    progress = recover(build, SOURCES)
    append(build, map(result_of, SOURCES[progress.done :]), progress)
    assert [(build / name).read_bytes() for name in names] == whole
