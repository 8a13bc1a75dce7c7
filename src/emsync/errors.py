"""Every error a user can cause, in one tree.

    EmsyncError                 exit code 1; the message is the whole story
    |- InputError               a file or value of the user's cannot be used
    |  |- VideoError            the video cannot be read or is not a video
    |  |- CueSheetError         the cue sheet does not follow its schema
    |  |- MidiError             the MIDI file cannot be read
    |  |- AudioError            the audio file or soundfont cannot be used
    |- OutputError              the result cannot be written where asked
    |- WeightsError             shipped weights are missing, altered or of another vocabulary

A message says what happened, to which file or value, and what to do now. A caller's mistake (a wrong
argument from Python) is a `ValueError` and not part of this tree.
"""


class EmsyncError(Exception):
    """Base of all errors that end the command with one line on stderr."""

    exit_code = 1


class InputError(EmsyncError):
    """Something the user gave cannot be used."""


class VideoError(InputError):
    """The video cannot be read, has no picture, or is damaged beyond use."""


class CueSheetError(InputError):
    """The cue sheet does not follow its schema; the message holds the path of the bad field."""


class MidiError(InputError):
    """The MIDI file cannot be read or holds no music."""


class AudioError(InputError):
    """The audio file or the soundfont cannot be used."""


class OutputError(EmsyncError):
    """The result cannot be written where the user asked for it."""


class WeightsError(EmsyncError):
    """Shipped weights are missing, altered, or belong to another vocabulary."""
