"""The decode engine by itself: what it accepts, and that its window, batch and rewinding change no result."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.errors import WeightsError
from emsync.music.conditions import Condition
from emsync.music.model import ComposerModel
from emsync.music.vocabulary import EMSYNC, PAPER

CONTEXT = 32
DROPPED = 8
TOLERANCE = 1e-4
LOWEST = [-1, -1, 0, 0, 0.5, 0, 0, 0, 0, 0, 0]
HIGHEST = [1, 1, 8, 8, 5, 1, 1, 1, 1, 1, 1]
NEEDS_TRAIN = "weights are made with torch and onnx: pip install emsync[train]"


def _make_weights(path: Path, *, layers: int, context: int = CONTEXT) -> Path:
    torch = pytest.importorskip("torch", reason=NEEDS_TRAIN)
    pytest.importorskip("onnx", reason=NEEDS_TRAIN)
    from emsync_train.export import export  # noqa: PLC0415
    from emsync_train.model import Composer  # noqa: PLC0415
    from emsync_train.model_config import ModelConfig  # noqa: PLC0415

    torch.manual_seed(1)
    config = ModelConfig(EMSYNC.size, layers=layers, width=64, heads=2, feed_forward=96, context=context)
    model = Composer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    export(model, path, metadata={"vocabulary": EMSYNC.name, "run": "test"}, quantisation="fp32")
    return path


@pytest.fixture(scope="module")
def one_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_weights(tmp_path_factory.mktemp("weights") / "one_layer.onnx", layers=1)


@pytest.fixture(scope="module")
def three_layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_weights(tmp_path_factory.mktemp("weights") / "three_layers.onnx", layers=3)


def _music(
    length: int, *, batch: int = 1, missing: float = 0.3
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    generator = np.random.default_rng(7)
    tokens = generator.integers(0, EMSYNC.size, (batch, length))
    conditions = generator.uniform(LOWEST, HIGHEST, (batch, length, len(Condition))).astype(np.float32)
    conditions[generator.random(conditions.shape) < missing] = np.nan
    return tokens, conditions


def _step_by_step(
    model: ComposerModel, tokens: NDArray[np.int64], conditions: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Logits after every token, shape (B, T, V)."""
    return np.stack(
        [model.step(tokens[:, t : t + 1], conditions[:, t : t + 1]) for t in range(tokens.shape[1])], axis=1
    )


def test_metadata_describes_the_network(three_layers: Path) -> None:
    model = ComposerModel.load(three_layers)
    assert (model.vocabulary_name, model.vocabulary_size) == (EMSYNC.name, EMSYNC.size)
    assert (model.context, model.horizon_s, model.position) == (CONTEXT, 8.0, 0)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("length", [2, CONTEXT, CONTEXT + 1, 5 * CONTEXT + 3])
def test_prefill_equals_single_steps_before_and_after_the_window_slides(
    three_layers: Path, batch: int, length: int
) -> None:
    tokens, conditions = _music(length, batch=batch)
    expected = _step_by_step(ComposerModel.load(three_layers, batch=batch), tokens, conditions)[:, -1]
    whole = ComposerModel.load(three_layers, batch=batch)
    np.testing.assert_allclose(whole.step(tokens, conditions), expected, atol=TOLERANCE)
    assert whole.position == length
    parts = ComposerModel.load(three_layers, batch=batch)
    parts.step(tokens[:, :1], conditions[:, :1])
    np.testing.assert_allclose(parts.step(tokens[:, 1:], conditions[:, 1:]), expected, atol=TOLERANCE)


