"""Speech is found, cut out and given its times; where nobody speaks, no text is made up."""

from collections.abc import Callable

import numpy as np
import pytest
from made_up_sound import music, noise, patches, silence, voice

from emsync.emotion.features.speech import SpeechSense
from emsync.emotion.features.speech_detector import SpeechDetector
from emsync.emotion.features.speech_stretches import FRAME_S, Samples, SpeechWindow, Stretch, StretchFinder
from emsync.emotion.features.whisper import Transcript
from emsync.emotion.features.whisper_tokens import Sentence
from emsync.emotion.text_emotion import TextEmotion
from emsync.types import NAMED, Shot

JOY = "I am so happy to see you!"


class Levels:
    """A detector that takes every loud frame for speech."""

    def forget(self) -> None:
        """It remembers nothing."""

    def probabilities(self, frames: Samples) -> Samples:
        return np.asarray(np.abs(frames).max(axis=1) > 0.5, np.float32)


class Writer:
    """A transcriber that notes what it hears."""

    def __init__(self, said: Callable[[Samples], Transcript] | None = None) -> None:
        self.heard: list[Samples] = []
        self._said = said

    def __call__(self, samples: Samples) -> Transcript:
        self.heard.append(samples)
        if self._said:
            return self._said(samples)
        return Transcript((Sentence(0.0, samples.size / 16_000, JOY),), is_english=True)


def loud(duration_s: float) -> Samples:
    return silence(duration_s) + 1


def sense(writer: Writer, detector: object = None) -> SpeechSense:
    return SpeechSense(detector or Levels(), writer, TextEmotion.load())  # type: ignore[arg-type]


def hear(listener: SpeechSense, *sounds: Samples) -> None:
    for patch in patches(np.concatenate(sounds)):
        listener.accept_sound(patch)
    listener.finish()


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector.load(threads=1)


