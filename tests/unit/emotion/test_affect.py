import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.emotion.affect import (
    RESCALED,
    RUSSELL_MEHRABIAN,
    AffectTable,
    affect_of,
    sample_affect,
    to_affect_curve,
)
from emsync.options import AffectMapping, AffectOptions
from emsync.types import EMOTIONS, AffectCurve, EmotionProbabilities, Shot, ShotEmotion

UNIFORM = EmotionProbabilities((1 / 6,) * 6)
PAPER = AffectOptions(mapping=AffectMapping.PAPER)


def certain(emotion: str) -> EmotionProbabilities:
    return EmotionProbabilities(tuple(float(name == emotion) for name in EMOTIONS))


def film(*emotions: str, shot_s: float = 10.0) -> list[ShotEmotion]:
    return [
        ShotEmotion(Shot(index * shot_s, (index + 1) * shot_s), certain(emotion))
        for index, emotion in enumerate(emotions)
    ]


def valence(curve: AffectCurve, *times_s: float) -> list[float]:
    return [float(value) for value in curve.valence_at(np.array(times_s))]


def test_the_table_stands_in_the_order_of_the_emotions() -> None:
    assert tuple(category.emotion for category in RUSSELL_MEHRABIAN) == EMOTIONS


@pytest.mark.parametrize(
    ("emotion", "expected"),
    [
        # V' = (V + 0.64) / 1.40 * 1.6 - 0.8, A' = (A + 0.27) / 0.94 * 1.6 - 0.8
        ("anger", (-0.651429, 0.663830)),
        ("disgust", (-0.754286, 0.255319)),
        ("fear", (-0.8, 0.680851)),
        ("joy", (0.8, 0.476596)),
        ("sadness", (-0.788571, -0.8)),
        ("surprise", (0.388571, 0.8)),
    ],
)
def test_a_certain_category_lands_on_its_rescaled_mean(emotion: str, expected: tuple[float, float]) -> None:
    affect = affect_of(certain(emotion))
    assert (affect.valence, affect.arousal) == pytest.approx(expected, abs=1e-6)


def test_a_uniform_posterior_maps_to_the_paper_s_point() -> None:
    affect = affect_of(UNIFORM)
    assert (round(affect.valence, 2), round(affect.arousal, 2)) == (-0.30, 0.35)


def test_deviations_stretch_by_the_same_factor_as_means() -> None:
    joy = EMOTIONS.index("joy")
    assert RESCALED.deviations[joy] == pytest.approx([0.22 * 1.6 / 1.40, 0.26 * 1.6 / 0.94])


def test_a_table_in_another_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        AffectTable.of(RUSSELL_MEHRABIAN[::-1])


def test_samples_spread_around_the_mean_of_a_certain_category() -> None:
    generator = np.random.default_rng(1)
    draws = [sample_affect(certain("surprise"), generator) for _ in range(4000)]
    valences = np.array([draw.valence for draw in draws])
    assert valences.mean() == pytest.approx(0.389, abs=0.02)
    assert valences.std() == pytest.approx(0.30 * 1.6 / 1.40, abs=0.03)
    assert max(draw.arousal for draw in draws) == 1.0  # clipped: A = 0.80, sd 0.46


def test_the_same_seed_gives_the_same_sample() -> None:
    assert sample_affect(UNIFORM, np.random.default_rng(7)) == sample_affect(
        UNIFORM, np.random.default_rng(7)
    )


def test_one_shot_gives_a_constant_curve_from_zero_to_the_end() -> None:
    curve = to_affect_curve(film("joy"), 10.0, PAPER)
    assert [point.time_s for point in curve.points] == [0.0, 10.0]
    assert valence(curve, 0, 5, 10) == pytest.approx([0.8, 0.8, 0.8])


def test_a_cut_becomes_a_straight_ramp_centred_on_it() -> None:
    curve = to_affect_curve(
        film("joy", "fear"), 20.0, AffectOptions(mapping=AffectMapping.PAPER, smoothing_s=2.0)
    )
    assert [point.time_s for point in curve.points] == [0.0, 9.0, 11.0, 20.0]
    assert valence(curve, 8.9, 9.5, 10, 10.5, 11.1) == pytest.approx([0.8, 0.4, 0.0, -0.4, -0.8])


