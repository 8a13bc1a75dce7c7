"""Does the composer copy? How much of its melodies occurs note for note in the music it was trained on.

A melody is the highest pitch struck at each instant, of all pitched notes together and of each group alone. It is
read as intervals, which no other key hides, and as whether each gap is shorter than, like or longer than the one
before, which another tempo hides only where rounding to ticks moves a gap over the border. `with_rhythm=False` reads
intervals alone, which hides nothing but finds more by chance. Runs of `MELODY_NOTES` notes are looked up among those
of the training songs.

A share says something only beside the same share of music that copied nothing: test songs, and training songs
looked up among all songs but their own. Songs, not files: arrangements of one song share its melody.

Reference: a baseline of how far composers borrow from one another is the idea of the originality report, Yin,
Reuben, Stepney & Collins, SN Computer Science 3:340 (2022); their similarity scores are others.

Command: python -m emsync_train.memorisation --shards DIR --out results.json [--generated FOLDER] [--without-rhythm]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from emsync.errors import EmsyncError, InputError
from emsync.music.midi_file import read_midi
from emsync.music.tokenizer import decode
from emsync.types import InstrumentGroup, Notes, Ticks
from emsync_train.dataset import PieceEntry, Shards

MELODY_NOTES = 16
FEWEST_PITCHES = 4
"""A run with fewer different pitches is a repeated note or a trill, which is nobody's."""
ALIKE_TICKS = 2
"""A difference that rounding alone can make."""
_SEVERAL = -1
_SHORTER, _ALIKE, _LONGER = range(3)
_INTERVALS = 256
_PRIME = np.uint64(0x9E37_79B9_7F4A_7C15)
_HASHES = np.random.default_rng(16).integers(1 << 64, size=3 * _INTERVALS, dtype=np.uint64)

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Copies:
    """What of one piece occurs in training songs.

    `counted` runs of n notes were looked up, `copied` of them were found. `longest_notes` is the length of the
    longest stretch in which every run was found, 0 if none was.
    """

    counted: int
    copied: int
    longest_notes: int

    @property
    def share(self) -> float:
        """Copied / counted. NaN if nothing was counted: the piece has no melody."""
        return self.copied / self.counted if self.counted else np.nan


@dataclass(frozen=True)
class CopyFigures:
    """Copies of many pieces: `share` of all their runs together, the rest over the shares of single pieces."""

    pieces: int
    counted: int
    share: float
    median_share: float
    p90_share: float
    largest_share: float
    median_longest_notes: float
    longest_notes: int


@dataclass(frozen=True)
class TrainingMelodies:
    """Every run of `n` notes in the melodies of the training songs.

    `keys` are sorted and different, shape (K,). `only_song` is the number of the one song that holds a key, or
    -1 if several do, shape (K,); `song_numbers` says which song has which number.
    """

    n: int
    keys: Keys
    only_song: NDArray[np.int32]
    song_numbers: dict[str, int]
    with_rhythm: bool = True

    @classmethod
    def build(
        cls, pieces: Iterable[tuple[str, Notes]], n: int = MELODY_NOTES, *, with_rhythm: bool = True
    ) -> Self:
        """Read pairs of song and notes; several pieces may be of one song. About 12 bytes a different run.

        Raises: ValueError if n is below 3, which leaves no rhythm.
        """
        if n < 3:
            raise ValueError(f"n must be 3 or more notes, got {n}")
        song_numbers: dict[str, int] = {}
        found, songs = [np.zeros(0, np.uint64)], [np.zeros(0, np.int32)]
        for song, notes in pieces:
            number = song_numbers.setdefault(song, len(song_numbers))
            of_piece = [_counted_keys(melody, n, with_rhythm) for melody in melodies(notes)]
            found.append(np.unique(np.concatenate(of_piece)) if of_piece else found[0])
            songs.append(np.full(len(found[-1]), number, np.int32))
        keys, only_song = _merged(np.concatenate(found), np.concatenate(songs))
        return cls(n, keys, only_song, song_numbers, with_rhythm)

    def copies(self, notes: Notes, *, exclude_song: str | None = None) -> Copies:
        """Look up all melodies of a piece; runs that only `exclude_song` holds do not count as found."""
        counted = copied = longest = 0
        for melody in melodies(notes):
            is_counted = _is_melodic(melody, self.n)
            keys = melody_keys(melody, self.n, with_rhythm=self.with_rhythm)
            is_copied = is_counted & self._holds(keys, exclude_song)
            counted += int(is_counted.sum())
            copied += int(is_copied.sum())
            longest = max(longest, _longest_stretch(is_copied))
        return Copies(counted, copied, longest + self.n - 1 if longest else 0)

    def copied_share(self, notes: Notes, *, exclude_song: str | None = None) -> float:
        """Share of a piece's runs of n notes that occur in training songs. NaN without a melody."""
        return self.copies(notes, exclude_song=exclude_song).share

    def longest_copy(self, notes: Notes, *, exclude_song: str | None = None) -> int:
        """Notes of the longest stretch whose every run of n notes occurs in training songs; 0 if none does.

        An upper bound: neighbouring runs, which share n - 1 notes, may come from different songs.
        """
        return self.copies(notes, exclude_song=exclude_song).longest_notes

    def _holds(self, keys: Keys, exclude_song: str | None) -> NDArray[np.bool_]:
        if not len(self.keys):
            return np.zeros(len(keys), bool)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        is_found = self.keys[places] == keys
        if exclude_song in self.song_numbers:
            is_found &= self.only_song[places] != self.song_numbers[exclude_song]
        return np.asarray(is_found)


