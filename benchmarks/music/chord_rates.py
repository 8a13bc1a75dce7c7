"""How often CHORD comes in each source of the corpus, how far apart, and whether it marks where sections begin.

Command: python benchmarks/music/chord_rates.py --midi DIR --manifest manifest.csv --config configs/small.toml
    --out FILE.json [--energies FILE.jsonl] [--files-per-source 200] [--length 1024] [--widest-s 12 20 30]

Spacings are seconds from one CHORD of a piece to the next. In training half of the windows are thinned: they keep
only CHORDs at least exp(U(0, ln widest)) s apart. What is left is measured in windows of as many tokens as training
sees at once, pooled over the sources as often as the configuration draws them. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emsync.errors import EmsyncError, InputError
from emsync.music.chords import TOGETHER_TICKS, chord_onsets
from emsync.music.midi_file import read_score, seconds_at
from emsync.music.tokenizer import Piece, Tokens, encode, token_times_ticks
from emsync.music.vocabulary import EMSYNC, LOWEST_PITCH, PITCHES
from emsync.types import TICK_S, TICKS_PER_S, Floats, Ticks
from emsync_train.corpus import FREE_TIME_SOURCES
from emsync_train.corpus_layouts import Source, sources_of
from emsync_train.dataset import WindowOptions, thinned_chords
from emsync_train.midi_reader import UnusableError, read_midi_piece, regular_beats, seconds_to_ticks

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
EDGES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 20.0)
WIDEST_S = (WindowOptions.widest_chord_spacing_s, 20.0, 30.0)


@dataclass(frozen=True)
class ReadFile:
    """One piece, its long chords alone, and how many bars the file has before the piece begins."""

    source: Source
    piece: Piece
    long_chords_ticks: Ticks
    bars_before: int


@dataclass(frozen=True)
class SectionBars:
    """Bars of a file and those of them answered by a CHORD, for bars where the groove changes and for others."""

    changing: int = 0
    changing_answered: int = 0
    others: int = 0
    others_answered: int = 0

    def __add__(self, other: SectionBars) -> SectionBars:
        return SectionBars(*(one + two for one, two in zip(self.counts, other.counts, strict=True)))

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """The four numbers in order."""
        return self.changing, self.changing_answered, self.others, self.others_answered


def read_file(source: Source) -> ReadFile:
    """The piece as training reads it. Raises: UnusableError with the reason."""
    free_time = source.source in FREE_TIME_SOURCES
    piece = read_midi_piece(source.path, EMSYNC, free_time=free_time)
    score = read_score(source.path)
    if free_time:
        beats, begin = regular_beats(piece.end_ticks), 0
    else:
        last = int(max((track.end() for track in score.tracks), default=0)) + 2 * score.ticks_per_quarter
        beats = seconds_to_ticks(seconds_at(np.arange(0, last, score.ticks_per_quarter), score))
        begin = _first_onset(score) - int(piece.notes["onset_ticks"][0])
    bars = piece.bar_onsets_ticks
    found = chord_onsets(piece.notes, beats - begin, bar_onsets_ticks=bars)
    if not np.array_equal(found, piece.chord_onsets_ticks):
        raise UnusableError("its beats could not be found again")
    bars_before = round(begin / float(np.median(np.diff(bars)))) if len(bars) > 1 else 0
    return ReadFile(source, piece, chord_onsets(piece.notes, beats - begin), bars_before)


def _first_onset(score: Any) -> int:
    """Onset of the earliest note that tokens can say, in ticks."""
    parts = [track.notes.numpy() for track in score.tracks]
    pitches = np.concatenate([part["pitch"] for part in parts]).astype(np.int64)
    times = np.concatenate([part["time"] for part in parts]).astype(np.int64)
    sayable = (pitches >= LOWEST_PITCH) & (pitches < LOWEST_PITCH + PITCHES)
    return int(seconds_to_ticks(seconds_at(times[sayable].min(keepdims=True), score))[0])


def window_spacings_s(
    pieces: Sequence[Tokens], windows: int, widest_s: float, length: int, rng: np.random.Generator
) -> Floats:
    """Spacings between the CHORDs of training windows, in seconds, thinned as training does.

    Pieces are drawn by their length. The change of tempo by a few percent is left out.
    """
    cumulative = np.cumsum([len(tokens) for tokens in pieces])
    parts = []
    for _ in range(windows):
        tokens = pieces[int(np.searchsorted(cumulative, rng.integers(cumulative[-1]), side="right"))]
        begin = int(rng.integers(max(len(tokens) - length // 2, 1)))
        codes = tokens[begin : begin + length + 1].astype(np.int64)
        if rng.random() < WindowOptions.thin_chords_share:
            codes = thinned_chords(codes, float(np.exp(rng.uniform(0, np.log(widest_s)))), EMSYNC)
        times_s = token_times_ticks(codes, EMSYNC) * TICK_S
        parts.append(np.diff(times_s[codes == EMSYNC.special("CHORD")]))
    return np.concatenate(parts)


def spacing_figures(spacings_s: Floats) -> dict[str, Any]:
    """Number of spacings, quantiles in seconds and shares by range; no spacings have no quantiles."""
    edges = (0.0, *EDGES_S, np.inf)
    counts, _ = np.histogram(spacings_s, edges)
    names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    quantiles = np.quantile(spacings_s, QUANTILES) if len(spacings_s) else np.zeros(0)
    return {
        "count": len(spacings_s),
        "quantiles_s": {f"{q:.0%}": round(float(v), 2) for q, v in zip(QUANTILES, quantiles, strict=False)},
        "shares": {
            name: round(float(count) / max(len(spacings_s), 1), 4)
            for name, count in zip(names, counts, strict=True)
        },
    }


def section_bars(file: ReadFile, energy: str) -> SectionBars:
    """Bars where the energy of the groove changes, and others, and how many of each a CHORD answers.

    Args:
        energy: one digit per bar of the file.
    """
    bars = file.piece.bar_onsets_ticks
    digits = np.array(list(energy))[file.bars_before : file.bars_before + len(bars)]
    bars = bars[: len(digits)][1:]
    distances = np.abs(bars[:, None] - file.piece.chord_onsets_ticks[None])
    answered = distances.min(axis=1, initial=np.iinfo(np.int64).max) <= TOGETHER_TICKS
    changes = digits[1:] != digits[:-1]
    return SectionBars(
        int(changes.sum()),
        int((changes & answered).sum()),
        int((~changes).sum()),
        int((~changes & answered).sum()),
    )


def source_figures(files: Sequence[ReadFile], arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one source."""
    minutes = sum(file.piece.end_ticks for file in files) / TICKS_PER_S / 60
    long_chords = sum(len(file.long_chords_ticks) for file in files)
    chords = sum(len(file.piece.chord_onsets_ticks) for file in files)
    spacings = [np.diff(file.piece.chord_onsets_ticks) * TICK_S for file in files]
    tokens = [encode(file.piece, EMSYNC) for file in files]
    windows = len(files) * arguments.windows_per_file
    token_count = sum(map(len, tokens))
    return {
        "files": len(files),
        "minutes": round(minutes, 1),
        "tokens": token_count,
        "seconds_of_a_window": round(minutes * 60 * arguments.length / token_count, 1),
        "long_chords_per_minute": round(long_chords / minutes, 2),
        "structural_downbeats_per_minute": round((chords - long_chords) / minutes, 2),
        "share_of_files_without": round(
            sum(not len(file.piece.chord_onsets_ticks) for file in files) / len(files), 3
        ),
        "spacings": spacing_figures(np.concatenate(spacings)),
        "windows": windows,
        "spacings_in_training_by_widest_s": {
            f"{widest_s:g}": spacing_figures(
                window_spacings_s(
                    tokens, windows, widest_s, arguments.length, np.random.default_rng(arguments.seed)
                )
            )
            for widest_s in arguments.widest_s
        },
    }