def test_conditions_that_stay_are_heard_at_every_token_and_those_that_change_at_once(
    three_layers: Path,
) -> None:
    """What they say is worked out when they change: it must not go stale, nor be lost when the piece is taken back."""
    tokens, conditions = _music(12, batch=2)
    for first, stop in ((0, 3), (3, 4), (4, 9), (9, 12)):
        conditions[:, first:stop] = conditions[:, first : first + 1]
    conditions[0, 9:] = conditions[0, 8]  # one row keeps its own, the other does not
    model = ComposerModel.load(three_layers, batch=2)
    got = _step_by_step(model, tokens, conditions)
    for length in range(1, 13):
        whole = ComposerModel.load(three_layers, batch=2).step(tokens[:, :length], conditions[:, :length])
        np.testing.assert_allclose(got[:, length - 1], whole, atol=TOLERANCE)
    model.reset()
    np.testing.assert_array_equal(_step_by_step(model, tokens, conditions), got)
    model.truncate(3)  # the last conditions heard are not those that come now
    np.testing.assert_array_equal(_step_by_step(model, tokens[:, 3:], conditions[:, 3:]), got[:, 3:])


def test_rows_of_a_batch_do_not_hear_each_other(three_layers: Path) -> None:
    tokens, conditions = _music(CONTEXT + 5, batch=3)
    together = ComposerModel.load(three_layers, batch=3).step(tokens, conditions)
    for row in range(3):
        alone = ComposerModel.load(three_layers).step(tokens[row : row + 1], conditions[row : row + 1])
        np.testing.assert_allclose(together[row : row + 1], alone, atol=TOLERANCE)


def test_rows_at_different_positions_do_not_disturb_each_other(three_layers: Path) -> None:
    """A batch row that began later, was taken back or slid goes on as if it were alone."""
    tokens, conditions = _music(2 * CONTEXT + 9, batch=2)
    together = ComposerModel.load(three_layers, batch=2)
    _step_by_step(together, tokens[:, :20], conditions[:, :20])
    together.reset(slice(1, 2))
    later = np.stack((tokens[0, 20:], tokens[1, : len(tokens[1]) - 20]))
    later_conditions = np.stack((conditions[0, 20:], conditions[1, : len(tokens[1]) - 20]))
    got = _step_by_step(together, later, later_conditions)
    assert [together.position_of(slice(row, row + 1)) for row in (0, 1)] == [tokens.shape[1], later.shape[1]]
    alone = _step_by_step(ComposerModel.load(three_layers), tokens[:1], conditions[:1])[0, 20:]
    np.testing.assert_allclose(got[0], alone, atol=TOLERANCE)
    fresh = _step_by_step(ComposerModel.load(three_layers), later[1:], later_conditions[1:])[0]
    np.testing.assert_allclose(got[1], fresh, atol=TOLERANCE)
    together.truncate(later.shape[1] - 3, slice(1, 2))
    again = _step_by_step(together, later[:, -3:], later_conditions[:, -3:])
    np.testing.assert_allclose(again[1], fresh[-3:], atol=TOLERANCE)


def test_a_full_window_drops_its_oldest_quarter(one_layer: Path) -> None:
    tokens, conditions = _music(CONTEXT + 1)
    model = ComposerModel.load(one_layer)
    model.step(tokens[:, :CONTEXT], conditions[:, :CONTEXT])
    assert (model.first_position, model.position) == (0, CONTEXT)
    slid = model.step(tokens[:, CONTEXT:], conditions[:, CONTEXT:])
    assert (model.first_position, model.position) == (DROPPED, CONTEXT + 1)
    kept = ComposerModel.load(one_layer).step(tokens[:, DROPPED:], conditions[:, DROPPED:])
    np.testing.assert_allclose(slid, kept, atol=TOLERANCE)
    shorter = ComposerModel.load(one_layer).step(tokens[:, DROPPED + 1 :], conditions[:, DROPPED + 1 :])
    assert np.abs(slid - shorter).max() > 10 * TOLERANCE


def test_rotation_is_exact_after_two_hours_of_music(tmp_path: Path) -> None:
    context, length = 512, 300_000
    path = _make_weights(tmp_path / "long.onnx", layers=1, context=context)
    tokens, conditions = _music(length)
    model = ComposerModel.load(path)
    late = model.step(tokens, conditions)
    assert model.position == length
    kept = slice(model.first_position, length)
    early = ComposerModel.load(path).step(tokens[:, kept], conditions[:, kept])
    np.testing.assert_allclose(late, early, atol=TOLERANCE)


