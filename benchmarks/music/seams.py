"""How well a regenerated stretch joins: surprise at its seams, beside that of what was there and of unrelated music.

    python benchmarks/music/seams.py        # about 5 minutes of one core; JSON, one line a stretch

Five stretches of four seconds of a piece of 30 s are composed anew with the shipped weights. At both seams, and from
the middle of the stretch to its end, surprise is the mean of up to 64 tokens in nats, each after all before it:
    new         the best of four candidates, as `compose --keep` takes it; `drafts` lists the right seam of all four
    own         what the kept score has there: what follows was composed after it, so no seam could be better
    unrelated   what the score of another seed, in the same bars, has there, cut off at the end of the stretch
"""

from __future__ import annotations

import json
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from emsync.music.compose import compose
from emsync.music.guidance import guidance_rows
from emsync.music.kept_score import KeptScore
from emsync.music.midi_file import write_midi
from emsync.music.model import ComposerModel
from emsync.music.regenerate import draft_of
from emsync.music.seams import nats_before, nats_from
from emsync.music.split_score import SplitScore, chords_of
from emsync.music.tokenizer import canonical
from emsync.options import ComposeOptions, RegenerateOptions
from emsync.types import AffectCurve, AffectPoint, Boundary, CueSheet, Notes
from emsync.weights import COMPOSER, load_weights

STRETCHES_S = ((4.0, 8.0), (8.5, 12.5), (12.0, 16.0), (16.0, 20.0), (21.0, 25.0))
DRAFTS = 4
OPTIONS = ComposeOptions(threads=1)
SHEET = CueSheet(
    title="Film",
    duration_s=30.0,
    frame_rate_fps=Fraction(25),
    cuts=(),
    shots=(),
    boundaries=tuple(Boundary(time_s, 1.0, "cut") for time_s in (6.0, 13.2, 19.0, 25.4)),
    dropped=(),
    affect=AffectCurve(
        (AffectPoint(0.0, -0.4, -0.2), AffectPoint(15.0, 0.5, 0.5), AffectPoint(30.0, 0.2, 0.0))
    ),
)


def score_of(seed: int, folder: Path) -> KeptScore:
    """The score of one seed, as it is read from its file."""
    path = folder / f"{seed}.mid"
    write_midi(compose(SHEET, ComposeOptions(seed=seed, threads=1)), SHEET, path)
    return KeptScore.read(path)


def stretch_from(source: KeptScore, score: SplitScore, *, cut_off: bool) -> tuple[Notes, tuple[int, ...]]:
    """Notes and chords that a score has in the stretch, without pitches that still sound from before."""
    begin, end = score.begin_ticks, score.end_of_stretch
    notes = canonical(source.notes, score.vocabulary)
    notes = notes[(notes["onset_ticks"] >= begin) & (notes["onset_ticks"] < end)].copy()
    if cut_off:
        notes["duration_ticks"] = np.minimum(notes["duration_ticks"], end - notes["onset_ticks"])
    until = {(one["group"], one["pitch"]): one["onset_ticks"] + one["duration_ticks"] for one in score.before}
    free = [until.get((one["group"], one["pitch"]), 0) <= one["onset_ticks"] for one in notes]
    chords = chords_of(source.notes, score.plan)
    return notes[np.array(free, bool)], tuple(chords[(chords >= begin) & (chords < end)].tolist())


def main() -> None:
    """Measure and print."""
    batch = len(guidance_rows(OPTIONS))
    with tempfile.TemporaryDirectory() as folder:
        kept, other = (score_of(seed, Path(folder)) for seed in (0, 11))
    model = ComposerModel.load(load_weights(COMPOSER), threads=1, batch=batch)
    for begin_s, end_s in STRETCHES_S:
        score = SplitScore.of(kept, SHEET, RegenerateOptions(begin_s, end_s, OPTIONS), model.vocabulary_name)
        begin, end = score.begin_ticks, score.end_of_stretch
        drafts = [draft_of(score, model, np.random.default_rng((0, number))) for number in range(DRAFTS)]
        best = min(drafts, key=lambda draft: draft.nats_at_end)
        found = {
            "new": (best.notes, best.chords),
            "own": stretch_from(kept, score, cut_off=False),
            "unrelated": stretch_from(other, score, cut_off=True),
        }
        spans = {
            "begin": (begin, end),
            "inside": ((begin + end) // 2, end),
            "end": (end, score.plan.end_ticks),
        }
        row: dict[str, object] = {"from_s": begin_s, "to_s": end_s, "before": nats_before(score, model)}
        row["drafts"] = [draft.nats_at_end for draft in drafts]
        for name, (notes, chords) in found.items():
            row[name] = {
                place: nats_from(score, model, notes, chords, since_ticks=since, until_ticks=until)
                for place, (since, until) in spans.items()
            }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
