"""Which files make up a corpus, and that no side of the split knows a song of another."""

from __future__ import annotations

import csv
from itertools import permutations
from pathlib import Path

import pytest
from made_up_midi import write_midi

from emsync.errors import InputError
from emsync_train.corpus_layouts import PieceLabels, Source, sources_of, split_of, with_labels


def test_split_of_depends_on_the_name_alone_and_never_changes() -> None:
    songs = ("song 1", "song 30", "song 40", "freedoom:musics/d_dm02.mid")
    assert [split_of(song) for song in songs] == ["train", "test", "validation", "validation"]
    shares = [split_of(f"song {number}") for number in range(20_000)]
    assert shares.count("validation") / 20_000 == pytest.approx(0.03, abs=0.005)
    assert shares.count("test") / 20_000 == pytest.approx(0.03, abs=0.005)


def song_of_split(split: str) -> str:
    return next(f"song {number}" for number in range(10_000) if split_of(f"song {number}") == split)


HELD_OUT, TRAINED, OTHER = (song_of_split(split) for split in ("test", "train", "validation"))
Row = tuple[str, str, str, str]


def write_manifest(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "song", "source", "near_duplicate_of"])
        writer.writerows(rows)
    return path


def read_rows(folder: Path, rows: list[Row], skip: frozenset[str] = frozenset()) -> list[Source]:
    return sources_of(folder, write_manifest(folder / "manifest.csv", rows), skip)


def sides(sources: list[Source]) -> list[str]:
    return [split_of(source.song) for source in sources]


