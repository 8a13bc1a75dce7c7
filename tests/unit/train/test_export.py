"""The exported graph against the torch network it came from, and how matrices are rounded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.errors import InputError
from emsync.music.conditions import GROUP_CONDITIONS, Condition, bar_positions
from emsync.music.model import FORMAT, ComposerModel
from emsync.music.vocabulary import EMSYNC

torch = pytest.importorskip("torch", reason="export needs torch: pip install emsync[train]")
onnx = pytest.importorskip("onnx", reason="export needs onnx: pip install emsync[train]")

from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from emsync_train.cache_range import cache_peaks  # noqa: E402
from emsync_train.dataset import Batch  # noqa: E402
from emsync_train.export import export, load_checkpoint, main  # noqa: E402
from emsync_train.graph_nodes import Quantisation  # noqa: E402
from emsync_train.model import Attention, Block, Composer, rope_angles, rotate  # noqa: E402
from emsync_train.model_config import ModelConfig  # noqa: E402
from emsync_train.quantise import quantise  # noqa: E402

TOLERANCE = 1e-4
METADATA = {"vocabulary": EMSYNC.name, "run": "test"}
SMALL = ModelConfig(EMSYNC.size, layers=2, width=64, heads=2, feed_forward=96, context=48)
# Few wide heads, many narrow ones, a width that is no multiple of the quantisation block.
SHAPES = [
    ModelConfig(EMSYNC.size, layers=3, width=160, heads=5, feed_forward=640, context=128),
    ModelConfig(EMSYNC.size, layers=2, width=256, heads=4, feed_forward=512, context=128, horizon_s=4.0),
    ModelConfig(EMSYNC.size, layers=2, width=48, heads=3, feed_forward=80, context=128, tied_output=False),
]


def _network(config: ModelConfig, *, spread: float = 0.1) -> Composer:
    """A network whose every parameter, null vectors and scales included, is away from its initial value."""
    torch.manual_seed(3)
    model = Composer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return model


def _music(config: ModelConfig, batch: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Random tokens and conditions, offsets and bars also beyond the horizon, three in ten missing."""
    generator = np.random.default_rng(5)
    tokens = generator.integers(0, config.vocabulary_size, (batch, length))
    beyond_s = 1.2 * config.horizon_s
    highest = np.array([1, 1, beyond_s, beyond_s, beyond_s, 1, *[1] * 5])
    conditions = generator.uniform([-1, -1, *[0] * 9], highest, (batch, length, len(Condition)))
    conditions[..., GROUP_CONDITIONS] = np.round(conditions[..., GROUP_CONDITIONS])
    conditions[generator.random(conditions.shape) < 0.3] = np.nan
    return tokens, conditions.astype(np.float32)


