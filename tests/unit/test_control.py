"""Keys and densities as users write them."""

from __future__ import annotations

import doctest

import pytest

from emsync import control
from emsync.control import DENSITY_WORDS, NAMES, Key, Mode, parse_density, parse_key


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(control)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("C", Key(0)),
        ("b", Key(11)),
        ("bb", Key(10)),
        ("C major", Key(0, Mode.MAJOR)),
        ("a minor", Key(9, Mode.MINOR)),
        ("F# Minor", Key(6, Mode.MINOR)),
        ("E♭ maj", Key(3, Mode.MAJOR)),
        ("f sharp minor", Key(6, Mode.MINOR)),
        (" Am ", Key(9, Mode.MINOR)),
        ("Cb", Key(11)),
        ("B#", Key(0)),
    ],
)
def test_keys_are_read_as_musicians_write_them(written: str, key: Key) -> None:
    assert parse_key(written) == key


@pytest.mark.parametrize("written", ["", "H", "Cm7", "C dorian", "CM", "C minor x", "##", "5", "minor"])
def test_what_is_no_key_is_refused_by_name(written: str) -> None:
    with pytest.raises(ValueError, match=r"is no key; write a tonic \(C, F#, Bb\), alone or with major"):
        parse_key(written)


@pytest.mark.parametrize("mode", [None, *Mode])
@pytest.mark.parametrize("tonic", range(12))
def test_a_written_key_is_read_again(tonic: int, mode: Mode | None) -> None:
    assert parse_key(str(Key(tonic, mode))) == Key(tonic, mode)
    assert str(Key(tonic)) == NAMES[tonic]


@pytest.mark.parametrize("tonic", [-1, 12])
def test_a_tonic_is_a_pitch_class(tonic: int) -> None:
    with pytest.raises(ValueError, match="0 to 11"):
        Key(tonic)


@pytest.mark.parametrize(
    ("written", "notes_per_s"),
    [("0.5", 0.5), ("40", 40.0), (" 7.5 ", 7.5), ("Dense", 16.0), *DENSITY_WORDS.items()],
)
def test_densities_are_words_or_numbers(written: str, notes_per_s: float) -> None:
    assert parse_density(written) == notes_per_s


@pytest.mark.parametrize("written", ["0", "-3", "nan", "inf", "40.1", "0.4", "lots", ""])
def test_what_is_no_density_is_refused_by_name(written: str) -> None:
    with pytest.raises(ValueError, match=f"^'{written}' is no density; write sparse, medium, dense or notes"):
        parse_density(written)
