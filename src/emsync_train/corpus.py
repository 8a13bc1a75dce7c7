"""From folders of MIDI files to shards of tokens with affect labels.

A shard folder holds
    tokens.u16      the pieces' tokens, one after the other, uint16
    affect.i8       the pieces' affect labels, int8 rows of (valence, arousal) x 127, one per hop
    pieces.jsonl    a line per piece: path, song, source, split, where its tokens and labels lie
    corpus.json     vocabulary, label hop, counts, skipped files with reasons, SHA-256 of the tokens

Command: python -m emsync_train.corpus --midi DIR --manifest manifest.csv --out shards
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from symusic.core import ScoreSecond, ScoreTick

from emsync.errors import EmsyncError, InputError
from emsync.music.chords import chord_onsets
from emsync.music.midi_file import group_of_program
from emsync.music.tokenizer import Piece, Tokens, canonical, encode
from emsync.music.vocabulary import VOCABULARIES, Vocabulary
from emsync.types import NOTE_DTYPE, TICKS_PER_S, Notes, Ticks
from emsync_train.labels import AffectLabeller

FREE_TIME_SOURCES = frozenset({"giantmidi"})
"""Transcriptions of performances: their tempo map is a constant that no player followed, so no bars."""
FREE_TIME_BEAT_TICKS = 63
SHORTEST_PIECE_S = 4.0
LONGEST_PIECE_S = 3600.0
FEWEST_NOTES = 16
MANIFEST_COLUMNS = ("path", "song", "source", "near_duplicate_of")
HELD_OUT_PERCENT = {"validation": 3, "test": 3}


@dataclass(frozen=True)
class Source:
    """One MIDI file to read. Files with the same `song` land on the same side of the split."""

    path: Path
    name: str
    song: str
    source: str


@dataclass(frozen=True)
class ReadPiece:
    """A tokenised file and its affect labels, int8, shape (W, 2)."""

    source: Source
    tokens: Tokens
    affect: NDArray[np.int8]
    duration_s: float
    notes: int


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    name: str
    reason: str


def split_of(song: str) -> str:
    """`train`, `validation` or `test`, from a hash of the song's name alone, so it never changes."""
    percent = int(hashlib.sha256(song.encode()).hexdigest()[:8], 16) % 100
    for split, share in HELD_OUT_PERCENT.items():
        if percent < share:
            return split
        percent -= share
    return "train"


def sources_of(midi: Path, manifest: Path | None, skip: frozenset[str]) -> list[Source]:
    """The files to read: rows of the manifest, or every MIDI file below the folder.

    Near duplicates take the song of the piece they resemble, so that no side of the split knows the other.

    Raises: InputError if the manifest is missing or lacks a column.
    """
    if manifest is None:
        paths = sorted(path for path in midi.rglob("*") if path.suffix.lower() in {".mid", ".midi"})
        return [Source(path, str(path.relative_to(midi)), path.stem, midi.name) for path in paths]
    rows = [row for row in _manifest_rows(manifest) if row["source"] not in skip]
    songs = {row["path"]: row["song"] for row in rows}
    resembled = {row["path"]: row["near_duplicate_of"] for row in rows if row["near_duplicate_of"] in songs}
    return [
        Source(midi / row["path"], row["path"], songs[_original_of(row["path"], resembled)], row["source"])
        for row in rows
    ]


def _manifest_rows(manifest: Path) -> list[dict[str, str]]:
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in MANIFEST_COLUMNS if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{manifest}: cannot be read as a manifest ({error}); give a CSV file") from error
    if missing:
        raise InputError(f"{manifest}: lacks the column {missing[0]}; it needs {', '.join(MANIFEST_COLUMNS)}")
    return rows


def _original_of(path: str, resembled: dict[str, str]) -> str:
    """The end of a chain of near duplicates; in a circle, its first path by name."""
    chain = [path]
    while chain[-1] in resembled:
        following = resembled[chain[-1]]
        if following in chain:
            return min(chain[chain.index(following) :])
        chain.append(following)
    return chain[-1]


