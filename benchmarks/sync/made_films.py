"""Films joined from parts of real ones, so that every cut, fade and dissolve is known to the frame.

A part is a stretch inside one shot of a free film (`free_shots.json`: candidates from detectors, then looked at on
contact sheets of two frames a second). Joins are drawn by seed, and so is what may mislead a detector inside a
part: a flash, a whip pan, a fast zoom, a shaking camera.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats

SEED = 77
SIZE = (480, 270)
RATE_FPS = 24
FREE_SHOTS = Path(__file__).with_name("free_shots.json")
ROOM = 1.5
"""Pictures are read this much larger than they are shown, so that a camera can move over them."""

Frame = NDArray[np.uint8]
Drawn = TypeVar("Drawn")


class Join(StrEnum):
    """How one shot becomes the next."""

    HARD = "hard cut"
    DISSOLVE = "dissolve"
    FADE = "fade through black"


class Camera(StrEnum):
    """What happens inside a shot that is no cut."""

    STILL = "as it is"
    FLASH = "flash"
    WHIP_PAN = "whip pan"
    ZOOM = "fast zoom"
    SHAKE = "shaking camera"


JOIN_SHARES = {Join.HARD: 0.6, Join.DISSOLVE: 0.2, Join.FADE: 0.2}
CAMERA_SHARES = {
    Camera.STILL: 0.6,
    Camera.FLASH: 0.1,
    Camera.WHIP_PAN: 0.1,
    Camera.ZOOM: 0.1,
    Camera.SHAKE: 0.1,
}
JOIN_FRAMES = {Join.HARD: (0, 1), Join.DISSOLVE: (8, 30), Join.FADE: (16, 40)}
"""Shortest, and one more than longest, of each transition in frames."""
PART_FRAMES = (18, 110)


@dataclass(frozen=True)
class FreeShot:
    """A stretch of a film inside one shot."""

    film: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Transition:
    """A known change of shot: from the first frame that shows the new one to the first that shows it alone.

    A hard cut has no length. A fade goes from the first darkened frame to the first that is as bright as its shot.
    """

    join: Join
    start_s: float
    end_s: float

    @property
    def middle_s(self) -> float:
        """The time a detector should name."""
        return (self.start_s + self.end_s) / 2


@dataclass(frozen=True)
class MadeFilm:
    """Frames, RGB uint8, shape (N, H, W, 3), at 24 a second, and the changes between their shots."""

    frames: Frame
    transitions: tuple[Transition, ...]
    cameras: tuple[Camera, ...]


def free_shots() -> list[FreeShot]:
    """The checked stretches."""
    document = json.loads(FREE_SHOTS.read_text("utf-8"))
    return [
        FreeShot(film["film"], start_s, end_s)
        for film in document["films"]
        for start_s, end_s in film["shots_s"]
    ]


def make_film(folder: Path, shots: Sequence[FreeShot], number: int, *, parts: int) -> MadeFilm:
    """Film `number` of `parts` parts; neighbours are of different shots. `folder` holds the free films."""
    rng = np.random.default_rng((SEED, number))
    chosen = [shots[place] for place in _places(len(shots), parts, rng)]
    cameras = [_drawn(CAMERA_SHARES, rng) for _ in chosen]
    stretches = []
    for shot, camera in zip(chosen, cameras, strict=True):
        wide = read_part(folder / shot.film, shot, int(rng.integers(*PART_FRAMES)), rng)
        stretches.append(filmed(wide, camera, rng))
    joins = [_drawn(JOIN_SHARES, rng) for _ in chosen[1:]]
    lengths = [int(rng.integers(*JOIN_FRAMES[join])) for join in joins]
    frames, transitions = joined(stretches, joins, lengths)
    return MadeFilm(frames, transitions, tuple(cameras))


def read_part(path: Path, shot: FreeShot, count: int, rng: np.random.Generator) -> Frame:
    """Up to `count` frames from a drawn place of the shot, larger than shown by `ROOM`, as many as it has."""
    size = (round(SIZE[0] * ROOM), round(SIZE[1] * ROOM))
    frames = list(_frames_between(path, shot.start_s, shot.end_s))
    first = int(rng.integers(max(len(frames) - count, 0) + 1))
    return np.stack([_cropped(frame, size) for frame in frames[first : first + count]])


def filmed(wide: Frame, camera: Camera, rng: np.random.Generator) -> Frame:
    """The part as a camera shows it, shape (N, H, W, 3) of `SIZE`."""
    count = len(wide)
    zoom, place = np.full(count, 1.25), np.full((count, 2), 0.5)
    begin = int(rng.integers(max(count - 12, 1)))
    if camera is Camera.WHIP_PAN:
        place[:, 0] = np.interp(np.arange(count), [begin, begin + 8], [0.0, 1.0])
    elif camera is Camera.ZOOM:
        zoom = np.interp(np.arange(count), [begin, begin + 10], [1.0, ROOM])
    elif camera is Camera.SHAKE:
        place = np.clip(0.5 + rng.normal(0, 0.15, (count, 2)), 0, 1)
    shown = np.stack([_window(*values) for values in zip(wide, zoom, place, strict=True)])
    if camera is Camera.FLASH:
        lit = slice(begin, begin + int(rng.integers(1, 4)))
        shown[lit] = 255 - (255 - shown[lit]) // 5
    return shown


def joined(
    stretches: Sequence[Frame], joins: Sequence[Join], lengths: Sequence[int]
) -> tuple[Frame, tuple[Transition, ...]]:
    """One film and its transitions; `lengths` in frames, shortened where a part is too short for its joins."""
    whole, transitions = stretches[0], []
    last_free = len(stretches[0]) // 2
    for stretch, join, wanted in zip(stretches[1:], joins, lengths, strict=True):
        length = min(wanted, last_free, len(stretch) // 2)
        start = len(whole) - (length if join is not Join.FADE else length // 2)
        whole = _with_join(whole, stretch, join, length)
        end = start + (length if join is not Join.FADE else length // 2 * 2)
        transitions.append(Transition(join, start / RATE_FPS, end / RATE_FPS))
        last_free = len(stretch) // 2
    return whole, tuple(transitions)


def write_film(frames: Frame, path: Path) -> None:
    """H.264 as a camera or an editor would write it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_FPS, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.time_base = Fraction(1, RATE_FPS)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())


