"""What can be found wrong before the long work starts."""

from __future__ import annotations

from pathlib import Path

from emsync.errors import InputError
from emsync.options import MuxOptions, RenderOptions, ScoreOptions, SpottingOptions
from emsync.types import AffectCurve, AffectPoint, VideoInfo


def check_film(film: Path, options: ScoreOptions) -> VideoInfo:
    """Probe the film and check the options of watching and spotting against it.

    Raises: VideoError if the film cannot be used; InputError for an unknown detector or a hit point outside
        the film.
    """
    from emsync.video.cuts import detector_named
    from emsync.video.probe import probe

    try:
        detector_named(options.video.detector)
    except ValueError as error:
        raise InputError(str(error)) from error
    info = probe(film)
    _check_spotting(info, options.spotting)
    return info


def _check_spotting(info: VideoInfo, options: SpottingOptions) -> None:
    """Spot a film without cuts: what the user asked for is refused now as it would be after the scan."""
    from emsync.music.spotting import spot

    neutral = AffectCurve((AffectPoint(0.0, 0.0, 0.0),))
    spot(title="", info=info, cuts=(), shots=(), affect=neutral, options=options)


def check_sound(info: VideoInfo, render_options: RenderOptions, mux_options: MuxOptions) -> None:
    """Raise `AudioError` now if there is no soundfont or the wanted sound stream is not in the film."""