def read_piece(source: Source, vocabulary: Vocabulary, labeller: AffectLabeller) -> ReadPiece | Skipped:
    """Read, tokenise and label one file; a file that cannot be used comes back with its reason."""
    try:
        score = ScoreTick.from_file(source.path, "midi")
    except Exception as error:  # symusic raises bare RuntimeError and ValueError from its C++ parser
        return Skipped(source.name, f"not readable: {error}")
    length_s = _in_seconds(score).end()
    if not SHORTEST_PIECE_S <= length_s <= LONGEST_PIECE_S:
        return Skipped(source.name, f"lasts {length_s:.1f} s")
    notes = canonical(_notes_of(score), vocabulary)
    if len(notes) < FEWEST_NOTES:
        return Skipped(source.name, f"has {len(notes)} notes")
    piece = _piece_of(score, notes, free_time=source.source in FREE_TIME_SOURCES)
    labels = labeller.label(piece.notes, piece.end_ticks / TICKS_PER_S)
    affect = np.stack((labels.valence, labels.arousal), axis=1)
    return ReadPiece(
        source=source,
        tokens=encode(piece, vocabulary),
        affect=np.round(np.clip(affect, -1, 1) * 127).astype(np.int8),
        duration_s=piece.end_ticks / TICKS_PER_S,
        notes=len(piece.notes),
    )


def _in_seconds(score: ScoreTick) -> ScoreSecond:
    return cast(ScoreSecond, score.to("second"))


def _notes_of(score: ScoreTick) -> Notes:
    """All notes of all tracks on the tick grid, grouped by program."""
    parts = []
    for track_in_s in _in_seconds(score).tracks:
        played = track_in_s.notes.numpy()
        part = np.zeros(len(played["time"]), NOTE_DTYPE)
        onset_s = played["time"].astype(np.float64)
        end_ticks = np.round((onset_s + played["duration"]) * TICKS_PER_S)
        part["onset_ticks"] = np.round(onset_s * TICKS_PER_S)
        part["duration_ticks"] = np.maximum(end_ticks - part["onset_ticks"], 1)
        part["group"] = group_of_program(track_in_s.program, track_in_s.is_drum)
        part["pitch"], part["velocity"] = played["pitch"], played["velocity"]
        parts.append(part)
    return np.concatenate(parts) if parts else np.zeros(0, NOTE_DTYPE)


def _piece_of(score: ScoreTick, notes: Notes, *, free_time: bool) -> Piece:
    """The piece from its first note (or the bar that holds it) to the end of its last."""
    last = int((notes["onset_ticks"] + notes["duration_ticks"]).max())
    if free_time:
        bars, beats = np.zeros(0, np.int64), np.arange(0, last + FREE_TIME_BEAT_TICKS, FREE_TIME_BEAT_TICKS)
    else:
        bars, beats = _grid(score)
    first = int(notes["onset_ticks"].min())
    begin = int(bars[bars <= first].max(initial=0)) if len(bars) else first
    moved = notes.copy()
    moved["onset_ticks"] -= begin
    bars = bars[(bars >= begin) & (bars < last)] - begin
    return Piece(moved, bars, chord_onsets(moved, beats - begin), last - begin)


