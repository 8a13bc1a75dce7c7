"""Renders the sample film: 48 s of picture and sound from nothing but code, for trying emsync at once.

    python examples/sample_film.py sample.mp4

640 x 360, 24 frames a second, H.264 and AAC. The same code and libraries give the same film every time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import sample_pictures as pictures
import sample_sounds as sounds
from numpy.typing import NDArray
from sample_brushes import HEIGHT, WIDTH, Picture, lens

FRAME_RATE_FPS = 24
FRAME_COUNT = 1152
DURATION_S = FRAME_COUNT / FRAME_RATE_FPS
CROSSFADE_S = 0.03


@dataclass(frozen=True)
class SampleShot:
    """One shot: its first frame, its picture, its sound and the mood it was made for."""

    start_frame: int
    picture: Callable[[float], Picture]
    sound: Callable[[int], NDArray[np.float64]]
    mood: str


SHOTS = (
    SampleShot(0, pictures.dawn_sea, sounds.waves, "calm"),
    SampleShot(146, pictures.meadow, sounds.birds, "joy"),
    SampleShot(251, pictures.storm, sounds.thunderstorm, "threat"),
    SampleShot(377, pictures.whirl, sounds.thunderstorm, "fear"),
    SampleShot(425, pictures.chase, sounds.footsteps, "tension"),
    SampleShot(486, pictures.owl_face, sounds.footsteps, "fear"),
    SampleShot(523, pictures.dive, sounds.footsteps, "tension"),
    SampleShot(590, pictures.fire, sounds.flames, "anger"),
    SampleShot(689, pictures.snowfield, sounds.wind, "sadness"),
    SampleShot(835, pictures.starry_night, sounds.crickets, "calm"),
    SampleShot(941, pictures.reveal, sounds.birds, "surprise"),
    SampleShot(1043, pictures.together, sounds.waves, "joy"),
)

CUTS_S = tuple(shot.start_frame / FRAME_RATE_FPS for shot in SHOTS[1:])
"""Where the cuts are, in seconds: what a cut detector has to find."""


def picture_at(frame_number: int) -> Picture:
    """The finished picture of one frame, RGB uint8, shape (360, 640, 3)."""
    shot = max(
        (shot for shot in SHOTS if shot.start_frame <= frame_number), key=lambda shot: shot.start_frame
    )
    return lens(shot.picture((frame_number - shot.start_frame) / FRAME_RATE_FPS))


def sound_bed() -> NDArray[np.float32]:
    """The whole sound, stereo, shape (2, samples), about -26 dBFS; shots melt into each other in 30 ms."""
    total = round(DURATION_S * sounds.SAMPLE_RATE_HZ)
    fade = round(CROSSFADE_S * sounds.SAMPLE_RATE_HZ)
    ramp = np.linspace(0.0, 1.0, fade)
    bed = np.zeros(total + fade)
    starts = [round(time_s * sounds.SAMPLE_RATE_HZ) for time_s in (0.0, *CUTS_S, DURATION_S)]
    for shot, start, end in zip(SHOTS, starts, starts[1:], strict=False):
        sound = shot.sound(end - start + fade)
        sound[:fade] *= ramp
        sound[-fade:] *= ramp[::-1]
        bed[start : end + fade] += sound
    late = np.roll(bed, 240)
    return np.clip(np.stack([0.8 * bed + 0.2 * late, 0.2 * bed + 0.8 * late])[:, :total], -1, 1).astype(
        np.float32
    )


def render_sample_film(path: Path) -> None:
    """Writes the film; an existing file is replaced."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FRAME_RATE_FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"preset": "veryfast", "crf": "21"}
        audio = container.add_stream("aac", rate=sounds.SAMPLE_RATE_HZ, layout="stereo")
        for number in range(FRAME_COUNT):
            frame = av.VideoFrame.from_ndarray(picture_at(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE_FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(sound_bed(), format="fltp", layout="stereo")
        sound.sample_rate, sound.pts = sounds.SAMPLE_RATE_HZ, 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def main() -> int:
    """Command line: one argument, the file to write."""
    if len(sys.argv) != 2:
        print("usage: python examples/sample_film.py sample.mp4", file=sys.stderr)
        return 2
    path = Path(sys.argv[1])
    render_sample_film(path)
    print(f"wrote {path}: {DURATION_S:g} s, {len(SHOTS)} shots")
    for shot in SHOTS[1:]:
        print(f"  cut at {shot.start_frame / FRAME_RATE_FPS:7.3f} s, then {shot.mood}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
