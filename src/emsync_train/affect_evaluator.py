"""Affect evaluator: how music feels, judged by other features and another model than its training labels.

A model trained on affect labels is flattered by the labeller that made them. This judge hears histograms
(`evaluator_features`) through a kernel regression instead of means and keys through a linear one. Both learned
from the same listeners; `docs/affect-evaluator.md` says how far they differ.

Command: python -m emsync_train.affect_evaluator fit --affect DIR --midi DIR --manifest FILE --out FILE
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np

from emsync.errors import InputError
from emsync.music.affect_reading import AffectLabeller
from emsync.types import Floats, Notes
from emsync_train import affect_fit
from emsync_train.affect_fit import AXES
from emsync_train.evaluator_features import (
    BLOCKS,
    HOP_S,
    WINDOW_S,
    CorpusFile,
    RatedHistograms,
    centres_of,
    exchange_ratings,
    heard_histograms,
    kernel_of,
    position_of,
    read_corpus,
    read_quadrants,
    read_rated,
    window_centres_s,
)
from emsync_train.fit_command import fit_command

DEFAULT_PATH = Path(__file__).parent / "assets" / "affect_evaluator.json"
GAMMAS = (0.01, 0.02, 0.04)
RIDGES = (0.0001, 0.0003, 0.001, 0.003)
FOLDS = 10
INNER_FOLDS = 5
COMPARED_PER_SOURCE = 20


@dataclass(frozen=True)
class JudgedAffect:
    """Affect of one stretch of music, each in [-1, 1]; 0 is the middle of the training corpus."""

    valence: float
    arousal: float


@dataclass(frozen=True)
class JudgedWindows:
    """Affect of windows of `window_s` seconds around `centres_s`; arrays of shape (W,), in [-1, 1]."""

    centres_s: Floats
    window_s: float
    valence: Floats
    arousal: Floats


@dataclass(frozen=True)
class KernelRegressor:
    """Radial basis functions of square-rooted histograms: intercepts + sum of weight x exp(-gamma d^2).

    d is the distance to a centre after division by `scale`. Shapes: scale (BINS,), centres (K, BINS),
    intercepts (2,) and weights (K, 2), columns as in `AXES`.
    """

    scale: Floats
    centres: Floats
    gamma: float
    intercepts: Floats
    weights: Floats

    def predict(self, histograms: Floats) -> Floats:
        """Valence and arousal on the scale of the ratings for rows of histograms, (W, 2)."""
        kernel = kernel_of(position_of(histograms, self.scale), self.centres, self.gamma)
        return np.asarray(self.intercepts + kernel @ self.weights)


@dataclass(frozen=True)
class AffectEvaluator:
    """Judges the affect of music. Row k of `raw` holds the corners of axis k that become `label`."""

    regressor: KernelRegressor
    raw: Floats
    label: Floats

    @staticmethod
    def load(path: Path | None = None) -> AffectEvaluator:
        """The evaluator of a JSON file; without a path, the one that comes with the package."""
        return _load(path or DEFAULT_PATH)

    def judge(self, notes: Notes, duration_s: float) -> JudgedAffect:
        """Affect of the stretch from 0 to `duration_s`: the mean of its windows; meant for 20 to 120 s.

        Notes that begin later are not heard. Music without a pitched note is neutral: 0, 0.
        """
        windows = self.judge_windows(notes, duration_s)
        return JudgedAffect(float(windows.valence.mean()), float(windows.arousal.mean()))

    def judge_windows(self, notes: Notes, duration_s: float) -> JudgedWindows:
        """Affect every `HOP_S` seconds, each judged from the `WINDOW_S` around it; at least one window.

        The centres are those of `AffectLabeller.label`. A window without a pitched note takes the judgement of
        the nearest that has one; music without any is neutral.
        """
        centres_s = window_centres_s(duration_s)
        histograms = heard_histograms(notes, duration_s)
        if histograms is None:
            return JudgedWindows(centres_s, WINDOW_S, np.zeros(centres_s.size), np.zeros(centres_s.size))
        judged = self.mapped(self.regressor.predict(histograms))
        return JudgedWindows(centres_s, WINDOW_S, judged[:, 0], judged[:, 1])

    def mapped(self, raw: Floats) -> Floats:
        """Judgements in [-1, 1] for predictions on the scale of the ratings, both (W, 2)."""
        columns = [np.interp(raw[:, k], self.raw[k], self.label) for k in range(len(AXES))]
        return np.stack(columns, axis=1)


@lru_cache(maxsize=4)
def _load(path: Path) -> AffectEvaluator:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["blocks"] != BLOCKS or (values["hop_s"], values["window_s"]) != (HOP_S, WINDOW_S):
            raise ValueError("made for other features")
        regressor = KernelRegressor(
            scale=_numbers(values["scale"])[0],
            centres=_numbers(values["centres"]),
            gamma=float(values["gamma"]),
            intercepts=_numbers(values["intercepts"])[0],
            weights=_numbers(values["weights"]),
        )
        raw, label = _numbers(values["map"]["raw"]), _numbers(values["map"]["label"])[0]
        return AffectEvaluator(regressor, raw, label)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not an affect evaluator ({error!r}); fit it again") from error


def _numbers(lines: list[str]) -> Floats:
    """Rows of numbers, one string a row."""
    return np.array([[float(number) for number in line.split()] for line in lines], np.float64)


def _lines(rows: Floats, digits: int) -> list[str]:
    """The inverse of `_numbers`; keeps a file of a hundred rows readable and its differences small."""
    return [" ".join(f"{number:.{digits}f}" for number in row) for row in np.atleast_2d(rows)]


@dataclass(frozen=True)
class CorpusJudgement:
    """Raw judgements of one corpus file's windows, what each weighs, and the mean label if it was asked for."""

    source: str
    raw: Floats
    weight: float
    mean_label: Floats | None


