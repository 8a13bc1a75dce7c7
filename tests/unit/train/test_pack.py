"""Parts that travel: to the byte or not at all, under the size that was asked for, and what the code needs there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up_shards import made_up_shards

from emsync.errors import InputError
from emsync_train import pack
from emsync_train.pack import main, pack_shards, pack_weights, read_parts, write_parts

MIB = 1 << 20
KIB = 1 / 1024


def _noise(path: Path, size_bytes: int, seed: int = 0) -> Path:
    path.write_bytes(np.random.default_rng(seed).bytes(size_bytes))
    return path


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Two files of noise in ten parts of 1 KiB, not compressed."""
    files = [_noise(tmp_path / "one.bin", 6000, 1), _noise(tmp_path / "two.bin", 4240, 2)]
    write_parts(files, tmp_path / "packed", part_mib=KIB, compression="none")
    return tmp_path / "packed"


def test_a_shard_folder_comes_back_to_the_byte(tmp_path: Path) -> None:
    shards = made_up_shards(tmp_path / "shards")
    pack_shards(shards, tmp_path / "packed", part_mib=KIB)
    read_parts(tmp_path / "packed", tmp_path / "back")
    assert _contents(tmp_path / "back") == _contents(shards)


def test_a_file_of_several_blocks_comes_back_whoever_compresses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "BLOCK_BYTES", 1000)
    (tmp_path / "shards").mkdir()
    _noise(tmp_path / "shards" / "corpus.json", 10)
    whole = _noise(tmp_path / "shards" / "tokens.u16", 3500)
    for workers in (1, 2):
        pack_shards(tmp_path / "shards", tmp_path / "packed", workers=workers)
        read_parts(tmp_path / "packed", tmp_path / f"back{workers}")
        assert (tmp_path / f"back{workers}" / "tokens.u16").read_bytes() == whole.read_bytes()


def test_shards_become_smaller(tmp_path: Path) -> None:
    manifest = pack_shards(made_up_shards(tmp_path / "shards"), tmp_path / "packed")
    assert manifest.ratio < 0.5


def test_an_empty_file_comes_back(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    write_parts([tmp_path / "empty"], tmp_path / "packed", part_mib=1, compression="xz")
    read_parts(tmp_path / "packed", tmp_path / "back")
    assert _contents(tmp_path / "back") == {"empty": b""}


def test_no_part_is_larger_than_asked(packed: Path) -> None:
    sizes = [path.stat().st_size for path in sorted(packed.glob("part-*"))]
    assert sizes == [1024] * 10


def test_parts_of_an_earlier_packing_do_not_stay(tmp_path: Path, packed: Path) -> None:
    write_parts([tmp_path / "one.bin"], packed, part_mib=1, compression="none")
    assert sorted(path.name for path in packed.iterdir()) == ["manifest.json", "part-000"]


def test_the_manifest_has_size_and_hash_of_every_part_and_file(packed: Path) -> None:
    manifest = json.loads((packed / "manifest.json").read_text())
    assert [entry["size_bytes"] for entry in manifest["files"]] == [6000, 4240]
    assert all(len(entry["sha256"]) == 64 for entry in manifest["files"] + manifest["parts"])
    assert len(manifest["parts"]) == 10


def test_a_missing_part_is_named_and_nothing_is_written(tmp_path: Path, packed: Path) -> None:
    (packed / "part-007").unlink()
    with pytest.raises(InputError, match=r"part-007.*missing"):
        read_parts(packed, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_part_cut_short_is_named(tmp_path: Path, packed: Path) -> None:
    path = packed / "part-003"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"part-003.*1023 bytes instead of 1024"):
        read_parts(packed, tmp_path / "back")


def test_an_altered_part_is_named(tmp_path: Path, packed: Path) -> None:
    path = packed / "part-003"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"part-003.*altered"):
        read_parts(packed, tmp_path / "back")


def test_files_that_do_not_match_the_manifest_leave_the_old_ones_in_place(
    tmp_path: Path, packed: Path
) -> None:
    manifest = json.loads((packed / "manifest.json").read_text())
    manifest["files"][1]["sha256"] = "0" * 64
    (packed / "manifest.json").write_text(json.dumps(manifest))
    back = tmp_path / "back"
    back.mkdir()
    (back / "one.bin").write_bytes(b"old")
    with pytest.raises(InputError, match=r"two\.bin"):
        read_parts(packed, back)
    assert _contents(back) == {"one.bin": b"old"}


def test_a_manifest_that_would_write_elsewhere_is_refused(tmp_path: Path, packed: Path) -> None:
    text = (packed / "manifest.json").read_text()
    (packed / "manifest.json").write_text(text.replace("one.bin", "../one.bin"))
    with pytest.raises(InputError, match=r"manifest\.json.*\.\./one\.bin"):
        read_parts(packed, tmp_path / "back")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json: not the manifest"):
        read_parts(tmp_path, tmp_path / "back")


def test_an_incomplete_shard_folder_is_refused(tmp_path: Path) -> None:
    shards = made_up_shards(tmp_path / "shards")
    (shards / "corpus.json").unlink()
    with pytest.raises(InputError, match=r"no corpus\.json"):
        pack_shards(shards, tmp_path / "packed")