def _grid(score: ScoreTick) -> tuple[Ticks, Ticks]:
    """Onsets of bars and of quarter notes in 8 ms ticks, by the file's time signatures and tempo map."""
    end = int(score.end()) + score.ticks_per_quarter
    marks = [mark for mark in score.time_signatures if min(mark.numerator, mark.denominator) > 0]
    signatures = sorted((mark.time, mark.numerator, mark.denominator) for mark in marks)
    if not signatures or signatures[0][0] > 0:
        signatures.insert(0, (0, 4, 4))
    bars: list[NDArray[np.int64]] = []
    for index, (begin, numerator, denominator) in enumerate(signatures):
        stop = signatures[index + 1][0] if index + 1 < len(signatures) else end
        length = max(4 * numerator * score.ticks_per_quarter // denominator, 1)
        bars.append(np.arange(begin, max(stop, begin), length))
    beats = np.arange(0, end + score.ticks_per_quarter, score.ticks_per_quarter)
    return _in_ticks(score, np.unique(np.concatenate(bars))), _in_ticks(score, beats)


def _in_ticks(score: ScoreTick, midi_ticks: NDArray[np.int64]) -> Ticks:
    """MIDI ticks to 8 ms ticks through the tempo map; strictly increasing."""
    tempos = sorted({mark.time: mark.mspq for mark in score.tempos}.items())
    if not tempos or tempos[0][0] > 0:
        tempos.insert(0, (0, 500_000))
    times = np.array([time for time, _ in tempos], np.float64)
    seconds_per_tick = np.array([mspq for _, mspq in tempos]) * 1e-6 / score.ticks_per_quarter
    starts_s = np.concatenate(([0.0], np.cumsum(np.diff(times) * seconds_per_tick[:-1])))
    segment = np.searchsorted(times, midi_ticks, side="right") - 1
    seconds = starts_s[segment] + (midi_ticks - times[segment]) * seconds_per_tick[segment]
    return np.unique(np.round(seconds * TICKS_PER_S).astype(np.int64))


def _read_one(job: tuple[Source, str]) -> ReadPiece | Skipped:
    source, vocabulary_name = job
    return read_piece(source, VOCABULARIES[vocabulary_name], AffectLabeller.load())


def read_all(sources: list[Source], vocabulary: Vocabulary, workers: int) -> Iterator[ReadPiece | Skipped]:
    """Read every file over processes; results come in the order of `sources`."""
    jobs = [(source, vocabulary.name) for source in sources]
    with ProcessPoolExecutor(workers) as pool:
        yield from track(pool.map(_read_one, jobs, chunksize=8), total=len(jobs), description="tokenising")


def write_shards(sources: list[Source], out: Path, vocabulary: Vocabulary, workers: int) -> dict[str, object]:
    """Tokenise all sources into `out`; returns what `corpus.json` holds."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "corpus.json").unlink(missing_ok=True)  # without it an interrupted build is no shard folder
    skipped: list[Skipped] = []
    counts: Counter[str] = Counter()
    tokens_hash = hashlib.sha256()
    token_offset = affect_offset = 0
    with (
        (out / "tokens.u16").open("wb") as token_file,
        (out / "affect.i8").open("wb") as affect_file,
        (out / "pieces.jsonl").open("w", encoding="utf-8") as index_file,
    ):
        for result in read_all(sources, vocabulary, workers):
            if isinstance(result, Skipped):
                skipped.append(result)
                continue
            raw = result.tokens.astype("<u2").tobytes()
            token_file.write(raw)
            tokens_hash.update(raw)
            affect_file.write(result.affect.tobytes())
            index_file.write(json.dumps(_index_row(result, token_offset, affect_offset)) + "\n")
            token_offset += len(result.tokens)
            affect_offset += len(result.affect)
            counts[split_of(result.source.song)] += len(result.tokens)
    summary: dict[str, object] = {
        "vocabulary": vocabulary.name,
        "label_hop_s": AffectLabeller.load().hop_s,
        "tokens": dict(counts),
        "tokens_sha256": tokens_hash.hexdigest(),
        "skipped": [asdict(skip) for skip in skipped],
    }
    (out / "corpus.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def _index_row(piece: ReadPiece, token_offset: int, affect_offset: int) -> dict[str, object]:
    return {
        "path": piece.source.name,
        "song": piece.source.song,
        "source": piece.source.source,
        "split": split_of(piece.source.song),
        "token_offset": token_offset,
        "token_count": len(piece.tokens),
        "affect_offset": affect_offset,
        "affect_count": len(piece.affect),
        "duration_s": round(piece.duration_s, 3),
        "notes": piece.notes,
    }


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--midi", type=Path, required=True, help="folder of MIDI files")
    parser.add_argument("--manifest", type=Path, help="CSV with path, song, source, near_duplicate_of")
    parser.add_argument("--skip-source", action="append", default=["vgmidi"], help="leave a source out")
    parser.add_argument("--out", type=Path, required=True, help="shard folder to write")
    parser.add_argument("--vocabulary", choices=sorted(VOCABULARIES), default="emsync-1")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    if not arguments.midi.is_dir():
        sys.exit(f"error: {arguments.midi} is not a folder; give the folder that holds the MIDI files")
    try:
        sources = sources_of(arguments.midi, arguments.manifest, frozenset(arguments.skip_source))
    except EmsyncError as error:
        sys.exit(f"error: {error}")
    summary = write_shards(sources, arguments.out, VOCABULARIES[arguments.vocabulary], arguments.workers)
    print(json.dumps({key: value for key, value in summary.items() if key != "skipped"}, indent=1))
    print(f"skipped {len(summary['skipped'])} files")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
