"""What a report shows: rows, moments, the drawn curve and its ticks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_film import REASON, made_up_report

from emsync.film_report.contents import AFFECT_MEANS, FilmReport, printable, signed, tick_text, time_ticks_s
from emsync.types import EMOTIONS, AffectCurve, AffectPoint, Boundary, EmotionProbabilities


def test_a_row_has_the_three_likeliest_emotions_and_the_affect_at_its_middle() -> None:
    report = made_up_report(2)
    shots = (
        replace(report.sheet.shots[0], probabilities=EmotionProbabilities((0.1, 0.4, 0.05, 0.2, 0.05, 0.2))),
    )
    affect = AffectCurve((AffectPoint(0.0, 0.0, 0.0), AffectPoint(3.5, 0.7, -0.7)))
    sheet = replace(report.sheet, shots=shots, affect=affect)
    (row,) = FilmReport(replace(report.analysis, cue_sheet=sheet), ()).shot_rows
    assert [(EMOTIONS[one.index], one.share) for one in row.likely] == [
        ("disgust", 0.4),
        ("joy", 0.2),
        ("surprise", 0.2),
    ]
    assert (row.valence, row.arousal) == pytest.approx((0.35, -0.35))


def test_a_sense_that_spoke_in_some_shots_tells_in_how_many() -> None:
    report = made_up_report(3, senses=("image",))
    shots = (replace(report.sheet.shots[0], senses=("image", "faces")), *report.sheet.shots[1:])
    sheet = replace(report.sheet, shots=shots)
    told = FilmReport(replace(report.analysis, cue_sheet=sheet), ()).senses
    assert told == "image, faces (1 of 3 shots)"


def test_moments_are_in_order_with_their_fate() -> None:
    report = made_up_report(4)
    asked_for = Boundary(5.0, 1.0, "user", "the door slams")
    sheet = replace(report.sheet, boundaries=(report.sheet.boundaries[0], asked_for))
    moments = FilmReport(replace(report.analysis, cue_sheet=sheet), ()).moments
    assert [(one.time_s, one.is_kept, one.is_users, one.fate) for one in moments] == [
        (3.5, True, False, "kept"),
        (5.0, True, True, "kept: the door slams"),
        (7.0, False, False, f"left out: {REASON}"),
    ]


def test_a_short_curve_is_drawn_as_it_is() -> None:
    report = made_up_report(4)
    assert report.affect.averaged_over_s == 0
    assert report.affect.times_s.tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert report.affect.valence.tolist()[:7] == [point.valence for point in report.sheet.affect.points]


def test_a_long_curve_is_drawn_as_means() -> None:
    report = made_up_report(2000)
    series, curve = report.affect, report.sheet.affect
    assert series.averaged_over_s == pytest.approx(7000 / AFFECT_MEANS)
    assert len(series.times_s) == len(series.valence) == len(series.arousal) == AFFECT_MEANS
    inside_s = np.linspace(0, series.averaged_over_s, 10_000)
    assert series.valence[0] == pytest.approx(curve.valence_at(inside_s).mean(), abs=0.01)


@pytest.mark.parametrize("duration_s", [0.04, 0.9, 7.56, 52.2, 600.0, 3601.0, 7200.0, 100_000.0])
def test_time_ticks_are_few_distinct_and_inside_the_film(duration_s: float) -> None:
    ticks_s = time_ticks_s(duration_s)
    texts = [tick_text(time_s, ticks_s) for time_s in ticks_s]
    assert 1 <= len(ticks_s) <= 11
    assert ticks_s[0] == 0 and ticks_s[-1] <= duration_s
    assert len(set(texts)) == len(texts)


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert (signed(-0.001), signed(0.001), signed(-0.006)) == ("0.00", "0.00", "\N{MINUS SIGN}0.01")


def test_controls_and_half_letters_are_replaced() -> None:
    assert printable("a\x1b\udcff\u202eb\nc") == "a\ufffd\ufffd\ufffdb c"
