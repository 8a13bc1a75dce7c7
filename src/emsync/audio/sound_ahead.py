"""The sound of a score that is still being composed, as far as its messages are certain.

A thread of its own plays what it is told while composing goes on. Once the MIDI file is written, that file decides: if
what was played is how the file begins, the rest of the file is played and nothing is lost; if not, the sound is thrown
away, and the file is to be rendered from its beginning.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

from emsync.ahead import UNLIMITED, made_ahead
from emsync.audio.fade import Fade, faded, plan_fade
from emsync.audio.mixdown import Mixdown
from emsync.audio.performance import CHANNELS, Performance
from emsync.audio.soundfont import find_soundfont
from emsync.audio.synthesiser import Synthesiser
from emsync.options import RenderOptions
from emsync.types import PlayedMessage


class _UselessError(Exception):
    """What was played is not wanted: the file says something else, or composing ended without one."""


class _Told:
    """What was said of one channel: how many messages, what they were, and whether there was a note."""

    def __init__(self) -> None:
        self.messages, self.digest, self.has_notes = 0, 0, False

    def add(self, played: PlayedMessage) -> None:
        self.messages += 1
        self.digest = hash((self.digest, played.time_s, bytes(played.message.bytes())))
        self.has_notes = self.has_notes or played.is_onset


class SoundAhead:
    """The mix of one score on its way. Enter it as a context, let it `hear` messages, then ask for all of the sound.

    Without a message heard nothing is loaded and nothing is made.
    """

    def __init__(self, folder: Path, duration_s: float, options: RenderOptions) -> None:
        """A mix of `duration_s`, kept in a nameless file in `folder`."""
        self._folder, self._options = folder, options
        self._frames = max(round(duration_s * options.sample_rate_hz), 1)
        self._heard: SimpleQueue[Sequence[PlayedMessage] | Performance | None] = SimpleQueue()
        self._opened = contextlib.ExitStack()
        self._frames_made: Iterator[int] | None = None
        self._mixdown: Mixdown | None = None
        self._fade: Fade | None = None

    def __enter__(self) -> SoundAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self._heard.put(None)
        self._opened.close()
        if self._mixdown is not None:
            self._mixdown.close()

    def hear(self, messages: Sequence[PlayedMessage]) -> None:
        """What is played next, in playing order; nothing that comes later may be earlier than any of it."""
        if self._frames_made is None:
            self._frames_made = self._opened.enter_context(made_ahead(self._made(), depth=UNLIMITED))
        self._heard.put(messages)

    def finished(
        self, performance: Performance, frames: int, report: Callable[[float], None]
    ) -> Mixdown | None:
        """The mix of a whole file; None if the file does not begin with what was heard, or lasts for another time.

        It lasts until the context ends. `report` is told the part that is done.
        Raises: AudioError if the soundfont cannot be used.
        """
        if self._frames_made is None or frames != self._frames:
            return None
        self._heard.put(performance)
        try:
            for made in self._frames_made:
                report(made / self._frames)
        except _UselessError:
            return None
        return self._mixdown

    def _made(self) -> Iterator[int]:
        """Play on the thread; gives the frames that are made."""
        soundfont, rate_hz = find_soundfont(self._options.soundfont), self._options.sample_rate_hz
        synthesiser = Synthesiser(soundfont.path, rate_hz)
        self._mixdown = Mixdown(self._folder, synthesiser)
        windows = synthesiser.windows(self._messages(), self._frames)
        yield from self._mixdown.take(faded(windows, self._frames, rate_hz, self._planned_fade))

    def _messages(self) -> Iterator[PlayedMessage]:
        """What was heard, then the rest of the file."""
        told = [_Told() for _ in range(CHANNELS)]
        last_s = 0.0
        while not isinstance(heard := self._heard.get(), Performance):
            if heard is None:
                raise _UselessError
            for played in heard:
                told[played.message.channel].add(played)
                last_s = played.time_s
                yield played
        self._fade = plan_fade(heard, self._frames, self._options.sample_rate_hz)
        yield from _rest_of(heard, told, last_s)

    def _planned_fade(self) -> Fade:
        """Known once the file is; sound that it could change is not made before."""
        if self._fade is None:
            raise _UselessError
        return self._fade


def _rest_of(performance: Performance, told: Sequence[_Told], last_s: float) -> list[PlayedMessage]:
    """The messages of a file that come after what was told. Raises: _UselessError if it does not begin with that."""
    begins, rest = [_Told() for _ in told], []
    for played in performance.messages:
        channel = played.message.channel
        if begins[channel].messages < told[channel].messages:
            begins[channel].add(played)
        elif played.time_s < last_s:
            raise _UselessError
        else:
            rest.append(played)
    for said, begin in zip(told, begins, strict=True):
        is_silent = not said.has_notes and not begin.messages  # a group that never plays has no track
        if not is_silent and (said.messages, said.digest) != (begin.messages, begin.digest):
            raise _UselessError
    return rest
