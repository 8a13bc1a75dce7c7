"""The baselines' numbers, by pencil."""

from __future__ import annotations

import numpy as np
import pytest

from emsync_train.ngram import BITS_PER_TOKEN, NGram, ngram_keys


def tokens(*values: int) -> np.ndarray:
    return np.array(values, np.uint16)


def nats(model: NGram, sequence: np.ndarray) -> list[float]:
    return model.nats(sequence, np.ones(len(sequence), bool)).tolist()


def test_a_run_of_tokens_is_one_integer() -> None:
    shift = 1 << BITS_PER_TOKEN
    assert ngram_keys(tokens(1, 2, 3), 2).tolist() == [shift + 2, 2 * shift + 3]
    assert ngram_keys(tokens(1), 2).tolist() == []


def test_a_unigram_is_the_frequency_mixed_with_the_uniform() -> None:
    model = NGram(tokens(0, 0, 0, 1), order=1, vocabulary_size=4)
    # four tokens of two kinds: P(0) = (3 + 2 / 4) / (4 + 2), and P(2), never seen, = (2 / 4) / 6
    assert nats(model, tokens(0, 2)) == pytest.approx([-np.log(3.5 / 6), -np.log(0.5 / 6)])


def test_a_bigram_leans_on_what_followed_the_same_token() -> None:
    model = NGram(tokens(0, 1, 0, 1, 0, 2), order=2, vocabulary_size=4)
    unigram = NGram(tokens(0, 1, 0, 1, 0, 2), order=1, vocabulary_size=4)
    p_1 = np.exp(-nats(unigram, tokens(1))[0])
    # 0 was followed by 1 twice and by 2 once: two kinds in three
    assert nats(model, tokens(0, 1)) == pytest.approx([-np.log((2 + 2 * p_1) / (3 + 2))])


def test_a_history_never_seen_falls_back_to_the_shorter_one() -> None:
    counted = tokens(0, 1, 0, 1)
    bigram, unigram = (NGram(counted, order=order, vocabulary_size=4) for order in (2, 1))
    assert nats(bigram, tokens(3, 1)) == pytest.approx(nats(unigram, tokens(1)))


@pytest.mark.parametrize("order", [1, 2, 5])
def test_probabilities_over_the_vocabulary_sum_to_one(order: int) -> None:
    rng = np.random.default_rng(0)
    model = NGram(rng.integers(0, 6, 400).astype(np.uint16), order=order, vocabulary_size=6)
    history = rng.integers(0, 6, order - 1)
    likelihoods = [np.exp(-nats(model, tokens(*history, following))[0]) for following in range(6)]
    assert sum(likelihoods) == pytest.approx(1.0)


def test_tokens_that_do_not_count_are_left_out() -> None:
    model = NGram(tokens(0, 1, 0, 1), order=1, vocabulary_size=2)
    assert len(model.nats(tokens(0, 1, 0), np.array([True, False, True]))) == 2


def test_an_order_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        NGram(tokens(0, 1), order=6, vocabulary_size=4)