def fit_files(affect: Path, midi: Path, manifest: Path, out: Path) -> None:
    """Fit, cross-validate, map over the corpus, compare with the labels, print and write the JSON file."""
    ratings_csv, rated_midi = affect / "vgmidi_measure_va.csv", midi / "vgmidi" / "labelled" / "midi"
    pieces = read_rated(ratings_csv, rated_midi)
    if len(pieces) < 2 * FOLDS:
        raise InputError(f"only {len(pieces)} rated pieces found below {midi}; unpack vgmidi there")
    quadrants = read_quadrants(affect / "vgmidi_labelled.csv")
    labelled = {piece.name: piece for piece in affect_fit.read_rated_pieces(ratings_csv, rated_midi)}
    predicted, exchanged = _left_out(pieces), exchange_ratings(pieces)
    regressor = fit_regressor(pieces)
    corpus = list(judge_corpus(regressor, read_corpus(midi, manifest)))
    evaluator = map_over_corpus(regressor, corpus)
    fit = {
        "pieces": len(pieces),
        "windows": sum(len(piece.ratings) for piece in pieces),
        "kernel": dict(zip(("gamma", "ridge"), choose_kernel(pieces), strict=True)),
        "left_out_pieces": _scores(pieces, predicted, quadrants),
        "shuffled_ratings": _scores(exchanged, _left_out(exchanged), quadrants),
        "likeness_to_labels_on_left_out_pieces": _shared_errors(pieces, predicted, labelled),
        "likeness_to_labels_on_the_corpus": _agreement_with_labels(evaluator, corpus),
    }
    print(json.dumps(fit, indent=1))
    temporary = out.with_name(out.name + ".part")
    temporary.write_text(json.dumps(_document(evaluator, fit), indent=1) + "\n", encoding="utf-8")
    temporary.replace(out)


@dataclass(frozen=True)
class TrainingSet:
    """Kernel inputs of some pieces: positions (N, BINS), ratings (N, 2), window weights (N,) of sum 1, centres."""

    scale: Floats
    positions: Floats
    ratings: Floats
    weights: Floats
    centres: Floats

    def solve(self, gamma: float, ridge: float) -> KernelRegressor:
        """Regularised least squares on the centred kernel (subset of regressors, Smola & Schoelkopf 2000)."""
        kernel = kernel_of(self.positions, self.centres, gamma)
        mean_kernel, mean_rating = self.weights @ kernel, self.weights @ self.ratings
        weighted = (kernel - mean_kernel).T * self.weights
        penalty = kernel_of(self.centres, self.centres, gamma) + 1e-6 * np.eye(len(self.centres))
        solved = np.linalg.solve(
            weighted @ (kernel - mean_kernel) + ridge * penalty, weighted @ (self.ratings - mean_rating)
        )
        intercepts = np.asarray(mean_rating - mean_kernel @ solved, np.float64)
        return KernelRegressor(self.scale, self.centres, gamma, intercepts, np.asarray(solved, np.float64))