def at_transitions(found_s: Floats, transitions: Sequence[Transition]) -> Floats:
    """Found cuts, those inside a gradual transition moved to its middle: anywhere within it is right.

    As in TRECVID's shot boundary task (Smeaton, Over & Doherty, CVIU 2010), where overlapping is enough. Two found cuts
    inside one transition are still two.
    """
    moved = found_s.copy()
    for one in transitions:
        moved[(found_s >= one.start_s) & (found_s <= one.end_s)] = one.middle_s
    return moved


def _with_join(whole: Frame, stretch: Frame, join: Join, length: int) -> Frame:
    if join is Join.DISSOLVE and length:
        share = (np.arange(1, length + 1) / (length + 1))[:, None, None, None]
        mixed = (whole[-length:] * (1 - share) + stretch[:length] * share).astype(np.uint8)
        return np.concatenate([whole[:-length], mixed, stretch[length:]])
    half = length // 2
    if join is Join.FADE and half:
        share = (np.arange(half, 0, -1) / (half + 1))[:, None, None, None]
        out, back = (whole[-half:] * share).astype(np.uint8), (stretch[:half] * share[::-1]).astype(np.uint8)
        return np.concatenate([whole[:-half], out, back, stretch[half:]])
    return np.concatenate([whole, stretch])


def _places(count: int, parts: int, rng: np.random.Generator) -> list[int]:
    """Which shots, never twice the same in a row."""
    places: list[int] = []
    while len(places) < parts:
        place = int(rng.integers(count))
        if not places or place != places[-1]:
            places.append(place)
    return places


def _drawn(shares: Mapping[Drawn, float], rng: np.random.Generator) -> Drawn:
    names = list(shares)
    return names[int(rng.choice(len(names), p=list(shares.values())))]


def _frames_between(path: Path, start_s: float, end_s: float) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        first_s = None
        for frame in container.decode(video=0):
            time_s = float(frame.time or 0.0)
            first_s = time_s if first_s is None else first_s
            if time_s - first_s > end_s:
                return
            if time_s - first_s >= start_s:
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _cropped(picture: Frame, size: tuple[int, int]) -> Frame:
    """Scaled to fill `size`, width and height, and cut off at the sides."""
    scale = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    wanted = (max(round(picture.shape[1] * scale), size[0]), max(round(picture.shape[0] * scale), size[1]))
    large = cv2.resize(picture, wanted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (large.shape[0] - size[1]) // 2, (large.shape[1] - size[0]) // 2
    return np.asarray(large[top : top + size[1], left : left + size[0]], np.uint8)


def _window(picture: Frame, zoom: float, place: Floats) -> Frame:
    """The part of a wide picture that a camera shows: 1 shows all of it; `place` from one side, 0, to the other, 1."""
    height, width = picture.shape[:2]
    seen_width, seen_height = round(width / zoom), round(height / zoom)
    left, top = round((width - seen_width) * place[0]), round((height - seen_height) * place[1])
    seen = picture[top : top + seen_height, left : left + seen_width]
    return np.asarray(cv2.resize(seen, SIZE, interpolation=cv2.INTER_AREA), np.uint8)
