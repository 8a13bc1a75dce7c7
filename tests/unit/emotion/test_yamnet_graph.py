"""The graph of the network that hears, with made-up weights, against NumPy."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.emotion.features.session import open_session

pytest.importorskip("onnx")

import onnx

from emsync_train.emotion.yamnet import Layer, PublishedYamnet, build_yamnet

CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


def made_up_layer(generator: np.random.Generator, shape: tuple[int, ...], outputs: int) -> Layer:
    fan_in = int(np.prod(shape)) / outputs
    return Layer(
        weights=generator.integers(-127, 128, shape).astype(np.int8),
        scales=np.full(outputs, 2 / (74 * np.sqrt(fan_in))),
        bias=generator.uniform(0, 0.2, outputs),
    )


@pytest.fixture(scope="module")
def published() -> PublishedYamnet:
    generator = np.random.default_rng(0)
    convolutions = [made_up_layer(generator, (CHANNELS[0], 3, 3, 1), CHANNELS[0])]
    for before, after in pairwise(CHANNELS):
        convolutions.append(made_up_layer(generator, (1, 3, 3, before), before))
        convolutions.append(made_up_layer(generator, (after, 1, 1, before), after))
    return PublishedYamnet(
        window=np.hanning(401)[:400],
        mel=generator.uniform(0, 0.1, (64, 257)),
        convolutions=convolutions,
        last=Layer(
            weights=generator.integers(-127, 128, (521, 1024)).astype(np.int8),
            scales=np.array([0.001]),
            bias=generator.normal(size=521),
        ),
    )


def outputs_of(model: onnx.ModelProto, name: str, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    if name not in {output.name for output in made.graph.output}:
        made.graph.output.append(onnx.ValueInfoProto(name=name))
    session = open_session(made.SerializeToString(), 1, what="made-up network")
    values: NDArray[np.float32] = session.run([name], {"samples": samples})[0]
    return values


@pytest.fixture(scope="module")
def samples() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 0.1, (2, 15_600)).astype(np.float32)


def test_the_log_mel_patch_is_numpy_s(published: PublishedYamnet, samples: NDArray[np.float32]) -> None:
    patch = outputs_of(build_yamnet(published), "patch", samples)
    frames = np.stack([samples[:, 160 * index : 160 * index + 400] for index in range(96)], axis=1)
    magnitude = np.abs(np.fft.rfft(frames * published.window, 512))
    assert patch[:, 0] == pytest.approx(np.log(magnitude @ published.mel.T + 0.001), abs=1e-3)


def test_the_first_convolution_pads_as_tensorflow_does(
    published: PublishedYamnet, samples: NDArray[np.float32]
) -> None:
    model = build_yamnet(published)
    patch, first = (outputs_of(model, name, samples) for name in ("patch", "layer0.relu6"))
    layer = published.convolutions[0]
    kernels = layer.weights[..., 0] * layer.scales[:, None, None]
    padded = np.pad(patch[0, 0], ((0, 1), (0, 1)))  # an even input and stride 2: the odd pixel goes last
    wanted = (padded[94:97, 62:65] * kernels).sum(axis=(1, 2)) + layer.bias
    assert first.shape == (2, 32, 48, 32)
    assert first[0, :, 47, 31] == pytest.approx(np.clip(wanted, 0, 6), abs=1e-4)


def test_scores_are_the_sigmoid_of_one_layer_over_the_embedding(
    published: PublishedYamnet, samples: NDArray[np.float32]
) -> None:
    model = build_yamnet(published)
    embedding, scores = (outputs_of(model, name, samples) for name in ("embedding", "scores"))
    logits = embedding @ (published.last.weights.T * published.last.scales) + published.last.bias
    assert embedding.shape == (2, 1024)
    assert scores == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-4)


def test_weights_stay_8_bits_in_the_file(published: PublishedYamnet) -> None:
    integers = sum(layer.weights.size for layer in (*published.convolutions, published.last))
    assert len(build_yamnet(published).SerializeToString()) < 1.1 * integers