def pooled_shares(sources: Mapping[str, Any], drawn: Mapping[str, float], widest: str) -> dict[str, float]:
    """Shares of training spacings over all sources.

    Args:
        drawn: how often each source is drawn, on any scale.
    """
    training = {
        name: figures["spacings_in_training_by_widest_s"][widest] for name, figures in sources.items()
    }
    weights = {
        name: drawn[name] * figures["count"] / sources[name]["windows"] for name, figures in training.items()
    }
    pooled: dict[str, float] = defaultdict(float)
    for name, figures in training.items():
        for span, share in figures["shares"].items():
            pooled[span] += share * weights[name] / sum(weights.values())
    return {span: round(share, 4) for span, share in pooled.items()}


def read_files(sources: Sequence[Source], limit: int, seed: int) -> Iterator[ReadFile]:
    """Up to `limit` usable files in a drawn order."""
    found = 0
    for index in np.random.default_rng(seed).permutation(len(sources)):
        if found == limit:
            return
        try:
            yield read_file(sources[index])
            found += 1
        except UnusableError as reason:
            print(f"left out {sources[index].name}: {reason}")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of every source of the manifest."""
    energies = _energies(arguments.energies)
    by_source: dict[str, list[Source]] = defaultdict(list)
    for source in sources_of(arguments.midi, arguments.manifest, frozenset({"vgmidi"})):
        by_source[source.source].append(source)
    figures, sections = {}, SectionBars()
    for name, sources in sorted(by_source.items()):
        files = list(read_files(sources, arguments.files_per_source, arguments.seed))
        if not files:
            continue
        figures[name] = source_figures(files, arguments)
        for file in files:
            if file.source.path.stem in energies and name == arguments.energies_source:
                sections += section_bars(file, energies[file.source.path.stem])
        print(name, json.dumps(figures[name]["spacings"]))
    weights = _source_weights(arguments.config)
    drawn = {
        name: weights.get(name, 1.0) * len(by_source[name]) * found["tokens"] / found["files"]
        for name, found in figures.items()
    }
    pooled = {f"{s:g}": pooled_shares(figures, drawn, f"{s:g}") for s in arguments.widest_s}
    settings = {name: getattr(arguments, name) for name in ("files_per_source", "windows_per_file", "length")}
    return {
        "settings": settings | {"thinned_share": WindowOptions.thin_chords_share, "seed": arguments.seed},
        "sources": figures,
        "shares_in_training_by_widest_s": pooled,
        "section_bars": {
            "source": arguments.energies_source,
            "bars_where_the_groove_changes": sections.changing,
            "share_answered": round(sections.changing_answered / max(sections.changing, 1), 4),
            "other_bars": sections.others,
            "share_of_others_answered": round(sections.others_answered / max(sections.others, 1), 4),
        },
    }


def _source_weights(config: Path) -> dict[str, float]:
    try:
        weights = tomllib.loads(config.read_text(encoding="utf-8")).get("source_weights", {})
        return {name: float(weight) for name, weight in weights.items()}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{config}: no training configuration ({error}); give a TOML file") from error


def _energies(path: Path | None) -> dict[str, str]:
    """Energy digits, one per bar, by the file's name without its ending."""
    if path is None:
        return {}
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {row["id"]: row["energy"] for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no lines with id and energy ({error}); give the groove metadata"
        ) from error


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--midi", type=Path, required=True, help="folder of MIDI files")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV with path, song, source")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--config", type=Path, required=True, help="TOML with the weights of the sources")
    parser.add_argument("--energies", type=Path, help="JSON lines with id and energy per bar")
    parser.add_argument("--energies-source", default="mma_pop909", help="source that --energies speaks of")
    parser.add_argument("--files-per-source", type=int, default=200)
    parser.add_argument("--windows-per-file", type=int, default=8)
    parser.add_argument("--length", type=int, default=1024, help="tokens of a training window")
    parser.add_argument("--widest-s", type=float, nargs="+", default=WIDEST_S)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        figures = measure(arguments)
    except EmsyncError as error:
        sys.exit(f"error: {error}")
    arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