def melodies(notes: Notes) -> list[Notes]:
    """The top voice of all pitched notes, then of each pitched group if there are several; none is empty."""
    pitched = notes[notes["group"] != InstrumentGroup.DRUMS]
    groups = np.unique(pitched["group"])
    voices = [pitched, *(pitched[pitched["group"] == group] for group in groups if len(groups) > 1)]
    return [top_voice(voice) for voice in voices if len(voice)]


def top_voice(notes: Notes) -> Notes:
    """The highest note struck at each tick, in order of time."""
    ordered = notes[np.lexsort((notes["pitch"], notes["onset_ticks"]))]
    is_highest = np.append(np.diff(ordered["onset_ticks"]) > 0, True)[: len(ordered)]
    return np.asarray(ordered[is_highest])


def melody_keys(melody: Notes, n: int, *, with_rhythm: bool = True) -> Keys:
    """A 64 bit hash of every run of n notes, shape (N - n + 1,); equal for equal intervals and rhythm classes."""
    intervals = np.diff(melody["pitch"].astype(np.int64)) + _INTERVALS // 2
    symbols = intervals.copy()
    if with_rhythm:
        symbols[1:] += _INTERVALS * _rhythm_classes(melody["onset_ticks"].astype(np.int64))
    keys = np.zeros(max(len(melody) - n + 1, 0), np.uint64)
    keys += _HASHES[intervals[: len(keys)]]  # the first gap of a run has none before it
    for place in range(1, n - 1):
        keys = keys * _PRIME + _HASHES[symbols[place : place + len(keys)]]
    return keys


def _rhythm_classes(onsets_ticks: Ticks) -> NDArray[np.int64]:
    """Whether each gap is shorter than, like or longer than the one before, from the second on, shape (N - 2,).

    Alike is 3/5 to 5/3, far from halves and doubles, and always a difference of `ALIKE_TICKS`.
    """
    gaps = onsets_ticks[1:] - onsets_ticks[:-1]
    before, gap = gaps[:-1], gaps[1:]
    is_unlike = np.abs(gap - before) > ALIKE_TICKS
    is_longer, is_shorter = is_unlike & (3 * gap > 5 * before), is_unlike & (5 * gap < 3 * before)
    return np.where(is_longer, _LONGER, np.where(is_shorter, _SHORTER, _ALIKE))


