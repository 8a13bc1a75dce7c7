"""Sound that is made before its file is there is the sound of the file, or it is not used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sound_examples import control, make_midi, make_soundfont, note

from emsync.audio import render as module
from emsync.audio.performance import read_performance
from emsync.audio.render import render
from emsync.audio.sound_ahead import SoundAhead
from emsync.audio.synthesiser import Synthesiser
from emsync.errors import AudioError
from emsync.options import RenderOptions
from emsync.types import PlayedMessage

OPTIONS = RenderOptions()
DURATION_S = 6.0


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    strings = [
        control(7, 88, channel=3),
        *[m for key in (60, 64, 67) for m in note(key, ticks=900, channel=3)],
    ]
    drums = [message for _ in range(9) for message in note(38, ticks=480, channel=9)]
    return make_midi(tmp_path / "tune.mid", strings, drums)


def heard_until(path: Path, time_s: float) -> list[PlayedMessage]:
    return [played for played in read_performance(path).messages if played.time_s < time_s]


def rendered(
    midi: Path,
    wav: Path,
    heard: Sequence[Sequence[PlayedMessage]] = (),
    options: RenderOptions = OPTIONS,
    duration_s: float = DURATION_S,
) -> bytes:
    """The WAV of a file, of which something may have been heard before."""
    with SoundAhead(wav.parent, DURATION_S, options) as ahead:
        for messages in heard:
            ahead.hear(messages)
        render(midi, wav, duration_s=duration_s, options=options, ahead=ahead)
    return wav.read_bytes()


@pytest.fixture
def no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the sound was there and is made again")

    monkeypatch.setattr(module, "_synthesise", fail)


@pytest.mark.parametrize("until_s", [0.1, 1.0, 2.95, 4.0])
def test_the_sound_is_that_of_the_file(
    tmp_path: Path, tune: Path, monkeypatch: pytest.MonkeyPatch, until_s: float
) -> None:
    plain = rendered(tune, tmp_path / "plain.wav")
    monkeypatch.setattr(module, "_synthesise", None)
    heard = heard_until(tune, until_s)
    halves = [heard[: len(heard) // 2], heard[len(heard) // 2 :]]
    assert rendered(tune, tmp_path / "ahead.wav", halves) == plain


@pytest.mark.usefixtures("no_second_time")
def test_a_player_that_was_set_up_and_never_plays_changes_nothing(tmp_path: Path, tune: Path) -> None:
    setup = [
        PlayedMessage(0.0, 9, message) for message in (control(7, 3, channel=1), control(10, 3, channel=1))
    ]
    first = rendered(tune, tmp_path / "a.wav", [heard_until(tune, 2.0)])
    assert rendered(tune, tmp_path / "b.wav", [[*setup, *heard_until(tune, 2.0)]]) == first


def softer(messages: list[PlayedMessage]) -> list[PlayedMessage]:
    last = messages[-1]
    return [*messages[:-1], replace(last, message=last.message.copy(note=last.message.note + 1))]


def later(messages: list[PlayedMessage]) -> list[PlayedMessage]:
    return [*messages[:-1], replace(messages[-1], time_s=messages[-1].time_s + 0.001)]


def too_many(messages: list[PlayedMessage]) -> list[PlayedMessage]:
    return [*messages, replace(messages[-1], message=messages[-1].message.copy(channel=5))]


def too_few(messages: list[PlayedMessage]) -> list[PlayedMessage]:
    return [*messages[:3], *messages[5:]]


@pytest.mark.parametrize("change", [softer, later, too_many, too_few])
def test_sound_of_other_music_is_thrown_away(
    tmp_path: Path, tune: Path, change: Callable[[list[PlayedMessage]], list[PlayedMessage]]
) -> None:
    plain = rendered(tune, tmp_path / "plain.wav")
    assert rendered(tune, tmp_path / "other.wav", [change(heard_until(tune, 3.0))]) == plain


def test_sound_of_another_length_is_not_used(tmp_path: Path, tune: Path) -> None:
    heard = [heard_until(tune, 2.0)]
    short = rendered(tune, tmp_path / "short.wav", heard, duration_s=3.0)
    assert short == rendered(tune, tmp_path / "plain.wav", duration_s=3.0)


def test_programs_that_the_font_lacks_are_reported(tmp_path: Path, tune: Path) -> None:
    options = replace(OPTIONS, soundfont=make_soundfont(tmp_path / "tiny.sf2"))
    with SoundAhead(tmp_path, DURATION_S, options) as ahead:
        ahead.hear(heard_until(tune, 1.0))
        report = render(tune, tmp_path / "a.wav", duration_s=DURATION_S, options=options, ahead=ahead)
    alone = render(tune, tmp_path / "b.wav", duration_s=DURATION_S, options=options)
    assert report.substitutions == alone.substitutions


def test_work_that_is_given_up_ends_at_once_and_leaves_nothing(tmp_path: Path, tune: Path) -> None:
    before = set(tmp_path.iterdir()), threading.active_count()
    with pytest.raises(KeyboardInterrupt), SoundAhead(tmp_path, 3600.0, OPTIONS) as ahead:
        ahead.hear(heard_until(tune, 2.0))
        raise KeyboardInterrupt
    assert (set(tmp_path.iterdir()), threading.active_count()) == before


def test_nothing_is_loaded_for_a_score_of_which_nothing_is_heard(
    tmp_path: Path, tune: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    real = Synthesiser.__init__

    def count(self: Synthesiser, *values: object) -> None:
        made.append(1)
        real(self, *values)  # type: ignore[arg-type]

    monkeypatch.setattr(Synthesiser, "__init__", count)
    rendered(tune, tmp_path / "a.wav")
    assert len(made) == 1


def test_a_font_that_cannot_be_used_is_told_when_the_sound_is_asked_for(tmp_path: Path, tune: Path) -> None:
    font = make_soundfont(tmp_path / "half.sf2")
    font.write_bytes(font.read_bytes()[:-200])
    with pytest.raises(AudioError, match=r"half\.sf2 cannot be used"):
        rendered(tune, tmp_path / "a.wav", [heard_until(tune, 1.0)], replace(OPTIONS, soundfont=font))
    assert not (tmp_path / "a.wav").exists()


def test_progress_rises_to_one(tmp_path: Path, tune: Path) -> None:
    seen: list[float] = []
    with SoundAhead(tmp_path, DURATION_S, OPTIONS) as ahead:
        ahead.hear(heard_until(tune, 2.0))
        render(
            tune,
            tmp_path / "a.wav",
            duration_s=DURATION_S,
            options=OPTIONS,
            on_progress=seen.append,
            ahead=ahead,
        )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 5
