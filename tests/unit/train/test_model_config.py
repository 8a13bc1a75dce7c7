"""The torch network: sizes that fit, a past that cannot see the future, conditions that may be missing."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="the network needs torch: pip install emsync[train]")

from torch import Tensor  # noqa: E402

from emsync_train.model import (  # noqa: E402
    OFFSET_DECAYS_S,
    OFFSET_WAVES,
    Composer,
    ModelConfig,
    offset_features,
    rope_angles,
    rotate,
)

TINY = ModelConfig(vocabulary_size=50, layers=2, width=16, heads=2, feed_forward=24, context=12)


def network(config: ModelConfig = TINY, *, spread: float = 0.3) -> Composer:
    """A network whose every parameter is away from its initial value, so that nothing is hidden by a zero."""
    torch.manual_seed(1)
    model = Composer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return model


def inputs(length: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(0, 50, (2, length), generator=generator)
    conditions = torch.rand((2, length, 3), generator=generator) * torch.tensor([1.0, 1.0, 8.0])
    return tokens, conditions, torch.ones(2, length, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 18, "heads": 4}, "width 18 must split into 4 heads of even size"),
        ({"width": 6, "heads": 2}, "width 6 must split into 2 heads of even size"),
        ({"heads": 0}, "every size of the model must be at least 1"),
        ({"layers": 0}, "every size of the model must be at least 1"),
        ({"context": -1}, "every size of the model must be at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **change)


def test_parameters_are_counted_by_pencil_with_the_shared_output_layer_once() -> None:
    embedding = 50 * 16
    waves = 2 * OFFSET_WAVES + len(OFFSET_DECAYS_S)
    encoder = (1 + 1 + waves) * 16 + 3 * 16 + 3 * (16 * 16 + 16) + 3 * 16
    block = 3 * 16 * 16 + 16 * 16 + 2 * 16 * 24 + 2 * 16
    assert Composer(TINY).parameter_count == embedding + encoder + 2 * block + 16


def test_logits_have_a_row_for_every_token() -> None:
    assert network()(*inputs()).shape == (2, 10, 50)


def test_a_token_hears_nothing_of_what_follows() -> None:
    model, (tokens, conditions, present) = network(), inputs()
    before = model(tokens, conditions, present)
    tokens[:, 6:], conditions[:, 6:], present[:, 6:] = 3, 0.1, 0
    after = model(tokens, conditions, present)
    torch.testing.assert_close(after[:, :6], before[:, :6])
    assert (after[:, 6:] - before[:, 6:]).abs().max() > 0.1


@pytest.mark.parametrize("condition", [0, 1, 2])
def test_every_condition_is_heard_where_it_is_present_and_only_there(condition: int) -> None:
    model, (tokens, conditions, present) = network(), inputs()
    other = conditions.clone()
    other[..., condition] += 0.5
    assert (model(tokens, other, present) - model(tokens, conditions, present)).abs().max() > 0.01
    present[..., condition] = 0
    assert torch.equal(model(tokens, other, present), model(tokens, conditions, present))


def test_a_missing_condition_is_a_learned_null_and_not_a_zero() -> None:
    model, (tokens, conditions, present) = network(), inputs()
    zero = conditions.clone()
    zero[..., 0] = 0
    absent = present.clone()
    absent[..., 0] = 0
    assert (model(tokens, zero, absent) - model(tokens, zero, present)).abs().max() > 0.01
    model.condition_encoder.null.data[0] += 1
    assert (model(tokens, zero, absent) - model(tokens, zero, present)).abs().max() > 0.01


def test_offsets_beyond_the_horizon_sound_like_the_horizon() -> None:
    model, (tokens, conditions, present) = network(), inputs()
    far, farther = conditions.clone(), conditions.clone()
    far[..., 2], farther[..., 2] = 8.0, 30.0
    assert torch.equal(model(tokens, far, present), model(tokens, farther, present))


def test_offset_features_tell_one_tick_from_none() -> None:
    features = offset_features(torch.tensor([0.0, 0.008, 4.0, 4.008]), 8.0)
    assert features.shape == (4, 2 * OFFSET_WAVES + len(OFFSET_DECAYS_S))
    assert (features[1] - features[0]).abs().max() > 0.2
    assert (features[3] - features[2]).abs().max() > 0.2


def test_rotated_products_depend_on_the_distance_of_positions_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(8), torch.randn(8)

    def product(query_position: int, key_position: int) -> float:
        angles = rope_angles(torch.tensor([query_position, key_position]), 8)
        both = rotate(torch.stack([query, key])[None, None], angles)[0, 0]
        return float(both[0] @ both[1])

    assert product(5, 2) == pytest.approx(product(105, 102), abs=1e-4)
    assert product(5, 2) != pytest.approx(product(5, 3), abs=1e-2)
