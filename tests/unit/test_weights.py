import hashlib
import json
from pathlib import Path

import pytest

from emsync.errors import WeightsError
from emsync.weights import ASSETS, MANIFEST_NAME, load_weights, register_weights, weights_entry


def _folder_with(tmp_path: Path, **parts: bytes) -> Path:
    for name, content in parts.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_registered_weights_come_back_as_they_were(tmp_path: Path) -> None:
    folder = _folder_with(tmp_path, net=b"abc")
    register_weights("net", ("net",), folder)
    assert load_weights("net", folder) == b"abc"


def test_the_hash_is_that_of_the_joined_parts(tmp_path: Path) -> None:
    folder = _folder_with(tmp_path, part0=b"ab", part1=b"c")
    register_weights("net", ("part0", "part1"), folder)
    assert load_weights("net", folder) == b"abc"
    assert weights_entry("net", folder).sha256 == hashlib.sha256(b"abc").hexdigest()


def test_registering_keeps_the_other_entries(tmp_path: Path) -> None:
    folder = _folder_with(tmp_path, one=b"1", two=b"2")
    register_weights("one", ("one",), folder)
    register_weights("two", ("two",), folder)
    assert load_weights("one", folder) == b"1"


def test_one_altered_byte_is_refused_with_the_file_named(tmp_path: Path) -> None:
    folder = _folder_with(tmp_path, net=b"abc")
    register_weights("net", ("net",), folder)
    (folder / "net").write_bytes(b"abd")
    with pytest.raises(WeightsError, match=r"altered.*net.*Reinstall"):
        load_weights("net", folder)


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    folder = _folder_with(tmp_path, net=b"abc")
    register_weights("net", ("net",), folder)
    (folder / "net").unlink()
    with pytest.raises(WeightsError, match=r"net cannot be read"):
        load_weights("net", folder)


def test_unknown_weights_are_refused(tmp_path: Path) -> None:
    folder = _folder_with(tmp_path, net=b"abc")
    register_weights("net", ("net",), folder)
    with pytest.raises(WeightsError, match="no weights called 'nut'"):
        load_weights("nut", folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"net": 3}', '{"net": {"files": ["net"]}}'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    folder = _folder_with(tmp_path, net=b"abc")
    (folder / MANIFEST_NAME).write_text(text)
    with pytest.raises(WeightsError, match="damaged"):
        load_weights("net", folder)


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        load_weights("net", tmp_path)


def test_all_shipped_weights_are_what_the_manifest_says() -> None:
    names = json.loads((ASSETS / MANIFEST_NAME).read_text())
    assert {"image_features", "emotion_head"} <= set(names)
    for name in names:
        assert load_weights(name)
