"""Fits the affect regressor on VGMIDI's ratings and maps its output over a sample of the corpus.

VGMIDI (Ferreira & Whitehead, ISMIR 2019) has no licence: it is read here, and only fitted numbers leave.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from emsync.errors import MidiError
from emsync.music.affect_reading import AffectAxis, Regressor, piece_features
from emsync.music.midi_file import read_midi
from emsync.music.music_features import FEATURE_NAMES
from emsync.types import TICKS_PER_S, Floats

HOP_S = 4.0
WINDOW_S = 8.0
RATING_LAG_S = 3.0
"""Listeners answer late: ratings follow music by 1 to 3 s (Schubert 2004); 3 s fits best of 0 to 3."""
RIDGE = 0.05
CLIP = 3.0
FOLDS = 10
UNRATED_FEATURES = ("groups_sounding", "drum_density")
"""Constant in solo piano, so no weight can be learned."""
RATED_FEATURES = tuple(name for name in FEATURE_NAMES if name not in UNRATED_FEATURES)
PRIORS: dict[str, dict[str, float]] = {"valence": {}, "arousal": {"drum_density": 0.04}}
"""Set by hand, not fitted: drums at 3 onsets a second raise raw arousal by 0.08, a third of its deviation."""
AXES = ("valence", "arousal")
MEDIAN_EXCESS = 0.49
"""var(mean - median) / var(mean) of 30 normal draws, by simulation; pi / 2 - 1 for infinitely many."""

MAP_QUANTILES = (0.005, 0.05, 0.5, 0.95, 0.995)
MAP_LABELS = (-1.0, -0.8, 0.0, 0.8, 1.0)
FILES_PER_SOURCE = 150
SOURCE_WEIGHTS = {
    "mma_pop909": 1.0,
    "mma_openewld": 1.5,
    "freedoom": 6.0,
    "debian": 6.0,
    "openscore_hauptstimme": 3.0,
    "openscore_quartets": 1.0,
    "openscore_lieder": 1.0,
    "mutopia": 1.0,
    "pop909": 0.7,
    "piano_midi_de": 0.5,
    "giantmidi": 0.5,
}
"""How often training sees each source; others count 1. `vgmidi` is never part of the corpus."""


@dataclass(frozen=True)
class RatedPiece:
    """Features and ratings of one piece's windows: (W, F) and (W, 2), columns as in `AXES`."""

    name: str
    features: Floats
    ratings: Floats
    rating_noise: Floats


@dataclass(frozen=True)
class Agreement:
    """How predictions agree with ratings: over windows, over piece means, and around piece means."""

    r2: float
    ccc: float
    pearson: float
    piece_r2: float
    piece_pearson: float
    within_pearson: float


def fit_files(affect: Path, midi: Path, manifest: Path, out: Path) -> None:
    """Fit, cross-validate, map, print the table and write the JSON file."""
    pieces = read_rated_pieces(affect / "vgmidi_measure_va.csv", midi / "vgmidi" / "labelled" / "midi")
    if len(pieces) < FOLDS:
        raise ValueError(f"only {len(pieces)} rated pieces found below {midi}; unpack vgmidi there")
    regressors = fit_regressors(pieces)
    comparison = compare(pieces)
    axes = map_over_corpus(regressors, read_corpus_features(midi, manifest))
    document = _document(pieces, axes, comparison)
    print(json.dumps(document["fit"], indent=1))
    temporary = out.with_name(out.name + ".part")
    temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    temporary.replace(out)


def read_rated_pieces(ratings_csv: Path, midi: Path) -> list[RatedPiece]:
    """Every rated piece whose MIDI file is there."""
    measures: dict[str, list[dict[str, str]]] = defaultdict(list)
    with ratings_csv.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            measures[row["midi"]].append(row)
    present = {name: rows for name, rows in measures.items() if (midi / name).exists()}
    read = (_rated_piece(midi / name, rows) for name, rows in present.items())
    return [piece for piece in read if piece is not None]


def _rated_piece(path: Path, rows: list[dict[str, str]]) -> RatedPiece | None:
    """Windows of one piece with the mean of the ratings given `RATING_LAG_S` after their music."""
    duration_s, measure_count = float(rows[0]["duration"]), float(rows[0]["n_measures"])
    features = piece_features(read_midi(path), duration_s, HOP_S, WINDOW_S)
    if features is None:
        return None
    heard_s = (np.array([float(row["measure"]) for row in rows]) + 0.5) / measure_count * duration_s
    heard_s -= RATING_LAG_S
    means, medians = (
        np.array([[float(row[f"{axis}_{kind}"]) for axis in AXES] for row in rows])
        for kind in ("mean", "median")
    )
    centres_s = (np.arange(len(features)) + 0.5) * HOP_S
    is_inside = np.abs(heard_s[None, :] - centres_s[:, None]) <= WINDOW_S / 2
    counts = is_inside.sum(axis=1)
    rated = counts > 0
    ratings = (is_inside[rated] @ means) / counts[rated, None]
    return RatedPiece(path.name, features[rated], ratings, np.mean((means - medians) ** 2, axis=0))