def test_a_shot_shorter_than_the_window_is_averaged_with_its_neighbours() -> None:
    shots = [
        ShotEmotion(Shot(0, 10), certain("fear")),
        ShotEmotion(Shot(10, 11), certain("joy")),
        ShotEmotion(Shot(11, 20), certain("fear")),
    ]
    curve = to_affect_curve(shots, 20.0, AffectOptions(mapping=AffectMapping.PAPER, smoothing_s=2.0))
    # a window of 2 s around 10.5 holds 1 s of joy and 1 s of fear
    assert valence(curve, 10.5) == pytest.approx([0.0])


def test_a_cut_near_the_end_leaves_the_ramp_unfinished() -> None:
    shots = [ShotEmotion(Shot(0, 9.5), certain("fear")), ShotEmotion(Shot(9.5, 10), certain("joy"))]
    curve = to_affect_curve(
        shots, 10.0, AffectOptions(mapping=AffectMapping.PAPER, shortest_change_s=0, smoothing_s=2.0)
    )
    assert curve.points[-1].time_s == 10.0
    assert curve.points[-1].valence == pytest.approx(-0.8 + 0.75 * 1.6)


@settings(deadline=None)
@given(
    lengths_s=st.lists(st.floats(0.04, 8), min_size=1, max_size=30),
    seed=st.integers(0, 1000),
    smoothing_s=st.floats(0.1, 10),
)
def test_no_curve_is_steeper_than_its_range_over_the_window(
    lengths_s: list[float], seed: int, smoothing_s: float
) -> None:
    emotions = np.random.default_rng(seed).choice(EMOTIONS, len(lengths_s))
    edges_s = np.concatenate([[0.0], np.cumsum(lengths_s)])
    shots = [
        ShotEmotion(Shot(start, end), certain(name))
        for start, end, name in zip(edges_s, edges_s[1:], emotions, strict=False)
    ]
    curve = to_affect_curve(
        shots, float(edges_s[-1]), AffectOptions(mapping=AffectMapping.PAPER, smoothing_s=smoothing_s)
    )
    assert curve.points[0].time_s == 0.0
    assert curve.points[-1].time_s == edges_s[-1]
    grid_s = np.linspace(0, edges_s[-1], 400)
    slopes = np.abs(np.diff(curve.valence_at(grid_s))) / np.diff(grid_s)
    assert slopes.max() <= 1.6 / smoothing_s + 1e-6


def test_the_points_hold_the_moving_average_exactly() -> None:
    shots = film("joy", "sadness", "fear", "surprise", "joy", shot_s=0.7)
    curve = to_affect_curve(
        shots, 3.5, AffectOptions(mapping=AffectMapping.PAPER, shortest_change_s=0, smoothing_s=1.3)
    )
    fine_s = np.linspace(-2, 6, 80_001)
    steps = np.array([affect_of(shot.probabilities).arousal for shot in shots])
    staircase = steps[np.clip(np.searchsorted([0.7, 1.4, 2.1, 2.8], fine_s, side="right"), 0, 4)]
    for time_s in np.linspace(0, 3.5, 23):
        window = staircase[np.abs(fine_s - time_s) <= 0.65].mean()
        assert curve.arousal_at(np.array([time_s]))[0] == pytest.approx(window, abs=2e-3)


def test_ten_thousand_cuts_stay_in_range_and_in_order() -> None:
    shots = film(*(["joy", "fear"] * 5000), shot_s=0.04)
    curve = to_affect_curve(shots, 400.0, PAPER)
    assert max(abs(point.valence) for point in curve.points) < 0.81
    assert valence(curve, 200.0) == pytest.approx([0.0], abs=0.05)