def frames_of(sound: Samples) -> Samples:
    return sound[: sound.size // 512 * 512].reshape(-1, 512)


@pytest.mark.parametrize("sound", [silence(20), noise(20), music(20)], ids=["silence", "noise", "music"])
def test_where_nobody_speaks_nothing_is_read_and_nothing_said(
    detector: SpeechDetector, sound: Samples
) -> None:
    writer = Writer()
    listener = sense(writer, detector)
    hear(listener, sound)
    assert writer.heard == []
    assert listener.moments().times_s.size == 0
    assert listener.texts == ()


def test_a_voice_between_silences_is_cut_out(detector: SpeechDetector) -> None:
    writer = Writer()
    hear(sense(writer, detector), silence(8), voice(4), silence(8))
    assert 2.5 < sum(samples.size for samples in writer.heard) / 16_000 < 6


def test_the_detector_remembers_what_went_before(detector: SpeechDetector) -> None:
    frames = frames_of(voice(3))
    detector.forget()
    at_once = detector.probabilities(frames)
    detector.forget()
    in_pieces = np.concatenate([detector.probabilities(frames[:17]), detector.probabilities(frames[17:])])
    assert in_pieces == pytest.approx(at_once, abs=1e-5)


def test_the_detector_refuses_frames_of_another_length(detector: SpeechDetector) -> None:
    with pytest.raises(ValueError, match="frames \\(N, 512\\) expected"):
        detector.probabilities(np.zeros((1, 480), np.float32))


def test_a_sentence_names_an_emotion_once_a_second_where_it_was_said() -> None:
    listener = sense(Writer())
    hear(listener, silence(10), loud(4), silence(10))
    moments = listener.moments()
    assert moments.times_s == pytest.approx([10.3, 11.4, 12.5, 13.7], abs=0.4)
    assert [NAMED[row.argmax()] for row in moments.values] == ["joy"] * 4


def test_stretches_share_a_window_and_keep_their_own_times() -> None:
    two = Transcript((Sentence(0.0, 2.4, JOY), Sentence(2.5, 4.8, "That is so sad.")), is_english=True)
    writer = Writer(lambda samples: two)
    listener = sense(writer)
    hear(listener, silence(5), loud(2), silence(60), loud(2), silence(5))
    assert len(writer.heard) == 1
    times_s = [(text.start_s, text.end_s) for text in listener.texts]
    assert times_s == [pytest.approx((5, 7), abs=0.4), pytest.approx((67, 69), abs=0.4)]


def test_speech_without_a_pause_is_read_in_windows_of_at_most_30_s() -> None:
    writer = Writer()
    hear(sense(writer), loud(100), silence(3))
    lengths_s = [samples.size / 16_000 for samples in writer.heard]
    assert max(lengths_s) <= 30
    assert sum(lengths_s) == pytest.approx(100, abs=1)


def test_memory_holds_less_than_a_minute_of_sound_however_long_the_film() -> None:
    listener = sense(Writer())
    most = 0
    for patch in patches(np.concatenate([np.concatenate([loud(9), silence(1)]) for _ in range(30)])):
        listener.accept_sound(patch)
        waiting = sum(stretch.samples.size for stretch in listener._packer._waiting)
        most = max(most, waiting + 512 * len(listener._finder._frames) + listener._rest.size)
    assert most <= 60 * 16_000


def test_a_click_is_no_speech() -> None:
    writer = Writer()
    hear(sense(writer), silence(4), loud(0.15), silence(4))
    assert writer.heard == []


def test_another_language_keeps_its_words_and_names_nothing() -> None:
    said = Transcript((Sentence(0.0, 2.0, "the gift is so die in was not"),), is_english=False)
    listener = sense(Writer(lambda samples: said))
    hear(listener, silence(3), loud(2), silence(3))
    assert listener.text_in(Shot(0.0, 8.0)) == "the gift is so die in was not"
    assert listener.moments().times_s.size == 0


def test_a_doubtful_window_is_tried_once_more_stretch_by_stretch() -> None:
    def only_short(samples: Samples) -> Transcript:
        if samples.size > 3 * 16_000:
            return Transcript((), is_english=True, is_doubtful=True)
        return Transcript((Sentence(0.0, 2.0, JOY),), is_english=True)

    writer = Writer(only_short)
    listener = sense(writer)
    hear(listener, silence(3), loud(2), silence(3), loud(2), silence(3))
    assert len(writer.heard) == 3
    assert [round(text.start_s) for text in listener.texts] == [3, 8]


def test_a_second_film_begins_anew() -> None:
    listener = sense(Writer())
    hear(listener, silence(3), loud(2), silence(3))
    first = listener.texts
    listener.forget()
    assert listener.texts == ()
    hear(listener, silence(3), loud(2), silence(3))
    assert listener.texts == first


def test_words_are_told_for_the_shot_in_which_the_sentence_has_its_middle() -> None:
    listener = sense(Writer())
    hear(listener, silence(10), loud(4), silence(10))
    assert listener.text_in(Shot(11.0, 14.0)) == JOY
    assert listener.text_in(Shot(0.0, 11.0)) == ""


def test_a_span_across_stretches_lasts_from_the_first_to_the_last() -> None:
    window = SpeechWindow((Stretch(10.0, silence(2)), Stretch(50.0, silence(3))))
    assert window.film_span_s(1.0, 4.0) == (11.0, 52.0)
    assert window.film_span_s(0.0, 2.0) == (10.0, 12.0)
    assert window.film_span_s(2.0, 30.0) == (50.0, 53.0)


def test_a_pause_of_less_than_half_a_second_splits_nothing() -> None:
    finder = StretchFinder()
    levels = [1.0] * 40 + [0.0] * 12 + [1.0] * 40 + [0.0] * 40
    found = [one for level in levels if (one := finder.add(np.zeros(512, np.float32), level))]
    assert [round(one.length_s / FRAME_S) for one in found] == [40 + 12 + 40 + 7]
