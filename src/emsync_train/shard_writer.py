"""Writes a shard folder piece by piece, so that an interrupted build goes on where it stopped.

While a build runs, the folder holds `build.json` (a fingerprint of what is built) and growing files; results come
in the order of the sources, and a piece counts once its row is complete and its tokens and labels are there.
`corpus.json` appears last: a folder without it is no shard folder. The reading side is `dataset.Shards`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.errors import InputError
from emsync.music.tokenizer import Tokens
from emsync.output_file import atomic_output
from emsync_train.corpus_layouts import Source, split_of

TOKENS, AFFECT, PIECES, SKIPPED = "tokens.u16", "affect.i8", "pieces.jsonl", "skipped.jsonl"
BUILD, CORPUS = "build.json", "corpus.json"
TOKEN_BYTES = 2
AFFECT_ROW_BYTES = 2
FLUSH_EVERY = 64
"""Results between two moments at which an interruption loses nothing."""


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


@dataclass(frozen=True)
class Progress:
    """How far a build has got: rows of its pieces and of the files it left out."""

    pieces: tuple[dict[str, Any], ...]
    skipped: tuple[dict[str, Any], ...]

    @property
    def done(self) -> int:
        """How many sources are dealt with."""
        return len(self.pieces) + len(self.skipped)

    @property
    def tokens(self) -> int:
        """How many tokens are written."""
        return _stop(self.pieces, "token")


def is_built(folder: Path, fingerprint: str) -> bool:
    """Whether the folder holds the finished build of this fingerprint."""
    return _fingerprint_in(folder / BUILD) == fingerprint and (folder / CORPUS).is_file()


def begin_build(folder: Path, fingerprint: str, *, fresh: bool) -> None:
    """Prepare the folder: empty for a new build, as it is for one that goes on.

    Raises: InputError if it holds another build and `fresh` is false. OSError if it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = [name for name in (CORPUS, BUILD, TOKENS, AFFECT, PIECES, SKIPPED) if (folder / name).exists()]
    if found and not fresh and _fingerprint_in(folder / BUILD) != fingerprint:
        raise InputError(
            f"{folder}: holds shards of other files, settings or code; give --fresh to replace them, "
            "or another folder"
        )
    if fresh:
        for name in found:
            (folder / name).unlink()
    (folder / CORPUS).unlink(missing_ok=True)
    with atomic_output(folder / BUILD, overwrite=True) as temporary:
        temporary.write_text(json.dumps({"fingerprint": fingerprint}) + "\n", encoding="utf-8")


def recover(folder: Path, sources: Sequence[Source]) -> Progress:
    """What an interrupted build has safely written; whatever lies beyond is cut off the files."""
    pieces, skipped = (
        {row["path"]: row for row in _complete_rows(folder / name)} for name in (PIECES, SKIPPED)
    )
    sizes = [_size(folder / TOKENS) // TOKEN_BYTES, _size(folder / AFFECT) // AFFECT_ROW_BYTES]
    kept: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for source in sources:
        if source.name in skipped:
            kept[1].append(skipped[source.name])
        elif source.name in pieces and _is_whole(pieces[source.name], sizes):
            kept[0].append(pieces[source.name])
        else:
            break
    progress = Progress(tuple(kept[0]), tuple(kept[1]))
    _cut_to(folder / TOKENS, progress.tokens * TOKEN_BYTES)
    _cut_to(folder / AFFECT, _stop(progress.pieces, "affect") * AFFECT_ROW_BYTES)
    for name, rows in ((PIECES, progress.pieces), (SKIPPED, progress.skipped)):
        with atomic_output(folder / name, overwrite=True) as temporary:
            temporary.write_text("".join(_line(row) for row in rows), encoding="utf-8")
    return progress


def append(folder: Path, results: Iterable[ReadPiece | Skipped], progress: Progress) -> Progress:
    """Write the results after what `progress` tells; returns how far the build has got then.

    Tokens and labels reach the disk before the rows that promise them.
    """
    pieces, skipped = list(progress.pieces), list(progress.skipped)
    with (
        (folder / TOKENS).open("ab") as token_file,
        (folder / AFFECT).open("ab") as affect_file,
        (folder / PIECES).open("a", encoding="utf-8") as piece_file,
        (folder / SKIPPED).open("a", encoding="utf-8") as skipped_file,
    ):
        for number, result in enumerate(results, 1):
            if isinstance(result, Skipped):
                skipped.append({"path": result.name, "reason": result.reason})
                skipped_file.write(_line(skipped[-1]))
            else:
                pieces.append(_index_row(result, _stop(pieces, "token"), _stop(pieces, "affect")))
                token_file.write(result.tokens.astype("<u2").tobytes())
                affect_file.write(result.affect.tobytes())
                piece_file.write(_line(pieces[-1]))
            if number % FLUSH_EVERY == 0:
                for file in (token_file, affect_file, piece_file, skipped_file):
                    file.flush()
    return Progress(tuple(pieces), tuple(skipped))


def finish(folder: Path, progress: Progress, facts: dict[str, object]) -> dict[str, Any]:
    """Write `corpus.json`, which makes the folder a shard folder; returns what it holds."""
    with (folder / TOKENS).open("rb") as file:
        tokens_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    splits: Counter[str] = Counter()
    for row in progress.pieces:
        splits[row["split"]] += row["token_count"]
    summary = {
        **facts,
        "tokens": dict(splits),
        "sources": _counts(progress.pieces),
        "tokens_sha256": tokens_sha256,
        "skipped_by_reason": dict(Counter(row["reason"] for row in progress.skipped).most_common()),
        "skipped": [asdict(Skipped(row["path"], row["reason"])) for row in progress.skipped],
    }
    with atomic_output(folder / CORPUS, overwrite=True) as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (folder / SKIPPED).unlink()
    return summary


def _counts(pieces: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Files, tokens and hours of each source and split."""
    counts: dict[str, dict[str, dict[str, float]]] = {}
    for row in pieces:
        cell = counts.setdefault(row["source"], {}).setdefault(
            row["split"], {"files": 0, "tokens": 0, "hours": 0.0}
        )
        cell["files"] += 1
        cell["tokens"] += row["token_count"]
        cell["hours"] = round(cell["hours"] + row["duration_s"] / 3600, 6)
    return counts


def _index_row(piece: ReadPiece, token_offset: int, affect_offset: int) -> dict[str, Any]:
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


def _fingerprint_in(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _complete_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of an index up to the first that was cut short; none if there is no file."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
            try:
                rows.append(dict(json.loads(line)))
            except ValueError:
                break
    return rows


def _stop(pieces: Sequence[dict[str, Any]], what: str) -> int:
    """Where the next piece's tokens or labels begin."""
    return int(pieces[-1][f"{what}_offset"] + pieces[-1][f"{what}_count"]) if pieces else 0


def _is_whole(row: dict[str, Any], sizes: Sequence[int]) -> bool:
    return all(_stop([row], what) <= size for what, size in zip(("token", "affect"), sizes, strict=True))


def _cut_to(path: Path, size: int) -> None:
    with path.open("ab") as file:
        file.truncate(size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row) + "\n"