def training_set(pieces: list[RatedHistograms]) -> TrainingSet:
    """Every piece weighs the same, however long; every block of histograms has the same variance."""
    roots = np.sqrt(np.concatenate([piece.histograms for piece in pieces]))
    weights = np.concatenate([np.full(len(p.ratings), 1 / len(p.ratings) / len(pieces)) for p in pieces])
    variances = weights @ (roots - weights @ roots) ** 2
    edges = np.cumsum([0, *BLOCKS.values()])[:-1]
    deviations = np.sqrt(np.add.reduceat(variances, edges) + 1e-9)
    scale = np.repeat(deviations, list(BLOCKS.values())).round(4)
    positions = roots / scale
    ratings = np.concatenate([piece.ratings for piece in pieces])
    return TrainingSet(scale, positions, ratings, weights, centres_of(positions).round(3))


def fit_regressor(pieces: list[RatedHistograms]) -> KernelRegressor:
    """Fit with the gamma and ridge that predict left-out pieces best."""
    gamma, ridge = choose_kernel(pieces)
    return training_set(pieces).solve(gamma, ridge)


def choose_kernel(pieces: list[RatedHistograms]) -> tuple[float, float]:
    """Gamma and ridge of least mean squared error over pieces left out in `INNER_FOLDS` folds."""
    errors: dict[tuple[float, float], float] = defaultdict(float)
    for unseen in _folds(len(pieces), INNER_FOLDS):
        seen = training_set([piece for k, piece in enumerate(pieces) if k not in unseen])
        for choice in product(GAMMAS, RIDGES):
            regressor = seen.solve(*choice)
            missed = [regressor.predict(pieces[k].histograms) - pieces[k].ratings for k in unseen]
            errors[choice] += sum(float(np.mean(values**2)) for values in missed)
    return min(errors, key=lambda choice: errors[choice])


def _left_out(pieces: list[RatedHistograms]) -> list[Floats]:
    """Raw predictions for every piece by a regressor, hyper-parameters included, that has not seen it."""
    predictions: dict[int, Floats] = {}
    for unseen in _folds(len(pieces)):
        regressor = fit_regressor([piece for k, piece in enumerate(pieces) if k not in unseen])
        predictions |= {k: regressor.predict(pieces[k].histograms) for k in unseen}
    return [predictions[k] for k in range(len(pieces))]


def _folds(count: int, folds: int = FOLDS) -> list[set[int]]:
    """Piece numbers of each fold, at random."""
    order = np.random.default_rng(0).permutation(count)
    return [set(fold.tolist()) for fold in np.array_split(order, folds)]


def _scores(
    pieces: list[RatedHistograms], predicted: list[Floats], quadrants: dict[str, Floats]
) -> dict[str, object]:
    """Agreement by axis, and how often the signs of a piece's mean prediction are those that listeners gave."""
    scores: dict[str, object] = {}
    for k, axis in enumerate(AXES):
        found = affect_fit.agreement([p.ratings[:, k] for p in pieces], [p[:, k] for p in predicted])
        scores[axis] = {key: round(value, 3) for key, value in vars(found).items()}
    known = [k for k, piece in enumerate(pieces) if piece.name in quadrants]
    signs = np.array([quadrants[pieces[k].name] for k in known])
    is_right = np.sign([predicted[k].mean(axis=0) for k in known]) == signs
    shares = {
        "accuracy": is_right.all(axis=1).mean(),
        "largest_class": np.unique(signs, axis=0, return_counts=True)[1].max() / len(known),
    }
    for k, axis in enumerate(AXES):
        shares[f"{axis}_sign"] = is_right[:, k].mean()
        shares[f"{axis}_commoner_sign"] = np.unique(signs[:, k], return_counts=True)[1].max() / len(known)
    scores["quadrants"] = {key: round(float(value), 3) for key, value in shares.items()}
    return scores | {"quadrant_pieces": len(known)}