def fit_regressors(pieces: list[RatedPiece], names: tuple[str, ...] = RATED_FEATURES) -> dict[str, Regressor]:
    """Ridge regression per axis; every piece weighs the same, however long.

    weights = (Z' D Z + ridge I)^-1 Z' D (y - mean), Z standardised and clipped, D window weights of sum 1.
    """
    columns = [FEATURE_NAMES.index(name) for name in names]
    features = np.concatenate([piece.features[:, columns] for piece in pieces])
    ratings = np.concatenate([piece.ratings for piece in pieces])
    weight = np.concatenate([np.full(len(p.features), 1 / len(p.features) / len(pieces)) for p in pieces])
    mean = weight @ features
    scale = np.sqrt(weight @ (features - mean) ** 2) + 1e-9
    standardised = np.clip((features - mean) / scale, -CLIP, CLIP)
    gram = standardised.T @ (weight[:, None] * standardised) + RIDGE * np.eye(len(names))
    intercepts = weight @ ratings
    solved = np.linalg.solve(gram, standardised.T @ (weight[:, None] * (ratings - intercepts)))
    return {
        axis: Regressor(names, mean, scale, CLIP, float(intercepts[k]), solved[:, k])
        for k, axis in enumerate(AXES)
    }


def compare(pieces: list[RatedPiece], seed: int = 0) -> dict[str, dict[str, Agreement]]:
    """Cross-validated agreement of the regressor, of stricter folds, and of what it must beat.

    The paper's arousal is note density per instrument, so that alone is one baseline; ratings of other
    pieces are the other.
    """
    generator = np.random.default_rng(seed)
    by_piece = np.array_split(generator.permutation(len(pieces)), FOLDS)
    series = np.array([piece.name.split("_")[0] for piece in pieces])
    by_series = [np.flatnonzero(series == name) for name in np.unique(series)]
    return {
        "by_piece": cross_validate(pieces, by_piece),
        "by_game_series": cross_validate(pieces, by_series),
        "mode_only": cross_validate(pieces, by_piece, names=("mode",)),
        "note_density_only": cross_validate(pieces, by_piece, names=("notes_per_group",)),
        "shuffled_ratings": cross_validate(_with_others_ratings(pieces, generator), by_piece),
    }


def _with_others_ratings(pieces: list[RatedPiece], generator: np.random.Generator) -> list[RatedPiece]:
    """Every piece with the ratings of some other, both cut to the shorter."""
    shuffled = []
    for piece, other in zip(pieces, generator.permutation(len(pieces)), strict=True):
        ratings = pieces[other].ratings[: len(piece.features)]
        shuffled.append(RatedPiece(piece.name, piece.features[: len(ratings)], ratings, piece.rating_noise))
    return shuffled


def cross_validate(
    pieces: list[RatedPiece], folds: list[NDArray[np.int64]], names: tuple[str, ...] = RATED_FEATURES
) -> dict[str, Agreement]:
    """Agreement of predictions for pieces that the fit has not seen; a fold is an array of piece numbers."""
    predictions: dict[int, Floats] = {}
    for held_out in folds:
        unseen = set(held_out.tolist())
        regressors = fit_regressors([p for k, p in enumerate(pieces) if k not in unseen], names)
        for k in unseen:
            predictions[k] = np.stack([regressors[axis].predict(pieces[k].features) for axis in AXES], axis=1)
    found = {}
    for column, axis in enumerate(AXES):
        rated = [piece.ratings[:, column] for piece in pieces]
        found[axis] = agreement(rated, [predictions[k][:, column] for k in range(len(pieces))])
    return found


def agreement(rated: list[Floats], predicted: list[Floats]) -> Agreement:
    """Compare ratings with predictions, a pair of arrays per piece."""
    y, p = np.concatenate(rated), np.concatenate(predicted)
    piece_y, piece_p = (np.array([values.mean() for values in side]) for side in (rated, predicted))
    inner_y, inner_p = (np.concatenate([v - v.mean() for v in side]) for side in (rated, predicted))
    return Agreement(
        r2=_r2(y, p),
        ccc=concordance(y, p),
        pearson=_pearson(y, p),
        piece_r2=_r2(piece_y, piece_p),
        piece_pearson=_pearson(piece_y, piece_p),
        within_pearson=_pearson(inner_y, inner_p),
    )


def concordance(a: Floats, b: Floats) -> float:
    """Lin's concordance correlation: 2 cov(a, b) / (var a + var b + (mean a - mean b)^2)."""
    covariance = np.mean((a - a.mean()) * (b - b.mean()))
    return float(2 * covariance / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))


