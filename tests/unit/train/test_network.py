"""The torch network: a past that cannot see the future, with and without cache, and conditions that may be missing."""

from __future__ import annotations

import dataclasses
import math

import pytest

torch = pytest.importorskip("torch", reason="the network needs torch: pip install emsync[train]")

from torch import Tensor  # noqa: E402

from emsync.music.conditions import Condition  # noqa: E402
from emsync_train.model import (  # noqa: E402
    BAR_DIVISIONS,
    OFFSET_DECAYS_S,
    OFFSET_WAVES,
    Attention,
    Composer,
    LayerCache,
    PaperConditions,
    bar_features,
    offset_features,
    rope_angles,
    rotate,
    waves,
)
from emsync_train.model_config import ModelConfig  # noqa: E402

TINY = ModelConfig(vocabulary_size=50, layers=2, width=16, heads=2, feed_forward=24, context=12)
PAPER = dataclasses.replace(
    TINY, positions="learned", conditioning="prefix", norm="layer", activation="relu", tied_output=False
)
KINDS = {
    "shipped": TINY,
    "paper": PAPER,
    "layer_norm": dataclasses.replace(TINY, norm="layer"),
    "swiglu": dataclasses.replace(TINY, activation="swiglu"),
    "untied": dataclasses.replace(TINY, tied_output=False),
    "fan_in": dataclasses.replace(TINY, tied_output=False, initialisation="fan_in"),
}
EVERY_KIND = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
BOTH = pytest.mark.parametrize("config", [TINY, PAPER], ids=["shipped", "paper"])
HIGHEST = torch.tensor([1.0, 1.0, 8.0, 8.0, 4.0, 0.99, 1.0, 1.0, 1.0, 1.0, 1.0])
HEARD_BY_PAPER = (Condition.VALENCE, Condition.AROUSAL, Condition.BOUNDARY_OFFSET_S)