def _torch_inputs(tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> tuple[Tensor, ...]:
    return (
        torch.from_numpy(tokens),
        torch.from_numpy(np.nan_to_num(conditions, nan=0.0)),
        torch.from_numpy((~np.isnan(conditions)).astype(np.float32)),
    )


def _torch_logits(
    model: Composer, tokens: NDArray[np.int64], conditions: NDArray[np.float32]
) -> NDArray[np.float32]:
    with torch.no_grad():
        logits: NDArray[np.float32] = model(*_torch_inputs(tokens, conditions)).numpy()
        return logits


def _windowed_attention(layer: Attention, x: Tensor, angles: Tensor, visible: Tensor) -> Tensor:
    """`Attention.forward` with any mask: visible (T, T) is true where a row's token hears a column's."""
    batch, length, width = x.shape
    heads = layer.query_key_value(x).view(batch, length, 3, layer.heads, width // layer.heads)
    query, key, value = heads.permute(2, 0, 3, 1, 4)
    attended = functional.scaled_dot_product_attention(
        rotate(query, angles), rotate(key, angles), value, attn_mask=visible
    )
    output: Tensor = layer.output(attended.transpose(1, 2).reshape(batch, length, width))
    return output


def _torch_logits_sliding(
    model: Composer, tokens: NDArray[np.int64], conditions: NDArray[np.float32]
) -> NDArray[np.float32]:
    """All tokens at their absolute positions; each hears the window that the engine has at that token.

    A key that stays cached was computed from the window of its own time. The same holds here, layer by
    layer, so that nets of any depth must agree, not only those of one layer.
    """
    context, length = model.config.context, tokens.shape[1]
    first, visible = 0, torch.zeros(length, length, dtype=torch.bool)
    for place in range(length):
        if place - first == context:
            first += context // 4
        visible[place, first : place + 1] = True
    with torch.no_grad():
        ids, given, present = _torch_inputs(tokens, conditions)
        x = model.embedding(ids) + model.condition_encoder(given, present)
        angles = rope_angles(torch.arange(length), model.config.width // model.config.heads)
        for block in model.blocks:
            assert isinstance(block, Block)
            x = x + _windowed_attention(block.attention, block.attention_norm(x), angles, visible)
            x = x + block.feed_forward(block.feed_forward_norm(x))
        return functional.linear(model.final_norm(x), model.embedding.weight).numpy()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("config", SHAPES, ids=lambda config: f"width{config.width}")
def test_fp32_logits_equal_torch_with_and_without_cache(
    tmp_path: Path, config: ModelConfig, batch: int
) -> None:
    model, path = _network(config), tmp_path / "weights.onnx"
    export(model, path, metadata=METADATA, quantisation="fp32")
    tokens, conditions = _music(config, batch, config.context)
    expected = _torch_logits(model, tokens, conditions)
    assert np.ptp(expected) > 1.0
    engine = ComposerModel.load(path, batch=batch, threads=1)
    for place in range(config.context):
        got = engine.step(tokens[:, place : place + 1], conditions[:, place : place + 1])
        np.testing.assert_allclose(got, expected[:, place], atol=TOLERANCE)
    for length in (1, config.context // 2, config.context):
        engine.reset()
        got = engine.step(tokens[:, :length], conditions[:, :length])
        np.testing.assert_allclose(got, expected[:, length - 1], atol=TOLERANCE)


@pytest.mark.parametrize("layers", [1, 4])
def test_fp32_logits_equal_torch_after_the_window_slid(tmp_path: Path, layers: int) -> None:
    config = dataclasses.replace(SMALL, layers=layers)
    model, path = _network(config), tmp_path / "weights.onnx"
    export(model, path, metadata=METADATA, quantisation="fp32")
    tokens, conditions = _music(config, 1, 3 * config.context)
    expected = _torch_logits_sliding(model, tokens, conditions)
    engine = ComposerModel.load(path, threads=1)
    for place in range(tokens.shape[1]):
        got = engine.step(tokens[:, place : place + 1], conditions[:, place : place + 1])
        np.testing.assert_allclose(got, expected[:, place], atol=TOLERANCE)
    unlimited = _torch_logits(model, tokens, conditions)[:, -1]
    assert np.abs(got - unlimited).max() > 10 * TOLERANCE


@pytest.mark.parametrize("condition", list(Condition), ids=lambda condition: condition.name)
@pytest.mark.parametrize("others", ["known", "missing"])
def test_each_condition_reaches_the_graph_as_it_reaches_torch(
    tmp_path: Path, condition: Condition, others: str
) -> None:
    model, path = _network(SMALL), tmp_path / "weights.onnx"
    export(model, path, metadata=METADATA, quantisation="fp32")
    tokens, conditions = _music(SMALL, 1, 16)
    conditions = np.nan_to_num(conditions, nan=0.5)
    if others == "missing":
        conditions[..., [other for other in Condition if other != condition]] = np.nan
    engine, told = ComposerModel.load(path, threads=1), []
    for value in (0.25, 0.75, np.nan):
        conditions[..., condition] = value
        engine.reset()
        told.append(engine.step(tokens, conditions))
        expected = _torch_logits(model, tokens, conditions)[:, -1]
        np.testing.assert_allclose(told[-1], expected, atol=TOLERANCE)
    if others == "known":
        assert np.abs(told[0] - told[1]).max() > 0.01


@pytest.mark.parametrize("horizon_s", [4.0, 8.0])
def test_places_in_a_bar_reach_the_graph_as_they_reach_torch_on_every_tick(
    tmp_path: Path, horizon_s: float
) -> None:
    """A division is passed or not by a comparison: both sides must round alike."""
    config = dataclasses.replace(SMALL, context=512, horizon_s=horizon_s)
    model, path = _network(config), tmp_path / "weights.onnx"
    export(model, path, metadata=METADATA, quantisation="fp32")
    onsets = np.cumsum([0, 240, 250, 131, 90, 7, 200])
    places = bar_positions(np.arange(0, 918, 2), onsets)
    conditions = np.full((1, len(places), len(Condition)), np.nan, np.float32)
    conditions[0, :, Condition.BAR_LENGTH_S : Condition.BAR_PHASE + 1] = places
    with torch.no_grad():
        given, present = _torch_inputs(np.zeros((1, 1), np.int64), conditions)[1:]
        expected = model(torch.zeros(1, len(places), dtype=torch.int64), given, present).numpy()
    engine = ComposerModel.load(path, threads=1)
    for place in range(len(places)):
        got = engine.step(np.zeros((1, 1), np.int64), conditions[:, place : place + 1])
        np.testing.assert_allclose(got, expected[:, place], atol=TOLERANCE)


def test_nan_conditions_equal_absent_ones_in_torch(tmp_path: Path) -> None:
    model, path = _network(SMALL), tmp_path / "weights.onnx"
    export(model, path, metadata=METADATA, quantisation="fp32")
    tokens, _ = _music(SMALL, 1, 4)
    with torch.no_grad():
        nothing = torch.zeros(1, 4, len(Condition))
        expected = model(torch.from_numpy(tokens), torch.full_like(nothing, 0.7), nothing)[:, -1].numpy()
    got = ComposerModel.load(path).step(tokens, np.full(nothing.shape, np.nan, np.float32))
    np.testing.assert_allclose(got, expected, atol=TOLERANCE)


def _distance(model: Composer, path: Path) -> tuple[float, float]:
    """Share of places with the same likeliest token as torch, and mean divergence from torch in nats."""
    tokens, conditions = _music(model.config, 1, model.config.context)
    exact = torch.log_softmax(torch.from_numpy(_torch_logits(model, tokens, conditions))[0].double(), -1)
    engine = ComposerModel.load(path, threads=1)
    steps = [engine.step(tokens[:, t : t + 1], conditions[:, t : t + 1])[0] for t in range(tokens.shape[1])]
    rounded = torch.log_softmax(torch.from_numpy(np.stack(steps)).double(), -1)
    agreement = (exact.argmax(-1) == rounded.argmax(-1)).double().mean()
    divergence = (exact.exp() * (exact - rounded)).sum(-1).mean()
    return float(agreement), float(divergence)


@pytest.mark.parametrize(
    ("quantisation", "least_agreement", "most_nats"), [("int8", 0.9, 2e-3), ("int4", 0.5, 0.15)]
)
@pytest.mark.parametrize("config", SHAPES, ids=lambda config: f"width{config.width}")
def test_quantised_weights_of_a_random_network_predict_nearly_the_same(
    tmp_path: Path, config: ModelConfig, quantisation: Quantisation, least_agreement: float, most_nats: float
) -> None:
    model = _network(config)
    path = tmp_path / "weights.onnx"
    export(model, path, metadata=METADATA, quantisation=quantisation)
    agreement, nats = _distance(model, path)
    assert agreement >= least_agreement
    assert 0 < nats <= most_nats


def _batch_of(tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> Batch:
    return Batch(
        np.concatenate((tokens, tokens[:, :1]), axis=1),
        np.nan_to_num(conditions),
        (~np.isnan(conditions)).astype(np.float32),
    )


@pytest.mark.parametrize("config", SHAPES, ids=lambda config: f"width{config.width}")
def test_a_cache_in_8_bits_predicts_nearly_the_same_and_takes_a_quarter(
    tmp_path: Path, config: ModelConfig
) -> None:
    model, path = _network(config), tmp_path / "weights.onnx"
    peaks = cache_peaks(model, [_batch_of(*_music(config, 2, config.context))])
    assert peaks.shape == (config.layers, 2, config.heads, config.width // config.heads)
    export(model, path, metadata=METADATA, quantisation="fp32", peaks=peaks)
    agreement, nats = _distance(model, path)
    assert agreement >= 0.95
    assert 0 < nats <= 2e-3
    kept = [value for value in onnx.load(path).graph.input if value.name.startswith("past_")]
    assert {value.type.tensor_type.elem_type for value in kept} == {onnx.TensorProto.INT8}


def test_peaks_are_those_of_rotated_keys_and_of_values(tmp_path: Path) -> None:
    model = _network(SMALL)
    tokens, conditions = _music(SMALL, 1, SMALL.context)
    peaks = cache_peaks(model, [_batch_of(tokens, conditions)])
    export(model, tmp_path / "weights.onnx", metadata=METADATA, quantisation="fp32")
    engine = ComposerModel.load(tmp_path / "weights.onnx", threads=1)
    engine.step(tokens, conditions)
    np.testing.assert_allclose(peaks, np.abs(engine._memory.cache[:, :, 0]).max(axis=3), rtol=1e-4)


def test_a_cache_needs_music_to_be_calibrated_with() -> None:
    with pytest.raises(ValueError, match="no window to calibrate the cache with"):
        cache_peaks(_network(SMALL), [])


def test_fewer_bits_make_a_smaller_file(tmp_path: Path) -> None:
    model, sizes = _network(SHAPES[1]), []
    quantisations: tuple[Quantisation, ...] = ("int4", "int8", "fp32")
    for quantisation in quantisations:
        export(model, tmp_path / "o.onnx", metadata=METADATA, quantisation=quantisation)
        sizes.append((tmp_path / "o.onnx").stat().st_size)
    assert sizes == sorted(sizes)


def test_quantise_by_pencil() -> None:
    weight = np.zeros((1, 32), np.float32)
    weight[0, :4] = [-8.0, 7.0, 1.0, -1.0]
    codes, scales = quantise(weight, 4)
    assert scales.tolist() == [[1.0]]
    assert codes.shape == (1, 1, 16)
    assert codes[0, 0, :3].tolist() == [0 | 15 << 4, 9 | 7 << 4, 8 | 8 << 4]


def test_quantise_turns_a_block_whose_peak_is_positive() -> None:
    weight = np.zeros((1, 32), np.float32)
    weight[0, :2] = [8.0, -7.0]
    codes, scales = quantise(weight, 4)
    assert scales.tolist() == [[-1.0]]
    assert codes[0, 0, 0] == 0 | 15 << 4


def test_quantise_rounds_within_half_a_scale_and_pads_with_zero() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    codes, scales = quantise(weight, 8)
    assert codes.shape == (5, 2, 32)
    values = (codes.astype(np.float32) - 128) * scales[..., None]
    assert not values[:, 1, 8:].any()
    flat = values.reshape(5, 64)[:, :40]
    assert np.abs(flat - weight).max() <= 1.01 * np.abs(weight).max() / 127
    assert np.sqrt(np.square(flat - weight).mean()) < 0.01


def test_a_zero_matrix_stays_zero() -> None:
    codes, scales = quantise(np.zeros((3, 32), np.float32), 8)
    assert (codes == 128).all()
    assert np.isfinite(scales).all()


@pytest.mark.parametrize("quantisation", ["fp32", "int8", "int4"])
def test_the_same_weights_give_the_same_bytes(tmp_path: Path, quantisation: Quantisation) -> None:
    model = _network(SMALL)
    turned = dict(reversed(METADATA.items()))
    for name, metadata in (("a.onnx", METADATA), ("b.onnx", turned)):
        export(model, tmp_path / name, metadata=metadata, quantisation=quantisation)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_metadata_holds_the_sizes_and_the_run(tmp_path: Path) -> None:
    export(_network(SMALL), tmp_path / "weights.onnx", metadata=METADATA)
    properties = {entry.key: entry.value for entry in onnx.load(tmp_path / "weights.onnx").metadata_props}
    assert properties == {
        "cache": "fp32",
        "context": "48",
        "feed_forward": "96",
        "format": FORMAT,
        "heads": "2",
        "horizon_s": "8.0",
        "layers": "2",
        "quantisation": "int8",
        "rope_base": "10000.0",
        "run": "test",
        "vocabulary": EMSYNC.name,
        "vocabulary_size": str(EMSYNC.size),
        "width": "64",
    }


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "metadata must name a vocabulary"),
        ({"vocabulary": "paper"}, "vocabulary 'paper' has 1011 tokens, the network 1802"),
        ({"vocabulary": EMSYNC.name, "context": "9"}, r"metadata must not set \['context'\]"),
    ],
)
def test_metadata_that_contradicts_the_network_is_refused(
    tmp_path: Path, metadata: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        export(_network(SMALL), tmp_path / "weights.onnx", metadata=metadata)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"positions": "learned", "conditioning": "prefix"},
        {"norm": "layer"},
        {"activation": "swiglu"},
        {"activation": "relu"},
    ],
    ids=lambda change: "-".join(map(str, change.values())),
)
def test_a_network_that_the_engine_does_not_run_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=f"a network with {name} {value!r} cannot be exported"):
        export(Composer(dataclasses.replace(SMALL, **change)), tmp_path / "o.onnx", metadata=METADATA)
    assert not list(tmp_path.iterdir())