def _pearson(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def _r2(y: Floats, p: Floats) -> float:
    return float(1 - np.mean((y - p) ** 2) / y.var())


@dataclass(frozen=True)
class CorpusSample:
    """Features of one file of the corpus and what each of its windows weighs."""

    features: Floats
    weight: float


def read_corpus_features(midi: Path, manifest: Path, seed: int = 0) -> list[CorpusSample]:
    """Features of up to `FILES_PER_SOURCE` files a source; a window weighs as much as training sees it."""
    files: dict[str, list[str]] = defaultdict(list)
    with manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["source"] != "vgmidi":
                files[row["source"]].append(row["path"])
    generator = np.random.default_rng(seed)
    samples = []
    for source, paths in track(sorted(files.items()), description="mapping over the corpus"):
        chosen = generator.permutation(len(paths))[:FILES_PER_SOURCE]
        weight = SOURCE_WEIGHTS.get(source, 1.0) * len(paths) / len(chosen)
        for features in _features_of([midi / paths[k] for k in chosen]):
            samples.append(CorpusSample(features, weight))
    return samples


def _features_of(paths: list[Path]) -> Iterator[Floats]:
    """Features of the files that can be read and hold pitched notes."""
    for path in paths:
        try:
            notes = read_midi(path)
        except MidiError:
            continue
        end_ticks = (notes["onset_ticks"] + notes["duration_ticks"]).max(initial=0)
        features = piece_features(notes, float(end_ticks) / TICKS_PER_S, HOP_S, WINDOW_S)
        if features is not None:
            yield features


def map_over_corpus(regressors: dict[str, Regressor], corpus: list[CorpusSample]) -> dict[str, AffectAxis]:
    """Axes whose labels have the quantiles `MAP_QUANTILES` of the corpus at `MAP_LABELS`."""
    weights = np.concatenate([np.full(len(sample.features), sample.weight) for sample in corpus])
    axes = {}
    for name, regressor in regressors.items():
        corners = np.array(MAP_LABELS)
        unmapped = AffectAxis(regressor, PRIORS[name], corners, corners)
        raw = np.concatenate([unmapped.predict(sample.features) for sample in corpus])
        quantiles = weighted_quantiles(raw, weights, np.array(MAP_QUANTILES))
        axes[name] = AffectAxis(regressor, PRIORS[name], quantiles, corners)
    return axes


def weighted_quantiles(values: Floats, weights: Floats, quantiles: Floats) -> Floats:
    """Values at which the given shares of the total weight lie below."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(quantiles, below / weights.sum(), values[order])


def annotator_noise(pieces: list[RatedPiece]) -> NDArray[np.float64]:
    """Standard error of the mean rating of one measure, per axis, shape (2,).

    Single ratings are not published, but mean and median of each measure are, and for 30 normal ratings
    var(mean - median) = MEDIAN_EXCESS x var(mean).
    """
    return np.asarray(np.sqrt(np.mean([piece.rating_noise for piece in pieces], axis=0) / MEDIAN_EXCESS))


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 3) for key, value in values.items()}


def _document(
    pieces: list[RatedPiece], axes: dict[str, AffectAxis], comparison: dict[str, dict[str, Agreement]]
) -> dict[str, object]:
    """What the JSON file holds."""
    shared = axes["valence"].regressor
    noise = annotator_noise(pieces)
    spread = np.concatenate([piece.ratings for piece in pieces]).std(axis=0)
    document: dict[str, object] = {
        "version": 1,
        "hop_s": HOP_S,
        "window_s": WINDOW_S,
        "features": {
            "names": list(shared.names),
            "mean": shared.mean.round(5).tolist(),
            "scale": shared.scale.round(5).tolist(),
            "clip": CLIP,
        },
    }
    for name, axis in axes.items():
        document[name] = {
            "intercept": round(axis.regressor.intercept, 5),
            "weights": axis.regressor.weights.round(5).tolist(),
            "priors": axis.priors,
            "map": {"raw": axis.raw.round(5).tolist(), "label": axis.label.tolist()},
        }
    document["fit"] = {
        "data": "VGMIDI measure ratings (Ferreira & Whitehead 2019); only these fitted numbers are kept",
        "pieces": len(pieces),
        "windows": sum(len(piece.features) for piece in pieces),
        "ridge": RIDGE,
        "rating_lag_s": RATING_LAG_S,
        "folds_by_piece": FOLDS,
        "cross_validated": {
            how: {axis: _rounded(vars(value)) for axis, value in found.items()}
            for how, found in comparison.items()
        },
        "rating_deviation": _rounded(dict(zip(AXES, spread.tolist(), strict=True))),
        "annotator_standard_error": _rounded(dict(zip(AXES, noise.tolist(), strict=True))),
    }
    return document