def _shared_errors(
    pieces: list[RatedHistograms], predicted: list[Floats], labelled: dict[str, affect_fit.RatedPiece]
) -> dict[str, dict[str, float]]:
    """How alike evaluator and labeller are on the means of pieces that neither had seen.

    `partial` is the correlation of the two predictions after the part of each that is linear in the ratings
    is taken out: agreement that the listeners do not explain.
    """
    theirs = np.zeros((len(pieces), len(AXES)))
    for unseen in _folds(len(pieces)):
        seen = [labelled[piece.name] for k, piece in enumerate(pieces) if k not in unseen]
        regressors = affect_fit.fit_regressors(seen)
        for k in unseen:
            features = labelled[pieces[k].name].features
            theirs[k] = [regressors[axis].predict(features).mean() for axis in AXES]
    ours = np.array([values.mean(axis=0) for values in predicted])
    rated = np.array([piece.ratings.mean(axis=0) for piece in pieces])
    found = {}
    for axis, a, b, y in zip(AXES, ours.T, theirs.T, rated.T, strict=True):
        left_a, left_b = (side - np.polyval(np.polyfit(y, side, 1), y) for side in (a, b))
        found[axis] = {
            "predictions": _correlation(a, b),
            "errors": _correlation(a - y, b - y),
            "partial": _correlation(left_a, left_b),
        }
    return found


def _correlation(a: Floats, b: Floats) -> float:
    return round(float(np.corrcoef(a, b)[0, 1]), 3)


def judge_corpus(regressor: KernelRegressor, files: Iterable[CorpusFile]) -> Iterator[CorpusJudgement]:
    """Raw judgements of the files that hold pitched notes; the first of every source with their label."""
    labeller = AffectLabeller.load()
    for file in files:
        mean_label, histograms = None, heard_histograms(file.notes, file.duration_s)
        if histograms is None:
            continue
        if file.rank < COMPARED_PER_SOURCE:
            labels = labeller.label(file.notes, file.duration_s)
            mean_label = np.array([labels.valence.mean(), labels.arousal.mean()], np.float64)
        yield CorpusJudgement(file.source, regressor.predict(histograms), file.weight, mean_label)


def map_over_corpus(regressor: KernelRegressor, corpus: list[CorpusJudgement]) -> AffectEvaluator:
    """The evaluator whose judgements of windows have the quantiles of the labels (`affect_fit`)."""
    raw = np.concatenate([file.raw for file in corpus])
    weights = np.concatenate([np.full(len(file.raw), file.weight) for file in corpus])
    quantiles = np.array(affect_fit.MAP_QUANTILES)
    corners = [affect_fit.weighted_quantiles(column, weights, quantiles) for column in raw.T]
    return AffectEvaluator(regressor, np.stack(corners), np.array(affect_fit.MAP_LABELS))


def _agreement_with_labels(evaluator: AffectEvaluator, corpus: list[CorpusJudgement]) -> dict[str, object]:
    """Judgement of whole files against their mean label, over all sources and inside each."""
    compared = [file for file in corpus if file.mean_label is not None]
    sources = np.array([file.source for file in compared])
    labels = np.array([file.mean_label for file in compared])
    judged = np.array([evaluator.mapped(file.raw).mean(axis=0) for file in compared])
    of_source = {str(name): sources == name for name in np.unique(sources)}
    found: dict[str, object] = {"files": len(compared)}
    for axis, a, b in zip(AXES, judged.T, labels.T, strict=True):
        found[axis] = {
            "pearson": _correlation(a, b),
            "ccc": round(affect_fit.concordance(a, b), 3),
            "pearson_by_source": {name: _correlation(a[at], b[at]) for name, at in of_source.items()},
            "difference_by_source": {n: round(float((a - b)[at].mean()), 3) for n, at in of_source.items()},
        }
    return found


def _document(evaluator: AffectEvaluator, fit: dict[str, object]) -> dict[str, object]:
    """What the JSON file holds."""
    regressor = evaluator.regressor
    return {
        "version": 1,
        "hop_s": HOP_S,
        "window_s": WINDOW_S,
        "blocks": BLOCKS,
        "gamma": regressor.gamma,
        "intercepts": _lines(regressor.intercepts, 6),
        "map": {"raw": _lines(evaluator.raw, 5), "label": _lines(evaluator.label, 2)},
        "scale": _lines(regressor.scale, 4),
        "weights": _lines(regressor.weights, 6),
        "centres": _lines(regressor.centres, 3),
        "fit": {
            "data": "VGMIDI measure ratings (Ferreira & Whitehead 2019); only these fitted numbers are kept",
        }
        | fit,
    }


def main() -> None:
    """Command line of this module."""
    fit_command("emsync_train.affect_evaluator", "the evaluator", fit_files)


if __name__ == "__main__":
    main()
