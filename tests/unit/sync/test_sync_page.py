"""docs/sync.md is what the committed results make, and the tables say what the results say."""

from __future__ import annotations

from benchmarks.sync.films import KINDS
from benchmarks.sync.records import ANSWERS, Record
from benchmarks.sync.summary import summary
from benchmarks.sync.table import PAGE, entry, page, read_page

from emsync.video.cuts import DETECTOR_NAMES


def made_up_results() -> dict[str, object]:
    def record(film: str, answer_s: float, condition: str) -> Record:
        answers_s = {answer: [answer_s] for answer in ANSWERS}
        settings = {"seconds": 25.0}
        speaks, rises, music = [0.01], [0.0], {"polyphony": 4.5}
        return Record(
            film,
            "trailer",
            condition,
            settings,
            [8.0],
            [8.0],
            answers_s,
            speaks,
            rises,
            [None],
            9,
            18.0,
            6,
            music,
        )

    records = [record(film, 8.1, "exact") for film in ("one", "two")]
    records += [record(film, 9.0, "none given") for film in ("one", "two")]
    return {
        "command": "python -m benchmarks.sync.run",
        "settings": {"seconds": 25.0},
        "conditions": summary(records),
        "human": {"pieces": 7, "music": {"polyphony": [5.25, 5.0, 5.5]}},
    }


def made_up_detectors() -> dict[str, object]:
    by_join = {"hard cut": 0.75, "dissolve": 0.5, "fade through black": None}
    at = {"precision": 0.9, "recall": 0.8, "f1": 0.85, "recall_by_join": by_join}
    return {
        "command": "python -m benchmarks.sync.detectors",
        "made_films": {
            "films": 2,
            "seconds": 40.5,
            "size": [480, 270],
            "joins": {"hard cut": 3},
            "shots": {"flash": 2},
        },
        "detectors": {
            "emsync adaptive": {
                "0.1_s": at,
                "0.5_s": at | {"f1": 0.95},
                "false_cuts_per_shot": {"as it is": 0.0, "flash": 0.5},
                "ms_per_frame": 0.31,
            }
        },
    }


def test_the_page_is_generated_from_the_committed_results() -> None:
    assert PAGE.read_text("utf-8") == read_page()


def test_every_detector_of_ours_is_in_the_page() -> None:
    text = PAGE.read_text("utf-8")
    assert all(f"| emsync {name} |" in text for name in DETECTOR_NAMES)


def test_every_kind_of_film_has_its_source() -> None:
    text = page(None, made_up_detectors())
    assert all(kind.source in text for kind in KINDS)
    assert "Not measured yet" in text


def test_rates_stand_beside_chance() -> None:
    text = page(made_up_results(), made_up_detectors())
    recall = text.split("### Recall at boundaries")[1].split("###")[0]
    assert "| CHORD tokens | exact | 0.00 [0.00, 0.00] / 0.00 | 1.00 [1.00, 1.00] / 1.00 |" in recall
    assert "| CHORD tokens | none given | 0.00 [0.00, 0.00]" in recall


def test_music_by_people_stands_beside_the_composed() -> None:
    text = page(made_up_results(), made_up_detectors())
    assert "| figure | exact | none given | people (7) |" in text
    assert "| polyphony | 4.50 [4.50, 4.50] | 4.50 [4.50, 4.50] | 5.25 [5.00, 5.50] |" in text


def test_detectors_have_rates_at_both_tolerances_and_a_dash_where_undefined() -> None:
    text = page(None, made_up_detectors())
    assert "| emsync adaptive | 0.90 | 0.80 | 0.85 | 0.90 | 0.80 | 0.95 | 0.75 | 0.50 | - | 0.3 |" in text
    assert "| detector | as it is | flash |\n| --- | --- | --- |\n| emsync adaptive | 0.00 | 0.50 |" in text


def test_an_entry_without_bounds_is_a_plain_number() -> None:
    assert entry([0.5, None, None]) == "0.50"
    assert entry([None, None, None]) == "-"
    assert entry([20.4, -3.0, 30.0], 0) == "20 [-3, 30]"
    assert entry([-0.4, None, None], 0) == "0"
