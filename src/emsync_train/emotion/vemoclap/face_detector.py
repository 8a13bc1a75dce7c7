"""Faces by a YOLOv5-face network that the reader has exported; what goes in and comes out is ours.

    frame -> letterbox (one scale, grey borders) -> network -> boxes with scores -> the best of each heap

Two exports are understood: one output (1, N, 16), boxes in pixels of the letterboxed frame, already decoded; or three
outputs (1, 3, H, W, 16), one for each stride of 8, 16 and 32, as they leave the last convolution. A row is x, y, width,
height, how sure it is of an object, ten numbers of landmarks and how sure it is of a face.

Source: Qi et al. 2021, YOLO5Face (arXiv:2105.12931); decoding as in YOLOv5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from emsync.emotion.features.session import open_session
from emsync.errors import WeightsError
from emsync_train.emotion.vemoclap.contract import Frames

INPUT_SIZE = 640
GREY = 114
ROW_NUMBERS = 16
STRIDES = (8, 16, 32)
ANCHORS = (((4, 5), (8, 10), (13, 16)), ((23, 29), (43, 55), (73, 105)), ((146, 217), (231, 300), (335, 433)))
"""Width and height in pixels of the three boxes that each stride starts from, as published for the s, m and l sizes."""

LEAST_SCORE, MOST_OVERLAP = 0.5, 0.5
EXPORT = "Export YOLOv5-face to ONNX or TorchScript, see docs/vemoclap.md."

Floats32 = NDArray[np.float32]
Network = Callable[[Floats32], Sequence[Floats32]]
"""Pixels (1, 3, 640, 640) in [0, 1] to the outputs of the export."""


class FaceDetector:
    """Boxes of faces in a frame."""

    def __init__(self, network: Network, what: str = "the detector") -> None:
        self._network, self._what = network, what

    @classmethod
    def load(cls, path: Path) -> FaceDetector:
        """Read an export, `.onnx` or else TorchScript.

        Raises: WeightsError if it is missing or neither.
        """
        if not path.is_file():
            raise WeightsError(f"{path}: no such file. {EXPORT}")
        return cls(_onnx_network(path) if path.suffix == ".onnx" else _torchscript_network(path), str(path))

    def faces(self, rgb: Frames) -> Floats32:
        """Boxes of a frame (H, W, 3): left, top, right, bottom in its pixels, and a score, shape (N, 5), best first.

        Raises: WeightsError if the network is no face detector.
        """
        pixels, scale, left, top = letterbox(rgb)
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        outputs = self._network(planes / np.float32(255))
        boxes = best_boxes(self._decoded(outputs))
        boxes[:, :4] = (boxes[:, :4] - [left, top, left, top]) / scale
        height, width = rgb.shape[:2]
        boxes[:, :4] = boxes[:, :4].clip(0, [width, height, width, height])
        return boxes

    def _decoded(self, outputs: Sequence[Floats32]) -> Floats32:
        if len(outputs) == len(STRIDES) and all(
            x.ndim == 5 and x.shape[1] == 3 and x.shape[4] == ROW_NUMBERS for x in outputs
        ):
            by_size = sorted(outputs, key=lambda x: -x.shape[2])
            parts = zip(by_size, STRIDES, ANCHORS, strict=True)
            return np.concatenate([decoded(x[0], stride, anchors) for x, stride, anchors in parts])
        if outputs and outputs[0].ndim == 3 and outputs[0].shape[2] == ROW_NUMBERS:
            return np.asarray(outputs[0][0], np.float32)
        shapes = [tuple(x.shape) for x in outputs]
        raise WeightsError(
            f"{self._what} answers {shapes}; (1, N, 16) or three of (1, 3, H, W, 16) are expected. {EXPORT}"
        )


def letterbox(rgb: Frames, size: int = INPUT_SIZE) -> tuple[Frames, float, int, int]:
    """The frame at one scale in the middle of a grey square; with the scale and the borders left and above."""
    height, width = rgb.shape[:2]
    scale = size / max(height, width)
    fitted = cv2.resize(rgb, (max(1, round(width * scale)), max(1, round(height * scale))))
    top, left = (size - fitted.shape[0]) // 2, (size - fitted.shape[1]) // 2
    square = np.full((size, size, 3), GREY, np.uint8)
    square[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return square, scale, left, top


def decoded(raw: Floats32, stride: int, anchors: Sequence[tuple[int, int]]) -> Floats32:
    """Rows of one stride in pixels, shape (3 H W, 16); landmarks are left as they are, nobody needs them.

    Args:
        raw: shape (3, H, W, 16), before any squashing.
    """
    _, height, width, _ = raw.shape
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    cells = np.stack([columns, rows], axis=-1)  # (H, W, 2)
    sizes = np.array(anchors, np.float32)[:, None, None, :]
    result = raw.copy()
    result[..., :2] = (_squashed(raw[..., :2]) * 2 - 0.5 + cells) * stride
    result[..., 2:4] = (_squashed(raw[..., 2:4]) * 2) ** 2 * sizes
    result[..., [4, 15]] = _squashed(raw[..., [4, 15]])
    return result.reshape(-1, ROW_NUMBERS)


def best_boxes(rows: Floats32) -> Floats32:
    """Corners and score of boxes that are likely and hide no likelier one, shape (N, 5), best first."""
    scores = rows[:, 4] * rows[:, 15]
    likely = scores >= LEAST_SCORE
    middle, half, scores = rows[likely, :2], rows[likely, 2:4] / 2, scores[likely]
    order = np.argsort(-scores, kind="stable")
    boxes = np.concatenate([middle - half, middle + half, scores[:, None]], axis=1)[order].astype(np.float32)
    kept: list[int] = []
    for index in range(len(boxes)):
        if not kept or overlaps(boxes[index], boxes[kept]).max() <= MOST_OVERLAP:
            kept.append(index)
    return boxes[kept]


def overlaps(box: Floats32, others: Floats32) -> Floats32:
    """Shared area over joint area of one box and N others, shape (N,)."""
    sides = np.minimum(box[2:4], others[:, 2:4]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    areas = (others[:, 2:4] - others[:, :2]).prod(axis=1)
    return np.asarray(shared / ((box[2:4] - box[:2]).prod() + areas - shared + 1e-9), np.float32)


def _squashed(values: Floats32) -> Floats32:
    return np.asarray(1 / (1 + np.exp(-values)), np.float32)


def _onnx_network(path: Path) -> Network:
    session = open_session(path.read_bytes(), 0, what=f"face detector {path}")
    name = session.get_inputs()[0].name

    def run(pixels: Floats32) -> Sequence[Floats32]:
        outputs: Sequence[Floats32] = session.run(None, {name: pixels})
        return outputs

    return run


def _torchscript_network(path: Path) -> Network:
    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise WeightsError(f"{path}: neither ONNX nor TorchScript. {EXPORT} ({error})") from error

    def run(pixels: Floats32) -> Sequence[Floats32]:
        with torch.no_grad():
            outputs = module(torch.from_numpy(pixels))
        several = outputs if isinstance(outputs, tuple | list) else [outputs]
        return [output.numpy() for output in several if isinstance(output, torch.Tensor)]

    return run
