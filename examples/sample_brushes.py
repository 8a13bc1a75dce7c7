"""Brushes for the sample film: gradients, glows, hills, waves, weather and the red balloon.

A picture is RGB uint8, shape (HEIGHT, WIDTH, 3); a brush paints on it in place unless it says otherwise.
Positions are pixels, floats; colours are (red, green, blue) in 0..255.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH = 640
HEIGHT = 360

Picture: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

SUBPIXEL_BITS = 4


@cache
def _gradient_rows(colours: tuple[Colour, ...]) -> Picture:
    """Colours spread from top to bottom, dithered so that the encoder shows no bands."""
    stops = np.linspace(0, HEIGHT - 1, len(colours))
    rows = np.stack([np.interp(np.arange(HEIGHT), stops, channel) for channel in np.array(colours).T], axis=1)
    dither = np.random.default_rng(1).uniform(-1.0, 1.0, (HEIGHT, WIDTH, 1))
    return np.clip(rows[:, None, :] + dither, 0, 255).astype(np.uint8)


def sky(*colours: Colour) -> Picture:
    """A new picture: the colours from top to bottom."""
    return _gradient_rows(colours).copy()


@cache
def _clouds(seed: int, coverage: float) -> NDArray[np.float32]:
    """Fractal noise in [0, 1], shape (HEIGHT, 2 * WIDTH), that tiles from left to right."""
    rng = np.random.default_rng(seed)
    total = np.zeros((HEIGHT, 2 * WIDTH), np.float32)
    for octave in range(1, 6):
        coarse = rng.random((2**octave + 1, 2 ** (octave + 1)), dtype=np.float32)
        wrapped = np.concatenate([coarse, coarse[:, :1]], axis=1)
        total += cv2.resize(wrapped, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) / 2**octave
    total = (total - total.min()) / (total.max() - total.min())
    return np.clip((total - (1.0 - coverage)) * 3.0, 0.0, 1.0)


def clouds(picture: Picture, colour: Colour, shift: float, *, seed: int, coverage: float = 0.6) -> None:
    """Drifting clouds, denser towards the top; `shift` pixels to the left."""
    texture = _clouds(seed, coverage)
    start = int(shift) % WIDTH
    alpha = texture[:, start : start + WIDTH] * np.linspace(1.0, 0.0, HEIGHT, dtype=np.float32)[:, None]
    _blend(picture, colour, alpha)


def _blend(picture: Picture, colour: Colour, alpha: NDArray[np.float32]) -> None:
    difference = np.array(colour, np.float32) - picture
    picture[:] = (picture + difference * alpha[..., None]).astype(np.uint8)


@cache
def _glow_sprite(radius: int, colour: Colour, strength: float) -> Picture:
    distance = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) / radius
    light = np.clip(1.0 - distance, 0.0, 1.0)[..., None] ** 2
    return (light * np.array(colour) * strength).astype(np.uint8)


def glow(picture: Picture, centre: Point, radius: int, colour: Colour, *, strength: float = 1.0) -> None:
    """Adds light that fades to nothing at `radius`."""
    x, y = round(centre[0]), round(centre[1])
    left, top = max(x - radius, 0), max(y - radius, 0)
    right, bottom = min(x + radius + 1, WIDTH), min(y + radius + 1, HEIGHT)
    if left >= right or top >= bottom:
        return
    sprite = _glow_sprite(radius, colour, strength)
    light = sprite[top - y + radius : bottom - y + radius, left - x + radius : right - x + radius]
    picture[top:bottom, left:right] = cv2.add(picture[top:bottom, left:right], light)


def disc(picture: Picture, centre: Point, radius: float, colour: Colour) -> None:
    """A filled circle with a soft edge."""
    cv2.circle(picture, _fixed(centre), round(radius * 16), colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def line(picture: Picture, start: Point, end: Point, colour: Colour, width: int = 1) -> None:
    """A straight line with soft edges."""
    cv2.line(picture, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def polygon(picture: Picture, points: NDArray[np.float64], colour: Colour) -> None:
    """A filled polygon; `points` has shape (N, 2)."""
    fixed = np.round(points * 16).astype(np.int32)
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(point: Point) -> tuple[int, int]:
    return round(point[0] * 16), round(point[1] * 16)


def ground(
    picture: Picture, outline: Callable[[NDArray[np.float64]], NDArray[np.float64]], colour: Colour
) -> None:
    """Everything below the outline, a function from x to y."""
    xs = np.arange(-4.0, WIDTH + 8.0, 4.0)
    top = np.stack([xs, outline(xs)], axis=1)
    corners = np.array([[WIDTH + 4.0, HEIGHT + 4.0], [-4.0, HEIGHT + 4.0]])
    polygon(picture, np.concatenate([top, corners]), colour)


def sea(
    picture: Picture, time_s: float, *, horizon: float, colours: tuple[Colour, Colour], swell: float
) -> None:
    """Seven rows of waves from the horizon to the viewer; `swell` is the height of the nearest in pixels."""
    far, near = np.array(colours[0]), np.array(colours[1])
    for row in range(7):
        nearness = row / 6
        base = horizon + (HEIGHT - horizon) * nearness**1.4 * 0.92
        height, length = swell * (0.15 + nearness), 60.0 + 160.0 * nearness
        phase = time_s * (0.8 + 0.9 * nearness) + row * 1.7

        def outline(
            xs: NDArray[np.float64],
            *,
            b: float = base,
            h: float = height,
            w: float = length,
            p: float = phase,
        ) -> NDArray[np.float64]:
            return b + h * np.sin(xs / w * 6.28 + p) + 0.4 * h * np.sin(xs / w * 14.1 - 1.6 * p)

        red, green, blue = (far + (near - far) * nearness).astype(int).tolist()
        ground(picture, outline, (red, green, blue))


@cache
def _particles(seed: int, count: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), shape (count, 4): x, y, size, pace."""
    return np.random.default_rng(seed).random((count, 4))


