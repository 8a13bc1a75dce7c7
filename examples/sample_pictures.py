"""The pictures of the sample film, a function a shot: seconds since the cut -> one picture.

The story: a red balloon slips away at dawn, is caught by a storm, chased through the night by an owl and
past a fire, is left alone in the snow, and finds company at last.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sample_brushes import (
    HEIGHT,
    WIDTH,
    Colour,
    Picture,
    balloon,
    camera,
    clouds,
    disc,
    embers,
    glow,
    ground,
    line,
    polygon,
    rain,
    sea,
    sky,
    snow,
    stars,
)


def dawn_sea(time_s: float) -> Picture:
    """Calm: the sun comes up behind a small boat and the balloon rises from it."""
    picture = sky((92, 120, 176), (240, 176, 150), (255, 214, 160))
    sun = (400.0, 196.0 - 5.0 * time_s)
    glow(picture, sun, 200, (255, 190, 110), strength=0.8)
    disc(picture, sun, 26, (255, 240, 205))
    clouds(picture, (255, 226, 214), 40 + 6 * time_s, seed=11, coverage=0.5)
    sea(picture, time_s, horizon=212, colours=((226, 160, 140), (40, 84, 120)), swell=5)
    for row in range(9):
        y = 218 + row * 13
        reach = 18 + row * 7 + 6 * np.sin(time_s * 3 + row * 2)
        line(picture, (400 - reach, y), (400 + reach, y), (255, 214, 160), 1)
    _boat(picture, (210.0, 262.0 + 3 * np.sin(time_s * 1.4)), 0.05 * np.sin(time_s * 1.1))
    balloon(picture, (244 + 8 * time_s, 206 - 17 * time_s), 30, tilt=0.12 * np.sin(time_s * 1.3))
    return picture


def _boat(picture: Picture, centre: tuple[float, float], roll: float) -> None:
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    hull = np.array([[-46.0, 0.0], [46.0, 0.0], [30.0, 17.0], [-32.0, 17.0]])
    sail = np.array([[-4.0, -4.0], [-4.0, -70.0], [34.0, -8.0]])
    polygon(picture, sail @ turn.T + centre, (250, 240, 224))
    polygon(picture, hull @ turn.T + centre, (96, 58, 50))


def meadow(time_s: float) -> Picture:
    """Joy: green hills, flowers in the wind, the balloon dancing over them."""
    picture = sky((70, 160, 236), (150, 210, 250), (226, 244, 255))
    clouds(picture, (255, 255, 255), 200 + 14 * time_s, seed=12, coverage=0.55)
    glow(picture, (540, 50), 170, (255, 240, 150), strength=0.9)
    shift = 16 * time_s
    ground(picture, lambda xs: 220 + 26 * np.sin((xs + shift) / 120), (120, 190, 90))
    ground(picture, lambda xs: 258 + 22 * np.sin((xs + 1.7 * shift) / 90 + 2), (86, 168, 66))
    ground(picture, lambda xs: 300 + 12 * np.sin((xs + 2.6 * shift) / 70 + 4), (64, 142, 52))
    petals: tuple[Colour, ...] = ((255, 220, 60), (255, 120, 150), (255, 255, 255), (190, 130, 240))
    for index in range(46):
        x = (index * 53.0 - 2.6 * shift) % (WIDTH + 40) - 20
        y = 318.0 + (index * 29) % 44
        head = (x + 4 * np.sin(time_s * 3 + index), y - 15)
        line(picture, (x, y + 6), head, (40, 110, 40), 1)
        disc(picture, head, 4.2, petals[index % 4])
        disc(picture, head, 1.6, (240, 160, 30))
    hop = abs(np.sin(time_s * 2.6))
    balloon(picture, (190 + 52 * time_s, 190 - 60 * hop), 40, tilt=0.22 * np.cos(time_s * 2.6))
    return picture


def storm(time_s: float) -> Picture:
    """Threat: black water, rain, a bolt now and then."""
    picture = sky((26, 30, 40), (50, 56, 66), (70, 78, 86))
    clouds(picture, (18, 20, 28), 90 * time_s, seed=13, coverage=0.8)
    if 1.4 < time_s < 1.62 or 3.5 < time_s < 3.8:
        _bolt(picture, 150 if time_s < 2 else 470, seed=round(time_s))
    sea(picture, time_s * 2.1, horizon=196, colours=((54, 64, 74), (14, 22, 32)), swell=19)
    balloon(
        picture,
        (360 + 90 * np.sin(time_s * 1.7), 130 + 40 * np.sin(time_s * 2.9)),
        34,
        tilt=0.7 * np.sin(time_s * 3.3),
        colour=(168, 30, 40),
    )
    rain(picture, time_s)
    return camera(picture, zoom=1.08, pan=(0.0, 7 * np.sin(time_s * 2)), roll=2.4 * np.sin(time_s * 1.5))


def _bolt(picture: Picture, x: float, seed: int) -> None:
    steps = np.random.default_rng(seed).normal(0.0, 15.0, 11)
    points = np.stack([x + np.cumsum(steps), np.linspace(0, 200, 11)], axis=1)
    for (x0, y0), (x1, y1) in pairwise(points):
        glow(picture, (x1, y1), 34, (120, 130, 190), strength=0.5)
        line(picture, (x0, y0), (x1, y1), (235, 238, 255), 2)


def whirl(time_s: float) -> Picture:
    """Fear: close up, the balloon spins in the rain."""
    picture = sky((12, 16, 30), (30, 36, 58), (16, 18, 30))
    clouds(picture, (52, 60, 88), 320 * time_s, seed=14, coverage=0.75)
    angle = time_s * 5
    centre = (320 + 34 * np.cos(angle), 160 + 24 * np.sin(angle * 1.3))
    balloon(picture, centre, 150, tilt=0.5 * np.sin(time_s * 6), colour=(150, 24, 36))
    rain(picture, time_s * 1.4, count=240, slant=34)
    return camera(picture, zoom=1.15, roll=7 * np.sin(time_s * 4))


def _towers(picture: Picture, shift: float, base: float, width: float, colour: Colour, lit: float) -> None:
    first = int(shift // width)
    for index in range(first, first + int(WIDTH / width) + 3):
        rng = np.random.default_rng(index + round(base))
        left, top = index * width - shift, base - rng.uniform(30, 150)
        right = left + width * rng.uniform(0.7, 0.95)
        corners = np.array([[left, top], [right, top], [right, float(HEIGHT)], [left, float(HEIGHT)]])
        polygon(picture, corners, colour)
        for window in np.argwhere(rng.random((9, 4)) < lit):
            x, y = left + 6 + window[1] * width / 5, top + 10 + window[0] * 17
            if x + 6 < right:
                cv_window = np.array([[x, y], [x + 6, y], [x + 6, y + 8], [x, y + 8]])
                polygon(picture, cv_window, (250, 208, 110))


def _owl(picture: Picture, centre: tuple[float, float], size: float, flap: float) -> None:
    x, y = centre
    for side in (-1, 1):
        wing = np.array([[0.0, -0.25], [1.3 * side, -0.7 * flap - 0.2], [0.9 * side, 0.1], [0.0, 0.35]])
        polygon(picture, wing * size + centre, (46, 34, 40))
    disc(picture, (x, y), size * 0.46, (60, 46, 50))
    for side in (-1, 1):
        ear = np.array([[0.12 * side, -0.38], [0.42 * side, -0.68], [0.42 * side, -0.2]])
        polygon(picture, ear * size + centre, (60, 46, 50))
        disc(picture, (x + side * size * 0.19, y - size * 0.08), size * 0.17, (255, 214, 60))
        disc(picture, (x + side * size * 0.17, y - size * 0.06), size * 0.08, (10, 8, 10))
    beak = np.array([[-0.08, 0.08], [0.08, 0.08], [0.0, 0.26]])
    polygon(picture, beak * size + centre, (230, 150, 40))


def chase(time_s: float) -> Picture:
    """Tension: over the roofs of a city at night, an owl behind the balloon."""
    picture = sky((10, 10, 34), (28, 22, 66), (70, 40, 90))
    stars(picture, time_s, count=70)
    glow(picture, (90, 70), 90, (220, 220, 190), strength=0.7)
    disc(picture, (90, 70), 24, (240, 238, 214))
    _towers(picture, 150 * time_s, 270, 64, (24, 20, 52), 0.25)
    _towers(picture, 330 * time_s, 330, 92, (12, 10, 28), 0.35)
    gap = 190 - 28 * time_s
    balloon(picture, (400 + 12 * np.sin(time_s * 7), 120 + 26 * np.sin(time_s * 4)), 38, tilt=0.55)
    _owl(picture, (400 - gap, 122 + 20 * np.sin(time_s * 4 - 0.6)), 52, np.sin(time_s * 15))
    return picture


def owl_face(time_s: float) -> Picture:
    """Fear: the owl looks straight at us."""
    picture = sky((20, 8, 18), (54, 16, 28), (22, 8, 16))
    glow(picture, (320, 180), 330, (110, 30, 30), strength=0.6)
    _owl(picture, (320, 190 + 5 * np.sin(time_s * 11)), 250 + 70 * time_s, np.sin(time_s * 9))
    return picture


def dive(time_s: float) -> Picture:
    """Tension: down between the towers, neon all around."""
    picture = sky((6, 30, 46), (8, 58, 74), (10, 92, 96))
    for index in range(26):
        depth = (index / 26 + time_s * 0.9) % 1.0
        reach = 40 + 420 * depth**2
        light = round(60 + 180 * depth)
        side = -1 if index % 2 else 1
        tall = 30 + 260 * depth**2
        x = 320 + side * reach
        slab = np.array(
            [[x, 180 - tall], [x + side * reach * 0.5, 180 - tall * 1.4], [x + side * reach * 0.5, 420.0]]
        )
        polygon(picture, np.concatenate([slab, [[x, 180 + tall]]]), (8, 20, round(30 + 40 * depth)))
        line(picture, (x, 180 - tall), (x, 180 + tall), (light, 40, round(light * 0.8)), 1 + round(3 * depth))
    balloon(picture, (320 + 60 * np.sin(time_s * 5), 170), 46 + 12 * time_s, tilt=0.5 * np.cos(time_s * 5))
    return camera(picture, zoom=1.1, roll=9 * np.sin(time_s * 2.5))


def fire(time_s: float) -> Picture:
    """Anger: a burning wood, heat and sparks."""
    picture = sky((46, 8, 4), (150, 34, 8), (250, 120, 20))
    clouds(picture, (24, 10, 8), 50 * time_s, seed=15, coverage=0.75)
    for layer, colour in enumerate(((200, 50, 8), (246, 112, 16), (255, 186, 50))):
        _flames(picture, time_s, base=290 + 26 * layer, height=130 - 28 * layer, colour=colour)
        if layer == 0:
            _trunks(picture, (20, 8, 8))
    embers(picture, time_s)
    balloon(picture, (120 + 80 * time_s, 110 + 22 * np.sin(time_s * 3)), 42, tilt=0.4, colour=(120, 14, 24))
    return camera(picture, zoom=1.05, pan=(3 * np.sin(time_s * 21), 3 * np.sin(time_s * 17)))


def _flames(picture: Picture, time_s: float, *, base: float, height: float, colour: Colour) -> None:
    def outline(xs: NDArray[np.float64]) -> NDArray[np.float64]:
        tongue = np.abs(np.sin(xs / 34 + time_s * 2.2 + base)) * np.abs(np.sin(xs / 21 - time_s * 3.7))
        return base - height * tongue * (0.75 + 0.25 * np.sin(time_s * 9 + xs / 60))

    ground(picture, outline, colour)


def _trunks(picture: Picture, colour: Colour) -> None:
    for x in (40.0, 150.0, 236.0, 390.0, 470.0, 590.0):
        trunk = np.array([[x - 9, 360.0], [x - 4, 60 + x % 70], [x + 4, 60 + x % 70], [x + 9, 360.0]])
        polygon(picture, trunk, colour)
        for side in (-1, 1):
            line(picture, (x, 170 + x % 50), (x + 34 * side, 130 + x % 50), colour, 4)


def snowfield(time_s: float) -> Picture:
    """Sadness: grey snow, a bare tree, the balloon caught in it and losing air."""
    picture = sky((96, 106, 120), (140, 148, 158), (176, 182, 190))
    ground(picture, lambda xs: 270 + 10 * np.sin(xs / 130), (196, 202, 210))
    ground(picture, lambda xs: 310 + 6 * np.sin(xs / 90 + 2), (214, 219, 226))
    _bare_tree(picture, (430.0, 318.0), 92.0, -np.pi / 2, 6)
    droop = min(time_s, 6.0)
    balloon(
        picture, (352.0, 178 + 4 * droop), 34 - 1.2 * droop, tilt=-0.3 - 0.05 * droop, colour=(150, 50, 56)
    )
    snow(picture, time_s)
    return camera(picture, zoom=1.0 + 0.02 * time_s)


def _bare_tree(picture: Picture, root: tuple[float, float], length: float, angle: float, depth: int) -> None:
    tip = (root[0] + length * float(np.cos(angle)), root[1] + length * float(np.sin(angle)))
    line(picture, root, tip, (58, 54, 58), depth)
    if depth > 1:
        for turn in (-0.52, 0.42):
            _bare_tree(picture, tip, length * 0.72, angle + turn, depth - 1)


def starry_night(time_s: float) -> Picture:
    """Calm: the wind has freed the balloon; stars turn over dark hills."""
    picture = sky((6, 8, 30), (16, 26, 70), (40, 66, 116))
    stars(picture, time_s, turn=0.02)
    glow(picture, (470, 90), 150, (120, 140, 190), strength=0.6)
    disc(picture, (470, 90), 30, (236, 240, 250))
    disc(picture, (458, 82), 27, (52, 66, 112))
    ground(picture, lambda xs: 290 + 24 * np.sin(xs / 110 + 1), (10, 16, 40))
    ground(picture, lambda xs: 322 + 14 * np.sin(xs / 80 + 3), (6, 10, 26))
    balloon(picture, (170 + 26 * time_s, 230 - 18 * time_s), 34, tilt=0.1 * np.sin(time_s))
    return picture


def reveal(time_s: float) -> Picture:
    """Surprise: morning, and the sky is full of balloons."""
    picture = sky((96, 186, 246), (255, 206, 190), (255, 236, 196))
    glow(picture, (320, 300), 340, (255, 220, 130), strength=0.9)
    ground(picture, lambda xs: 300 - 60 * np.abs(np.sin(xs / 150 + 1.2)), (150, 130, 176))
    ground(picture, lambda xs: 330 - 34 * np.abs(np.sin(xs / 95 + 0.4)), (104, 96, 146))
    colours: tuple[Colour, ...] = (
        (250, 196, 40),
        (60, 150, 220),
        (240, 110, 160),
        (110, 190, 90),
        (170, 110, 220),
    )
    for index in range(22):
        size = 18 + (index * 7) % 26
        x = (index * 97.0) % WIDTH + 12 * np.sin(time_s * 1.5 + index)
        y = 390 + (index * 61) % 260 - (52 + size) * time_s
        balloon(picture, (x, y), size, tilt=0.15 * np.sin(time_s * 2 + index), colour=colours[index % 5])
    balloon(picture, (320, 200 - 10 * time_s), 50, tilt=0.1 * np.sin(time_s * 2))
    return picture


def together(time_s: float) -> Picture:
    """Joy: evening; the red balloon and a yellow one, and what they think of each other."""
    picture = sky((92, 70, 150), (236, 120, 130), (255, 196, 120))
    glow(picture, (320, 250), 240, (255, 190, 110), strength=0.9)
    clouds(picture, (255, 190, 180), 500 + 8 * time_s, seed=17, coverage=0.5)
    sea(picture, time_s * 0.8, horizon=268, colours=((236, 150, 130), (90, 70, 130)), swell=4)
    near = 74 - 34 * min(time_s / 3.0, 1.0)
    bob = 5 * np.sin(time_s * 2)
    balloon(picture, (320 - near, 170 + bob), 62, tilt=0.16)
    balloon(picture, (320 + near, 170 - bob), 62, tilt=-0.16, colour=(250, 196, 40))
    if time_s > 2.2:
        _heart(picture, (320.0, 84 - 10 * (time_s - 2.2)), 26 * min((time_s - 2.2) * 2.5, 1.0))
    return picture


def _heart(picture: Picture, centre: tuple[float, float], size: float) -> None:
    angle = np.linspace(0, 2 * np.pi, 60)
    x = 16 * np.sin(angle) ** 3
    y = -(13 * np.cos(angle) - 5 * np.cos(2 * angle) - 2 * np.cos(3 * angle) - np.cos(4 * angle))
    polygon(picture, np.stack([x, y], axis=1) * size / 16 + centre, (236, 56, 92))
