"""BEATs: names and shapes of the published checkpoints, its spectrogram, silence, bad files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_beats import save_checkpoint, tiny_beats, torch

from emsync.errors import WeightsError
from emsync_train.emotion.vemoclap.beats import Beats, BeatsConfig, distance_buckets
from emsync_train.emotion.vemoclap.contract import Film
from emsync_train.emotion.vemoclap.fbank import log_mel, mel_filters
from emsync_train.emotion.vemoclap.sound import BeatsSound, read_beats, windows

NO_FRAMES = np.zeros((0, 4, 4, 3), np.uint8)


def sound(seconds: float, seed: int = 0) -> Film:
    noise = 0.1 * np.random.default_rng(seed).normal(size=round(seconds * 16_000))
    return Film(NO_FRAMES, noise.astype(np.float32))


def test_the_base_model_has_the_names_and_shapes_of_the_published_checkpoints() -> None:
    shapes = {name: tuple(values.shape) for name, values in Beats(BeatsConfig()).state_dict().items()}
    assert len(shapes) == 250
    assert shapes["patch_embedding.weight"] == (512, 1, 16, 16)
    assert shapes["post_extract_proj.weight"] == (768, 512)
    assert shapes["encoder.pos_conv.0.weight_g"] == (1, 1, 128)
    assert shapes["encoder.pos_conv.0.weight_v"] == (768, 48, 128)
    assert shapes["encoder.layers.11.self_attn.relative_attention_bias.weight"] == (320, 12)
    assert shapes["encoder.layers.3.self_attn.grep_linear.weight"] == (8, 64)
    assert shapes["encoder.layers.3.self_attn.grep_a"] == (1, 12, 1, 1)
    assert shapes["encoder.layers.0.fc1.weight"] == (3072, 768)


def test_all_layers_share_one_table_of_distances() -> None:
    layers = tiny_beats().encoder.layers
    tables = {id(layer.get_submodule("self_attn.relative_attention_bias")) for layer in layers}
    assert len(tables) == 1


def test_three_seconds_become_18_by_8_patches() -> None:
    assert tiny_beats()(torch.zeros(1, 48_000)).shape == (1, 18 * 8, 16)


def test_attention_adds_the_gated_bias_to_the_scores() -> None:
    network = tiny_beats()
    attention = network.encoder.layers[0].self_attn
    x, bias = torch.randn(1, 5, 16), torch.randn(2, 5, 5)
    answers = []
    for head in range(2):
        part = slice(8 * head, 8 * head + 8)
        q, k, v = (layer(x)[0, :, part] for layer in (attention.q_proj, attention.k_proj, attention.v_proj))
        gate_sums = attention.grep_linear(q).reshape(5, 2, 4).sum(dim=2)
        update, reset = torch.sigmoid(gate_sums).T
        gate = update * (reset * attention.grep_a[0, head, 0, 0] - 1) + 2
        answers.append(torch.softmax(q @ k.T / 8**0.5 + gate[:, None] * bias[head], dim=1) @ v)
    torch.testing.assert_close(attention(x, bias)[0], attention.out_proj(torch.cat(answers, dim=1)))


def test_distances_are_exact_when_near_and_by_logarithm_when_far() -> None:
    distances = torch.tensor([0, -1, 1, -79, -80, -800, 800, 5000])
    assert distance_buckets(distances, BeatsConfig()).tolist() == [0, 1, 161, 79, 80, 159, 319, 319]


def test_the_spectrogram_is_that_of_an_independent_implementation() -> None:
    audio = pytest.importorskip("transformers.audio_utils", reason="pip install emsync[vemoclap]")
    samples = np.random.default_rng(0).normal(size=8_000) * 1000
    window = np.power(np.hanning(400), 0.85)
    filters = audio.mel_filter_bank(
        257, 128, 20, 8000, 16_000, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    wanted = audio.spectrogram(
        samples,
        window,
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    ).T
    np.testing.assert_allclose(
        log_mel(torch.from_numpy(samples)[None], bands=128)[0].numpy(), wanted, atol=1e-3
    )


def test_a_tone_is_loudest_in_its_band() -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(16_000) / 16_000)
    band = int(log_mel(tone[None], bands=128).mean(dim=(0, 1)).argmax())
    assert mel_filters(128)[32, band] > 0.5  # 1000 Hz is bin 32 of 512 at 16 kHz


def test_features_are_one_row_for_each_three_seconds_that_are_not_silent() -> None:
    film = sound(7.0)
    film.samples[48_000:96_000] = 0
    features = BeatsSound(tiny_beats()).extract(film)
    assert features is not None
    assert features.shape == (2, 16)


def test_windows_together_say_what_they_say_alone_and_always_the_same() -> None:
    beats, film = BeatsSound(tiny_beats()), sound(6.0)
    features, again = beats.extract(film), beats.extract(film)
    alone = [beats.extract(Film(NO_FRAMES, film.samples[start : start + 48_000])) for start in (0, 48_000)]
    np.testing.assert_array_equal(features, again)
    np.testing.assert_allclose(features, np.concatenate(alone), atol=1e-5)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(48_000, np.float32)])
def test_silence_is_a_missing_modality(samples: Any) -> None:
    assert BeatsSound(tiny_beats()).extract(Film(NO_FRAMES, samples)) is None


def test_the_last_window_is_filled_up_with_silence() -> None:
    assert windows(np.ones(5, np.float32), 4).tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]


def test_a_checkpoint_gives_back_the_network_that_was_saved(tmp_path: Path) -> None:
    loaded, samples = read_beats(save_checkpoint(tmp_path / "beats.pt")), torch.randn(1, 16_000)
    torch.testing.assert_close(loaded.eval()(samples), tiny_beats()(samples))


def test_a_fine_tuned_checkpoint_names_sounds(tmp_path: Path) -> None:
    beats = BeatsSound.load(save_checkpoint(tmp_path / "beats.pt", classes=5), "classes")
    features = beats.extract(sound(3.0))
    assert features is not None
    assert features.shape == (1, 5) == (1, beats.dimension)
    assert ((features > 0) & (features < 1)).all()


def test_classes_of_a_checkpoint_that_has_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not fine-tuned"):
        BeatsSound.load(save_checkpoint(tmp_path / "beats.pt"), "classes")


def test_a_missing_checkpoint_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pt: no such file.*published checkpoints"):
        read_beats(tmp_path / "nowhere.pt")


def test_a_checkpoint_of_another_design_is_refused_with_what_differs(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'deep_norm': False"):
        read_beats(save_checkpoint(tmp_path / "beats.pt", deep_norm=False))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not those of BEATs"):
        read_beats(save_checkpoint(tmp_path / "beats.pt", encoder_layers=3))


def test_a_file_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "beats.pt"
    torch.save({"cfg": tmp_path.exists, "model": {}}, path)
    with pytest.raises(WeightsError, match="not opened"):
        read_beats(path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "beats.pt"
    torch.save({"weights": {}}, path)
    with pytest.raises(WeightsError, match="holds `cfg` and `model`"):
        read_beats(path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        read_beats(path)
