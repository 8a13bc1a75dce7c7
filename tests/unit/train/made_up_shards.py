"""A shard folder of made-up music, written by hand so that a changed format is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.music.chords import chord_onsets
from emsync.music.tokenizer import Piece, Tokens, canonical, encode
from emsync.music.vocabulary import EMSYNC, Vocabulary
from emsync.types import NOTE_DTYPE, InstrumentGroup
from emsync_train.dataset import WindowOptions

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
BEAT_TICKS = 60
LABEL_HOP_S = 4.0
MELODY_VELOCITIES = (110, 80, 80, 50)
PLAIN = WindowOptions(length=64, bar_start_share=0.0).as_they_are()
"""Windows as they stand in the piece, told everything."""
TRIADS = ((60, 64, 67), (65, 69, 72), (67, 71, 74), (57, 60, 64))


def made_up_piece(seed: int, *, bars: int = 12, vocabulary: Vocabulary = EMSYNC) -> Piece:
    """Bars of four beats: drums, a bass note, a triad on every other bar, a melody drawn by the seed.

    The melody is loud on the first beat and soft on the last.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for bar in range(bars):
        begin = 4 * BEAT_TICKS * bar
        triad = TRIADS[(bar + seed) % len(TRIADS)]
        rows.append((begin, 4 * BEAT_TICKS, BASS, triad[0] - 24, 80))
        rows += [(begin + beat * BEAT_TICKS, 12, DRUMS, 36 + 2 * (beat % 2), 80) for beat in range(4)]
        if bar % 2 == 0:
            rows += [(begin, 3 * BEAT_TICKS, PIANO, pitch, 80) for pitch in triad]
        for beat in np.flatnonzero(rng.random(4) < 0.7):
            velocity = MELODY_VELOCITIES[beat]
            rows.append(
                (begin + int(beat) * BEAT_TICKS, BEAT_TICKS, STRINGS, int(rng.choice(triad)) + 12, velocity)
            )
    notes = canonical(np.array(rows, NOTE_DTYPE), vocabulary)
    end_ticks = 4 * BEAT_TICKS * bars
    beats = np.arange(0, end_ticks + BEAT_TICKS, BEAT_TICKS)
    return Piece(notes, np.arange(0, end_ticks, 4 * BEAT_TICKS), chord_onsets(notes, beats), end_ticks)


def write_shards(
    folder: Path,
    tokens_of_pieces: list[Tokens],
    *,
    splits: list[str] | None = None,
    affect: NDArray[np.int8] | None = None,
    vocabulary: Vocabulary = EMSYNC,
) -> Path:
    """Write `tokens.u16`, `affect.i8`, `pieces.jsonl` and `corpus.json`; piece n comes from source `s{n}`.

    Every piece has the same labels: `affect`, shape (W, 2), or valence rising and arousal falling.
    """
    if affect is None:
        affect = np.stack([np.linspace(-127, 127, 8), np.linspace(127, -127, 8)], axis=1).astype(np.int8)
    folder.mkdir(parents=True, exist_ok=True)
    rows, token_offset = [], 0
    for number, tokens in enumerate(tokens_of_pieces):
        rows.append(
            {
                "path": f"{number}.mid",
                "song": f"song {number}",
                "source": f"s{number}",
                "split": splits[number] if splits else "train",
                "token_offset": token_offset,
                "token_count": len(tokens),
                "affect_offset": number * len(affect),
                "affect_count": len(affect),
                "duration_s": 1.0,
                "notes": 1,
            }
        )
        token_offset += len(tokens)
    (folder / "tokens.u16").write_bytes(np.concatenate(tokens_of_pieces).astype("<u2").tobytes())
    (folder / "affect.i8").write_bytes(affect.tobytes() * len(tokens_of_pieces))
    (folder / "pieces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    summary = {
        "vocabulary": vocabulary.name,
        "label_hop_s": LABEL_HOP_S,
        "tokens_sha256": f"{token_offset:064x}",
    }
    (folder / "corpus.json").write_text(json.dumps(summary), encoding="utf-8")
    return folder


def made_up_shards(folder: Path, *, vocabulary: Vocabulary = EMSYNC) -> Path:
    """Four training pieces and two held-out ones."""
    pieces = [encode(made_up_piece(seed, vocabulary=vocabulary), vocabulary) for seed in range(6)]
    return write_shards(folder, pieces, splits=["train"] * 4 + ["validation"] * 2, vocabulary=vocabulary)
