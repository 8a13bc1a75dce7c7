"""The arrows of the house: who may import whom, read from the source without running it."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PRODUCT = SOURCE / "emsync"
TRAINING = SOURCE / "emsync_train"

FOUNDATION = {"ahead", "control", "types", "options", "errors", "output_file", "weights"}
STAGES = {"video", "emotion", "music", "audio"}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "ahead": set(),
    "control": set(),
    "types": {"control"},
    "options": {"control", "types"},
    "errors": set(),
    "output_file": {"errors"},
    "weights": {"errors"},
    **dict.fromkeys(STAGES, FOUNDATION),
    "music": FOUNDATION | {"metrics"},
    "metrics": FOUNDATION,
    "affect_metrics": FOUNDATION,
    "self_similarity": FOUNDATION | {"metrics"},
    "progress": set(),
    "output_paths": FOUNDATION,
    "checks": FOUNDATION | STAGES | {"film_report", "output_paths"},
    "report": FOUNDATION | STAGES | {"output_paths", "progress"},
    "film_report": FOUNDATION | {"report"},
    "pipeline": FOUNDATION | STAGES | {"checks", "film_report", "output_paths", "progress", "report"},
    "cli_arguments": {"control", "options"},
    "cli_ending": {"errors"},
    "cli": {
        "cli_ending",
        "cli_arguments",
        "control",
        "errors",
        "options",
        "output_paths",
        "pipeline",
        "progress",
        "report",
        "types",
    },
    "__main__": {"cli"},
}
TRAINING_LIBRARIES = {"torch", "lightning", "lightning_fabric", "safetensors", "tensorboard", "transformers"}
HEAVY_LIBRARIES = {"numpy", "av", "cv2", "onnxruntime", "rich", "scenedetect", "scipy", "symusic"}
MODULES = sorted(SOURCE.rglob("*.py"))
PRODUCT_MODULES = sorted(PRODUCT.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def imported_by(path: Path) -> Iterator[str]:
    """Full dotted names of everything a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno} imports by relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PRODUCT).parts[0].removesuffix(".py")


def rooms_imported_by(path: Path) -> set[str]:
    names = [name.split(".") for name in imported_by(path)]
    rooms = {parts[1] if len(parts) > 1 else "__init__" for parts in names if parts[0] == "emsync"}
    return {room for room in rooms if not room.startswith("__")} - {room_of(path)}


@pytest.mark.parametrize("path", PRODUCT_MODULES, ids=name_of)
def test_a_room_imports_only_the_rooms_below_it(path: Path) -> None:
    assert rooms_imported_by(path) <= MAY_IMPORT[room_of(path)]


@pytest.mark.parametrize("path", PRODUCT_MODULES, ids=name_of)
def test_the_product_imports_neither_torch_nor_the_training_code(path: Path) -> None:
    libraries = {name.split(".")[0] for name in imported_by(path)}
    assert not libraries & (TRAINING_LIBRARIES | {"emsync_train"})


@pytest.mark.parametrize("path", PRODUCT_MODULES, ids=name_of)
def test_only_metrics_import_scipy_which_takes_longer_to_load_than_all_the_rest(path: Path) -> None:
    libraries = {name.split(".")[0] for name in imported_by(path)}
    assert "scipy" not in libraries or room_of(path) in {"affect_metrics", "self_similarity"}


@pytest.mark.parametrize("path", PRODUCT_MODULES, ids=name_of)
def test_only_the_command_line_prints(path: Path) -> None:
    if room_of(path) in {"cli", "cli_ending"}:
        return
    called = [
        node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    names = {ast.unparse(function) for function in called}
    assert not names & {"print", "typer.echo", "sys.stdout.write", "sys.stderr.write"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_file_is_longer_than_400_lines_and_no_function_than_60(path: Path) -> None:
    text = path.read_text("utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    too_long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 60]
    assert text.count("\n") <= 400
    assert not too_long


def loaded_by(*arguments: str) -> set[str]:
    """Top-level names of the modules that a command leaves in memory."""
    script = (
        "import sys\n"
        "from emsync.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("score", "--help"), ("--version",)])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "typer" in loaded
    assert not loaded & (HEAVY_LIBRARIES | TRAINING_LIBRARIES)


BARE_PROGRAM = """
import typer
app = typer.Typer()
@app.command()
def score(number: int = 0): "A command."
@app.command()
def render(number: int = 0): "Another."
app()
"""


def cpu_s(*command: str) -> float:
    """CPU seconds of the quickest of three runs of a program."""

    def spent_s() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    runs_s = []
    for _ in range(3):
        before_s = spent_s()
        subprocess.run([sys.executable, *command], capture_output=True, check=True, timeout=60)
        runs_s.append(spent_s() - before_s)
    return min(runs_s)


@pytest.mark.parametrize("arguments", [("--help",), ("score", "--help")])
def test_help_takes_hardly_more_cpu_than_that_of_a_program_of_two_options(arguments: tuple[str, ...]) -> None:
    assert cpu_s("-m", "emsync", *arguments) < 1.6 * cpu_s("-c", BARE_PROGRAM, "score", "--help")