def test_near_duplicates_land_on_the_side_of_the_piece_they_resemble(tmp_path: Path) -> None:
    rows = [
        ("s/a.mid", HELD_OUT, "s", ""),
        ("s/b.mid", TRAINED, "s", "s/a.mid"),
        ("s/c.mid", TRAINED + " too", "s", ""),
    ]
    assert sides(read_rows(tmp_path, rows)) == ["test", "test", split_of(TRAINED + " too")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_near_duplicates_of_near_duplicates_land_on_one_side(tmp_path: Path, order: tuple[int, ...]) -> None:
    rows = [
        ("s/a.mid", TRAINED, "s", "s/b.mid"),
        ("s/b.mid", OTHER, "s", "s/c.mid"),
        ("s/c.mid", HELD_OUT, "s", ""),
    ]
    sources = read_rows(tmp_path, [rows[index] for index in order])
    assert [source.song for source in sources] == [HELD_OUT] * 3


def test_near_duplicates_of_each_other_do_not_turn_in_circles(tmp_path: Path) -> None:
    rows = [("s/a.mid", "a", "s", "s/b.mid"), ("s/b.mid", "b", "s", "s/a.mid")]
    assert len({source.song for source in read_rows(tmp_path, rows)}) == 1


def test_all_files_of_a_song_follow_when_one_of_them_is_a_near_duplicate(tmp_path: Path) -> None:
    rows = [
        ("s/piano.mid", TRAINED, "s", "t/old.mid"),
        ("s/band.mid", TRAINED, "s", ""),
        ("t/old.mid", HELD_OUT, "t", ""),
    ]
    assert sides(read_rows(tmp_path, rows)) == ["test"] * 3


@pytest.mark.parametrize("original", ["t/x.mid", "elsewhere.mid"], ids=["skipped", "not in the manifest"])
def test_near_duplicates_of_a_piece_that_is_not_read_stay_together(tmp_path: Path, original: str) -> None:
    rows = [
        ("s/a.mid", TRAINED, "s", original),
        ("s/b.mid", OTHER, "s", original),
        ("t/x.mid", "x", "t", ""),
    ]
    assert len(set(sides(read_rows(tmp_path, rows, frozenset({"t"}))))) == 1


def test_arrangements_of_a_pop909_song_land_on_the_side_of_its_piano_version(tmp_path: Path) -> None:
    numbers = [f"{number:03d}" for number in range(1, 910)]
    rows = [
        row
        for number in numbers
        for row in (
            (f"pop909/POP909/{number}/{number}.mid", f"pop909:{number}", "pop909", ""),
            (f"mma_pop909/{number}_0_slowspiritual.mid", f"pop909:{number}", "mma_pop909", ""),
            (f"mma_pop909/{number}_1_showtune.mid", f"pop909:{number}", "mma_pop909", ""),
        )
    ]
    sources = read_rows(tmp_path, rows)
    of_number: dict[str, set[str]] = {}
    for source in sources:
        of_number.setdefault(Path(source.name).stem[:3], set()).add(split_of(source.song))
    assert len(of_number) == 909
    assert all(len(found) == 1 for found in of_number.values())
    assert {side for found in of_number.values() for side in found} == {"train", "validation", "test"}


def test_a_source_can_be_skipped(tmp_path: Path) -> None:
    rows = [("s/a.mid", "a", "s", ""), ("t/b.mid", "b", "t", "")]
    sources = read_rows(tmp_path, rows, frozenset({"s"}))
    assert [(source.path, source.source) for source in sources] == [(tmp_path / "t/b.mid", "t")]


def test_a_manifest_that_names_a_file_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.csv: names s/a\.mid twice"):
        read_rows(tmp_path, [("s/a.mid", "a", "s", ""), ("s/a.mid", "b", "s", "")])


def test_a_manifest_without_a_column_is_refused_naming_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,song,source\na.mid,a,s\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.csv: lacks the column near_duplicate_of"):
        sources_of(tmp_path, tmp_path / "manifest.csv", frozenset())


def test_a_missing_manifest_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lost\.csv"):
        sources_of(tmp_path, tmp_path / "lost.csv", frozenset())


def test_without_a_manifest_every_midi_file_below_the_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for name in ("b.MID", "x/a.midi", "x/deep/d.mid", "x/c.txt"):
        write_midi(folder / name)
    found = [(source.name, source.source, source.song) for source in sources_of(folder, None, frozenset())]
    assert found == [("b.MID", "mine", "b"), ("x/a.midi", "x", "a"), ("x/deep/d.mid", "x", "d")]


def test_a_folder_without_midi_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no MIDI file to read; give a folder with"):
        sources_of(tmp_path, None, frozenset())


MD5S = [f"{number:032x}" for number in range(3)]
TRACKS = [f"TRAAAAA128F42{number:05d}" for number in range(2)]


def test_files_of_the_lakh_folder_take_their_md5_as_song(tmp_path: Path) -> None:
    write_midi(tmp_path / "lmd_full" / "0" / f"{MD5S[0]}.mid")
    source = sources_of(tmp_path, None, frozenset())[0]
    assert (source.song, source.source) == (MD5S[0], "lmd_full")


def test_lakh_files_of_one_track_and_tracks_that_share_a_file_are_one_song(tmp_path: Path) -> None:
    names = [(TRACKS[0], MD5S[0]), (TRACKS[0], MD5S[1]), (TRACKS[1], MD5S[1]), (TRACKS[1], MD5S[2])]
    for track, md5 in names:
        write_midi(tmp_path / "lmd_matched" / "A" / "A" / "A" / track / f"{md5}.mid")
    sources = sources_of(tmp_path, None, frozenset())
    assert len(sources) == 4
    assert len({source.song for source in sources}) == 1


def labelled(folder: Path, table: str) -> list[PieceLabels | None]:
    """Labels of x/a.mid, x/TR.../b.mid and c.mid."""
    names = ("x/a.mid", f"x/{TRACKS[0]}/{MD5S[0]}.mid", "c.mid")
    sources = [Source(folder / name, name, name, "s") for name in names]
    (folder / "labels.csv").write_text(table, encoding="utf-8")
    return [source.labels for source in with_labels(sources, folder / "labels.csv")]


@pytest.mark.parametrize(
    ("column", "name", "place"),
    [
        ("path", "x/a.mid", 0),
        ("file", "a", 0),
        ("file", MD5S[0], 1),
        ("file", f"{TRACKS[0]}_{MD5S[0]}", 1),
        ("track_id", TRACKS[0], 1),
    ],
)
def test_labels_find_their_file_by_path_name_or_track(
    tmp_path: Path, column: str, name: str, place: int
) -> None:
    found = labelled(tmp_path, f"{column},valence,arousal\n{name},-0.5,1\n")
    assert [found.index(labels) for labels in found if labels] == [place]
    assert found[place] == PieceLabels(-0.5, 1.0)


def test_the_name_of_any_other_folder_labels_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of its 1 rows"):
        labelled(tmp_path, "path,valence,arousal\nx,0,0\n")


def test_an_empty_cell_or_nan_is_a_missing_label(tmp_path: Path) -> None:
    table = f"path,valence,arousal\nx/a.mid,,0.25\n{TRACKS[0]},0,NaN\n"
    assert labelled(tmp_path, table) == [PieceLabels(None, 0.25), PieceLabels(0.0, None), None]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,valence\nx/a.mid,0\n", "lacks the column arousal"),
        ("path,valence,arousal\nx/a.mid,3,0\n", r"valence of x/a\.mid is 3; scale the column to -1\.\.1"),
        ("path,valence,arousal\nx/a.mid,0,loud\n", r"arousal of x/a\.mid is 'loud'; give a number"),
        ("path,valence,arousal\nno.mid,0,0\n", "none of its 1 rows names a file of the corpus"),
        ("title,valence,arousal\nx/a.mid,0,0\n", "a row names no file"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_naming_the_fault(
    tmp_path: Path, table: str, message: str
) -> None:
    with pytest.raises(InputError, match=rf"labels\.csv: {message}"):
        labelled(tmp_path, table)
