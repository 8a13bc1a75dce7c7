"""What sentences say of a mood, with the shipped weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

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
from emsync.errors import WeightsError
from emsync.types import NAMED
from emsync.weights import ASSETS, load_weights

FIGURES = Path(__file__).parents[3] / "benchmarks" / "results" / "text_emotion.json"


@pytest.fixture(scope="module")
def reader() -> TextEmotion:
    return TextEmotion.load()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("I am so happy to see you, this is wonderful!", "joy"),
        ("They killed him. I miss him so much, I can't stop crying.", "sadness"),
        ("I'm scared. I am terrified of what is out there.", "fear"),
        ("Wow, I did not expect that at all!", "surprise"),
        ("That smell is disgusting, it makes me sick.", "disgust"),
        ("I hate you! Shut up and get out, you idiot!", "anger"),
        ("The train leaves at nine from the second platform.", "neutral"),
    ],
)
def test_plain_sentences_are_named_as_a_person_would(reader: TextEmotion, text: str, named: str) -> None:
    probabilities = reader.read(text)
    assert probabilities is not None
    assert probabilities.sum() == pytest.approx(1)
    assert NAMED[int(probabilities.argmax())] == named


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12:30 -- 45 %",
        "!!! ??",
        "No.",
        "No no no no",
        "xqz plfk wrtgh bnmv",
        "\u6211\u5f88\u9ad8\u5174\u89c1\u5230\u4f60",  # Chinese
        "\u042f \u0442\u0430\u043a \u0440\u0430\u0434 \u0442\u0435\u0431\u044f \u0432\u0438\u0434\u0435\u0442\u044c",
        "\u3068\u3066\u3082\u3046\u308c\u3057\u3044\u3067\u3059",  # Japanese
        "\u0623\u0646\u0627 \u0633\u0639\u064a\u062f \u062c\u062f\u0627",  # Arabic
        "Ich bin so froh, dich zu sehen, mein Freund.",
        "Was machst du hier? Das war so nicht in Ordnung.",
        "Je suis tellement content de te voir ici.",
        "Estoy muy feliz de verte, amigo.",
        "Sono molto felice di vederti qui.",
        "a\ud800b \ud800\ud800",  # half surrogates of a damaged subtitle
    ],
)
def test_text_that_is_not_english_says_nothing(reader: TextEmotion, text: str) -> None:
    assert reader.read(text) is None


def test_a_very_long_text_is_read_as_far_as_its_first_400_words(reader: TextEmotion) -> None:
    happy = "i am so happy today " * 80
    assert np.array_equal(reader.read(happy), reader.read(happy + "and now i am terribly sad " * 9000))  # type: ignore[arg-type]


def test_typographic_quotes_are_read_as_plain_ones() -> None:
    assert tokens_of("Don\u2019t GO!!") == tokens_of("don't go!!") == ["don't", "go", "!!"]


def test_features_are_words_pairs_and_letter_groups() -> None:
    assert word_features(["oh", "!"]) == ["w:oh", "w:!", "b:< oh", "b:oh !", "b:! >"]
    assert letter_features(["a"]) == ["c: a", "c:a ", "c: a "]


def test_rows_count_how_often_a_feature_falls_on_them() -> None:
    rows, values = rows_of(["w:a", "w:a", "w:b"], 1 << 17)
    assert sorted(values.tolist()) == pytest.approx([1.0, 1 + np.log(2)])
    assert set(rows.tolist()) == {int(one) % (1 << 17) for one in checksums(["w:a", "w:b"])}


def test_weights_survive_being_written_and_read(reader: TextEmotion) -> None:
    content = load_weights(TEXT_EMOTION)
    again = TextWeights.from_bytes(TextWeights.from_bytes(content).to_bytes())
    text = "what a lovely day"
    assert np.allclose(TextEmotion(again).read(text), reader.read(text))  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_content_that_is_no_weights_is_refused(damage: bytes) -> None:
    with pytest.raises(WeightsError, match="weights for text cannot be used"):
        TextWeights.from_bytes(damage)


def test_numbers_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="bias must be finite and of shape"):
        TextWeights(
            np.zeros((4, 7), np.int8), np.ones(7), np.ones(4), np.ones(6), 1.0, 0.7, np.zeros(0, np.uint32)
        )


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    for name in ("weights.json", "text_emotion.npz"):
        shutil.copy(ASSETS / name, tmp_path / name)
    content = bytearray((tmp_path / "text_emotion.npz").read_bytes())
    content[-100] ^= 1
    (tmp_path / "text_emotion.npz").write_bytes(content)
    with pytest.raises(WeightsError, match="were altered"):
        TextEmotion.load(tmp_path)


def test_the_committed_figures_are_those_of_the_shipped_file() -> None:
    figures = json.loads(FIGURES.read_text("utf-8"))
    assert figures["bytes"] == (ASSETS / "text_emotion.npz").stat().st_size <= 2_000_000
    assert figures["test"]["macro_f1"] > 0.56
    assert figures["test"]["ece"] < 0.05
