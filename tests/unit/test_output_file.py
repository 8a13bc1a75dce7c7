"""A result appears whole under its name, or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from emsync.errors import OutputError
from emsync.output_file import atomic_output, atomic_outputs, check_output


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_result_appears_only_after_the_body(tmp_path: Path) -> None:
    target = tmp_path / 'l\'été à "Köln".mid'
    with atomic_output(target) as temporary:
        temporary.write_bytes(b"music")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".mid"
    assert target.read_bytes() == b"music"
    assert names_in(tmp_path) == [target.name]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_any_exception_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), atomic_output(tmp_path / "a.wav") as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert names_in(tmp_path) == []


def test_of_several_results_none_appears_before_all_are_written(tmp_path: Path) -> None:
    targets = [tmp_path / name for name in ("a.mid", "b.mid")]
    with atomic_outputs(targets) as temporaries:
        for temporary in temporaries:
            temporary.write_bytes(temporary.suffix.encode())
            assert not any(target.exists() for target in targets)
    assert names_in(tmp_path) == ["a.mid", "b.mid"]
    with pytest.raises(RuntimeError), atomic_outputs([tmp_path / "c.mid", tmp_path / "d.mid"]) as (first, _):
        first.write_bytes(b"half")
        raise RuntimeError
    assert names_in(tmp_path) == ["a.mid", "b.mid"]


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_output(target, overwrite=True) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["a.wav"]


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_text("old")
    with pytest.raises(OutputError, match=r"a\.wav: already exists; .*--force"), atomic_output(target):
        pytest.fail("the body must not run")
    with atomic_output(target, True) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    with pytest.raises(OutputError, match="already exists"), atomic_output(target) as temporary:
        temporary.write_text("new")
        target.write_text("someone else's")
    assert target.read_text() == "someone else's"
    assert names_in(tmp_path) == ["a.wav"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"the folder .*nowhere does not exist; create it"):
        check_output(tmp_path / "nowhere" / "a.wav")


def test_a_folder_and_a_device_are_refused_even_with_overwrite(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="device or pipe"):
        check_output(Path(os.devnull), overwrite=True)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("emsync.output_file.os.open", refuse)
    expected = pytest.raises(OutputError, match=r"a\.wav: cannot be written: .*write elsewhere")
    with expected, atomic_output(tmp_path / "a.wav"):
        pytest.fail("the body must not run")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_real_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="no permission"), atomic_output(tmp_path / "a.wav"):
            pytest.fail("the body must not run")
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_is_one_clear_line_and_no_partial_file(tmp_path: Path) -> None:
    expected = pytest.raises(OutputError, match=r"a\.wav: cannot be written: the disk is full")
    with expected, atomic_output(tmp_path / "a.wav") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names_in(tmp_path) == []


def test_a_failure_to_read_an_input_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_output(tmp_path / "a.wav"):
        (tmp_path / "missing").read_bytes()


def test_a_name_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the name is too long"), atomic_output(tmp_path / ("a" * 300)):
        pytest.fail("the body must not run")


@pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
def test_the_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    old_mask = os.umask(0o027)
    try:
        with atomic_output(tmp_path / "a.wav"):
            pass
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE((tmp_path / "a.wav").stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights on Windows")
def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real.wav").write_text("old")
    (tmp_path / "link.wav").symlink_to(tmp_path / "real.wav")
    with atomic_output(tmp_path / "link.wav", overwrite=True) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.wav").is_symlink()
    assert (tmp_path / "real.wav").read_text() == "new"
