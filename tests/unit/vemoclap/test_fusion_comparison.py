"""The comparison of the two heads, on made-up clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the comparison needs torch: pip install emsync[vemoclap]")

from emsync_train.emotion.fit import group_folds
from emsync_train.emotion.vemoclap import compare as comparison
from emsync_train.emotion.vemoclap.clip_features import (
    SPECS,
    ClipFeatures,
    Steps,
    instants,
    read_clip_features,
)
from emsync_train.emotion.vemoclap.fusion_training import TrainingOptions


def clips(count: int = 36) -> ClipFeatures:
    """Picture and sound both show the class; the sound of the first clip is silent in its first sixth."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 6

    def sense(number: int, steps: int) -> list[Steps]:
        made = []
        for label in labels:
            features = generator.uniform(size=(steps, SPECS[number].dimension)).astype(np.float32)
            features[:, 10 * label : 10 * label + 10] += 2
            made.append(Steps(features, np.ones(steps, bool)))
        return made

    image, sound = sense(0, 12), sense(1, 12)
    sound[0].is_known[:2] = False
    return ClipFeatures(image, sound, labels, np.arange(count) // 2)


def test_a_clip_is_cut_into_six_and_its_silent_part_lacks_sound() -> None:
    segments = clips().segments()
    assert len(segments.labels) == 216
    assert [None if x is None else x.shape for x in segments.features[0]] == [(2, 1280), None]
    assert segments.features[1][1] is not None
    assert segments.groups[:13].tolist() == [0] * 12 + [1]


def test_a_whole_clip_is_seen_at_sixteen_instants() -> None:
    seen, heard = clips().whole().features[0]
    assert seen is not None
    assert heard is not None
    assert (len(seen), len(heard)) == (16, 10)
    assert instants(8, 4).tolist() == [1, 3, 5, 7]


def test_kept_features_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, cache = clips(6), tmp_path / "clips.npz"
    monkeypatch.setattr("emsync_train.emotion.vemoclap.clip_features.list_clips", lambda folder: [])
    monkeypatch.setattr("emsync_train.emotion.vemoclap.clip_features._extracted", lambda clips: made)
    read_clip_features(tmp_path, cache=cache)
    kept = read_clip_features(tmp_path / "nowhere", cache=cache)
    np.testing.assert_array_equal(kept.image[3].features, made.image[3].features)
    np.testing.assert_array_equal(kept.sound[0].is_known, made.sound[0].is_known)
    np.testing.assert_array_equal(kept.labels, made.labels)


def test_late_fusion_finds_the_classes_of_films_it_was_not_fitted_on() -> None:
    whole = clips().whole()
    folds = group_folds(whole.groups.tolist(), folds=10, seed=0)
    answers = comparison.late_fusion(whole, folds, 0)
    accuracies = [(p.argmax(axis=1) == whole.labels).mean() for p in (answers.image, answers.fused)]
    assert min(accuracies) > 0.9
    np.testing.assert_allclose(answers.fused.sum(axis=1), 1)


def test_a_held_out_label_does_not_reach_the_order_of_its_own_classes() -> None:
    whole = clips(24).whole()
    folds = group_folds(whole.groups.tolist(), folds=10, seed=0)
    unseen = folds == 3
    changed = replace(whole, labels=np.where(unseen, (whole.labels + 1) % 6, whole.labels))
    before, after = (comparison.late_fusion(films, folds, 0).image[unseen] for films in (whole, changed))
    np.testing.assert_array_equal(before.argsort(axis=1), after.argsort(axis=1))


def test_cross_attention_answers_with_one_sense_and_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "OPTIONS", TrainingOptions(epochs=1, batch_size=64))
    monkeypatch.setattr(comparison, "FOLDS", 2)
    whole = clips(12).whole()
    folds = group_folds(whole.groups.tolist(), folds=2, seed=0)
    answers = comparison.cross_attention(whole, folds, 0)
    assert answers.fused.shape == (12, 6)
    assert np.abs(answers.image - answers.fused).max() > 1e-6
    for values in (answers.image, answers.sound, answers.fused):
        np.testing.assert_allclose(values.sum(axis=1), 1)


def test_figures_of_segments_are_given_for_whole_clips_too() -> None:
    segments = clips().segments()
    certain = np.eye(6)[segments.labels]
    figures = comparison._figures(certain, segments)
    assert figures["films"]["accuracy"] == figures["clips"]["accuracy"] == 1
    assert figures["clips"]["nll"] == pytest.approx(0, abs=1e-9)
    assert "clips" not in comparison._figures(np.eye(6)[clips().whole().labels], clips().whole())
