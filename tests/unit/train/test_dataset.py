"""Windows for training: drawn the same way every time, varied without becoming wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_shards import PLAIN, made_up_piece, made_up_shards, write_shards

from emsync.errors import InputError
from emsync.music.conditions import GROUP_CONDITIONS, Condition
from emsync.music.tokenizer import decode, encode, token_times_ticks
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync_train.dataset import (
    Shards,
    WindowOptions,
    WindowSampler,
    as_opening,
    orphan_offs,
    stretched,
    thinned_chords,
    transposed,
)

BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)


def words(codes: np.ndarray, vocabulary: Vocabulary = EMSYNC) -> list[str]:
    return [vocabulary.name_of(int(code)) for code in codes]


def codes_of(*names: str, vocabulary: Vocabulary = EMSYNC) -> np.ndarray:
    by_name = {vocabulary.name_of(token): token for token in range(vocabulary.size)}
    return np.array([by_name[name] for name in names], np.int64)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return Shards(made_up_shards(tmp_path_factory.mktemp("shards")))


def sampler_of(shards: Shards, options: WindowOptions = PLAIN, **weights: float) -> WindowSampler:
    return WindowSampler(shards, shards.of_split("train"), weights, options)


def test_shards_give_back_tokens_labels_and_splits(shards: Shards) -> None:
    assert shards.vocabulary is EMSYNC
    assert [piece.path for piece in shards.of_split("validation")] == ["4.mid", "5.mid"]
    second = shards.of_split("train")[1]
    assert shards.tokens_of(second).tolist() == encode(made_up_piece(1)).tolist()
    assert shards.affect_of(second)[0].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "lost_bytes", "message"),
    [
        ("tokens.u16", 2, "tokens where the index promises"),
        ("tokens.u16", 1, "not a complete shard folder"),
        ("affect.i8", 2, "labels where the index promises"),
        ("affect.i8", 1, "not a complete shard folder"),
        ("pieces.jsonl", 20, "not a complete shard folder"),
        ("corpus.json", 20, "not a complete shard folder"),
    ],
)
def test_a_shard_file_cut_short_is_refused_naming_the_folder(
    tmp_path: Path, name: str, lost_bytes: int, message: str
) -> None:
    folder = made_up_shards(tmp_path / "shards")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-lost_bytes])
    with pytest.raises(InputError, match=f"^{folder}: .*{message}.*build it again"):
        Shards(folder)


@pytest.mark.parametrize("name", ["tokens.u16", "affect.i8", "pieces.jsonl", "corpus.json"])
def test_a_missing_shard_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = made_up_shards(tmp_path)
    (folder / name).unlink()
    with pytest.raises(InputError, match="not a complete shard folder"):
        Shards(folder)


def test_shards_of_an_unknown_vocabulary_are_refused(tmp_path: Path) -> None:
    folder = made_up_shards(tmp_path)
    summary = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    (folder / "corpus.json").write_text(json.dumps({**summary, "vocabulary": "latin"}), encoding="utf-8")
    with pytest.raises(InputError, match=r"not a complete shard folder .*latin"):
        Shards(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bar_dropout": 1.5}, r"bar_dropout must lie in \[0, 1\], got 1.5"),
        ({"bar_start_share": -0.1}, r"bar_start_share must lie in \[0, 1\], got -0.1"),
        ({"transpose_semitones": -1}, "transpose_semitones and tempo_spread must be at least 0"),
        ({"widest_chord_spacing_s": 0.0}, "widest_chord_spacing_s at least 1"),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PLAIN, **change)


def test_a_split_without_pieces_is_refused(shards: Shards) -> None:
    with pytest.raises(InputError, match="no piece to train on"):
        WindowSampler(shards, shards.of_split("test"), {}, PLAIN)


def test_a_source_of_weight_zero_is_never_drawn(shards: Shards) -> None:
    sampler = sampler_of(shards, s0=0.0, s2=0.0)
    assert {piece.source for piece in sampler.pieces} == {"s1", "s3"}


def test_pieces_are_drawn_by_weight_times_length(tmp_path: Path) -> None:
    short, long = encode(made_up_piece(0, bars=4)), encode(made_up_piece(0, bars=12))
    shards = Shards(write_shards(tmp_path, [short, long]))
    shares = sampler_of(shards, s0=3.0).cumulative_shares
    assert shares == pytest.approx([3 * len(short) / (3 * len(short) + len(long)), 1.0])


def test_equal_generators_draw_equal_batches_and_others_do_not(shards: Shards) -> None:
    sampler = sampler_of(shards, WindowOptions(length=64))
    first, again, other = (sampler.batch(6, np.random.default_rng((1, step))) for step in (7, 7, 8))
    assert first.tokens.tobytes() == again.tokens.tobytes()
    assert first.conditions.tobytes() == again.conditions.tobytes()
    assert first.present.tobytes() == again.present.tobytes()
    assert first.tokens.tobytes() != other.tokens.tobytes()


def test_a_batch_has_one_token_more_than_conditions(shards: Shards) -> None:
    batch = sampler_of(shards).batch(3, np.random.default_rng(0))
    assert batch.tokens.shape == (3, 65)
    assert batch.conditions.shape == batch.present.shape == (3, 64, len(Condition))
    assert (batch.tokens.dtype, batch.conditions.dtype) == (np.int64, np.float32)


def test_conditions_are_finite_and_in_range_however_windows_are_varied(shards: Shards) -> None:
    sampler = sampler_of(shards, WindowOptions(length=200))
    batch = sampler.batch(100, np.random.default_rng(3))
    assert np.isfinite(batch.conditions).all()
    lowest, highest = batch.conditions.min(axis=(0, 1)), batch.conditions.max(axis=(0, 1))
    assert lowest[:2].min() >= -1.0
    assert highest[:2].max() <= 1.0
    assert lowest[2:].tolist() == [0.0] * 9
    assert highest[[Condition.BOUNDARY_OFFSET_S, Condition.END_OFFSET_S]].tolist() == [8.0, 8.0]
    assert highest[Condition.BAR_PHASE] < 1.0
    assert highest[GROUP_CONDITIONS].tolist() == [1.0, 1.0, 0.0, 1.0, 1.0]  # no guitar in that music
    assert batch.tokens.min() >= 0
    assert batch.tokens.max() < EMSYNC.size


def test_a_window_that_starts_at_a_bar_is_an_opening(shards: Shards) -> None:
    options = replace(PLAIN, bar_start_share=1.0)
    for window in sampler_of(shards, options).batch(50, np.random.default_rng(0)).tokens:
        assert words(window[:2]) == ["START", "BAR"]
        assert not orphan_offs(window, EMSYNC).any()


def test_a_short_piece_is_padded_at_its_end(tmp_path: Path) -> None:
    tokens = encode(made_up_piece(0, bars=1))
    shards = Shards(write_shards(tmp_path, [tokens]))
    drawn, conditions, _ = sampler_of(shards, replace(PLAIN, length=300)).window(np.random.default_rng(0))
    pads = np.flatnonzero(drawn == EMSYNC.special("PAD"))
    assert pads.tolist() == list(range(pads[0], 301))
    assert EMSYNC.name_of(int(drawn[pads[0] - 1])) == "END"
    assert not conditions[pads[0] :].any()


@BOTH
@pytest.mark.parametrize("semitones", [-5, -1, 0, 4])
def test_transposition_moves_every_pitched_on_and_off_alike_and_no_drum(
    vocabulary: Vocabulary, semitones: int
) -> None:
    piece = made_up_piece(1, vocabulary=vocabulary)
    moved = decode(
        transposed(encode(piece, vocabulary).astype(np.int64), semitones, vocabulary).astype(np.uint16),
        vocabulary,
    )
    expected = piece.notes.copy()
    expected["pitch"][expected["group"] != 0] += np.array(semitones).astype(np.uint8)
    told = 5 if vocabulary.has_velocity else 4
    assert [row[:told] for row in moved.notes.tolist()] == [row[:told] for row in expected.tolist()]


@BOTH
@pytest.mark.parametrize(
    ("name", "semitones"), [("ON BASS 21 soft", -1), ("OFF STRINGS 107", 2), ("ON PIANO 108", 1)]
)
def test_a_transposition_that_would_leave_the_range_is_none(
    vocabulary: Vocabulary, name: str, semitones: int
) -> None:
    name = name if vocabulary.has_velocity else name.removesuffix(" soft")
    codes = codes_of("BAR", name, "TIME_SHIFT 5", "ON PIANO 60", vocabulary=vocabulary)
    assert transposed(codes, semitones, vocabulary).tolist() == codes.tolist()
    assert transposed(codes, -semitones, vocabulary).tolist() != codes.tolist()


def test_music_of_drums_alone_is_not_transposed() -> None:
    codes = codes_of("BAR", "ON DRUMS 38", "TIME_SHIFT 5")
    assert transposed(codes, 3, EMSYNC).tolist() == codes.tolist()


def test_only_an_off_whose_on_lies_before_the_window_is_an_orphan() -> None:
    codes = codes_of(
        "OFF PIANO 60", "ON PIANO 60 loud", "OFF PIANO 60", "ON BASS 60", "OFF PIANO 61", "OFF BASS 60"
    )
    assert orphan_offs(codes, EMSYNC).tolist() == [True, False, False, False, True, False]


def test_an_opening_begins_with_start_and_forgets_older_notes() -> None:
    codes = codes_of("BAR", "ON PIANO 60", "TIME_SHIFT 5", "OFF BASS 40", "OFF PIANO 60")
    assert words(as_opening(codes, EMSYNC)) == ["START", "BAR", "ON PIANO 60", "TIME_SHIFT 5", "OFF PIANO 60"]
    already = codes_of("START", "BAR")
    assert as_opening(already, EMSYNC).tolist() == already.tolist()


def test_thinned_chords_lie_at_least_the_spacing_apart() -> None:
    beat = ("CHORD", "ON PIANO 60", "TIME_SHIFT 125", "OFF PIANO 60")
    found = words(thinned_chords(codes_of(*beat * 6), 2.5, EMSYNC))
    assert [
        place for place, name in enumerate(name for name in found if name in beat[:2]) if name == "CHORD"
    ] == [0, 4]
    assert found.count("ON PIANO 60") == 6


def test_thinning_leaves_everything_but_chords(shards: Shards) -> None:
    codes = encode(made_up_piece(2)).astype(np.int64)
    chord = EMSYNC.special("CHORD")
    found = thinned_chords(codes, 6.0, EMSYNC)
    assert found[found != chord].tolist() == codes[codes != chord].tolist()
    assert 0 < (found == chord).sum() < (codes == chord).sum()


@BOTH
@pytest.mark.parametrize("factor", [0.92, 0.97, 1.0, 1.06, 1.09])
def test_another_tempo_keeps_every_event_and_moves_it_to_its_time_within_a_tick(
    vocabulary: Vocabulary, factor: float
) -> None:
    codes = encode(made_up_piece(1, vocabulary=vocabulary), vocabulary).astype(np.int64)
    found = stretched(codes, factor, vocabulary)
    before, after = (token_times_ticks(some, vocabulary) for some in (codes, found))
    is_event, was_event = (np.diff(times, prepend=0) == 0 for times in (after, before))
    assert found[is_event].tolist() == codes[was_event].tolist()
    assert np.abs(after[is_event] - factor * before[was_event]).max() <= 0.5 + 1e-9
    if factor == 1.0:
        assert found.tolist() == codes.tolist()


def test_another_tempo_writes_long_gaps_as_the_tokenizer_does() -> None:
    codes = codes_of(
        "BAR", "TIME_SHIFT 125", "TIME_SHIFT 125", "ON PIANO 60", "TIME_SHIFT 120", "OFF PIANO 60"
    )
    slower, faster = (words(stretched(codes, factor, EMSYNC)) for factor in (1.1, 0.9))
    assert slower == [
        "BAR",
        *["TIME_SHIFT 125"] * 2,
        "TIME_SHIFT 25",
        "ON PIANO 60",
        "TIME_SHIFT 125",
        "TIME_SHIFT 7",
        "OFF PIANO 60",
    ]
    assert faster[1:4] == ["TIME_SHIFT 125", "TIME_SHIFT 100", "ON PIANO 60"]


def test_in_a_faster_tempo_instants_never_melt_into_one_and_do_not_drift() -> None:
    steps = [name for pitch in range(30, 60) for name in (f"ON PIANO {pitch}", "TIME_SHIFT 1")]
    codes = codes_of(*steps, "TIME_SHIFT 100", "BAR")
    found = words(stretched(codes, 0.9, EMSYNC))
    assert found[:60] == [*steps[:-1], "TIME_SHIFT 88"]
    assert token_times_ticks(stretched(codes, 0.9, EMSYNC))[-1] == round(130 * 0.9)


def test_removing_an_event_between_two_shifts_joins_them() -> None:
    codes = as_opening(codes_of("BAR", "TIME_SHIFT 5", "OFF BASS 40", "TIME_SHIFT 3", "ON BASS 40"), EMSYNC)
    assert words(stretched(codes, 1.0, EMSYNC)) == ["START", "BAR", "TIME_SHIFT 8", "ON BASS 40"]


def test_a_window_may_begin_with_a_shift_and_keeps_its_length() -> None:
    codes = codes_of("TIME_SHIFT 60", "ON PIANO 60")
    assert words(stretched(codes, 1.0, EMSYNC)) == ["TIME_SHIFT 60", "ON PIANO 60"]
