"""Train the classifier of sentences on GoEmotions in Ekman's classes, write it to the assets.

    python -m emsync_train.emotion.train_text --data DIR --report benchmarks/results/text_emotion.json

DIR holds train.tsv.xz, dev.tsv.xz and test.tsv.xz (sentence, class numbers, identifier) and labels.txt. Two minutes on
one core; same input, same file. The temperature comes from dev; test is only measured.
"""

from __future__ import annotations

import argparse
import json
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from emsync.emotion.pool import softmax
from emsync.emotion.text_emotion import (
    TEXT_EMOTION,
    TextEmotion,
    TextWeights,
    checksums,
    letter_features,
    rows_of,
    tokens_of,
    word_features,
)
from emsync.types import NAMED, Floats
from emsync.weights import ASSETS, register_weights
from emsync_train.emotion.text_report import report

FILE_NAME = "text_emotion.npz"
COMMAND = "python -m emsync_train.emotion.train_text --data DIR --report benchmarks/results/text_emotion.json"
ROW_COUNT = 1 << 17
LEAST_TEXTS = 3
"""A row that fewer sentences fall on is not used."""
LEAST_TEXTS_OF_WORD = 5
"""A word is known if at least so many sentences hold it: rarer ones let other languages in."""
LETTERS_SHARE = 0.7
PENALTY = 2e-5
BALANCE = 0.5
"""A sentence counts its class's frequency to the power of -0.5: the rare classes are the interesting ones.

The last three were picked on dev among two values each."""
ITERATIONS = 60
TEMPERATURES = np.arange(0.4, 2.01, 0.02)
_MASKS = ("[NAME]", "[RELIGION]")
"""What GoEmotions put in place of names."""


@dataclass(frozen=True)
class Sentences:
    """N sentences; `targets` (N, 7) are distributions over `NAMED`: equal shares of the labels given."""

    tokens: list[list[str]]
    targets: Floats


def main(arguments: list[str] | None = None) -> None:
    """Train, write the weights, measure them as shipped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--assets", type=Path, default=ASSETS)
    options = parser.parse_args(arguments)
    weights = train(read(options.data, "train"), read(options.data, "dev"))
    (options.assets / FILE_NAME).write_bytes(weights.to_bytes())
    register_weights(TEXT_EMOTION, (FILE_NAME,), options.assets)
    if options.report:
        shipped = TextEmotion.load(options.assets)
        sentences = {name: read(options.data, name) for name in ("dev", "test")}
        figures = {name: report(shipped, some.tokens, some.targets) for name, some in sentences.items()}
        size = (options.assets / FILE_NAME).stat().st_size
        told = {"command": COMMAND, "bytes": size, "temperature": weights.temperature, **figures}
        options.report.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read(folder: Path, name: str) -> Sentences:
    """One split of the data."""
    names = (folder / "labels.txt").read_text("utf-8").split()
    columns = [NAMED.index(label) for label in names]
    tokens, targets = [], []
    with lzma.open(folder / f"{name}.tsv.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            text, labels, _ = line.rstrip("\n").rsplit("\t", 2)
            for mask in _MASKS:
                text = text.replace(mask, " ")
            target = np.zeros(len(NAMED))
            target[[columns[int(label)] for label in labels.split(",")]] = 1
            tokens.append(tokens_of(text))
            targets.append(target / target.sum())
    return Sentences(tokens, np.array(targets))


def train(training: Sentences, held_out: Sentences) -> TextWeights:
    """Fit the softmax to one split, its temperature to the other."""
    counts = [_counts(training, letters=letters) for letters in (False, True)]
    rarity = _rarity(counts)
    features = _vectors(counts, rarity)
    scaled, bias = _fit(features, training.targets)
    scale = np.maximum(np.abs(scaled).max(axis=0), 1e-9) / 127
    weights = TextWeights(
        weights=np.round(scaled / scale).astype(np.int8),
        scale=scale,
        rarity=rarity,
        bias=bias,
        temperature=1.0,
        letters_share=LETTERS_SHARE,
        known_words=_known_words(training),
    )
    return _calibrated(weights, held_out)


def _counts(sentences: Sentences, *, letters: bool) -> sparse.csr_matrix:
    """1 + log counts of the rows, shape (N, B)."""
    make = letter_features if letters else word_features
    pairs = [rows_of(make(tokens), ROW_COUNT) for tokens in sentences.tokens]
    ends = np.cumsum([0, *(rows.size for rows, _ in pairs)])
    rows, values = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return sparse.csr_matrix((values, rows, ends), shape=(len(pairs), ROW_COUNT))


def _rarity(counts: list[sparse.csr_matrix]) -> Floats:
    """log((1 + N) / (1 + n)) + 1 of rows on which n >= 3 of N sentences fall, else 0; words and letters share rows.

    Rounded as it will be stored.
    """
    texts = np.maximum(*(np.asarray((block > 0).sum(axis=0)).ravel() for block in counts))
    rarity = np.where(texts >= LEAST_TEXTS, np.log((1 + counts[0].shape[0]) / (1 + texts)) + 1, 0)
    return np.asarray(rarity.astype(np.float16), dtype=np.float64)


def _vectors(counts: list[sparse.csr_matrix], rarity: Floats) -> sparse.csr_matrix:
    blocks = []
    for block, share in zip(counts, (1.0, LETTERS_SHARE), strict=True):
        weighted = block @ sparse.diags(rarity)
        lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        blocks.append(sparse.diags(share / np.where(lengths > 0, lengths, 1)) @ weighted)
    return sparse.csr_matrix(blocks[0] + blocks[1])


def _fit(features: sparse.csr_matrix, targets: Floats) -> tuple[Floats, Floats]:
    """Multinomial logistic regression by L-BFGS; no further library for 20 lines. Weights (B, 7) and bias (7,)."""
    importance = targets @ targets.mean(axis=0) ** -BALANCE
    importance = (importance / importance.sum())[:, None]
    transposed = features.T.tocsr()
    shape = (features.shape[1] + 1, targets.shape[1])

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        probabilities = softmax(features @ weights[:-1] + weights[-1])
        fit = -float((importance * targets * np.log(np.maximum(probabilities, 1e-12))).sum())
        slope = (probabilities - targets) * importance
        gradient = np.vstack([transposed @ slope + PENALTY * weights[:-1], slope.sum(axis=0)])
        return fit + PENALTY / 2 * float((weights[:-1] ** 2).sum()), gradient.ravel()

    start = np.zeros(shape).ravel()
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    weights = np.asarray(found.x, dtype=np.float64).reshape(shape)
    return weights[:-1], weights[-1]


def _known_words(sentences: Sentences) -> NDArray[np.uint32]:
    words, texts = np.unique(
        [word for tokens in sentences.tokens for word in set(tokens) if word[0] not in "!?"],
        return_counts=True,
    )
    return np.sort(checksums(words[texts >= LEAST_TEXTS_OF_WORD].tolist()))


def _calibrated(weights: TextWeights, held_out: Sentences) -> TextWeights:
    """The temperature with the least cross-entropy."""
    reader = TextEmotion(weights)
    logits = np.array([reader.logits(tokens) for tokens in held_out.tokens])

    def cross_entropy(temperature: float) -> float:
        return -float((held_out.targets * np.log(softmax(logits / temperature))).sum())

    return TextWeights(
        **{**vars(weights), "temperature": round(float(min(TEMPERATURES, key=cross_entropy)), 3)}
    )


if __name__ == "__main__":
    main()