def rain(picture: Picture, time_s: float, *, count: int = 160, slant: float = 10.0) -> None:
    """Slanting drops."""
    for x, y, size, pace in _particles(3, count):
        top = (y + time_s * (1.8 + pace)) % 1.2 * HEIGHT - 30
        left = (x * 1.3 * WIDTH - top * slant / 40) % (WIDTH + 40) - 20
        length = 10 + 16 * size
        line(picture, (left, top), (left - slant * length / 30, top + length), (150, 165, 180))


def snow(picture: Picture, time_s: float, *, count: int = 130) -> None:
    """Slow flakes that sway."""
    for x, y, size, pace in _particles(4, count):
        top = (y + time_s * (0.05 + 0.07 * pace)) % 1.05 * HEIGHT - 8
        left = (x * WIDTH + 14 * np.sin(time_s * 0.7 + x * 40)) % WIDTH
        disc(picture, (left, top), 0.8 + 2.2 * size**2, (226, 230, 236))


def embers(picture: Picture, time_s: float, *, count: int = 90) -> None:
    """Sparks that rise from the lower edge and die on the way."""
    for x, y, size, pace in _particles(5, count):
        age = (y + time_s * (0.25 + 0.5 * pace)) % 1.0
        left = x * WIDTH + 30 * np.sin(time_s * 2 + x * 50) * age
        fade = 1.0 - age
        disc(
            picture,
            (left, HEIGHT * fade),
            0.8 + 2 * size * fade,
            (255, round(90 + 140 * fade), round(60 * fade)),
        )


def stars(picture: Picture, time_s: float, *, count: int = 220, turn: float = 0.0) -> None:
    """Twinkling stars that turn around a point below the picture; `turn` in radians per second."""
    angle = time_s * turn
    for x, y, size, pace in _particles(6, count):
        dx, dy = (x - 0.5) * 1.6 * WIDTH, (y - 1.2) * 1.6 * HEIGHT
        left = WIDTH / 2 + dx * np.cos(angle) - dy * np.sin(angle)
        top = HEIGHT * 1.2 + dx * np.sin(angle) + dy * np.cos(angle)
        light = round(150 + 100 * size * np.sin(time_s * (1 + 3 * pace) + x * 60) ** 2)
        disc(picture, (left, top), 0.5 + 1.1 * size, (light, light, min(255, light + 25)))


def balloon(
    picture: Picture, centre: Point, size: float, *, tilt: float = 0.0, colour: Colour = (214, 40, 48)
) -> None:
    """The hero: a balloon `size` pixels wide on a string, leaning by `tilt` radians."""
    x, y = centre
    lean = np.array([-np.sin(tilt), np.cos(tilt)])
    knot = np.array(centre) + lean * size * 0.68
    along = np.linspace(0.0, 1.0, 14)[:, None]
    curl = np.sin(along * 6.0 + x * 0.05) * size * 0.08
    string = knot + lean * along * size * 1.5 + curl * np.array([1.0, 0.0])
    cv2.polylines(
        picture,
        [np.round(string * 16).astype(np.int32)],
        False,
        (240, 236, 228),
        1,
        cv2.LINE_AA,
        SUBPIXEL_BITS,
    )
    axes = (round(size * 8), round(size * 9.6))
    dark = tuple(int(channel * 0.72) for channel in colour)
    degrees = float(np.degrees(tilt))
    cv2.ellipse(picture, _fixed(centre), axes, degrees, 0, 360, dark, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    lit = (x - size * 0.05, y - size * 0.06)
    inner = (round(axes[0] * 0.86), round(axes[1] * 0.86))
    cv2.ellipse(picture, _fixed(lit), inner, degrees, 0, 360, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    disc(picture, (x - size * 0.18, y - size * 0.24), size * 0.09, (255, 236, 230))
    side = np.array([lean[1], -lean[0]]) * size * 0.09
    polygon(picture, np.array([knot - lean * size * 0.1, knot + side, knot - side]), (150, 26, 34))


def camera(picture: Picture, *, zoom: float = 1.0, pan: Point = (0.0, 0.0), roll: float = 0.0) -> Picture:
    """The picture seen by a camera that zooms, pans (pixels) and rolls (degrees)."""
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), roll, zoom)
    matrix[:, 2] += pan
    return cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT).astype(np.uint8)


@cache
def _vignette() -> NDArray[np.uint8]:
    across = np.linspace(-1.0, 1.0, WIDTH)[None, :] ** 2 + np.linspace(-1.0, 1.0, HEIGHT)[:, None] ** 2
    return np.repeat((255 * (1.0 - 0.16 * across))[..., None], 3, axis=2).astype(np.uint8)


def lens(picture: Picture) -> Picture:
    """Slightly darker corners, as every film has."""
    return cv2.multiply(picture, _vignette(), scale=1 / 255).astype(np.uint8)
