"""Fit and cross-validate the emotion head, write it to the assets.

    python -m emsync_train.emotion.train_head --data DIR --cache CACHE --report benchmarks/results/emotion.json

DIR holds `oasis/` and `music_video_clips/`; CACHE keeps what the networks say of each clip. Same input, same
file. The report holds the figures of docs/emotion.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from emsync.emotion.features.image import ImageFeatures
from emsync.emotion.head import EMOTION_HEAD, EmotionHead, SenseReading
from emsync.emotion.senses import load_senses
from emsync.types import EMOTIONS, Floats
from emsync.weights import ASSETS, register_weights
from emsync_train.emotion.clip_moments import moments_of_clips
from emsync_train.emotion.data import CLIP_CLASSES, list_clips, load_oasis
from emsync_train.emotion.head_report import report
from emsync_train.emotion.rows import (
    Calibration,
    HeldOut,
    Rows,
    cross_calibrated,
    fit_affect,
    fit_calibration,
    fit_sense,
    held_out,
    make_rows,
)

FILE_NAME = "emotion_head.json"
COMMAND = "python -m emsync_train.emotion.train_head --data DIR --cache CACHE --report benchmarks/results/emotion.json"
AFFECT_SHARE = 1 / 3
"""In the probabilities the picture's rating, its class and the class of the sound count alike; not tuned."""

RATED_SHARE = (0.5, 0.1)
"""Weight of the affect reading in valence and in arousal: ratings of photographs know little of arousal on film."""

DRAWS = 5
"""How often the folds are drawn anew for the report: one draw moves an accuracy by a few hundredths."""

CLASS_TO_EMOTION = {
    "Excited": {"joy": 0.6, "surprise": 0.4},
    "Fear": {"fear": 1.0},
    "Neutral": {emotion: 1 / len(EMOTIONS) for emotion in EMOTIONS},
    "Relaxation": {"joy": 0.65, "sadness": 0.35},
    "Sad": {"sadness": 1.0},
    "Tension": {"anger": 0.35, "disgust": 0.15, "fear": 0.5},
}
"""What each clip class stands for: an assumption, not a measurement. Relaxation is the mixture whose affect,
(+0.24, +0.03), comes nearest to pleasant and calm that six categories without a calm one can come."""

CLASS_AFFECT = {
    "Excited": (0.62, 0.75),
    "Fear": (-0.64, 0.60),
    "Neutral": (0.0, 0.0),
    "Relaxation": (0.68, -0.46),
    "Sad": (-0.63, -0.27),
    "Tension": (-0.33, 0.58),
}
"""Valence and arousal of each clip class: the means of "excited", "fearful", "relaxed", "sad" and "tense" in
Russell & Mehrabian 1977, Evidence for a three-factor theory of emotions, J. Research in Personality 11, table 1;
Neutral is the middle by definition."""


def class_to_emotion() -> Floats:
    """`CLASS_TO_EMOTION` as a matrix, shape (6, 6)."""
    return np.array(
        [[CLASS_TO_EMOTION[name].get(emotion, 0.0) for emotion in EMOTIONS] for name in CLIP_CLASSES]
    )


def class_affect() -> Floats:
    """`CLASS_AFFECT` as a matrix, shape (6, 2)."""
    return np.array([CLASS_AFFECT[name] for name in CLIP_CLASSES])


def fit_head(rows: Rows, unseen: HeldOut, feature_names: Mapping[str, str]) -> EmotionHead:
    """The head fitted on everything; errors, temperatures, weights and gains come from the held-out outputs.

    `feature_names` tells by sense which features these are.
    """
    affect = fit_affect(rows, np.ones(len(rows.photographs), dtype=bool))
    everything = np.ones(len(rows.segment_clips), dtype=bool)
    calibration = fit_calibration(rows, unseen, everything, rows.learned)
    head = EmotionHead(
        class_names=CLIP_CLASSES,
        readings={name: _reading(rows, name, calibration, feature_names[name]) for name in rows.learned},
        pool_temperature=calibration.pool.temperature,
        class_to_emotion=class_to_emotion(),
        class_affect=class_affect(),
        affect_weights=affect.weights,
        affect_bias=affect.bias,
        affect_error_sd=np.sqrt(((unseen.ratings - rows.ratings) ** 2).mean(axis=0)),
        affect_share=AFFECT_SHARE,
        rated_share=np.array(RATED_SHARE),
        rated_centre=rows.ratings.mean(axis=0),
        rated_gain=np.ones(2),
    )
    return replace(head, rated_gain=_gain(rows, unseen, head))


def _reading(rows: Rows, name: str, calibration: Calibration, feature_name: str) -> SenseReading:
    fitted = fit_sense(rows, name, np.ones(len(rows.segment_clips), dtype=bool))
    temperature, weight = calibration.temperatures[name], calibration.pool.weights[name]
    return SenseReading(feature_name, fitted.weights / temperature, fitted.bias / temperature, weight)


def _gain(rows: Rows, unseen: HeldOut, head: EmotionHead) -> Floats:
    """By how much estimates of held-out segments vary less than the affect of their classes, shape (2,)."""
    classes = cross_calibrated(rows, unseen, rows.learned)
    estimates = head.estimates_given(classes, rows.senses)
    wanted = class_affect()[rows.segment_labels]
    every = np.all([rows.senses[name].is_known for name in rows.learned], axis=0)
    return np.asarray(wanted[every].std(axis=0) / estimates[every].std(axis=0))


def main() -> None:
    """Read, fit, measure, write and register."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds oasis/ and music_video_clips/")
    parser.add_argument("--cache", type=Path, required=True, help="keeps what each sense says of each clip")
    parser.add_argument("--out", type=Path, default=ASSETS, help="assets folder")
    parser.add_argument("--report", type=Path, default=None, help="write the figures here too, as JSON")
    arguments = parser.parse_args()
    image, senses = ImageFeatures.load(2, arguments.out), load_senses(2, arguments.out)
    clips = list_clips(arguments.data / "music_video_clips")
    moments = moments_of_clips(clips, senses, arguments.cache)
    rows = make_rows(load_oasis(arguments.data / "oasis"), image, clips, moments, senses)
    draws = [held_out(rows, seed=seed) for seed in range(DRAWS)]
    head = fit_head(rows, draws[0], {sense.name: sense.feature_name for sense in senses})
    (arguments.out / FILE_NAME).write_text(head.to_json(), encoding="utf-8")
    entry = register_weights(EMOTION_HEAD, (FILE_NAME,), arguments.out)
    figures = json.dumps({"command": COMMAND, **report(rows, draws, head)}, indent=1)
    print(figures, entry, sep="\n")
    if arguments.report:
        arguments.report.write_text(figures + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
