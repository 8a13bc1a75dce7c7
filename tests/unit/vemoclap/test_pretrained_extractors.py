"""CLIP, faces, speech and text with random weights: shapes, what is missing, determinism, errors of loading."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tiny_networks as tiny
from tests.media import make_video
from tiny_beats import save_checkpoint

from emsync.errors import InputError, WeightsError
from emsync_train.emotion.vemoclap import extract, loading
from emsync_train.emotion.vemoclap.contract import Features, Film, Frames, Modality
from emsync_train.emotion.vemoclap.face import HALF, FaceExpression
from emsync_train.emotion.vemoclap.face_detector import FaceDetector, Floats32
from emsync_train.emotion.vemoclap.loading import load_network, normalised_pixels, pixel_statistics
from emsync_train.emotion.vemoclap.picture import ClipPicture
from emsync_train.emotion.vemoclap.words import (
    RapidOcrReader,
    ScreenTextSentiment,
    Sentiment,
    SpeechSentiment,
    Transcriber,
)

torch = tiny.torch


class Faces(FaceDetector):
    """Finds the same boxes in every frame."""

    def __init__(self, *boxes: tuple[float, ...]) -> None:
        self.boxes = np.array([[*box, 0.9] for box in boxes], np.float32).reshape(-1, 5)

    def faces(self, rgb: Frames) -> Floats32:
        return self.boxes


class Titles:
    """Reads a number of lines, one a frame."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def read(self, rgb: Frames, /) -> str:
        return self.lines.pop(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("networks")
    tiny.save_clip(made / "clip")
    tiny.save_expression(made / "expression")
    tiny.save_sentiment(made / "sentiment")
    tiny.save_whisper(made / "whisper")
    return made


def clip(folder: Path) -> Modality:
    return ClipPicture.load(str(folder / "clip"))


def face(folder: Path) -> Modality:
    network = load_network("ViTForImageClassification", str(folder / "expression"), kinds=("vit",))
    return FaceExpression(Faces((5, 5, 25, 35)), network)


def speech(folder: Path) -> Modality:
    transcriber = Transcriber.load(str(folder / "whisper"))
    return SpeechSentiment(transcriber, Sentiment.load(str(folder / "sentiment")))


def screen_text(folder: Path) -> Modality:
    lines = ("the sea", "a joy", "the sea") * 2
    return ScreenTextSentiment(Titles(*lines), Sentiment.load(str(folder / "sentiment")))


EXTRACTORS: Sequence[tuple[Callable[[Path], Modality], str, int, int]] = (
    (clip, "clip", 12, 3),
    (face, "face", 7, 3),
    (speech, "speech", 3, 1),
    (screen_text, "text", 3, 3),
)


@pytest.mark.parametrize(("make", "name", "dimension", "steps"), EXTRACTORS)
def test_an_extractor_keeps_the_contract_and_says_the_same_twice(
    folder: Path, make: Callable[[Path], Modality], name: str, dimension: int, steps: int
) -> None:
    modality = make(folder)
    features, again = modality.extract(tiny.film()), modality.extract(tiny.film())
    assert features is not None
    assert (modality.name, modality.dimension) == (name, dimension)
    assert (features.shape, features.dtype) == ((steps, dimension), np.float32)
    np.testing.assert_array_equal(features, again)


@pytest.mark.parametrize("make", [clip, face])
def test_frames_together_say_what_they_say_alone(folder: Path, make: Callable[[Path], Modality]) -> None:
    modality, film = make(folder), tiny.film(frames=20)
    alone = [modality.extract(Film(frame[None], film.samples)) for frame in film.frames]
    assert all(row is not None for row in alone)
    np.testing.assert_allclose(modality.extract(film), np.concatenate([*alone]), atol=1e-5)


def test_different_pictures_have_different_embeddings(folder: Path) -> None:
    features = clip(folder).extract(tiny.film())
    assert features is not None
    assert np.abs(features[0] - features[1]).max() > 1e-3


def test_expressions_are_probabilities(folder: Path) -> None:
    features = face(folder).extract(tiny.film())
    assert features is not None
    np.testing.assert_allclose(features.sum(axis=1), 1, atol=1e-5)


def test_a_film_without_faces_or_with_specks_only_lacks_the_modality(folder: Path) -> None:
    network = load_network("ViTForImageClassification", str(folder / "expression"), kinds=("vit",))
    assert FaceExpression(Faces(), network).extract(tiny.film()) is None
    assert FaceExpression(Faces((5, 5, 9, 9)), network).extract(tiny.film()) is None


def test_the_largest_of_several_faces_is_read(folder: Path) -> None:
    network = load_network("ViTForImageClassification", str(folder / "expression"), kinds=("vit",))
    small, large = (0, 0, 10, 10), (20, 5, 50, 35)
    both, alone = (FaceExpression(Faces(*boxes), network) for boxes in ((small, large), (large,)))
    np.testing.assert_array_equal(both.extract(tiny.film()), alone.extract(tiny.film()))


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(64_000, np.float32)])
def test_silence_has_no_speech(folder: Path, samples: Features) -> None:
    assert speech(folder).extract(Film(tiny.film().frames, samples)) is None


