"""Weights to begin with: taken over whole, continued where the vocabulary grew, refused in one line."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install emsync[train]")
onnx = pytest.importorskip("onnx", reason="export needs onnx: pip install emsync[train]")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from emsync.errors import InputError  # noqa: E402
from emsync.music.vocabulary import EMSYNC, NOTE_COUNT, PAPER  # noqa: E402
from emsync_train.export import export  # noqa: E402
from emsync_train.graph_nodes import Quantisation  # noqa: E402
from emsync_train.graph_weights import weights_of_graph  # noqa: E402
from emsync_train.model import Composer  # noqa: E402
from emsync_train.model_config import ModelConfig  # noqa: E402
from emsync_train.start import Start  # noqa: E402

SMALL = ModelConfig(EMSYNC.size, layers=2, width=64, heads=2, feed_forward=96, context=16)
NARROW = ModelConfig(EMSYNC.size, layers=1, width=48, heads=2, feed_forward=80, context=16, tied_output=False)
OLD_SIZE = 922
ENCODER = "condition_encoder."


def network(config: ModelConfig = SMALL, seed: int = 1) -> Composer:
    """A network whose every parameter is away from its initial value."""
    torch.manual_seed(seed)
    model = Composer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def state_of(model: Composer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def graph_of(model: Composer, path: Path, quantisation: Quantisation) -> Path:
    export(model, path, metadata={"vocabulary": EMSYNC.name}, quantisation=quantisation)
    return path


def weights_file(model: Composer, folder: Path) -> str:
    save_file(state_of(model), folder / "weights.safetensors")
    return str(folder / "weights.safetensors")


def refusal(start: Start, model: Composer) -> str:
    """The message, which is one line, names the file and leaves the network as it was."""
    before = state_of(model)
    with pytest.raises(InputError) as refused:
        start.load_into(model)
    assert str(refused.value).startswith(f"{start.weights}: not weights to start from (")
    assert "\n" not in str(refused.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    return str(refused.value)


@pytest.mark.parametrize("config", [SMALL, NARROW], ids=["width64", "width48"])
def test_a_float_graph_gives_back_all_weights_but_the_condition_encoder(
    tmp_path: Path, config: ModelConfig
) -> None:
    model = network(config)
    found = weights_of_graph(graph_of(model, tmp_path / "o.onnx", "fp32"))
    expected = {name: value for name, value in state_of(model).items() if not name.startswith(ENCODER)}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.array_equal(found[name], value.numpy()), name


@pytest.mark.parametrize("config", [SMALL, NARROW], ids=["width64", "width48"])
def test_an_int8_graph_gives_back_its_matrices_within_the_rounding(
    tmp_path: Path, config: ModelConfig
) -> None:
    model = network(config)
    found = weights_of_graph(graph_of(model, tmp_path / "o.onnx", "int8"))
    for name, value in state_of(model).items():
        if name.startswith(ENCODER):
            assert name not in found
        elif name.startswith(("blocks.", "output.")) and value.ndim == 2:
            assert found[name].shape == value.shape
            distance = np.abs(found[name] - value.numpy()).max()
            assert 0 < distance < 0.01 * float(value.abs().max())
        else:
            assert np.array_equal(found[name], value.numpy()), name


def test_weights_read_back_from_an_int8_graph_are_rounded_to_themselves(tmp_path: Path) -> None:
    model = network()
    first = weights_of_graph(graph_of(model, tmp_path / "a.onnx", "int8"))
    model.load_state_dict({name: torch.tensor(value) for name, value in first.items()}, strict=False)
    second = weights_of_graph(graph_of(model, tmp_path / "b.onnx", "int8"))
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, atol=1e-3 * np.abs(value).max())


@pytest.mark.parametrize("quantisation", ["fp32", "int8"])
def test_a_run_starts_from_a_graph_with_a_fresh_condition_encoder(
    tmp_path: Path, quantisation: Quantisation
) -> None:
    path = graph_of(network(seed=1), tmp_path / "o.onnx", quantisation)
    model = network(seed=2)
    before, expected = state_of(model), weights_of_graph(path)
    Start(str(path), ENCODER).load_into(model)
    for name, value in model.state_dict().items():
        taken = before[name] if name.startswith(ENCODER) else torch.tensor(expected[name])
        assert torch.equal(value, taken), name


def test_a_run_starts_from_earlier_weights_and_takes_all_of_them(tmp_path: Path) -> None:
    earlier, model = network(seed=1), network(seed=2)
    Start(weights_file(earlier, tmp_path)).load_into(model)
    assert all(torch.equal(value, earlier.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("fresh", [ENCODER, "embedding.", "blocks.1."])
def test_what_is_to_be_fresh_keeps_its_initialisation_even_if_the_weights_lack_it(
    tmp_path: Path, fresh: str
) -> None:
    earlier, model = network(seed=1), network(seed=2)
    before = state_of(model)
    path = weights_file(earlier, tmp_path)
    kept = {name: value for name, value in state_of(earlier).items() if not name.startswith(fresh)}
    save_file(kept, tmp_path / "without.safetensors")
    for weights in (path, str(tmp_path / "without.safetensors")):
        Start(weights, fresh).load_into(model)
        for name, value in model.state_dict().items():
            source = before if name.startswith(fresh) else earlier.state_dict()
            assert torch.equal(value, source[name]), name


def test_soft_and_loud_notes_begin_as_normal_ones_where_the_weights_have_no_velocities(
    tmp_path: Path,
) -> None:
    assert EMSYNC.size - 2 * NOTE_COUNT == OLD_SIZE
    earlier, model = network(dataclasses.replace(SMALL, vocabulary_size=OLD_SIZE)), network(seed=2)
    Start(weights_file(earlier, tmp_path)).load_into(model)
    old, new = earlier.embedding.weight, model.embedding.weight
    assert torch.equal(new[:OLD_SIZE], old)
    normal, soft, loud = (new[on.first : on.stop] for on in EMSYNC.ons)
    assert torch.equal(normal, old[EMSYNC.on.first : EMSYNC.on.stop])
    assert torch.equal(soft, normal)
    assert torch.equal(loud, normal)


def test_a_graph_without_a_fresh_condition_encoder_is_refused_naming_what_is_missing(tmp_path: Path) -> None:
    path = graph_of(network(), tmp_path / "o.onnx", "int8")
    message = refusal(Start(str(path)), network(seed=2))
    assert "condition_encoder.null is not in it; --fresh leaves out parameters" in message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            dataclasses.replace(SMALL, width=32),
            "64), the network's (",
        ),
        (dataclasses.replace(SMALL, layers=3), "blocks.2.attention_norm.scale is not in it"),
        (dataclasses.replace(SMALL, layers=1), "the network has no blocks.1."),
        (
            dataclasses.replace(SMALL, vocabulary_size=PAPER.size),
            "embedding.weight has shape (1802, 64), the network's (1011, 64)",
        ),
        (dataclasses.replace(SMALL, norm="layer"), "blocks.0.attention_norm.weight is not in it"),
    ],
    ids=["width", "deeper", "shallower", "vocabulary", "norm"],
)
@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_weights_of_another_network_are_refused_naming_a_difference(
    tmp_path: Path, kind: str, config: ModelConfig, message: str
) -> None:
    if kind == "onnx":
        start = Start(str(graph_of(network(), tmp_path / "o.onnx", "int8")), ENCODER)
    else:
        start = Start(weights_file(network(), tmp_path))
    assert message in refusal(start, network(config, seed=2))


def test_four_bit_weights_are_refused_saying_what_to_export_instead(tmp_path: Path) -> None:
    start = Start(str(graph_of(network(), tmp_path / "o.onnx", "int4")), ENCODER)
    assert "4-bit weights; export with int8 or fp32" in refusal(start, network(seed=2))


@pytest.mark.parametrize("name", ["lost.safetensors", "lost.onnx"])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    assert "No such file" in refusal(Start(str(tmp_path / name)), network())


@pytest.mark.parametrize("name", ["damaged.safetensors", "damaged.onnx"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\x00 not weights \n" * 9)
    refusal(Start(str(tmp_path / name)), network())


def test_a_graph_of_something_else_is_refused(tmp_path: Path) -> None:
    onnx.save(onnx.ModelProto(), tmp_path / "empty.onnx")
    refusal(Start(str(tmp_path / "empty.onnx"), ENCODER), network())


def test_where_onnx_is_not_installed_a_graph_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "emsync_train.decode_graph", None)
    refusal(Start(str(tmp_path / "o.onnx")), network())


def test_an_output_layer_that_was_tied_begins_as_a_copy_of_the_embedding(tmp_path: Path) -> None:
    tied, untied = network(), network(dataclasses.replace(SMALL, tied_output=False), seed=2)
    Start(weights_file(tied, tmp_path)).load_into(untied)
    assert torch.equal(untied.output.weight, tied.embedding.weight)
    assert untied.output.weight.data_ptr() != untied.embedding.weight.data_ptr()
