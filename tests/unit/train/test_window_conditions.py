"""What a window is told besides its tokens: numbers that can be checked by pencil, in any tempo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_shards import BEAT_TICKS, PLAIN, made_up_piece, made_up_shards, write_shards
from numpy.typing import NDArray

from emsync.music.conditions import GROUP_CONDITIONS, Condition
from emsync.music.tokenizer import Piece, Tokens, encode, token_times_ticks
from emsync.music.vocabulary import EMSYNC
from emsync.types import InstrumentGroup
from emsync_train.dataset import MISSING_LABEL, Shards, Surroundings, WindowOptions, WindowSampler

BAR_TICKS = 4 * BEAT_TICKS
BAR, CHORD, END, PAD = (EMSYNC.special(name) for name in ("BAR", "CHORD", "END", "PAD"))
IN_BAR = [Condition.BAR_LENGTH_S, Condition.BAR_PHASE]


def places_and_windows(
    tokens: Tokens, shards: Shards, options: WindowOptions, count: int
) -> list[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
    """Unvaried windows of a piece: which of its tokens they read, what they were told, what was present."""
    sampler = WindowSampler(shards, shards.pieces, {}, options)
    windows = []
    for seed in range(count):
        drawn, conditions, present = sampler.window(np.random.default_rng(seed))
        again = np.random.default_rng(seed)
        again.random()  # which piece: there is one
        begin, _ = sampler._place(tokens, again)
        count_read = min(options.length, len(tokens) - begin)
        place = slice(begin, begin + count_read)
        assert drawn[:count_read].tolist() == tokens[place].tolist()
        windows.append((place, conditions[:count_read], present[:count_read]))
    return windows


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return encode(made_up_piece(3))


@pytest.fixture(scope="module")
def shards(tokens: Tokens, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """One piece of 12 bars of 240 ticks."""
    return Shards(write_shards(tmp_path_factory.mktemp("shards"), [tokens]))


@pytest.fixture(scope="module")
def many_shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return Shards(made_up_shards(tmp_path_factory.mktemp("many")))


def test_an_unvaried_window_is_told_labels_and_offsets_of_its_place_in_the_piece(
    tokens: Tokens, shards: Shards
) -> None:
    times_s = token_times_ticks(tokens) / 125
    chords = np.flatnonzero(tokens == CHORD)
    labels = shards.affect_of(shards.pieces[0])
    for place, conditions, present in places_and_windows(tokens, shards, PLAIN, 10):
        to_chord_s = [
            min([times_s[chord] - times_s[token] for chord in chords if chord > token] + [8.0])
            for token in range(place.start, place.stop)
        ]
        assert conditions[:, Condition.BOUNDARY_OFFSET_S] == pytest.approx(to_chord_s, abs=1e-5)
        to_end_s = np.minimum(times_s[-1] - times_s[place], 8.0)
        assert conditions[:, Condition.END_OFFSET_S] == pytest.approx(to_end_s, abs=1e-5)
        for axis in (Condition.VALENCE, Condition.AROUSAL):
            heard = np.interp(times_s[place], (np.arange(8) + 0.5) * 4.0, labels[:, axis])
            assert conditions[:, axis] == pytest.approx(heard, abs=1e-5)
        assert np.delete(present, IN_BAR, axis=1).all()


@pytest.mark.parametrize("length", [8, 64, 200])
def test_an_unvaried_window_is_told_its_place_in_the_bar_wherever_it_begins(
    tokens: Tokens, shards: Shards, length: int
) -> None:
    ticks = token_times_ticks(tokens)
    windows = places_and_windows(tokens, shards, replace(PLAIN, length=length), 60)
    for place, conditions, present in windows:
        known = ticks[place] < 12 * BAR_TICKS  # the last bar is as long as the one before, then music ends
        assert (present[:, IN_BAR] == known[:, None]).all()
        phases = ticks[place][known] % BAR_TICKS / BAR_TICKS
        assert conditions[known][:, Condition.BAR_PHASE] == pytest.approx(phases, abs=1e-6)
        assert conditions[known][:, Condition.BAR_LENGTH_S] == pytest.approx(1.92, abs=1e-6)
        assert not conditions[~known][:, IN_BAR].any()
    assert any(ticks[place.start] % BAR_TICKS for place, _, _ in windows)
    if length == 8:
        assert any(
            ticks[place.start] > 11 * BAR_TICKS and BAR not in tokens[place] for place, _, _ in windows
        )


@pytest.mark.parametrize("bar_start_share", [0.0, 1.0])
@pytest.mark.parametrize("tempo_spread", [0.0, 0.08])
def test_the_phase_is_0_at_every_bar_token(
    many_shards: Shards, tempo_spread: float, bar_start_share: float
) -> None:
    options = replace(PLAIN, tempo_spread=tempo_spread, bar_start_share=bar_start_share)
    sampler = WindowSampler(many_shards, many_shards.pieces, {}, options)
    batch = sampler.batch(100, np.random.default_rng(0))
    is_bar = batch.tokens[:, :-1] == BAR
    assert is_bar.sum() > 200
    assert (batch.present[is_bar][:, IN_BAR] == 1).all()
    assert (batch.conditions[is_bar][:, Condition.BAR_PHASE] == 0).all()
    before_a_bar = batch.tokens[:, 1:] == BAR  # the shift that leads there has arrived already
    assert (batch.conditions[before_a_bar][:, Condition.BAR_PHASE] == 0).all()


def test_in_another_tempo_the_bar_runs_out_at_the_next_bar_token_also_before_the_first(
    many_shards: Shards,
) -> None:
    options = replace(PLAIN, tempo_spread=0.08)
    sampler = WindowSampler(many_shards, many_shards.pieces, {}, options)
    checked, lengths_s = 0, []
    for seed in range(60):
        drawn, conditions, _ = sampler.window(np.random.default_rng(seed))
        times_s = token_times_ticks(drawn[:-1]) / 125
        length_s, phase = conditions[:, IN_BAR].T.astype(np.float64)
        bars_s = times_s[drawn[:-1] == BAR]
        for token in range(len(times_s)):
            following_s = bars_s[bars_s > times_s[token]]
            if len(following_s):
                left_s = (1 - phase[token]) * length_s[token]
                assert left_s == pytest.approx(following_s[0] - times_s[token], abs=1e-5)
                checked += 1
        # a bar's ends are rounded to ticks, each for itself
        assert np.ptp(length_s[length_s > 0]) < 2.5 / 125
        lengths_s.append(length_s[0])
    assert checked > 1000
    assert min(lengths_s) < 1.85
    assert max(lengths_s) > 1.99


def test_in_another_tempo_the_offset_to_the_end_reaches_0_at_end(many_shards: Shards) -> None:
    sampler = WindowSampler(many_shards, many_shards.pieces, {}, replace(PLAIN, tempo_spread=0.08))
    batch = sampler.batch(150, np.random.default_rng(0))
    rows, columns = np.nonzero(batch.tokens[:, :-1] == END)
    assert len(rows) > 5
    assert batch.conditions[rows, columns, Condition.END_OFFSET_S].max() <= 0.0045
    for row, column in zip(rows, columns, strict=True):
        times_s = token_times_ticks(batch.tokens[row]) / 125
        left_s = np.minimum(times_s[column] - times_s[:column], 8.0)
        assert batch.conditions[row, :column, Condition.END_OFFSET_S] == pytest.approx(left_s, abs=0.0045)


def test_music_without_bars_is_told_no_place_in_a_bar(tmp_path: Path) -> None:
    piece = made_up_piece(1)
    free = Piece(piece.notes, np.zeros(0, np.int64), piece.chord_onsets_ticks, piece.end_ticks)
    shards = Shards(write_shards(tmp_path, [encode(free)]))
    _, conditions, present = WindowSampler(shards, shards.pieces, {}, PLAIN).window(np.random.default_rng(0))
    assert not present[:, IN_BAR].any()
    assert not conditions[:, IN_BAR].any()
    assert present[:, Condition.END_OFFSET_S].any()


def test_surroundings_by_pencil() -> None:
    names = ["START", "BAR", "TIME_SHIFT 100", "BAR", "TIME_SHIFT 100", "BAR", "TIME_SHIFT 30", "ON PIANO 60"]
    names += ["TIME_SHIFT 70", "BAR", "TIME_SHIFT 80", "OFF PIANO 60", "TIME_SHIFT 20", "BAR", "END"]
    by_name = {EMSYNC.name_of(token): token for token in range(EMSYNC.size)}
    tokens = np.array([by_name[name] for name in names], np.uint16)
    found = Surroundings.of(tokens, 7, 9, 1.1, EMSYNC)
    assert found.begin_s == pytest.approx(230 / 125)
    assert found.end_s == pytest.approx(170 / 125 * 1.1)
    assert found.bars_before_ticks == (-143, -33)
    assert found.bars_after_ticks == (77,)
    assert found.with_neighbours(np.array([], np.int64)).tolist() == [-143, -33, 77]
    whole = Surroundings.of(tokens, 0, len(tokens), 1.0, EMSYNC)
    assert (whole.begin_s, whole.bars_before_ticks, whole.bars_after_ticks) == (0.0, (), ())


def test_the_groups_told_are_those_struck_in_the_window(many_shards: Shards) -> None:
    sampler = WindowSampler(many_shards, many_shards.pieces, {}, replace(PLAIN, length=12))
    batch = sampler.batch(100, np.random.default_rng(0))
    for window, conditions in zip(batch.tokens, batch.conditions, strict=True):
        names = [EMSYNC.name_of(int(token)).split() for token in window]
        struck = {name[1] for name in names if name[0] == "ON"}
        expected = [float(group.name in struck) for group in InstrumentGroup]
        told = conditions[window[:-1] != PAD][:, GROUP_CONDITIONS]
        assert (told == expected).all()
    shares = batch.conditions[:, 0, GROUP_CONDITIONS].mean(axis=0)
    assert shares[InstrumentGroup.GUITAR] == 0
    assert 0 < shares[InstrumentGroup.PIANO] < 1


def test_an_axis_without_labels_is_missing_and_the_other_is_not(tmp_path: Path) -> None:
    affect = np.full((8, 2), MISSING_LABEL, np.int8)
    affect[:, Condition.VALENCE] = -127
    shards = Shards(write_shards(tmp_path, [encode(made_up_piece(0))], affect=affect))
    _, conditions, present = WindowSampler(shards, shards.pieces, {}, PLAIN).window(np.random.default_rng(0))
    assert (present[:, :2] == [1, 0]).all()
    assert (conditions[:, :2] == [-1, 0]).all()


def test_labels_are_missing_where_a_label_beside_is(tmp_path: Path, tokens: Tokens) -> None:
    affect = np.full((6, 2), 127, np.int8)
    affect[3:] = MISSING_LABEL  # the last one known stands at 10 s
    shards = Shards(write_shards(tmp_path, [tokens], affect=affect))
    times_s = token_times_ticks(tokens) / 125
    for place, conditions, present in places_and_windows(tokens, shards, PLAIN, 10):
        known = times_s[place] <= 10.0
        assert (present[:, :2] == known[:, None]).all()
        assert (conditions[:, :2] == known[:, None]).all()


def test_every_dropout_takes_whole_conditions_as_often_as_asked(many_shards: Shards) -> None:
    options = replace(
        PLAIN,
        length=8,
        affect_dropout=0.3,
        axis_dropout=0.2,
        boundary_dropout=0.6,
        end_dropout=0.4,
        bar_dropout=0.25,
        group_dropout=0.7,
    )
    sampler = WindowSampler(many_shards, many_shards.pieces, {}, options)
    dropped = np.array([sampler._dropped(np.random.default_rng(seed)) for seed in range(4000)])
    shares = [1 - 0.7 * 0.8] * 2 + [0.6, 0.4, 0.25, 0.25] + [0.7] * 5
    assert dropped.mean(axis=0) == pytest.approx(shares, abs=0.03)
    assert dropped[:, :2].all(axis=1).mean() == pytest.approx(0.3 + 0.7 * 0.2**2, abs=0.03)
    assert (dropped[:, Condition.BAR_LENGTH_S] == dropped[:, Condition.BAR_PHASE]).all()
    assert (dropped[:, GROUP_CONDITIONS] == dropped[:, [Condition.DRUMS]]).all()


@pytest.mark.parametrize(
    ("name", "conditions"),
    [
        ("affect_dropout", [Condition.VALENCE, Condition.AROUSAL]),
        ("axis_dropout", [Condition.VALENCE, Condition.AROUSAL]),
        ("boundary_dropout", [Condition.BOUNDARY_OFFSET_S]),
        ("end_dropout", [Condition.END_OFFSET_S]),
        ("bar_dropout", IN_BAR),
        ("group_dropout", list(Condition)[GROUP_CONDITIONS]),
    ],
)
def test_what_is_always_dropped_is_never_told(
    many_shards: Shards, name: str, conditions: list[Condition]
) -> None:
    sampler = WindowSampler(many_shards, many_shards.pieces, {}, replace(PLAIN, **{name: 1.0}))
    batch, told = (one.batch(10, np.random.default_rng(1)) for one in (sampler, replaced(sampler)))
    assert not batch.present[..., conditions].any()
    assert not batch.conditions[..., conditions].any()
    others = np.setdiff1d(np.arange(len(Condition)), conditions)
    assert batch.present[..., others].tobytes() == told.present[..., others].tobytes()


def replaced(sampler: WindowSampler) -> WindowSampler:
    """The same windows, told everything."""
    return WindowSampler(sampler.shards, sampler.pieces, {}, PLAIN)