def test_sound_is_heard_in_pieces_of_thirty_seconds(folder: Path) -> None:
    transcriber = Transcriber.load(str(folder / "whisper"))
    assert len(transcriber.transcripts(tiny.film(seconds=31.0).samples)) == 2


def test_blank_words_have_no_sentiment(folder: Path) -> None:
    assert Sentiment.load(str(folder / "sentiment")).of(["", "  "]) is None


def test_a_long_text_is_cut_to_what_the_network_can_read(folder: Path) -> None:
    features = Sentiment.load(str(folder / "sentiment")).of(["joy " * 100])
    assert features is not None
    assert np.isfinite(features).all()


def test_a_title_that_stays_is_read_once(folder: Path) -> None:
    sentiment = Sentiment.load(str(folder / "sentiment"))
    features = ScreenTextSentiment(Titles("the sea", "the sea", ""), sentiment).extract(tiny.film())
    assert features is not None
    assert len(features) == 1


def test_a_film_without_titles_lacks_the_modality(folder: Path) -> None:
    sentiment = Sentiment.load(str(folder / "sentiment"))
    assert ScreenTextSentiment(Titles("", "", ""), sentiment).extract(tiny.film()) is None


def test_the_ocr_engine_gets_bgr_and_its_doubtful_lines_are_dropped() -> None:
    seen = []

    def engine(bgr: Frames) -> tuple[list[tuple[None, str, str]] | None, None]:
        seen.append(bgr)
        return [(None, "THE", "0.9"), (None, "x", "0.2"), (None, "END", "0.8")], None

    frame = tiny.film().frames[0]
    assert RapidOcrReader(engine).read(frame) == "THE END"
    np.testing.assert_array_equal(seen[0], frame[..., ::-1])
    assert RapidOcrReader(lambda _: (None, None)).read(frame) == ""


def test_pixels_are_cropped_from_the_middle_and_normalised() -> None:
    frame = np.zeros((1, 32, 96, 3), np.uint8)
    frame[:, :, 32:64] = 255
    pixels = normalised_pixels(frame, 32, HALF, crop=True)
    assert pixels.shape == (1, 3, 32, 32)
    torch.testing.assert_close(pixels, torch.ones(1, 3, 32, 32))


def test_the_pixel_statistics_of_a_checkpoint_are_used(folder: Path) -> None:
    path = folder / "expression" / "preprocessor_config.json"
    assert pixel_statistics(str(path.parent), otherwise=HALF) is HALF
    path.write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]}), encoding="utf-8")
    mean, deviation = pixel_statistics(str(path.parent), otherwise=HALF)
    path.unlink()
    assert (mean.tolist(), deviation.tolist()) == ([pytest.approx(v) for v in (0.1, 0.2, 0.3)], [1, 2, 3])


