"""Senses that are not in the box: they need a package or weights that the user fetches, and run only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from emsync.emotion.features.screen_text import ScreenTextSense
from emsync.emotion.features.speech import SpeechSense
from emsync.emotion.sense import Sense
from emsync.emotion.senses import SENSES, load_senses
from emsync.errors import InputError
from emsync.options import SenseOptions

OPTIONAL_SENSES: Mapping[str, Callable[[int, Path, SenseOptions], Sense]] = {
    "speech": lambda threads, folder, options: SpeechSense.load(threads, folder, options.speech_weights),
    "screen_text": lambda threads, folder, options: ScreenTextSense.load(threads, folder),
}


def load_chosen(options: SenseOptions, threads: int, folder: Path) -> list[Sense]:
    """The senses that were asked for by name, or all those in the box.

    Raises: InputError for a name that is no sense; WeightsError if what a sense needs is missing or altered, with
        the command that fetches it.
    """
    if options.names is None:
        return load_senses(threads, folder)
    boxed = tuple(entry.name for entry in SENSES)
    unknown = [name for name in options.names if name not in (*boxed, *OPTIONAL_SENSES)]
    if unknown or not options.names:
        names = ", ".join((*boxed, *OPTIONAL_SENSES))
        raise InputError(
            f"no sense is called {unknown[0]!r}" if unknown else f"no sense was chosen of {names}"
        )
    optional = [load for name, load in OPTIONAL_SENSES.items() if name in options.names]
    wanted = [load(threads, folder, options) for load in optional]
    in_box = [name for name in boxed if name in options.names]
    return [*load_senses(threads, folder, in_box), *wanted]
