"""What is said and what is written: speech and screen text to words, words to sentiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from emsync.emotion.features.sound import has_sound
from emsync.errors import InputError
from emsync.types import SOUND_RATE_HZ
from emsync_train.emotion.vemoclap.contract import Features, Film, Frames, Samples
from emsync_train.emotion.vemoclap.loading import (
    device_of,
    load_network,
    load_sound_reader,
    load_tokenizer,
)
from emsync_train.emotion.vemoclap.sound import windows

PUBLISHED_SPEECH = "openai/whisper-large-v3"
PUBLISHED_SENTIMENT = "cardiffnlp/twitter-roberta-base-sentiment-latest"
"""A RoBERTa with three sentiments; the paper does not name its own."""

SPEECH_WINDOW_S = 30
OCR_INSTALL = (
    "Install it beside emsync's own OpenCV: pip install --no-deps rapidocr-onnxruntime pyclipper shapely six"
)
"""With its dependencies it would bring a second OpenCV, which overwrites the one that is there."""


class Sentiment:
    """RoBERTa's sentiment of a text."""

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self._network, self._tokenizer = network, tokenizer

    @classmethod
    def load(cls, source: str = PUBLISHED_SENTIMENT, device: str = "cpu") -> Sentiment:
        """Read network and tokenizer.

        Raises: WeightsError if they cannot be had or are something else.
        """
        kinds = ("roberta", "xlm-roberta")
        network = load_network("AutoModelForSequenceClassification", source, kinds=kinds, device=device)
        return cls(network, load_tokenizer(source))

    @property
    def dimension(self) -> int:
        """Number of sentiments."""
        return int(self._network.config.num_labels)

    def of(self, texts: Sequence[str]) -> Features | None:
        """Probabilities of each text that is not blank, shape (T, dimension); None if all are."""
        spoken = [text.strip() for text in texts if text.strip()]
        if not spoken:
            return None
        longest = int(self._network.config.max_position_embeddings) - 2  # RoBERTa counts places from 2
        rows = []
        for text in spoken:  # one by one: padding would move results in the last digits
            tokens = self._tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
            tokens = tokens.to(device_of(self._network))
            with torch.no_grad():
                rows.append(self._network(**tokens).logits.softmax(dim=1))
        return np.asarray(torch.cat(rows).cpu().numpy(), np.float32)


class Transcriber:
    """Whisper: sound to English words, window by window."""

    def __init__(self, network: Any, reader: Any, tokenizer: Any) -> None:
        self._network, self._reader, self._tokenizer = network, reader, tokenizer

    @classmethod
    def load(cls, source: str = PUBLISHED_SPEECH, device: str = "cpu") -> Transcriber:
        """Read network, spectrogram settings and tokenizer.

        Raises: WeightsError if they cannot be had or are something else.
        """
        network = load_network("WhisperForConditionalGeneration", source, kinds=("whisper",), device=device)
        return cls(network, load_sound_reader(source), load_tokenizer(source))

    def transcripts(self, samples: Samples) -> list[str]:
        """Words of each 30 s that are not silent, translated into English if the network can."""
        heard = [part for part in windows(samples, SPEECH_WINDOW_S * SOUND_RATE_HZ) if has_sound(part)]
        return [self._words(part) for part in heard]

    def _words(self, samples: Samples) -> str:
        features = self._reader(samples, sampling_rate=SOUND_RATE_HZ, return_tensors="pt").input_features
        can_translate = bool(getattr(self._network.generation_config, "is_multilingual", False))
        task = {"task": "translate"} if can_translate else {}
        with torch.no_grad():
            tokens = self._network.generate(
                features.to(device_of(self._network)), do_sample=False, num_beams=1, **task
            )
        return str(self._tokenizer.batch_decode(tokens, skip_special_tokens=True)[0])


class SpeechSentiment:
    """Sentiment of what is said, one row for each 30 s with words."""

    name = "speech"

    def __init__(self, transcriber: Transcriber, sentiment: Sentiment) -> None:
        self._transcriber, self._sentiment = transcriber, sentiment

    @property
    def dimension(self) -> int:
        """Number of sentiments."""
        return self._sentiment.dimension

    def extract(self, film: Film, /) -> Features | None:
        """Shape (T, dimension); None for silence and for sound without words."""
        return self._sentiment.of(self._transcriber.transcripts(film.samples))


class ScreenReader(Protocol):
    """Anything that reads text off a picture."""

    def read(self, rgb: Frames, /) -> str:
        """The text of a frame (H, W, 3), empty if it has none."""
        ...


class RapidOcrReader:
    """The package `rapidocr-onnxruntime` as a screen reader; not part of the extra, see `OCR_INSTALL`."""

    def __init__(self, engine: Any = None, *, least_score: float = 0.5) -> None:
        self._engine = _rapid_ocr() if engine is None else engine
        self._least_score = least_score

    def read(self, rgb: Frames, /) -> str:
        """Lines that it is sure enough of, in the order in which it found them."""
        lines, _ = self._engine(np.ascontiguousarray(rgb[..., ::-1]))  # it wants BGR
        return " ".join(text for _, text, score in lines or [] if float(score) >= self._least_score)


class ScreenTextSentiment:
    """Sentiment of what is written, one row for each instant with text that was not there the instant before."""

    name = "text"

    def __init__(self, reader: ScreenReader, sentiment: Sentiment) -> None:
        self._reader, self._sentiment = reader, sentiment

    @property
    def dimension(self) -> int:
        """Number of sentiments."""
        return self._sentiment.dimension

    def extract(self, film: Film, /) -> Features | None:
        """Shape (T, dimension); None if nothing is written."""
        texts = [self._reader.read(frame) for frame in film.frames]
        fresh = [text for text, before in zip(texts, ["", *texts], strict=False) if text != before]
        return self._sentiment.of(fresh)


def _rapid_ocr() -> Any:
    try:
        from rapidocr_onnxruntime import RapidOCR  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415
    except ImportError as error:
        raise InputError(
            f"Reading text off the screen needs the package rapidocr-onnxruntime. {OCR_INSTALL}"
        ) from error
    return RapidOCR()