def network(config: ModelConfig = TINY, *, spread: float = 0.3) -> Composer:
    """A network whose every parameter is away from its initial value, so that nothing is hidden by a zero."""
    torch.manual_seed(1)
    model = Composer(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return model


def inputs(length: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, conditions and what is present; one in five is missing. Affect is the same all along."""
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(0, 50, (2, length), generator=generator)
    conditions = torch.rand((2, length, len(Condition)), generator=generator) * HIGHEST
    conditions[..., :2] = conditions[:, :1, :2]
    present = (torch.rand((2, length, len(Condition)), generator=generator) < 0.8).float()
    present[..., :2] = 1
    return tokens, conditions, present


@EVERY_KIND
def test_logits_have_a_row_for_every_token(config: ModelConfig) -> None:
    assert network(config)(*inputs()).shape == (2, 10, 50)


@EVERY_KIND
def test_a_token_hears_nothing_of_what_follows(config: ModelConfig) -> None:
    model, (tokens, conditions, present) = network(config), inputs()
    before = model(tokens, conditions, present)
    later = slice(
        2 if config.conditioning == "prefix" else 0, None
    )  # the paper's affect counts for all tokens
    tokens[:, 6:], conditions[:, 6:, later], present[:, 6:, later] = 3, 0.1, 0
    after = model(tokens, conditions, present)
    torch.testing.assert_close(after[:, :6], before[:, :6])
    assert (after[:, 6:] - before[:, 6:]).abs().amax(dim=(0, 2)).min() > 0.1


@EVERY_KIND
@pytest.mark.parametrize("chunks", [(10,), (1,) * 10, (4, 1, 3, 2)], ids=str)
def test_logits_over_a_cache_equal_those_of_the_whole(config: ModelConfig, chunks: tuple[int, ...]) -> None:
    model, (tokens, conditions, present) = network(config), inputs()
    whole = model(tokens, conditions, present)
    cache, first, parts = [LayerCache() for _ in range(config.layers)], 0, []
    for count in chunks:
        chunk = slice(first, first + count)
        parts.append(model(tokens[:, chunk], conditions[:, chunk], present[:, chunk], cache, first))
        first += count
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)


@BOTH
def test_a_whole_window_fits_and_so_does_its_cache(config: ModelConfig) -> None:
    model, (tokens, conditions, present) = network(config), inputs(config.context)
    cache = [LayerCache() for _ in range(config.layers)]
    assert model(tokens, conditions, present, cache).shape == (2, config.context, 50)
    assert cache[0].keys is not None
    assert cache[0].keys.shape[2] == config.context + (2 if config.conditioning == "prefix" else 0)


def heard(model: Composer, condition: int, *, at: float = 0.2, against: float = 0.9) -> float:
    """How far one condition, changed everywhere, moves a logit."""
    tokens, conditions, _ = inputs()
    present = torch.ones_like(conditions)
    other = conditions.clone()
    conditions[..., condition] = at * HIGHEST[condition]
    other[..., condition] = against * HIGHEST[condition]
    with torch.no_grad():
        return float((model(tokens, other, present) - model(tokens, conditions, present)).abs().max())


@pytest.mark.parametrize("condition", list(Condition), ids=lambda condition: condition.name)
@BOTH
def test_a_fresh_network_hears_every_condition_that_its_kind_has(
    config: ModelConfig, condition: Condition
) -> None:
    torch.manual_seed(0)
    model = Composer(dataclasses.replace(config, width=64)).eval()
    if config.conditioning == "prefix" and condition not in HEARD_BY_PAPER:
        assert heard(model, condition) == 0
    else:
        assert heard(model, condition) > 1e-4


def test_by_fan_in_a_fresh_network_hears_tokens_and_conditions_alike_and_blocks_add_nothing() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(TINY, width=192, heads=6, tied_output=False, initialisation="fan_in")
    model, (tokens, conditions, present) = Composer(config).eval(), inputs()
    told, said = model.condition_encoder(conditions, present).std(), model.embedding(tokens).std()
    assert 0.5 < said / told < 2
    plain = Composer(dataclasses.replace(config, initialisation="small")).embedding(tokens).std()
    assert plain / told < 0.1
    stream = torch.randn(2, 10, 192)
    block = model.blocks[0]
    angles = rope_angles(torch.arange(10), 32)
    assert torch.equal(block(stream, angles), stream)
    queries = block.attention.query_key_value(block.attention_norm(stream))
    assert float(queries.detach().std()) == pytest.approx(1, abs=0.05)


def test_by_fan_in_an_embedding_cannot_be_the_output() -> None:
    with pytest.raises(ValueError, match='initialisation "fan_in" wants tied_output = false'):
        dataclasses.replace(TINY, initialisation="fan_in")


@pytest.mark.parametrize("condition", list(Condition)[:6], ids=lambda condition: condition.name)
def test_a_fresh_condition_encoder_is_far_from_deaf(condition: Condition) -> None:
    torch.manual_seed(0)
    encoder = Composer(dataclasses.replace(TINY, width=32, heads=1)).condition_encoder
    conditions = torch.zeros(1, 2, len(Condition))
    conditions[..., Condition.BAR_LENGTH_S] = 2.0
    conditions[0, :, condition] = torch.tensor([0.1, 0.9]) * HIGHEST[condition]
    low, high = encoder(conditions, torch.ones_like(conditions))[0]
    assert (low - high).norm() > 0.1


@pytest.mark.parametrize(
    ("config", "condition"),
    [*((TINY, condition) for condition in Condition), *((PAPER, condition) for condition in HEARD_BY_PAPER)],
    ids=lambda value: value.name if isinstance(value, Condition) else value.conditioning,
)
def test_a_condition_is_heard_where_it_is_present_and_only_there(
    config: ModelConfig, condition: Condition
) -> None:
    model, (tokens, conditions, present) = network(config), inputs()
    present[..., condition] = 1
    if condition == Condition.BAR_LENGTH_S:  # the two of a bar go together, by the phase's presence
        present[..., Condition.BAR_PHASE] = 1
    other = conditions.clone()
    other[..., condition] = (other[..., condition] + 0.4 * HIGHEST[condition]) % HIGHEST[condition]
    assert (model(tokens, other, present) - model(tokens, conditions, present)).abs().max() > 0.01
    present[..., condition] = 0
    if condition == Condition.BAR_LENGTH_S:
        present[..., Condition.BAR_PHASE] = 0
    assert torch.equal(model(tokens, other, present), model(tokens, conditions, present))


@pytest.mark.parametrize(
    ("config", "condition", "null"),
    [
        (TINY, Condition.VALENCE, 0),
        (TINY, Condition.AROUSAL, 1),
        (TINY, Condition.BOUNDARY_OFFSET_S, 2),
        (TINY, Condition.END_OFFSET_S, 3),
        (TINY, Condition.BAR_PHASE, 4),
        (PAPER, Condition.VALENCE, 0),
        (PAPER, Condition.AROUSAL, 1),
    ],
)
def test_a_missing_condition_is_its_learned_null_and_not_a_zero(
    config: ModelConfig, condition: Condition, null: int
) -> None:
    model, (tokens, conditions, present) = network(config), inputs()
    conditions[..., condition] = 0
    absent = present.clone()
    present[..., condition], absent[..., condition] = 1, 0
    given, missing = (model(tokens, conditions, flags) for flags in (present, absent))
    assert (missing - given).abs().max() > 0.01
    model.condition_encoder.null.data[null, 0] += 1
    assert torch.equal(model(tokens, conditions, present), given)
    assert (model(tokens, conditions, absent) - missing).abs().max() > 0.01


def test_of_a_group_it_is_heard_whether_it_is_known_and_whether_it_plays() -> None:
    model, (tokens, conditions, present) = network(), inputs()
    conditions[..., Condition.BASS], present[..., Condition.BASS] = 0, 1
    silent = model(tokens, conditions, present)
    conditions[..., Condition.BASS] = 1
    playing = model(tokens, conditions, present)
    present[..., Condition.BASS] = 0
    unknown = model(tokens, conditions, present)
    for one, other in ((silent, playing), (silent, unknown), (playing, unknown)):
        assert (one - other).abs().max() > 0.01


@pytest.mark.parametrize("condition", [Condition.BOUNDARY_OFFSET_S, Condition.END_OFFSET_S])
def test_offsets_beyond_the_horizon_sound_like_the_horizon(condition: Condition) -> None:
    model, (tokens, conditions, present) = network(), inputs()
    far, farther = conditions.clone(), conditions.clone()
    far[..., condition], farther[..., condition] = 8.0, 30.0
    assert torch.equal(model(tokens, far, present), model(tokens, farther, present))


def test_offset_features_tell_one_tick_from_none() -> None:
    features = offset_features(torch.tensor([0.0, 0.008, 4.0, 4.008]), 8.0)
    assert features.shape == (4, 2 * OFFSET_WAVES + len(OFFSET_DECAYS_S))
    assert (features[1] - features[0]).abs().max() > 0.2
    assert (features[3] - features[2]).abs().max() > 0.2


@pytest.mark.parametrize(
    ("phase", "ahead_s"),
    [
        (0.0, {1: 2.0, 2: 1.0, 3: 2 / 3, 16: 0.125}),
        (0.5, {1: 1.0, 2: 1.0, 3: 1 / 3, 16: 0.125}),
        (0.498, {1: 1.004, 2: 1.004, 3: 2 * (2 / 3 - 0.498), 16: 0.129}),  # 4 ms before: rounding, so passed
        (0.49, {1: 1.02, 2: 0.02, 3: 2 * (2 / 3 - 0.49), 16: 0.02}),
    ],
)
def test_a_bar_is_told_by_the_time_to_the_next_point_of_each_division(
    phase: float, ahead_s: dict[int, float]
) -> None:
    features = bar_features(torch.tensor(2.0), torch.tensor(phase), 8.0)
    told = features[: 2 * OFFSET_WAVES * (1 + len(BAR_DIVISIONS))].view(-1, 2 * OFFSET_WAVES)
    torch.testing.assert_close(told[0], waves(torch.tensor(2.0), 8.0))
    for division, seconds in ahead_s.items():
        place = 1 + BAR_DIVISIONS.index(division)
        torch.testing.assert_close(told[place], waves(torch.tensor(seconds), 8.0), atol=1e-4, rtol=0)
    turn = 2 * math.pi * phase
    assert features[-8].item() == pytest.approx(math.sin(turn), abs=1e-5)
    assert features[-4].item() == pytest.approx(math.cos(turn), abs=1e-5)


def test_rotated_products_depend_on_the_distance_of_positions_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(8), torch.randn(8)

    def product(query_position: int, key_position: int) -> float:
        angles = rope_angles(torch.tensor([query_position, key_position]), 8)
        both = rotate(torch.stack([query, key])[None, None], angles)[0, 0]
        return float(both[0] @ both[1])

    assert product(5, 2) == pytest.approx(product(105, 102), abs=1e-4)
    assert product(5, 2) != pytest.approx(product(5, 3), abs=1e-2)


def test_relative_attention_adds_query_times_the_vector_of_the_distance() -> None:
    attention = network(PAPER).blocks[0].attention
    assert isinstance(attention, Attention)
    query = torch.randn((1, 2, 3, 8), generator=torch.Generator().manual_seed(0))
    bias = attention._bias(query, 5)  # three tokens after two
    for row in range(3):
        for column in range(5):
            distance = 2 + row - column
            if distance < 0:
                assert (bias[:, :, row, column] == -math.inf).all()
            else:
                expected = query[0, :, row] @ attention.distances[distance] / math.sqrt(8)
                torch.testing.assert_close(bias[0, :, row, column], expected)


def paper_encoder() -> PaperConditions:
    encoder = network(PAPER).condition_encoder
    assert isinstance(encoder, PaperConditions)
    return encoder


def test_the_papers_prefix_is_valence_then_arousal_at_the_first_two_places() -> None:
    encoder, (_, conditions, present) = paper_encoder(), inputs()
    prefix = encoder.prefix(conditions, present)
    assert prefix.shape == (2, 2, 16)
    place = encoder.positions(torch.arange(2)), encoder.offset(torch.zeros(2, 1))
    for axis in (0, 1):
        affect = encoder.affect[axis](conditions[:, 0, axis, None])
        torch.testing.assert_close(prefix[:, axis], affect + torch.cat((place[0][axis], place[1][axis])))


def test_the_papers_tokens_take_the_places_after_the_prefix() -> None:
    model = network(PAPER)
    model(*inputs(5)).sum().backward()
    positions = model.condition_encoder.positions.weight.grad
    assert positions is not None
    assert positions.abs().sum(dim=1).nonzero().flatten().tolist() == list(range(7))


def test_the_papers_prefix_is_the_mean_over_the_tokens_that_know_it() -> None:
    encoder, (_, conditions, present) = paper_encoder(), inputs(4)
    conditions[..., 0] = torch.tensor([0.2, 0.6, -1.0, -1.0])
    present[..., 0] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    constant, all_present = conditions.clone(), present.clone()
    constant[..., 0], all_present[..., 0] = 0.4, 1
    torch.testing.assert_close(encoder.prefix(conditions, present), encoder.prefix(constant, all_present))


def test_the_papers_network_hears_a_missing_boundary_as_one_at_the_horizon() -> None:
    model, (tokens, conditions, present) = network(PAPER), inputs()
    present[..., Condition.BOUNDARY_OFFSET_S] = 1
    conditions[..., Condition.BOUNDARY_OFFSET_S] = 8.0
    at_horizon = model(tokens, conditions, present)
    conditions[..., Condition.BOUNDARY_OFFSET_S] = 1.0
    present[..., Condition.BOUNDARY_OFFSET_S] = 0
    assert torch.equal(model(tokens, conditions, present), at_horizon)
