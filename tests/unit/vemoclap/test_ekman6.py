"""Ekman-6 on a made-up miniature: its lists, its features, the commands, and one clear error for each bad layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.media import make_video

NEEDED = "the paper's extractors need torch: pip install emsync[vemoclap]"
pytest.importorskip("torch", reason=NEEDED)
pytest.importorskip("onnx", reason=NEEDED)
pytest.importorskip("safetensors", reason=NEEDED)

from emsync.errors import InputError  # noqa: E402
from emsync.types import EMOTIONS  # noqa: E402
from emsync_train.emotion.vemoclap import extract as extract_command  # noqa: E402
from emsync_train.emotion.vemoclap import train as train_command  # noqa: E402
from emsync_train.emotion.vemoclap.contract import Features, Film  # noqa: E402
from emsync_train.emotion.vemoclap.ekman6 import (  # noqa: E402
    Ekman6Video,
    check_videos,
    features_path,
    load_ekman6,
    load_features,
    write_features,
)
from emsync_train.emotion.vemoclap.extract import extract  # noqa: E402
from emsync_train.emotion.vemoclap.film import read_film  # noqa: E402

FOLDERS = [emotion.capitalize() for emotion in EMOTIONS]


class Brightness:
    """A modality that sees how bright each instant is, and nothing in the dark."""

    name, dimension = "brightness", 1

    def __init__(self) -> None:
        self.calls = 0

    def extract(self, film: Film, /) -> Features | None:
        self.calls += 1
        levels = film.frames.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]
        return levels if levels.max() > 10 else None


def miniature(folder: Path, *, per_emotion: int = 4) -> Path:
    """Lists only: the last number of each emotion is tested on."""
    names = [f"{emotion}/{number}.mp4" for emotion in FOLDERS for number in range(1, per_emotion + 1)]
    is_test = [name.endswith(f"/{per_emotion}.mp4") for name in names]
    for split, wanted in (("train", False), ("test", True)):
        lines = [name for name, test in zip(names, is_test, strict=True) if test is wanted]
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def add_features(folder: Path, modality: str, dimension: int) -> None:
    generator = np.random.default_rng(dimension)
    for number, video in enumerate(load_ekman6(folder)):
        values = generator.normal(size=(2, dimension)).astype(np.float32) + video.label
        write_features(features_path(folder, modality, video), values if number % 5 else None, dimension)


def test_lists_give_names_labels_and_sides(tmp_path: Path) -> None:
    videos = load_ekman6(miniature(tmp_path))
    assert len(videos) == 24
    assert videos[0] == Ekman6Video("Anger/1", 0, "train", tmp_path / "videos" / "Anger" / "1.mp4")
    assert [video.label for video in videos if video.split == "test"] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("line", "name", "file"),
    [
        ("Joy/12.mp4 3", "Joy/12", "Joy/12.mp4"),
        ("joy/12", "Joy/12", "joy/12.mp4"),
        ("Joy/a film 2.avi", "Joy/a film 2", "Joy/a film 2.avi"),
    ],
)
def test_a_line_may_lack_the_suffix_and_may_end_in_a_class_number(
    tmp_path: Path, line: str, name: str, file: str
) -> None:
    (miniature(tmp_path) / "train.txt").write_text(line + "\n", encoding="utf-8")
    video = load_ekman6(tmp_path)[0]
    assert (video.name, video.label, video.path) == (name, 3, tmp_path / "videos" / file)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove("test.txt"), r"test\.txt: no such file"),
        (write("train.txt", "\n"), r"train\.txt: the list is empty"),
        (write("train.txt", "Anger/1.mp4\nTrust/1.mp4\n"), r"line 2: 'Trust/1\.mp4' does not name a video"),
        (write("train.txt", "clips/Anger/1.mp4\n"), r"line 1: 'clips/Anger/1\.mp4' does not name a video"),
        (write("train.txt", "../1.mp4\n"), r"line 1: .* does not name a video"),
        (write("train.txt", "Anger/4.mp4\n"), r"Anger/4 is listed more than once"),
    ],
)
def test_a_bad_layout_gives_one_line_that_says_what_and_where(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(miniature(tmp_path))
    with pytest.raises(InputError, match=message) as caught:
        load_ekman6(tmp_path)
    assert "docs/vemoclap.md" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_and_missing_videos_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_ekman6(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"Anger.1\.mp4: 24 of 24 listed videos are not there"):
        check_videos(load_ekman6(miniature(tmp_path)))


def test_features_come_back_with_what_is_missing(tmp_path: Path) -> None:
    add_features(miniature(tmp_path), "a", 3)
    add_features(tmp_path, "b", 2)
    examples = load_features(tmp_path, load_ekman6(tmp_path), ["b", "a"])
    assert [(spec.name, spec.dimension) for spec in examples.specs] == [("b", 2), ("a", 3)]
    assert examples.features[0] == (None, None)
    assert [None if x is None else x.shape for x in examples.features[1]] == [(2, 2), (2, 3)]
    assert examples.labels[:4].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, r"Anger.2\.npy: no features"),
        (np.zeros((2, 5), np.float32), r"vectors of lengths \[3, 5\]"),
        (np.zeros(3, np.float32), r"Anger.2\.npy: finite float32 \(T, D\) expected, got float32 \(3,\)"),
        (np.full((1, 3), np.nan, np.float32), "finite"),
    ],
)
def test_bad_features_are_named(tmp_path: Path, values: Features | None, message: str) -> None:
    add_features(miniature(tmp_path), "a", 3)
    path = tmp_path / "features" / "a" / "Anger" / "2.npy"
    path.unlink()
    if values is not None:
        np.save(path, values)
    with pytest.raises(InputError, match=message):
        load_features(tmp_path, load_ekman6(tmp_path), ["a"])


def test_a_film_is_read_at_instants_spread_over_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    make_video(path, duration_s=4.0, cuts_s=(2.0,), audio_streams=1)
    film = read_film(path, instants=4)
    assert film.frames.shape == (4, 36, 64, 3)
    assert film.samples.shape == (64_000,)
    assert np.abs(film.samples).max() > 0.01
    before, after = film.frames[:2].mean(axis=(0, 1, 2)), film.frames[2:].mean(axis=(0, 1, 2))
    assert before[0] > before[2] + 50  # red, then cyan
    assert after[2] > after[0] + 50


def test_a_film_without_sound_has_no_samples_and_a_short_one_repeats_its_last_frame(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    make_video(path, duration_s=0.3)
    film = read_film(path)
    assert film.samples.shape == (0,)
    assert len(film.frames) == 16


def test_what_was_extracted_is_not_extracted_again(tmp_path: Path) -> None:
    videos = load_ekman6(miniature(tmp_path, per_emotion=2))[:2]
    for video in videos:
        video.path.parent.mkdir(parents=True, exist_ok=True)
        make_video(video.path, duration_s=1.0)
    modality = Brightness()
    assert extract(tmp_path, videos, [modality]) == 2
    assert extract(tmp_path, videos, [modality]) == 0
    assert modality.calls == 2
    assert load_features(tmp_path, videos, ["brightness"]).specs[0].dimension == 1


def test_a_film_that_says_nothing_is_kept_as_such(tmp_path: Path) -> None:
    video = load_ekman6(miniature(tmp_path))[0]
    write_features(features_path(tmp_path, "face", video), None, 7)
    assert np.load(tmp_path / "features" / "face" / "Anger" / "1.npy").shape == (0, 7)


def test_the_training_command_writes_a_network_and_what_it_was_tested_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_features(miniature(tmp_path), "clip", 3)
    add_features(tmp_path, "beats", 2)
    out = tmp_path / "fusion.onnx"
    options = ["--data", str(tmp_path), "--modalities", "clip", "beats", "--epochs", "1", "--out", str(out)]
    assert train_command.main(options) == 0
    card = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert (card["modalities"], card["test_films"]) == ({"clip": 3, "beats": 2}, 6)
    assert out.stat().st_size > 1000
    capsys.readouterr()
    assert train_command.main(options) == 1
    assert "fusion.onnx" in capsys.readouterr().err


def test_the_commands_say_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extract_command.main(["--data", str(tmp_path / "nowhere"), "--clip", "x"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    for video in load_ekman6(miniature(tmp_path, per_emotion=2)):
        video.path.parent.mkdir(parents=True, exist_ok=True)
        video.path.touch()
    assert extract_command.main(["--data", str(tmp_path)]) == 1
    assert "No modality is asked for" in capsys.readouterr().err
    assert extract_command.main(["--data", str(tmp_path), "--beats", str(tmp_path / "beats.pt")]) == 1
    assert "beats.pt: no such file" in capsys.readouterr().err