def _is_melodic(melody: Notes, n: int) -> NDArray[np.bool_]:
    """Whether each run of n notes has enough different pitches to be somebody's, shape (N - n + 1,)."""
    runs = max(len(melody) - n + 1, 0)
    different = np.zeros(runs, np.int64)
    for half in range(2):  # a bit for each of 64 pitches
        bits = np.uint64(1) << (melody["pitch"] % 64).astype(np.uint64)
        bits[melody["pitch"] // 64 != half] = 0
        in_run = np.zeros(runs, np.uint64)
        for place in range(n):
            in_run |= bits[place : place + runs]
        different += np.bitwise_count(in_run)
    return np.asarray(different >= FEWEST_PITCHES)


def _counted_keys(melody: Notes, n: int, with_rhythm: bool) -> Keys:
    return melody_keys(melody, n, with_rhythm=with_rhythm)[_is_melodic(melody, n)]


def _merged(keys: Keys, songs: NDArray[np.int32]) -> tuple[Keys, NDArray[np.int32]]:
    """Different keys, sorted, and the one song of each or `_SEVERAL`."""
    if not len(keys):
        return keys, songs
    order = np.argsort(keys)
    keys, songs = keys[order], songs[order]
    firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    lowest, highest = np.minimum.reduceat(songs, firsts), np.maximum.reduceat(songs, firsts)
    return keys[firsts], np.where(lowest == highest, lowest, _SEVERAL).astype(np.int32)


def _longest_stretch(is_copied: NDArray[np.bool_]) -> int:
    """Length of the longest row of True."""
    edges = np.flatnonzero(np.diff(is_copied.astype(np.int8), prepend=0, append=0))
    return int(np.diff(edges)[::2].max(initial=0))


def copy_figures(copies: Sequence[Copies]) -> CopyFigures:
    """Summarise the pieces that have a melody. Raises: InputError if none has."""
    kept = [piece for piece in copies if piece.counted]
    if not kept:
        raise InputError("no piece has a melody to look up; give longer pieces with pitched notes")
    shares = np.array([piece.share for piece in kept])
    longest = np.array([piece.longest_notes for piece in kept])
    counted, copied = sum(piece.counted for piece in kept), sum(piece.copied for piece in kept)
    return CopyFigures(
        pieces=len(kept),
        counted=counted,
        share=copied / counted,
        median_share=float(np.median(shares)),
        p90_share=float(np.quantile(shares, 0.9)),
        largest_share=float(shares.max()),
        median_longest_notes=float(np.median(longest)),
        longest_notes=int(longest.max()),
    )


def read_songs(shards: Shards, pieces: Iterable[PieceEntry]) -> Iterator[tuple[str, Notes]]:
    """Song and notes of each piece of a shard folder."""
    for piece in pieces:
        yield piece.song, decode(shards.tokens_of(piece), shards.vocabulary).notes


def memorisation(
    shards: Shards,
    generated: Sequence[Notes],
    *,
    pieces: int,
    rng: np.random.Generator,
    with_rhythm: bool = True,
) -> dict[str, CopyFigures]:
    """Figures of `generated`, of test songs, and of training songs among the others.

    At most `pieces` pieces of either baseline are drawn. A baseline without a piece, and `generated` if it is
    empty, are left out.
    """
    training, test = shards.of_split("train"), shards.of_split("test")
    known = TrainingMelodies.build(read_songs(shards, training), with_rhythm=with_rhythm)
    drawn = {"test_songs": _drawn(test, pieces, rng), "training_songs": _drawn(training, pieces, rng)}
    copies = {"generated": [known.copies(notes) for notes in generated]}
    for name, side in drawn.items():
        copies[name] = [known.copies(notes, exclude_song=song) for song, notes in read_songs(shards, side)]
    return {name: copy_figures(of_pieces) for name, of_pieces in copies.items() if of_pieces}


def _drawn(pieces: Sequence[PieceEntry], count: int, rng: np.random.Generator) -> list[PieceEntry]:
    return [pieces[place] for place in np.sort(rng.permutation(len(pieces))[:count])]


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--generated", type=Path, help="folder of composed MIDI files")
    parser.add_argument("--pieces", type=int, default=200, help="songs drawn for each baseline")
    parser.add_argument("--seed", type=int, default=0, help="which songs are drawn")
    parser.add_argument("--without-rhythm", action="store_true", help="compare intervals alone")
    arguments = parser.parse_args()
    try:
        paths = sorted(arguments.generated.glob("*.mid")) if arguments.generated else []
        if arguments.generated and not paths:
            raise InputError(f"{arguments.generated}: holds no .mid file; give a folder of composed music")
        figures = memorisation(
            Shards(arguments.shards),
            [read_midi(path) for path in paths],
            pieces=arguments.pieces,
            rng=np.random.default_rng(arguments.seed),
            with_rhythm=not arguments.without_rhythm,
        )
    except EmsyncError as error:
        sys.exit(f"error: {error}")
    text = json.dumps({name: asdict(values) for name, values in figures.items()}, indent=1)
    arguments.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
