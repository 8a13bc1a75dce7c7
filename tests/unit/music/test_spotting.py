"""Which moments become boundaries, and that every other one is reported with its reason."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emsync.errors import InputError
from emsync.music.spotting import MUSIC_MINIMUM_DISTANCE_S, read_boundary_list, spot
from emsync.options import SpottingOptions
from emsync.types import (
    AffectCurve,
    AffectPoint,
    CueSheet,
    Cut,
    EmotionProbabilities,
    Shot,
    ShotEmotion,
    VideoInfo,
)

AFFECT = AffectCurve((AffectPoint(0.0, 0.1, 0.2),))
DEFAULTS = SpottingOptions()


def info_of(duration_s: float) -> VideoInfo:
    return VideoInfo(
        path=Path("film.mp4"),
        duration_s=duration_s,
        width=640,
        height=360,
        frame_rate_fps=Fraction(24000, 1001),
        is_variable_frame_rate=False,
        rotation_degrees=0,
        codec="h264",
        pixel_format="yuv420p",
        container="mp4",
        audio_streams=(),
    )


def spot_cuts(
    *cuts: tuple[float, float],
    options: SpottingOptions = DEFAULTS,
    duration_s: float = 60.0,
    shots: tuple[ShotEmotion, ...] = (),
) -> CueSheet:
    return spot(
        title="film",
        info=info_of(duration_s),
        cuts=tuple(Cut(*cut) for cut in cuts),
        shots=shots,
        affect=AFFECT,
        options=options,
    )


def times_s(sheet: CueSheet) -> list[float]:
    return [boundary.time_s for boundary in sheet.boundaries]


def reasons(sheet: CueSheet) -> dict[float, str]:
    return {dropped.time_s: dropped.reason for dropped in sheet.dropped}


def test_the_strongest_cut_of_a_cluster_is_kept_not_the_first() -> None:
    sheet = spot_cuts((10.0, 0.5), (12.0, 0.9), (13.0, 0.7))
    assert times_s(sheet) == [12.0]
    assert reasons(sheet) == {
        10.0: "2.000 s from the cut of strength 0.90 kept at 12.000 s; the minimum distance is 4 s",
        13.0: "1.000 s from the cut of strength 0.90 kept at 12.000 s; the minimum distance is 4 s",
    }


def test_two_weak_cuts_do_not_outvote_the_strong_one_between_them() -> None:
    assert times_s(spot_cuts((10.0, 0.6), (13.0, 0.9), (16.0, 0.6))) == [13.0]


def test_of_equally_strong_cuts_the_earlier_is_kept() -> None:
    assert times_s(spot_cuts((13.0, 0.5), (10.0, 0.5))) == [10.0]


def test_cuts_exactly_at_the_minimum_distance_are_both_kept() -> None:
    assert times_s(spot_cuts((8.48, 0.5), (12.48, 0.5), (16.48, 0.5))) == [8.48, 12.48, 16.48]


def test_the_minimum_distance_is_an_option_but_never_below_what_music_can_do() -> None:
    cuts = ((10.0, 0.5), (10.2, 0.4), (10.4, 0.5))
    assert times_s(spot_cuts(*cuts, options=SpottingOptions(minimum_distance_s=0.0))) == [10.0, 10.4]


@pytest.mark.parametrize(
    ("time_s", "reason"), [(0.0, "at the start"), (59.0, "last 1 s"), (60.0, "at or after the end")]
)
def test_no_boundary_at_the_edges_of_the_film(time_s: float, reason: str) -> None:
    for sheet in (
        spot_cuts((time_s, 1.0)),
        spot_cuts(options=SpottingOptions(hit_points_s=(time_s,))),
        spot_cuts(options=SpottingOptions(boundaries_s=(time_s,))),
    ):
        assert not sheet.boundaries
        assert reason in reasons(sheet)[time_s]


def test_the_closing_silence_is_an_option() -> None:
    assert times_s(spot_cuts((58.999, 1.0), (50.0, 1.0))) == [50.0, 58.999]
    assert times_s(spot_cuts((58.999, 1.0), options=SpottingOptions(closing_silence_s=2.0))) == []


def test_a_cut_after_the_end_is_reported_and_is_no_cut_of_the_sheet() -> None:
    sheet = spot_cuts((10.0, 0.5), (60.02, 0.9))
    assert [cut.time_s for cut in sheet.cuts] == [10.0]
    assert "after the end" in reasons(sheet)[60.02]


def test_hit_points_beat_cuts_and_keep_no_distance_among_themselves() -> None:
    options = SpottingOptions(hit_points_s=(12.0, 11.0))
    sheet = spot_cuts((10.0, 1.0), (20.0, 0.3), options=options)
    assert times_s(sheet) == [11.0, 12.0, 20.0]
    assert [boundary.source for boundary in sheet.boundaries] == ["user", "user", "cut"]
    assert "1.000 s from the hit point kept at 11.000 s" in reasons(sheet)[10.0]


def test_of_two_hit_points_within_0_3_s_the_earlier_is_kept_and_the_later_reported() -> None:
    sheet = spot_cuts(options=SpottingOptions(hit_points_s=(10.2, 10.0, 10.3)))
    assert times_s(sheet) == [10.0, 10.3]
    assert reasons(sheet) == {
        10.2: "asked for by the user, but 0.200 s from the hit point kept at 10.000 s; "
        "music cannot answer twice within 0.3 s"
    }


def test_an_imported_list_replaces_the_cuts_entirely() -> None:
    options = SpottingOptions(boundaries_s=(30.0, 5.0), hit_points_s=(40.0,))
    sheet = spot_cuts((10.0, 1.0), (50.0, 1.0), options=options)
    assert times_s(sheet) == [5.0, 30.0, 40.0]
    assert reasons(sheet) == dict.fromkeys((10.0, 50.0), "replaced by the list of boundaries")
    assert [cut.time_s for cut in sheet.cuts] == [10.0, 50.0]


def test_an_empty_imported_list_means_no_boundary() -> None:
    assert times_s(spot_cuts((10.0, 1.0), options=SpottingOptions(boundaries_s=()))) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.5, r"-0\.5 s: lies before the start"),
        (60.1, r"60\.1 s: lies after the end of the film \(60\.000 s\)"),
        (float("nan"), "nan: is not a time"),
        (float("inf"), "inf: is not a time"),
    ],
)
def test_impossible_moments_of_the_user_are_refused(value: float, message: str) -> None:
    with pytest.raises(InputError, match=f"hit point {message}"):
        spot_cuts(options=SpottingOptions(hit_points_s=(10.0, value)))
    with pytest.raises(InputError, match=f"boundary {message}"):
        spot_cuts(options=SpottingOptions(boundaries_s=(10.0, value)))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_impossible_options_are_refused(value: float) -> None:
    with pytest.raises(InputError, match=f"minimum_distance_s: {value}"):
        spot_cuts(options=SpottingOptions(minimum_distance_s=value))
    with pytest.raises(InputError, match=f"closing_silence_s: {value}"):
        spot_cuts(options=SpottingOptions(closing_silence_s=value))


def test_a_cut_that_is_no_number_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="not a cut"):
        spot_cuts((float("nan"), 1.0))


def test_a_film_shorter_than_the_closing_silence_has_no_boundary() -> None:
    assert times_s(spot_cuts((0.4, 1.0), duration_s=0.8)) == []


def test_times_are_rounded_to_a_millisecond_and_stay_in_the_film() -> None:
    joy = EmotionProbabilities((0.0, 0.0, 0.0, 1.0, 0.0, 0.0))
    shots = (ShotEmotion(Shot(0.0, 12.4707916), joy), ShotEmotion(Shot(12.4707916, 59.9996), joy))
    sheet = spot_cuts((12.4707916, 0.5), shots=shots, duration_s=59.9996)
    assert sheet.cuts[0].time_s == sheet.boundaries[0].time_s == 12.471
    assert [shot.shot for shot in sheet.shots] == [Shot(0.0, 12.471), Shot(12.471, 59.9996)]


def test_what_the_music_needs_is_passed_on() -> None:
    sheet = spot_cuts()
    assert (sheet.title, sheet.duration_s, sheet.frame_rate_fps) == ("film", 60.0, Fraction(24000, 1001))
    assert sheet.affect is AFFECT


MOMENTS = st.floats(0, 120, allow_nan=False)


@given(
    cuts=st.lists(st.tuples(MOMENTS, st.floats(0, 1)), max_size=40),
    hits=st.lists(st.floats(0, 100), max_size=8),
)
def test_rules_hold_for_any_film(cuts: list[tuple[float, float]], hits: list[float]) -> None:
    sheet = spot_cuts(*cuts, options=SpottingOptions(hit_points_s=tuple(hits)), duration_s=100.0)
    kept = sheet.boundaries
    assert all(0 < boundary.time_s < 99.0 for boundary in kept)
    for before, after in pairwise(kept):
        both_users = before.source == after.source == "user"
        least_s = MUSIC_MINIMUM_DISTANCE_S if both_users else DEFAULTS.minimum_distance_s
        assert after.time_s - before.time_s > least_s - 1e-5
    users = {round(hit, 3) for hit in hits}
    assert len(kept) + len(sheet.dropped) == len(cuts) + len(users)
    for dropped in sheet.dropped:  # whatever lost, lost to something at least as strong
        if "minimum distance" in dropped.reason:
            rivals = [one for one in kept if abs(one.time_s - dropped.time_s) < 4.0]
            assert any(one.strength >= dropped.strength for one in rivals)


def test_five_thousand_times_are_read_and_spotted(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(f"{number}.5" for number in range(1, 5001)))
    times = read_boundary_list(path)
    sheet = spot_cuts(options=SpottingOptions(boundaries_s=times), duration_s=6000.0)
    assert len(times) == len(sheet.boundaries) == 5000


def test_a_list_is_sorted_and_doubles_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(
        "\ufeff# Köln\r\n75.5\r\n\r\n  00:00:12.480  # the door\r\n00:01:15.500\n90.1\n00:01:30.1\n3".encode()
    )
    assert read_boundary_list(path) == (3.0, 12.48, 75.5, 90.1)


def test_hours_count(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("01:02:03.004")
    assert read_boundary_list(tmp_path / "list.txt") == (3723.004,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("00:01:15:12", "'00:01:15:12' counts frames, which depends on the frame rate"),
        ("00:01:15;12", "counts frames"),
        ("-3", "'-3' is not a time"),
        ("nan", "'nan' is not a time"),
        ("1e3", "'1e3' is not a time"),
        ("12,5", "'12,5' is not a time"),
        ("00:75:00", "'00:75:00' is not a time"),
        ("1:30", "'1:30' is not a time"),
        ("soon", "'soon' is not a time"),
        ("9" * 400, "too large for a time"),
    ],
)
def test_a_line_that_is_no_time_is_named(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"# times\n10\n{line}\n20\n")
    with pytest.raises(InputError, match=rf"list\.txt:3: .*{message}.*; write seconds"):
        read_boundary_list(tmp_path / "list.txt")


def test_files_that_are_no_list_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    with pytest.raises(InputError, match=r"empty\.txt: holds no times"):
        read_boundary_list(tmp_path / "empty.txt")
    (tmp_path / "film.mp4").write_bytes(b"\x00\xff\xfe\x80")
    with pytest.raises(InputError, match=r"film\.mp4: is not a text file"):
        read_boundary_list(tmp_path / "film.mp4")
    with pytest.raises(InputError, match=r"none\.txt: cannot be read: No such file"):
        read_boundary_list(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_boundary_list(tmp_path)