LOADERS = {
    "clip": ClipPicture.load,
    "sentiment": Sentiment.load,
    "whisper": Transcriber.load,
    "expression": lambda source: load_network("ViTForImageClassification", source, kinds=("vit",)),
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_folder_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere: no such folder\. Give the folder"):
        LOADERS[name](str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", LOADERS)
def test_an_empty_folder_is_told_what_it_must_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"it must hold config\.json"):
        LOADERS[name](str(tmp_path))


@pytest.mark.parametrize("name", LOADERS)
def test_a_hub_name_without_a_network_gets_advice(name: str) -> None:
    with pytest.raises(WeightsError, match="without a network, download it elsewhere and give its folder"):
        LOADERS[name]("nobody/no-such-network")


@pytest.mark.parametrize("name", LOADERS)
def test_another_architecture_is_refused(name: str, folder: Path) -> None:
    other = "clip" if name != "clip" else "whisper"
    with pytest.raises(WeightsError, match=f"a network of kind {other}, but .* is needed"):
        LOADERS[name](str(folder / other))


def test_a_network_without_the_head_it_needs_is_refused_rather_than_made_up(
    folder: Path, tmp_path: Path
) -> None:
    bare = tiny.transformers.ViTModel.from_pretrained(folder / "expression", add_pooling_layer=False)
    bare.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"2 weights .* are not in it, the first is classifier\.bias"):
        load_network("ViTForImageClassification", str(tmp_path), kinds=("vit",))


def test_damaged_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "clip"
    shutil.copytree(folder / "clip", broken)
    (broken / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="cannot be loaded as CLIPVisionModelWithProjection"):
        ClipPicture.load(str(broken))


def test_weights_stored_as_halves_are_run_as_floats(folder: Path, tmp_path: Path) -> None:
    network = tiny.transformers.CLIPModel.from_pretrained(folder / "clip")
    network.half().save_pretrained(tmp_path)
    features, exact = (
        ClipPicture.load(str(place)).extract(tiny.film()) for place in (tmp_path, folder / "clip")
    )
    assert features is not None
    np.testing.assert_allclose(features, exact, rtol=0.05, atol=0.05)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"pip install 'emsync\[vemoclap\]'"):
        loading.transformers_library()


def test_without_the_ocr_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(InputError, match="pip install --no-deps rapidocr-onnxruntime"):
        RapidOcrReader()


def test_the_command_extracts_every_modality_that_is_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, name in (("train", "Joy/1.mp4"), ("test", "Fear/1.mp4")):
        (tmp_path / f"{split}.txt").write_text(name, encoding="utf-8")
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True)
        make_video(path, duration_s=1.0, audio_streams=1 if split == "train" else 0)
    sources = {name: str(folder / name) for name in ("clip", "whisper", "sentiment")}
    sources |= {"data": str(tmp_path), "beats": str(save_checkpoint(tmp_path / "beats.pt"))}
    assert extract.main([part for name, source in sources.items() for part in (f"--{name}", source)]) == 0
    assert "6 feature files written for 2 videos" in capsys.readouterr().out
    shapes = {
        name: [np.load(tmp_path / "features" / name / video / "1.npy").shape for video in ("Joy", "Fear")]
        for name in ("clip", "beats", "speech")
    }
    assert shapes == {"clip": [(16, 12)] * 2, "beats": [(1, 16), (0, 16)], "speech": [(1, 3), (0, 3)]}


def test_a_device_that_is_not_there_is_refused() -> None:
    assert loading.checked_device("cpu") == "cpu"
    with pytest.raises(InputError, match="No network can run on 'abacus' here; use cpu"):
        loading.checked_device("abacus")