def test_a_generator_samples_each_shot() -> None:
    shots = film("joy", "joy")
    drawn = to_affect_curve(shots, 20.0, PAPER, generator=np.random.default_rng(3))
    again = to_affect_curve(shots, 20.0, PAPER, generator=np.random.default_rng(3))
    assert drawn == again
    assert drawn.points[0].valence != drawn.points[-1].valence


def rated_film(*affects: tuple[float, float], shot_s: float = 10.0) -> list[ShotEmotion]:
    return [
        ShotEmotion(
            Shot(index * shot_s, (index + 1) * shot_s), certain("fear"), valence=valence, arousal=arousal
        )
        for index, (valence, arousal) in enumerate(affects)
    ]


def test_by_default_a_shot_s_own_affect_is_taken_and_may_be_calm_and_pleasant() -> None:
    curve = to_affect_curve(rated_film((0.6, -0.5)), 10.0, AffectOptions())
    assert valence(curve, 0, 10) == pytest.approx([0.6, 0.6])
    assert curve.arousal_at(np.array([0.0, 10.0])) == pytest.approx([-0.5, -0.5])


def test_rated_shots_are_joined_by_the_same_ramps() -> None:
    curve = to_affect_curve(rated_film((0.6, -0.5), (-0.2, 0.3)), 20.0, AffectOptions())
    assert [point.time_s for point in curve.points] == [0.0, 9.0, 11.0, 20.0]
    assert valence(curve, 9.0, 10.0, 11.0) == pytest.approx([0.6, 0.2, -0.2])


def test_a_shot_of_which_nothing_is_known_is_neutral_unless_the_paper_s_mapping_is_asked_for() -> None:
    unknown = [ShotEmotion(Shot(0, 10), UNIFORM)]
    assert to_affect_curve(unknown, 10.0, AffectOptions()).points[0].arousal == 0
    assert to_affect_curve(unknown, 10.0, PAPER).points[0].arousal == pytest.approx(0.35, abs=0.01)


def test_the_mapping_may_be_named_by_a_word_and_an_unknown_one_is_refused() -> None:
    curve = to_affect_curve(film("joy"), 10.0, AffectOptions(mapping="paper"))  # type: ignore[arg-type]
    assert valence(curve, 5) == pytest.approx([0.8])
    with pytest.raises(ValueError, match="other"):
        to_affect_curve(film("joy"), 10.0, AffectOptions(mapping="other"))  # type: ignore[arg-type]


def test_a_rating_cannot_be_sampled() -> None:
    with pytest.raises(ValueError, match="sampled"):
        to_affect_curve(film("joy"), 10.0, AffectOptions(), generator=np.random.default_rng(0))


def test_affect_of_a_shot_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="valence and arousal"):
        ShotEmotion(Shot(0, 1), UNIFORM, valence=1.2)


def flickering(*affects: tuple[float, float], lengths_s: list[float]) -> tuple[list[ShotEmotion], float]:
    ends_s = np.cumsum(lengths_s)
    shots = [
        ShotEmotion(Shot(float(end - length), float(end)), UNIFORM, valence=one[0], arousal=one[1])
        for one, end, length in zip(affects, ends_s, lengths_s, strict=True)
    ]
    return shots, float(ends_s[-1])


def test_a_change_smaller_than_the_threshold_leaves_the_curve_where_it_is() -> None:
    shots, end_s = flickering((0.3, 0.1), (0.36, 0.04), (0.3, 0.2), lengths_s=[5, 5, 5])
    curve = to_affect_curve(shots, end_s, AffectOptions(smallest_change=0.08))
    assert valence(curve, 0, 7.5) == pytest.approx([0.3, 0.3])
    assert curve.arousal_at(np.array([7.5, 15])) == pytest.approx([0.1, 0.2])
    assert [point.time_s for point in curve.points] == [0.0, 9.0, 11.0, 15.0]


def test_a_short_shot_between_long_ones_leaves_the_curve_where_it_is() -> None:
    shots, end_s = flickering((0.3, 0.1), (-0.9, 0.9), (0.3, 0.1), lengths_s=[5, 0.9, 5])
    assert len(to_affect_curve(shots, end_s, AffectOptions()).points) == 2
    assert len(to_affect_curve(shots, end_s, AffectOptions(shortest_change_s=0.5)).points) == 6