def test_dropout_is_for_training_alone_and_hinders_no_export(tmp_path: Path) -> None:
    model = _network(SMALL)
    again = Composer(dataclasses.replace(SMALL, dropout=0.3)).eval()
    again.load_state_dict(model.state_dict())
    for name, network in (("a.onnx", model), ("b.onnx", again)):
        export(network, tmp_path / name, metadata=METADATA)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_command_line_exports_a_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run-7"
    run.mkdir()
    model = _network(SMALL)
    save_file(model.state_dict(), run / "weights.safetensors")
    settings = {"model": dataclasses.asdict(SMALL), "vocabulary": EMSYNC.name, "steps": 5}
    (run / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    out = tmp_path / "composer.onnx"
    main(["--checkpoint", str(run / "weights.safetensors"), "--out", str(out), "--quantisation", "fp32"])
    assert f"{model.parameter_count} parameters" in capsys.readouterr().out
    tokens, conditions = _music(SMALL, 1, 20)
    got = ComposerModel.load(out).step(tokens, conditions)
    np.testing.assert_allclose(got, _torch_logits(model, tokens, conditions)[:, -1], atol=TOLERANCE)
    properties = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    assert properties["run"] == "run-7"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, r"config\.json: not the configuration of a run"),
        ("{", r"config\.json: not the configuration of a run"),
        (
            '{"vocabulary": "emsync-2", "model": {"wings": 2}}',
            r"config\.json: not the configuration of a run",
        ),
        (
            '{"vocabulary": "emsync-2", "model": {"vocabulary_size": 1802}}',
            r"weights\.safetensors: not the weights that",
        ),
    ],
)
def test_an_incomplete_run_folder_is_named_in_one_line(
    tmp_path: Path, config: str | None, message: str
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(SystemExit, match=message) as refusal:
        main(["--checkpoint", str(tmp_path / "weights.safetensors"), "--out", str(tmp_path / "o.onnx")])
    assert str(refusal.value).startswith("error: ")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "o.onnx").exists()


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    save_file(_network(SMALL).state_dict(), tmp_path / "weights.safetensors")
    settings = {"model": dataclasses.asdict(dataclasses.replace(SMALL, layers=3)), "vocabulary": EMSYNC.name}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(InputError, match="not the weights that"):
        load_checkpoint(tmp_path / "weights.safetensors")