@pytest.mark.parametrize("back_to", [0, 1, 9])
def test_truncate_and_step_again_gives_the_same_logits(three_layers: Path, back_to: int) -> None:
    tokens, conditions = _music(24)
    model = ComposerModel.load(three_layers)
    expected = _step_by_step(model, tokens, conditions)
    model.truncate(back_to)
    assert model.position == back_to
    other = (tokens + 1) % EMSYNC.size
    _step_by_step(model, other[:, :5], conditions[:, :5])
    model.truncate(back_to)
    again = _step_by_step(model, tokens[:, back_to:], conditions[:, back_to:])
    np.testing.assert_array_equal(again, expected[:, back_to:])


def test_truncate_works_inside_a_slid_window_only(three_layers: Path) -> None:
    tokens, conditions = _music(CONTEXT + 6)
    model = ComposerModel.load(three_layers)
    model.step(tokens[:, : CONTEXT + 1], conditions[:, : CONTEXT + 1])
    expected = _step_by_step(model, tokens[:, CONTEXT + 1 :], conditions[:, CONTEXT + 1 :])
    model.truncate(CONTEXT + 1)
    again = _step_by_step(model, tokens[:, CONTEXT + 1 :], conditions[:, CONTEXT + 1 :])
    np.testing.assert_array_equal(again, expected)
    for outside in (DROPPED - 1, CONTEXT + 7):
        with pytest.raises(ValueError, match=f"position {outside} is outside the window"):
            model.truncate(outside)
    model.truncate(DROPPED)
    assert model.position == DROPPED


def test_reset_forgets_a_slid_window(three_layers: Path) -> None:
    tokens, conditions = _music(2 * CONTEXT)
    model = ComposerModel.load(three_layers)
    first = model.step(tokens[:, :10], conditions[:, :10])
    model.step(tokens, conditions)
    model.reset()
    assert (model.position, model.first_position) == (0, 0)
    np.testing.assert_array_equal(model.step(tokens[:, :10], conditions[:, :10]), first)


def test_logits_belong_to_the_caller(three_layers: Path) -> None:
    tokens, conditions = _music(2)
    model = ComposerModel.load(three_layers)
    first = model.step(tokens[:, :1], conditions[:, :1])
    kept = first.copy()
    model.step(tokens[:, 1:], conditions[:, 1:])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    "condition",
    [one for one in Condition if one is not Condition.BAR_LENGTH_S],
    ids=lambda condition: condition.name.lower(),
)
def test_a_missing_condition_is_not_a_zero(three_layers: Path, condition: Condition) -> None:
    tokens, conditions = _music(1, missing=0.0)
    zero, missing = conditions.copy(), conditions.copy()
    zero[..., condition], missing[..., condition] = 0.0, np.nan
    difference = ComposerModel.load(three_layers).step(tokens, zero) - ComposerModel.load(three_layers).step(
        tokens, missing
    )
    assert np.abs(difference).max() > 10 * TOLERANCE


def test_without_its_phase_the_length_of_a_bar_says_nothing(three_layers: Path) -> None:
    tokens, conditions = _music(1, missing=0.0)
    conditions[..., Condition.BAR_PHASE] = np.nan
    model = ComposerModel.load(three_layers)
    known = model.step(tokens, conditions)
    conditions[..., Condition.BAR_LENGTH_S] = np.nan
    model.reset()
    np.testing.assert_array_equal(model.step(tokens, conditions), known)


