"""The face detector around a made-up network: letterbox, decoding, overlaps, and exports of the wrong shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

NEEDED = "the face detector needs torch: pip install emsync[vemoclap]"
torch = pytest.importorskip("torch", reason=NEEDED)
onnx = pytest.importorskip("onnx", reason=NEEDED)

from emsync.errors import WeightsError  # noqa: E402
from emsync_train.emotion.vemoclap.face_detector import (  # noqa: E402
    ANCHORS,
    STRIDES,
    FaceDetector,
    Floats32,
    best_boxes,
    decoded,
    letterbox,
    overlaps,
)

WIDE = np.zeros((320, 1280, 3), np.uint8)


def row(x: float, y: float, side: float, score: float) -> Floats32:
    values = np.zeros(16, np.float32)
    values[:5], values[15] = (x, y, side, side, score), 1
    return values


def answering(*rows: Floats32) -> FaceDetector:
    return FaceDetector(lambda _: [np.stack(rows)[None]])


def test_a_wide_frame_lies_in_the_middle_of_a_grey_square() -> None:
    square, scale, left, top = letterbox(WIDE)
    assert (square.shape, scale, left, top) == ((640, 640, 3), 0.5, 0, 240)
    assert (square[:240] == 114).all()
    assert (square[240:400] == 0).all()


def test_boxes_come_back_in_pixels_of_the_frame() -> None:
    boxes = answering(row(100, 320, 40, 0.9)).faces(WIDE)
    np.testing.assert_allclose(boxes, [[160, 120, 240, 200, 0.9]], atol=1e-3)


def test_boxes_are_cut_at_the_edge_of_the_frame() -> None:
    assert answering(row(0, 240, 40, 0.9)).faces(WIDE)[0, :4].tolist() == [0, 0, 40, 40]


def test_a_frame_without_a_likely_face_has_none() -> None:
    assert answering(row(100, 320, 40, 0.49)).faces(WIDE).shape == (0, 5)


def test_of_boxes_that_overlap_the_likeliest_stays() -> None:
    rows = np.stack([row(100, 100, 40, 0.7), row(104, 100, 40, 0.9), row(300, 100, 40, 0.6)])
    assert best_boxes(rows)[:, 4].tolist() == [pytest.approx(0.9), pytest.approx(0.6)]


def test_overlap_is_shared_over_joint_area() -> None:
    box, other = np.array([0, 0, 2, 2], np.float32), np.array([[1, 0, 3, 2], [5, 5, 6, 6]], np.float32)
    np.testing.assert_allclose(overlaps(box, other), [1 / 3, 0], atol=1e-6)


def test_raw_outputs_are_decoded_around_cell_and_anchor() -> None:
    raw = np.zeros((3, 2, 2, 16), np.float32)  # every squashed number is a half
    rows = decoded(raw, 8, ANCHORS[0])
    assert rows.shape == (12, 16)
    # anchor 1 (8 x 10), row 1, column 0: x = (1 - 0.5 + 0) * 8, y = (1 - 0.5 + 1) * 8, size = the anchor's
    assert rows[4 + 2, [0, 1, 2, 3, 4, 15]].tolist() == [4, 12, 8, 10, 0.5, 0.5]


def test_three_raw_outputs_are_told_apart_by_their_size_not_by_their_order() -> None:
    outputs = [np.full((1, 3, 640 // s, 640 // s, 16), -9, np.float32) for s in STRIDES]
    outputs[2][0, 2, 10, 4, [4, 15]] = 9
    outputs[2][0, 2, 10, 4, :4] = 0
    boxes = FaceDetector(lambda _: outputs[::-1]).faces(np.zeros((640, 640, 3), np.uint8))
    # cell (4, 10) of stride 32: centre (4 + 0.5) * 32 = 144 and (10 + 0.5) * 32 = 336, cut off on the left
    np.testing.assert_allclose(boxes[:, :4], [[0, 336 - 433 / 2, 144 + 335 / 2, 336 + 433 / 2]], atol=0.01)
    assert len(boxes) == 1


def test_another_network_is_refused_with_what_it_answers() -> None:
    with pytest.raises(WeightsError, match=r"answers \[\(1, 5, 85\)\]; \(1, N, 16\) or three"):
        FaceDetector(lambda _: [np.zeros((1, 5, 85), np.float32)]).faces(WIDE)


def test_an_onnx_export_is_run_on_pixels_from_zero_to_one(tmp_path: Path) -> None:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    rows = onnx.numpy_helper.from_array(row(320, 320, 64, 1.0)[None, None], "rows")
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["brightest"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["rows", "brightest"], ["boxes"]),
    ]
    images = helper.make_tensor_value_info("images", kind, [1, 3, 640, 640])
    boxes = helper.make_tensor_value_info("boxes", kind, [1, 1, 16])
    graph = helper.make_graph(nodes, "faces", [images], [boxes], [rows])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "face.onnx")
    white = np.full((640, 640, 3), 255, np.uint8)
    found = FaceDetector.load(tmp_path / "face.onnx").faces(white)
    assert found.tolist() == [[288, 288, 352, 352, 1]]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
def test_a_torchscript_export_is_run(tmp_path: Path) -> None:
    class Export(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("rows", torch.from_numpy(row(320, 320, 64, 1.0))[None, None])

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.rows + 0 * pixels.mean()

    torch.jit.trace(Export(), torch.zeros(1, 3, 640, 640)).save(str(tmp_path / "face.torchscript"))
    found = FaceDetector.load(tmp_path / "face.torchscript").faces(np.zeros((640, 640, 3), np.uint8))
    assert found.tolist() == [[288, 288, 352, 352, 1]]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
def test_missing_and_damaged_exports_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"face\.onnx: no such file\. Export YOLOv5-face"):
        FaceDetector.load(tmp_path / "face.onnx")
    for name in ("face.onnx", "face.pt"):
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(WeightsError, match=name):
            FaceDetector.load(tmp_path / name)