def test_short_shots_in_a_row_count_together_with_their_mean() -> None:
    shots, end_s = flickering(
        (0.0, 0.0), *[(0.2, 0.9), (0.6, 0.5)] * 4, (0.0, 0.0), lengths_s=[10, *[0.5] * 8, 10]
    )
    curve = to_affect_curve(shots, end_s, AffectOptions())
    assert valence(curve, 5, 12, 20) == pytest.approx([0.0, 0.4, 0.0])
    assert curve.arousal_at(np.array([12.0])) == pytest.approx([0.7])


def test_a_film_of_short_shots_only_has_their_mean() -> None:
    shots, end_s = flickering((0.2, 0.0), (0.4, 0.0), lengths_s=[0.3, 0.3])
    assert valence(to_affect_curve(shots, end_s, AffectOptions()), 0, 0.6) == pytest.approx([0.3, 0.3])


def test_a_slow_drift_is_followed_in_steps() -> None:
    drift = [(0.05 * index, 0.0) for index in range(11)]
    shots, end_s = flickering(*drift, lengths_s=[10.0] * 11)
    curve = to_affect_curve(shots, end_s, AffectOptions(smallest_change=0.08))
    assert valence(curve, 5, 25, 105) == pytest.approx([0.0, 0.1, 0.5])


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1, 1), min_size=1, max_size=30),
    smallest=st.floats(0, 0.5),
)
def test_a_long_shot_is_never_further_from_its_own_affect_than_the_threshold_and_order_is_kept(
    values: list[float], smallest: float
) -> None:
    def middles(levels: list[float], threshold: float) -> np.ndarray:
        shots, end_s = flickering(*[(value, 0.0) for value in levels], lengths_s=[4.0] * len(levels))
        curve = to_affect_curve(shots, end_s, AffectOptions(smallest_change=threshold))
        return curve.valence_at(np.arange(len(levels)) * 4 + 2.0)

    assert np.abs(middles(values, smallest) - values).max() <= smallest + 1e-6
    assert middles(values, 0.0) == pytest.approx(np.array(values), abs=1e-6)
    assert np.diff(middles(sorted(values), smallest)).min(initial=0) >= -1e-9


@settings(deadline=None)
@given(seed=st.integers(0, 1000), smallest=st.floats(0, 0.3))
def test_inside_a_shot_the_curve_is_constant_but_for_the_ramps_at_its_cuts(
    seed: int, smallest: float
) -> None:
    affects = np.random.default_rng(seed).uniform(-1, 1, (8, 2))
    shots, end_s = flickering(*map(tuple, affects.tolist()), lengths_s=[6.0] * 8)
    curve = to_affect_curve(shots, end_s, AffectOptions(smallest_change=smallest))
    for shot in shots:
        inside = curve.valence_at(np.linspace(shot.shot.start_s + 1, shot.shot.end_s - 1, 9))
        assert np.ptp(inside) < 1e-6


@pytest.mark.parametrize("wrong", [{"smallest_change": -0.1}, {"shortest_change_s": float("nan")}])
def test_thresholds_below_zero_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        to_affect_curve(film("joy"), 10.0, AffectOptions(**wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shots", "duration_s", "smoothing_s", "message"),
    [
        ([], 10.0, 2.0, "at least one shot"),
        (film("joy"), 0.0, 2.0, "duration_s"),
        (film("joy"), float("nan"), 2.0, "duration_s"),
        (film("joy"), 10.0, 0.0, "smoothing_s"),
        (film("joy", "fear")[::-1], 20.0, 2.0, "order"),
    ],
)
def test_impossible_input_is_refused(
    shots: list[ShotEmotion], duration_s: float, smoothing_s: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        to_affect_curve(
            shots, duration_s, AffectOptions(mapping=AffectMapping.PAPER, smoothing_s=smoothing_s)
        )
