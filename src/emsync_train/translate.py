"""The same corpus in another vocabulary: shards to shards, without reading MIDI files again.

What the new vocabulary cannot say is left out: velocities and END are lost in `paper`.

Command: python -m emsync_train.translate --shards DIR --out DIR --vocabulary paper
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from emsync.errors import EmsyncError, InputError
from emsync.music.tokenizer import Piece, Tokens, canonical, decode, encode
from emsync.music.vocabulary import VOCABULARIES, Vocabulary
from emsync_train.dataset import Shards
from emsync_train.shard_writer import AFFECT, CORPUS, PIECES, TOKENS


def translate(folder: Path, out: Path, vocabulary: Vocabulary) -> None:
    """Write `out`, a shard folder with the pieces, labels and splits of `folder` in another vocabulary.

    The folder appears whole or not at all.

    Raises: InputError if `folder` is no complete shard folder or `out` exists. OSError if it cannot be written.
    """
    if out.exists():
        raise InputError(f"{out}: already exists; delete it or choose another --out folder")
    shards = Shards(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        part = Path(temporary) / "shards"  # a folder of its own: the temporary one is private to its owner
        part.mkdir()
        _write(shards, folder, part, vocabulary)
        part.rename(out)


def _write(shards: Shards, folder: Path, out: Path, vocabulary: Vocabulary) -> None:
    rows = [json.loads(line) for line in (folder / PIECES).read_text(encoding="utf-8").splitlines()]
    tokens_hash, token_offset = hashlib.sha256(), 0
    with (out / TOKENS).open("wb") as file:
        for row, entry in track(list(zip(rows, shards.pieces, strict=True)), description="translating"):
            tokens = in_vocabulary(decode(shards.tokens_of(entry), shards.vocabulary), vocabulary)
            raw = tokens.astype("<u2").tobytes()
            file.write(raw)
            tokens_hash.update(raw)
            row["token_offset"], row["token_count"] = token_offset, len(tokens)
            token_offset += len(tokens)
    shutil.copyfile(folder / AFFECT, out / AFFECT)
    (out / PIECES).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    summary = json.loads((folder / CORPUS).read_text(encoding="utf-8"))
    summary |= {
        "vocabulary": vocabulary.name,
        "tokens_sha256": tokens_hash.hexdigest(),
        "translated_from": shards.tokens_sha256,
        **_token_counts(summary, rows),
    }
    (out / CORPUS).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def in_vocabulary(piece: Piece, vocabulary: Vocabulary) -> Tokens:
    """Tokens of a piece in any vocabulary; it ends with its last OFF if that comes after its end."""
    notes = canonical(piece.notes, vocabulary)
    released = notes[np.isin(notes["group"], vocabulary.off_groups)]
    ends_ticks = released["onset_ticks"].astype(np.int64) + released["duration_ticks"]
    end_ticks = int(ends_ticks.max(initial=piece.end_ticks))
    return encode(Piece(notes, piece.bar_onsets_ticks, piece.chord_onsets_ticks, end_ticks), vocabulary)


def _token_counts(summary: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Tokens of each split and, where they are counted, of each source and split."""
    of_split: Counter[str] = Counter()
    sources = json.loads(json.dumps(summary.get("sources", {})))
    for cell in (cell for splits in sources.values() for cell in splits.values()):
        cell["tokens"] = 0
    for row in rows:
        of_split[row["split"]] += row["token_count"]
        if sources:
            sources[row["source"]][row["split"]]["tokens"] += row["token_count"]
    return {"tokens": dict(of_split), **({"sources": sources} if sources else {})}


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocabulary", choices=sorted(VOCABULARIES), required=True)
    arguments = parser.parse_args()
    try:
        translate(arguments.shards, arguments.out, VOCABULARIES[arguments.vocabulary])
    except (EmsyncError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
