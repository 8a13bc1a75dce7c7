"""Figures from records, checked by pencil; and a run that goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.sync.films import films
from benchmarks.sync.records import (
    ANSWERS,
    CONDITIONS,
    FREE_BARS,
    NONE_GIVEN,
    Record,
    append_record,
    missing_pieces,
    read_records,
)
from benchmarks.sync.summary import agreement, mean_entry, median_entry, on_time, share_on_time, summary
from scipy import stats

from emsync.errors import InputError
from emsync.options import SyncMode

SETTINGS = {"seconds": 25.0, "weights_sha256": "0"}


def record(
    film: str, boundaries_s: list[float], answers_s: list[float], *, condition: str = "exact"
) -> Record:
    return Record(
        film=film,
        kind="trailer",
        condition=condition,
        settings=SETTINGS,
        cuts_s=[*boundaries_s, 19.0],
        boundaries_s=boundaries_s,
        answers_s=dict.fromkeys(ANSWERS, answers_s),
        speaks_s=[0.0] * len(boundaries_s),
        rises_s=[0.0] * len(boundaries_s),
        chance_rises_s=[None],
        tokens=10,
        nats=15.0,
        note_count=5,
        music={"polyphony": 4.0, "groove_consistency": None},
    )


def test_every_mode_of_sync_is_a_condition_and_so_is_none() -> None:
    assert {mode.value for mode in SyncMode} | {FREE_BARS, NONE_GIVEN} == set(CONDITIONS)


def test_rates_are_means_over_pieces_and_chance_is_taken_at_the_other_films_moments() -> None:
    records = [record("one", [2.0, 8.0], [2.04, 8.0, 12.0]), record("two", [5.0], [5.3, 8.0])]
    entry = agreement(records, "boundaries", "announced")["50_ms"]
    assert entry["recall"][0] == pytest.approx((1.0 + 0.0) / 2)
    assert entry["precision"][0] == pytest.approx((2 / 3 + 0.0) / 2, abs=1e-5)
    assert entry["tbiou"][0] == pytest.approx((2 / 3 + 0.0) / 2, abs=1e-5)
    assert entry["shuffled"]["recall"][0] == pytest.approx(
        (0.0 + 0.5) / 2
    )  # 8.0 of two answers one's boundary
    assert entry["median_signed_offset_ms"][0] == pytest.approx(20.0)
    assert entry["median_absolute_offset_ms"][0] == pytest.approx(20.0)


def test_a_wider_tolerance_finds_the_late_answer() -> None:
    records = [record("two", [5.0], [5.3, 8.0])]
    table = agreement(records, "boundaries", "announced")
    assert [table[name]["recall"][0] for name in ("250_ms", "500_ms")] == [0.0, 1.0]


def test_cuts_that_are_no_boundaries_count_as_cuts() -> None:
    records = [record("one", [2.0], [2.0])]
    assert agreement(records, "boundaries", "struck")["100_ms"]["recall"][0] == 1.0
    assert agreement(records, "cuts", "struck")["100_ms"]["recall"][0] == 0.5


def test_one_tick_is_on_time_in_the_notes_and_two_are_not() -> None:
    assert on_time([record("one", [2.0], [2.008])])["announced_within_8_ms"][0] == 1.0
    assert on_time([record("one", [2.0], [2.016])])["announced_within_8_ms"][0] == 0.0


def test_a_boundary_without_a_rise_is_not_on_time() -> None:
    assert share_on_time([0.03, -0.03, 0.032, None]) == 0.5
    assert np.isnan(share_on_time([]))


def test_the_interval_of_a_mean_of_many_is_that_of_student() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, 400)
    mean, low, high = mean_entry([*values, float("nan")])
    wanted = stats.t.interval(0.95, 399, loc=values.mean(), scale=stats.sem(values))
    assert (mean, low, high) == pytest.approx((values.mean(), *wanted), abs=0.01)


def test_the_interval_of_a_rate_stays_between_0_and_1() -> None:
    assert mean_entry([1.0, 1.0, 1.0, 0.0])[2] == 1.0
    assert mean_entry([1.0, 1.0, 1.0]) == [1.0, 1.0, 1.0]


def test_too_few_pieces_have_no_interval() -> None:
    assert mean_entry([2.0, float("nan")]) == [2.0, None, None]
    assert mean_entry([]) == [None, None, None]
    assert median_entry([np.array([3.0]), np.zeros(0)]) == [3.0, None, None]


def test_the_interval_of_a_median_holds_it_and_no_more_than_the_values() -> None:
    median, low, high = median_entry([np.array([1.0, 2.0]), np.array([3.0]), np.array([9.0])])
    assert median == 2.5
    assert low is not None
    assert high is not None
    assert 1.0 <= low <= 2.5 <= high <= 9.0


def test_nats_are_per_token_and_per_note_and_undefined_music_stays_undefined() -> None:
    figures = summary([record("one", [2.0], [2.0]), record("two", [3.0], [3.0])])["exact"]
    assert figures["nats_per_token"][0] == 1.5
    assert figures["nats_per_note"][0] == 3.0
    assert figures["music"] == {"polyphony": [4.0, 4.0, 4.0], "groove_consistency": [None, None, None]}
    json.dumps(figures, allow_nan=False)


def test_a_run_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "pieces.jsonl"
    every = films(2, 25.0)
    append_record(path, record(every[0].name, [2.0], [2.0], condition="exact"))
    left = list(missing_pieces(every, read_records(path, SETTINGS)))
    assert len(left) == 2 * len(CONDITIONS) - 1
    assert (0, every[0], "exact") not in left
    assert (1, every[1], "exact") in left


def test_a_line_that_broke_off_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "pieces.jsonl"
    first = record("one", [2.0], [2.0])
    append_record(path, first)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"film": "tw')
    assert read_records(path, SETTINGS) == [first]
    append_record(path, replace(first, film="two"))
    assert [one.film for one in read_records(path, SETTINGS)] == ["one", "two"]


def test_records_of_another_composer_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pieces.jsonl"
    append_record(path, record("one", [2.0], [2.0]))
    with pytest.raises(InputError, match=r"pieces\.jsonl:1: made with"):
        read_records(path, SETTINGS | {"weights_sha256": "1"})
