"""The fusion head: what it computes, what it ignores, how it is trained, and that ONNX says the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

NEEDED = "the fusion head needs torch: pip install emsync[vemoclap]"
torch = pytest.importorskip("torch", reason=NEEDED)
pytest.importorskip("onnx", reason=NEEDED)

from emsync.emotion.features.session import open_session  # noqa: E402
from emsync_train.emotion.vemoclap.contract import Examples, Features, FeatureSpec  # noqa: E402
from emsync_train.emotion.vemoclap.fusion import (  # noqa: E402
    CrossAttention,
    FusionConfig,
    FusionHead,
    Missing,
    parameter_count,
)
from emsync_train.emotion.vemoclap.fusion_graph import fusion_graph  # noqa: E402
from emsync_train.emotion.vemoclap.fusion_training import (  # noqa: E402
    TrainingOptions,
    class_logits,
    film_batch,
    standardise,
    train_fusion,
)

SPECS = (FeatureSpec("a", 6), FeatureSpec("b", 3), FeatureSpec("c", 2))
PAPER = (
    FeatureSpec("clip", 512),
    FeatureSpec("beats", 768),
    FeatureSpec("face", 7),
    FeatureSpec("speech", 3),
)
SMALL = FusionConfig(SPECS, width=16)


def examples(count: int = 24, seed: int = 0) -> Examples:
    """Films whose label shows in every modality that is there, best in a; a third of everything is missing."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 6, count)

    def steps(label: int, spec: FeatureSpec) -> Features | None:
        length = int(generator.integers(0, 3)) if spec.name != "a" else 2
        values = generator.normal(size=(length, spec.dimension)).astype(np.float32)
        values[:, label % spec.dimension] += 3
        return values if length else None

    films = [tuple(steps(int(label), spec) for spec in SPECS) for label in labels]
    return Examples(SPECS, films, labels, np.arange(count) // 2)


def random_head(missing: Missing = "mask") -> FusionHead:
    torch.manual_seed(1)
    head = FusionHead(replace(SMALL, missing=missing)).eval()
    standardise(head, examples())
    return head


def test_four_modalities_of_the_paper_come_to_ten_million_parameters() -> None:
    assert parameter_count(FusionConfig(PAPER)) == 10_155_014


def test_every_ordered_pair_of_modalities_is_asked_once() -> None:
    assert SMALL.pairs == ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))


def test_attention_is_a_weighted_mean_of_values_by_softmaxed_products() -> None:
    torch.manual_seed(0)
    attention = CrossAttention(4, heads=1)
    asking, asked = torch.randn(1, 2, 4), torch.randn(1, 3, 4)
    q, k, v = attention.query(asking)[0], attention.key(asked)[0], attention.value(asked)[0]
    wanted = torch.softmax(q @ k.T / 2, dim=1) @ v
    torch.testing.assert_close(attention(asking, asked, torch.ones(1, 3))[0], wanted)


def test_padding_changes_nothing() -> None:
    films = examples()
    together = class_logits(random_head(), films)
    alone = np.concatenate([class_logits(random_head(), films.chosen(np.array([n]))) for n in range(24)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_masked_modality_has_no_say_whatever_its_numbers() -> None:
    batch = film_batch(examples())
    batch.masks[1][:] = False
    before = random_head()(batch.features, batch.masks)
    batch.features[1] += 100
    torch.testing.assert_close(random_head()(batch.features, batch.masks), before)


def test_zeros_are_attended_to_and_a_mask_is_not() -> None:
    film = Examples(SPECS, [(np.ones((1, 6), np.float32), None, None)], np.array([0]), np.array([0]))
    masked, zeros = (class_logits(random_head(way), film) for way in ("mask", "zeros"))
    bias = random_head().decision.bias.detach().double().numpy()
    np.testing.assert_allclose(
        masked[0], bias, atol=1e-6
    )  # no pair has two sides: nothing but the bias is left
    assert np.abs(zeros - masked).max() > 1e-3


@pytest.mark.parametrize("missing", ["mask", "zeros"])
def test_the_onnx_graph_says_what_torch_says(missing: Missing) -> None:
    head, films = random_head(missing), examples()
    batch = film_batch(films)
    inputs = {}
    for spec, features, mask in zip(SPECS, batch.features, batch.masks, strict=True):
        inputs |= {spec.name: features.numpy(), f"{spec.name}_mask": mask.float().numpy()}
    session = open_session(fusion_graph(head).SerializeToString(), 1, what="fusion head")
    np.testing.assert_allclose(session.run(["logits"], inputs)[0], class_logits(head, films), atol=1e-5)


def test_training_learns_what_can_be_learnt() -> None:
    options = TrainingOptions(epochs=12, learning_rate=5e-3, batch_size=16)
    trained = train_fusion(examples(80), SMALL, options)
    fresh = examples(80, seed=1)
    assert (class_logits(trained.head, fresh).argmax(axis=1) == fresh.labels).mean() > 0.7


def test_the_same_seed_gives_the_same_head_and_another_seed_another() -> None:
    options = TrainingOptions(epochs=2)
    first, again = (train_fusion(examples(), SMALL, options).head for _ in range(2))
    other = train_fusion(examples(), SMALL, replace(options, seed=1)).head
    np.testing.assert_array_equal(class_logits(first, examples()), class_logits(again, examples()))
    assert np.abs(class_logits(first, examples()) - class_logits(other, examples())).max() > 0


def test_training_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    train_fusion(examples(), SMALL, TrainingOptions(epochs=1))
    assert torch.rand(1) == wanted


def test_training_stops_when_unseen_films_get_worse_and_keeps_the_best_epoch() -> None:
    noise = replace(examples(40), labels=np.random.default_rng(9).integers(0, 6, 40))
    trained = train_fusion(noise, SMALL, TrainingOptions(epochs=200, learning_rate=1e-2, patience=3))
    losses = trained.validation_losses
    assert len(losses) == trained.best_epoch + 3 < 200
    assert losses[trained.best_epoch - 1] == min(losses)


def test_one_group_alone_cannot_be_trained_on() -> None:
    with pytest.raises(ValueError, match="at least two groups"):
        train_fusion(replace(examples(), groups=np.zeros(24, np.int64)), SMALL, TrainingOptions())


def test_features_of_another_length_are_refused_with_their_name() -> None:
    with pytest.raises(ValueError, match=r"film 0: b must have shape \(T >= 1, 3\), got \(1, 4\)"):
        Examples(SPECS, [(None, np.zeros((1, 4), np.float32), None)], np.array([0]), np.array([0]))


def test_one_modality_is_nothing_to_fuse() -> None:
    with pytest.raises(ValueError, match="two or more"):
        FusionConfig(SPECS[:1])


def test_one_modality_alone_is_heard_with_zeros_and_has_nobody_to_ask_with_a_mask() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 6)).astype(np.float32)
    films = Examples(SPECS, [(v, None, None) for v in values], np.zeros(2, np.int64), np.arange(2))
    masked, zeros = (class_logits(random_head(way), films) for way in ("mask", "zeros"))
    np.testing.assert_allclose(masked[0], masked[1], atol=1e-6)
    assert np.abs(zeros[0] - zeros[1]).max() > 1e-3
