"""Which soundfont speaks, and what is refused as one."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
from sound_examples import RATE_HZ, make_midi, make_soundfont, note

from emsync.audio import soundfont
from emsync.audio.performance import read_performance
from emsync.audio.soundfont import BUNDLED, find_soundfont
from emsync.audio.synthesiser import Synthesiser
from emsync.errors import AudioError


@pytest.fixture
def system_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sf2"
    folder.mkdir()
    monkeypatch.setattr(soundfont, "system_folders", lambda: [tmp_path / "nowhere", folder])
    return folder


def test_the_one_asked_for_wins_over_the_system(tmp_path: Path, system_folder: Path) -> None:
    make_soundfont(system_folder / "FluidR3_GM.sf2")
    mine = make_soundfont(tmp_path / "mine.sf2")
    found = find_soundfont(mine)
    assert (found.path, found.name, found.origin) == (mine, "mine", "given")


def test_the_best_font_of_the_system_wins_over_the_bundled_one(system_folder: Path) -> None:
    for name in ("GeneralUser GS v1.471.sf2", "FluidR3_GM.sf2", "MuseScore_General.sf3"):
        make_soundfont(system_folder / name)
    found = find_soundfont(None)
    assert (found.name, found.origin) == ("FluidR3_GM", "system")


def test_the_name_of_a_system_font_may_hold_spaces_and_a_version(system_folder: Path) -> None:
    make_soundfont(system_folder / "GeneralUser GS v1.471.SF2")
    assert find_soundfont(None).origin == "system"


def test_unknown_or_broken_system_fonts_are_passed_over(system_folder: Path) -> None:
    make_soundfont(system_folder / "Kazoo.sf2")
    (system_folder / "FluidR3_GM.sf2").write_text("not a soundfont")
    found = find_soundfont(None)
    assert (found.path, found.origin) == (BUNDLED, "bundled")


def test_a_missing_font_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"there is no soundfont at .*lost\.sf2"):
        find_soundfont(tmp_path / "lost.sf2")


def test_a_text_file_is_not_a_soundfont(tmp_path: Path) -> None:
    (tmp_path / "notes.sf2").write_text("eggs, flour, milk")
    with pytest.raises(AudioError, match=r"notes\.sf2 is not a SoundFont"):
        find_soundfont(tmp_path / "notes.sf2")


def test_a_truncated_font_is_refused(tmp_path: Path) -> None:
    whole = make_soundfont(tmp_path / "whole.sf2").read_bytes()
    (tmp_path / "half.sf2").write_bytes(whole[:-200])
    with pytest.raises(AudioError, match=r"half\.sf2 cannot be used as a soundfont"):
        Synthesiser(tmp_path / "half.sf2", RATE_HZ)


def test_the_bundled_font_fits_in_8_mb() -> None:
    assert BUNDLED.stat().st_size <= 8_000_000


def test_the_bundled_font_plays_every_program_that_is_written_and_every_general_midi_drum(
    tmp_path: Path,
) -> None:
    melody = []
    for program in (0, 24, 25, 27, 32, 33, 48, 49):
        melody += [mido.Message("program_change", program=program), *note(60, ticks=400)]
    drums = [message for key in range(35, 82) for message in note(key, ticks=400, channel=9)]
    performance = read_performance(make_midi(tmp_path / "a.mid", melody + drums))
    player = Synthesiser(BUNDLED, RATE_HZ, performance.programs)
    windows = player.windows(performance.messages, round(55 * 0.4 * RATE_HZ))
    sounds = np.concatenate(list(windows), axis=1).reshape(2, 55, -1)
    assert (np.abs(sounds).max(axis=(0, 2)) > 1e-3).all()
    assert player.substitutions == ()


def test_the_licence_of_the_bundled_font_lies_beside_it() -> None:
    text = (BUNDLED.parent / "README.md").read_text("utf-8")
    assert "Permission is hereby granted, free of charge" in text
    assert "Frank Wen" in text
