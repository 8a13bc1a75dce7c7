"""What can be found wrong before the long work starts."""

from __future__ import annotations

from pathlib import Path

from emsync.errors import AudioError, InputError, OutputError
from emsync.options import MuxOptions, RenderOptions, SpottingOptions, VideoOptions
from emsync.output_paths import check_result
from emsync.types import AffectCurve, AffectPoint, VideoInfo


def check_film(film: Path, video: VideoOptions, spotting: SpottingOptions) -> VideoInfo:
    """Probe the film, and hold the options of watching and spotting against it.

    Raises: VideoError if the film cannot be used; InputError for an unknown detector or a moment outside
        the film.
    """
    from emsync.video.cuts import detector_named
    from emsync.video.probe import probe

    try:
        detector_named(video.detector)
    except ValueError as error:
        raise InputError(str(error)) from error
    info = probe(film)
    _check_moments(info, spotting)
    return info


def _check_moments(info: VideoInfo, options: SpottingOptions) -> None:
    """Spot a film without cuts: what the user asked for is refused now as it would be after the scan."""
    from emsync.music.spotting import spot

    neutral = AffectCurve((AffectPoint(0.0, 0.0, 0.0),))
    spot(title="", info=info, cuts=(), shots=(), affect=neutral, options=options)


def check_audio_stream(info: VideoInfo, options: MuxOptions) -> None:
    """Raise `AudioError` if the film has sound, but not the wanted stream of it."""
    count = len(info.audio_streams)
    if count and options.audio_stream >= count:
        raise AudioError(
            f"{info.path}: has no sound stream {options.audio_stream}; --audio-stream may be 0 to {count - 1}"
        )


def check_soundfont(options: RenderOptions) -> None:
    """Raise `AudioError` if there is no soundfont to play with, or nothing to play it."""
    from emsync.audio.soundfont import find_soundfont
    from emsync.audio.synthesiser import require_synthesiser

    find_soundfont(options.soundfont)
    require_synthesiser()


def check_container(video: Path) -> None:
    """Raise `OutputError` if the result has a suffix that cannot be muxed."""
    from emsync.audio.mux import SOUND_CODECS

    if video.suffix.lower() not in SOUND_CODECS:
        raise OutputError(f"{video}: the name of the film must end in {', '.join(SOUND_CODECS)}")


def check_report(report: Path, film: Path, cue_sheet: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` if a report on the film cannot be made there, beside its cue sheet."""
    from emsync.film_report.file import check_report_form

    check_report_form(report)
    check_result(report, film, overwrite=overwrite)
    if report.resolve() == cue_sheet.resolve():
        raise OutputError(f"{report}: is the name of the cue sheet, too; give the report another")