@pytest.mark.parametrize("condition", Condition, ids=lambda condition: condition.name.lower())
def test_every_condition_is_heard(three_layers: Path, condition: Condition) -> None:
    tokens, conditions = _music(1, missing=0.0)
    low, high = conditions.copy(), conditions.copy()
    low[..., condition], high[..., condition] = LOWEST[condition], HIGHEST[condition] * 0.9
    model = ComposerModel.load(three_layers)
    heard = model.step(tokens, low)
    model.reset()
    assert np.abs(model.step(tokens, high) - heard).max() > 10 * TOLERANCE


@pytest.mark.parametrize("condition", [Condition.BOUNDARY_OFFSET_S, Condition.END_OFFSET_S])
def test_offsets_are_clipped_to_the_horizon(three_layers: Path, condition: Condition) -> None:
    tokens, conditions = _music(1, missing=0.0)
    horizon, beyond = conditions.copy(), conditions.copy()
    horizon[..., condition], beyond[..., condition] = 8.0, 100.0
    expected = ComposerModel.load(three_layers).step(tokens, horizon)
    np.testing.assert_array_equal(ComposerModel.load(three_layers).step(tokens, beyond), expected)


@pytest.mark.parametrize(
    ("tokens", "conditions", "message"),
    [
        (np.zeros((2, 1), np.int64), np.zeros((2, 1, 11)), r"tokens must have shape \(1, T >= 1\)"),
        (np.zeros((1, 0), np.int64), np.zeros((1, 0, 11)), r"tokens must have shape"),
        (np.zeros((1, 2), np.int64), np.zeros((1, 1, 11)), r"conditions must have shape \(1, 2, 11\)"),
        (np.zeros((1, 2), np.int64), np.zeros((1, 2, 3)), r"must have shape \(1, 2, 11\), got \(1, 2, 3\)"),
        (np.full((1, 1), EMSYNC.size), np.zeros((1, 1, 11)), "tokens must lie in"),
        (np.full((1, 1), -1), np.zeros((1, 1, 11)), "tokens must lie in"),
        (np.zeros((1, 1), np.int64), np.full((1, 1, 11), np.inf), "conditions must be finite"),
    ],
)
def test_step_refuses_what_it_cannot_feed(
    three_layers: Path, tokens: Any, conditions: Any, message: str
) -> None:
    model = ComposerModel.load(three_layers)
    with pytest.raises(ValueError, match=message):
        model.step(tokens, conditions)
    assert model.position == 0


@pytest.mark.parametrize("arguments", [{"batch": 0}, {"threads": -1}])
def test_load_refuses_impossible_arguments(tmp_path: Path, arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="batch must be at least 1 and threads at least 0"):
        ComposerModel.load(tmp_path / "any.onnx", **arguments)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.onnx: weights not found"):
        ComposerModel.load(tmp_path / "gone.onnx")


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_a_file_that_is_no_graph_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.onnx: ") as refusal:
        ComposerModel.load(path)
    assert "\n" not in str(refusal.value)


def test_a_truncated_file_is_refused(three_layers: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(three_layers.read_bytes()[: three_layers.stat().st_size // 2])
    with pytest.raises(WeightsError, match=r"half\.onnx: "):
        ComposerModel.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "emsync-composer-1"}, "holds no composer of format emsync-composer-4"),
        ({"vocabulary": "klingon"}, "made for vocabulary 'klingon'"),
        ({"vocabulary": PAPER.name}, "which this version of emsync does not know"),
        ({"context": "long"}, "damaged metadata"),
        ({"layers": None}, "damaged metadata"),
        ({"cache": "paper"}, "damaged metadata"),
    ],
)
def test_altered_metadata_is_refused(
    three_layers: Path, tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    onnx = pytest.importorskip("onnx", reason=NEEDS_TRAIN)
    path = Path(shutil.copy(three_layers, tmp_path / "altered.onnx"))
    proto = onnx.load(path)
    properties = {entry.key: entry.value for entry in proto.metadata_props} | changes
    onnx.helper.set_model_props(proto, {key: value for key, value in properties.items() if value is not None})
    onnx.save(proto, path)
    with pytest.raises(WeightsError, match=message):
        ComposerModel.load(path)
