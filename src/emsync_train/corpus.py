"""From folders of MIDI files to shards of tokens with affect labels.

A shard folder holds
    tokens.u16      the pieces' tokens, one after the other, uint16
    affect.i8       the pieces' affect labels, int8 rows of (valence, arousal) x 127, one per hop; -128 is missing
    pieces.jsonl    a line per piece: path, song, source, split, where its tokens and labels lie
    corpus.json     vocabulary, label hop, counts, skipped files with reasons, SHA-256 of the tokens, speed
    build.json      a fingerprint of files, settings and code: the same command goes on where it stopped

Command: python -m emsync_train.corpus --midi DIR [--manifest FILE] [--labels FILE] --out SHARDS
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from emsync.errors import EmsyncError, OutputError
from emsync.music import (
    affect_reading,
    chords,
    midi_file,
    midi_groups,
    music_features,
    overlaps,
    tokenizer,
    vocabulary,
)
from emsync.music.affect_reading import AFFECT_REGRESSOR, AffectLabeller
from emsync.music.tokenizer import Piece, encode
from emsync.music.vocabulary import EMSYNC, VOCABULARIES, Vocabulary
from emsync.types import TICKS_PER_S
from emsync.weights import load_weights
from emsync_train import (
    corpus_layouts,
    midi_reader,
    roll_reader,
    shard_writer,
    tighten,
)
from emsync_train.corpus_layouts import ROLL_SUFFIX, Source, sources_of, with_labels
from emsync_train.dataset import MISSING_LABEL
from emsync_train.midi_reader import UnusableError, read_midi_piece
from emsync_train.roll_reader import read_roll_piece
from emsync_train.shard_writer import CORPUS, ReadPiece, Skipped

FREE_TIME_SOURCES = frozenset({"giantmidi"})
"""Transcriptions of performances: their tempo map is a constant that no player followed, so no bars."""
UNTRAINED_SOURCES = ("vgmidi",)
"""Left out by default: no licence to train on."""
FILES_PER_JOB = 8
INTERRUPTED_EXIT_CODE = 130
_CODE = (
    *(affect_reading, chords, midi_file, midi_groups, music_features, overlaps, tokenizer, vocabulary),
    *(corpus_layouts, midi_reader, roll_reader, shard_writer, tighten),
)
"""The modules that decide what is written."""


def read_piece(source: Source, vocabulary: Vocabulary, labeller: AffectLabeller) -> ReadPiece | Skipped:
    """Read, tokenise and label one file; a file that cannot be used comes back with its reason."""
    try:
        if source.path.suffix.lower() == ROLL_SUFFIX:
            piece = read_roll_piece(source.path, vocabulary)
        else:
            free_time = source.source in FREE_TIME_SOURCES
            piece = read_midi_piece(source.path, vocabulary, free_time=free_time)
    except UnusableError as reason:
        return Skipped(source.name, str(reason))
    return ReadPiece(
        source=source,
        tokens=encode(piece, vocabulary),
        affect=_affect(piece, source, labeller),
        duration_s=piece.end_ticks / TICKS_PER_S,
        notes=len(piece.notes),
    )


def _affect(piece: Piece, source: Source, labeller: AffectLabeller) -> NDArray[np.int8]:
    """Labels of a piece as the shards hold them, shape (W, 2): given ones, else the labeller's."""
    heard = labeller.label(piece.notes, piece.end_ticks / TICKS_PER_S)
    affect = np.stack((heard.valence, heard.arousal), axis=1)
    if source.labels is not None:
        affect[:] = [
            np.nan if value is None else value for value in (source.labels.valence, source.labels.arousal)
        ]
    scaled = np.round(np.clip(affect, -1, 1) * 127)
    return np.where(np.isnan(scaled), MISSING_LABEL, scaled).astype(np.int8)


def read_all(
    sources: Sequence[Source], vocabulary: Vocabulary, workers: int
) -> Iterator[ReadPiece | Skipped]:
    """Read every file over processes; results come in the order of `sources`.

    Raises: EmsyncError if a process dies.
    """
    jobs = [(source, vocabulary.name) for source in sources]
    pool = ProcessPoolExecutor(workers, initializer=_leave_interrupts_to_the_parent)
    try:
        yield from pool.map(_read_one, jobs, chunksize=FILES_PER_JOB)
    except BrokenProcessPool as error:
        raise EmsyncError(
            "a reading process died, perhaps for want of memory; give the command again with fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read_one(job: tuple[Source, str]) -> ReadPiece | Skipped:
    source, vocabulary_name = job
    return read_piece(source, VOCABULARIES[vocabulary_name], AffectLabeller.load())


def write_shards(
    sources: Sequence[Source], out: Path, vocabulary: Vocabulary, *, workers: int, fresh: bool = False
) -> dict[str, Any]:
    """Tokenise all sources into `out`; returns what `corpus.json` holds.

    The same call goes on with a build that was interrupted and leaves a finished one as it is.

    Args:
        fresh: begin anew, whatever the folder holds.
    Raises: InputError if the folder holds another build and `fresh` is false. OutputError if it cannot be
        written. EmsyncError if a reading process dies.
    """
    fingerprint = _fingerprint(sources, vocabulary)
    if not fresh and shard_writer.is_built(out, fingerprint):
        return dict(json.loads((out / CORPUS).read_text(encoding="utf-8")))
    try:
        shard_writer.begin_build(out, fingerprint, fresh=fresh)
        before = shard_writer.recover(out, sources)
        started_s = time.monotonic()
        results = _shown(read_all(sources[before.done :], vocabulary, workers), before.done, len(sources))
        after = shard_writer.append(out, results, before)
        seconds = time.monotonic() - started_s
        facts: dict[str, object] = {
            "vocabulary": vocabulary.name,
            "label_hop_s": AffectLabeller.load().hop_s,
            "workers": workers,
            "tokens_per_s": round((after.tokens - before.tokens) / max(seconds, 1e-9)),
        }
        return shard_writer.finish(out, after, facts)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{out}: cannot be written ({reason}); mend that and give the command again"
        ) from error