def test_parts_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="above 0"):
        write_parts([_noise(tmp_path / "a", 10)], tmp_path / "packed", part_mib=0, compression="none")


def test_the_command_splits_and_joins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = _noise(tmp_path / "weights.safetensors", 3 * MIB)
    main(["split", "--file", str(whole), "--out", str(tmp_path / "packed"), "--part-mib", "2"])
    main(["join", "--packed", str(tmp_path / "packed"), "--out", str(tmp_path / "back")])
    assert (tmp_path / "back" / whole.name).read_bytes() == whole.read_bytes()
    assert "2 parts" in capsys.readouterr().out


def test_the_command_ends_with_one_line_on_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^error: .*manifest\.json"):
        main(["unpack", "--packed", str(tmp_path), "--out", str(tmp_path / "back")])


class TestWeights:
    """The way back: bfloat16 weights with config and log."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        torch = pytest.importorskip("torch", reason="weights need torch: pip install emsync[train]")
        from safetensors.torch import save_file  # noqa: PLC0415

        from emsync.music.vocabulary import EMSYNC  # noqa: PLC0415
        from emsync_train.model import Composer  # noqa: PLC0415
        from emsync_train.model_config import ModelConfig  # noqa: PLC0415

        torch.manual_seed(1)
        sizes = {"layers": 1, "width": 32, "heads": 2, "feed_forward": 64, "context": 16}
        network = Composer(ModelConfig(EMSYNC.size, **sizes))
        folder = tmp_path / "run"
        folder.mkdir()
        save_file(network.state_dict(), folder / "weights.safetensors", {"step": "70"})
        config = {"vocabulary": EMSYNC.name, "model": {"vocabulary_size": EMSYNC.size, **sizes}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "log.jsonl").write_text('{"step": 70}\n')
        return folder

    def test_every_matrix_is_rounded_by_at_most_half_a_bfloat16_step(self, run: Path, tmp_path: Path) -> None:
        from safetensors.torch import load_file  # noqa: PLC0415

        pack_weights(run, tmp_path / "packed")
        read_parts(tmp_path / "packed", tmp_path / "back")
        before, after = (load_file(folder / "weights.safetensors") for folder in (run, tmp_path / "back"))
        assert before.keys() == after.keys()
        for name, value in before.items():
            assert ((after[name].float() - value).abs() <= value.abs() * 2.0**-8).all(), name

    def test_config_log_and_step_come_along(self, run: Path, tmp_path: Path) -> None:
        from safetensors import safe_open  # noqa: PLC0415

        pack_weights(run, tmp_path / "packed")
        read_parts(tmp_path / "packed", tmp_path / "back")
        for name in ("config.json", "log.jsonl"):
            assert (tmp_path / "back" / name).read_bytes() == (run / name).read_bytes()
        with safe_open(tmp_path / "back" / "weights.safetensors", "pt") as file:
            assert file.metadata() == {"step": "70"}

    def test_they_take_little_more_than_half_the_bytes(self, run: Path, tmp_path: Path) -> None:
        manifest = pack_weights(run, tmp_path / "packed")
        assert manifest.files[0].size_bytes < 0.55 * (run / "weights.safetensors").stat().st_size

    def test_export_reads_them_into_a_float32_network(self, run: Path, tmp_path: Path) -> None:
        pytest.importorskip("onnx", reason="export needs onnx: pip install emsync[train]")
        import torch  # noqa: PLC0415

        from emsync_train.export import load_checkpoint  # noqa: PLC0415

        pack_weights(run, tmp_path / "packed")
        read_parts(tmp_path / "packed", tmp_path / "back")
        network, _ = load_checkpoint(tmp_path / "back" / "weights.safetensors")
        assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}

    def test_a_run_without_weights_is_refused(self, run: Path, tmp_path: Path) -> None:
        (run / "weights.safetensors").unlink()
        with pytest.raises(InputError, match=r"weights\.safetensors"):
            pack_weights(run, tmp_path / "packed")


ONLY_WHAT_A_GPU_MACHINE_HAS = """
import sys
from importlib.abc import MetaPathFinder

ALLOWED = {"emsync", "emsync_train", "torch", "numpy", "lightning", "lightning_fabric", "safetensors"}

def importer():
    frame = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return "" if frame is None else frame.f_globals.get("__name__", "")

class Bare(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        ours = importer().partition(".")[0] in {"emsync", "emsync_train"}
        tensorboard = name.startswith("torch.utils.tensorboard")  # another package behind torch's name
        if ours and (tensorboard or first not in ALLOWED | sys.stdlib_module_names):
            raise ModuleNotFoundError(f"{importer()} imports {name}, which is not there", name=name)
        return None

sys.meta_path.insert(0, Bare())
import emsync_train.dataset, emsync_train.model, emsync_train.pack, emsync_train.throughput, emsync_train.train
"""


def test_training_imports_only_torch_numpy_lightning_and_safetensors() -> None:
    pytest.importorskip("lightning_fabric", reason="training needs Lightning: pip install emsync[train]")
    source = str(Path(pack.__file__).parents[1])
    result = subprocess.run(
        [sys.executable, "-c", ONLY_WHAT_A_GPU_MACHINE_HAS],
        env={"PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
