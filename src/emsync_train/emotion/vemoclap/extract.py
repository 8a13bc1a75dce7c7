"""Extract the features of Ekman-6; what is there already is not extracted again.

    python -m emsync_train.emotion.vemoclap.extract --data EKMAN6 --clip openai/clip-vit-base-patch32 \
        --beats BEATs_iter3_plus_AS2M.pt --face-detector yolov5s-face.onnx --expression trpakov/vit-face-expression \
        --whisper openai/whisper-large-v3 --sentiment cardiffnlp/twitter-roberta-base-sentiment-latest --screen-text

Each option adds a modality; leave out what you do not have. A source is a folder or, with a network, a hub name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emsync.errors import EmsyncError, InputError
from emsync_train.emotion.vemoclap.contract import Modality
from emsync_train.emotion.vemoclap.ekman6 import (
    Ekman6Video,
    check_videos,
    features_path,
    load_ekman6,
    write_features,
)
from emsync_train.emotion.vemoclap.face import PUBLISHED as PUBLISHED_EXPRESSION
from emsync_train.emotion.vemoclap.face import FaceExpression
from emsync_train.emotion.vemoclap.film import read_film
from emsync_train.emotion.vemoclap.loading import checked_device
from emsync_train.emotion.vemoclap.picture import ClipPicture
from emsync_train.emotion.vemoclap.sound import BeatsSound
from emsync_train.emotion.vemoclap.words import (
    PUBLISHED_SENTIMENT,
    RapidOcrReader,
    ScreenTextSentiment,
    Sentiment,
    SpeechSentiment,
    Transcriber,
)


def modalities_of(arguments: argparse.Namespace) -> list[Modality]:
    """The extractors that the options ask for.

    Raises: InputError if none is asked for; WeightsError if one cannot be loaded.
    """
    device = checked_device(arguments.device)
    found: list[Modality] = []
    if arguments.clip:
        found.append(ClipPicture.load(arguments.clip, device))
    if arguments.beats:
        found.append(BeatsSound.load(arguments.beats, arguments.beats_output, device))
    if arguments.face_detector:
        found.append(FaceExpression.load(arguments.face_detector, arguments.expression, device))
    if arguments.whisper or arguments.screen_text:
        sentiment = Sentiment.load(arguments.sentiment, device)
        if arguments.whisper:
            found.append(SpeechSentiment(Transcriber.load(arguments.whisper, device), sentiment))
        if arguments.screen_text:
            found.append(ScreenTextSentiment(RapidOcrReader(), sentiment))
    if not found:
        raise InputError(
            "No modality is asked for: give --clip, --beats, --face-detector, --whisper or --screen-text."
        )
    return found


def extract(folder: Path, videos: Sequence[Ekman6Video], modalities: Sequence[Modality]) -> int:
    """Write the features that are not there yet; returns how many files were written."""
    written = 0
    for video in videos:
        lacking = [m for m in modalities if not features_path(folder, m.name, video).exists()]
        if not lacking:
            continue
        film = read_film(video.path)
        for modality in lacking:
            path = features_path(folder, modality.name, video)
            write_features(path, modality.extract(film), modality.dimension)
            written += 1
    return written


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="Ekman-6, laid out as in docs/vemoclap.md")
    options.add_argument("--clip", default="", help="CLIP: folder or hub name")
    options.add_argument("--beats", type=Path, default=None, help="BEATs: a published checkpoint (.pt)")
    options.add_argument("--beats-output", choices=["embedding", "classes"], default="embedding")
    options.add_argument("--face-detector", type=Path, default=None, help="YOLOv5-face: .onnx or TorchScript")
    options.add_argument(
        "--expression", default=PUBLISHED_EXPRESSION, help="expression ViT: folder or hub name"
    )
    options.add_argument("--whisper", default="", help="Whisper: folder or hub name")
    options.add_argument("--sentiment", default=PUBLISHED_SENTIMENT, help="RoBERTa: folder or hub name")
    options.add_argument(
        "--screen-text", action="store_true", help="read the screen with rapidocr-onnxruntime"
    )
    options.add_argument("--device", default="cpu", help="where networks run: cpu, cuda, mps")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Extract everything; 1 if something the user gave cannot be used."""
    arguments = parser().parse_args(argv)
    try:
        videos = load_ekman6(arguments.data)
        check_videos(videos)
        written = extract(arguments.data, videos, modalities_of(arguments))
    except EmsyncError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{written} feature files written for {len(videos)} videos")
    return 0


if __name__ == "__main__":
    sys.exit(main())