def _shown(results: Iterator[ReadPiece | Skipped], done: int, total: int) -> Iterator[ReadPiece | Skipped]:
    """The results with a progress bar on stderr: files, tokens per second, time left."""
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(TextColumn("{task.fields[speed]:,.0f} tokens/s"), TimeRemainingColumn()),
    )
    tokens, started_s = 0, time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("tokenising", total=total, completed=done, speed=0.0)
        for result in results:
            yield result
            tokens += len(result.tokens) if isinstance(result, ReadPiece) else 0
            progress.update(task, advance=1, speed=tokens / max(time.monotonic() - started_s, 1e-9))


def _fingerprint(sources: Sequence[Source], vocabulary: Vocabulary) -> str:
    """SHA-256 over all that decides the shards: files with their sizes, vocabulary, labeller and code."""
    digest = hashlib.sha256(vocabulary.name.encode())
    for path in (*(Path(str(module.__file__)) for module in _CODE), Path(__file__)):
        digest.update(path.read_bytes())
    digest.update(load_weights(AFFECT_REGRESSOR))
    for source in sources:
        size = source.path.stat().st_size if source.path.is_file() else -1
        digest.update(repr((source.name, source.song, source.source, source.labels, size)).encode())
    return digest.hexdigest()


def _report(summary: dict[str, Any]) -> str:
    """What a person wants to know after a build, in a few lines."""
    lines = []
    for name, splits in summary["sources"].items():
        files, tokens, hours = (
            sum(split[what] for split in splits.values()) for what in ("files", "tokens", "hours")
        )
        lines.append(f"{name:24} {files:7,} files {tokens:13,} tokens {hours:8.1f} h")
    lines += [f"{split:24} {tokens:27,} tokens" for split, tokens in summary["tokens"].items()]
    lines.append(f"skipped {len(summary['skipped'])} files")
    lines += [f"  {count:6,} x {reason}" for reason, count in summary["skipped_by_reason"].items()]
    lines.append(f"{summary['tokens_per_s']:,} tokens a second with {summary['workers']} processes")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m emsync_train.corpus", description=_first_line())
    parser.add_argument("--midi", type=Path, required=True, help="folder of MIDI files or LPD piano rolls")
    parser.add_argument("--manifest", type=Path, help="CSV with path, song, source, near_duplicate_of")
    parser.add_argument(
        "--labels", type=Path, help="CSV with path, valence, arousal in -1..1 of whole pieces"
    )
    parser.add_argument(
        "--skip-source", action="append", default=list(UNTRAINED_SOURCES), help="leave a source out"
    )
    parser.add_argument("--out", type=Path, required=True, help="shard folder to write")
    parser.add_argument("--vocabulary", choices=sorted(VOCABULARIES), default=EMSYNC.name)
    parser.add_argument("--workers", type=int, default=2, help="reading processes, at least 1")
    parser.add_argument("--fresh", action="store_true", help="begin anew, whatever the shard folder holds")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        parser.error(f"argument --workers: {arguments.workers} is not at least 1")
    return arguments


def _first_line() -> str:
    return (__doc__ or "").splitlines()[0]


def main() -> None:
    """Command line of this module."""
    arguments = _arguments()
    if not arguments.midi.is_dir():
        sys.exit(f"error: {arguments.midi} is not a folder; give the folder that holds the MIDI files")
    try:
        sources = sources_of(arguments.midi, arguments.manifest, frozenset(arguments.skip_source))
        if arguments.labels:
            sources = with_labels(sources, arguments.labels)
        summary = write_shards(
            sources,
            arguments.out,
            VOCABULARIES[arguments.vocabulary],
            workers=arguments.workers,
            fresh=arguments.fresh,
        )
    except EmsyncError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(INTERRUPTED_EXIT_CODE)
    print(_report(summary))


if __name__ == "__main__":
    main()
