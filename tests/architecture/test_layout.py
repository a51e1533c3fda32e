"""The house stays in order: no import runs upward, the reading half needs no torch, the wheel holds what git holds."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "methods", "datasets", "reports", "references")
PLUGIN_FOLDERS = ("methods", "datasets", "reports", "references", "bench/metrics")
READING = ("core", "config", "store", "stats", "compare", "published", "show")  # packages that start without torch


def imports(file: Path) -> set[str]:
    """What a file imports from the project, as paths from the root: bench/nets, methods/cam."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = file.parents[node.level - 1].relative_to(ROOT)
            parts = (node.module or "").split(".") if node.module else []
            found |= {base.joinpath(*parts, alias.name).as_posix() for alias in node.names}
            found.add(base.joinpath(*parts).as_posix())
    return found


def sources(*folders: str) -> list[Path]:
    return [
        file for folder in folders for file in sorted((ROOT / folder).rglob("*.py")) if "training" not in file.parts
    ]


@pytest.mark.parametrize("file", sources("bench"), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_the_harness_names_no_plugin(file: Path) -> None:
    named = {one for one in imports(file) for folder in PLUGIN_FOLDERS if one.startswith(f"{folder}/")}
    helpers = {one for one in named if file.parent.name == "metrics" and one.startswith("bench/metrics/_")}
    assert not named - helpers - {"bench/metrics"}


@pytest.mark.parametrize("file", sources("methods", "datasets", "reports", "references"), ids=lambda file: file.name)
def test_plugins_point_at_the_harness_alone(file: Path) -> None:
    own = file.parent.relative_to(ROOT).as_posix()
    others = {
        one for one in imports(file) for folder in FOLDERS if folder not in ("bench", own) and one.startswith(folder)
    }
    assert not others


def test_no_import_runs_in_a_circle() -> None:
    graph = {
        file.relative_to(ROOT).with_suffix("").as_posix(): {
            one for one in imports(file) if (ROOT / f"{one}.py").exists()
        }
        for file in sources(*FOLDERS)
    }
    while graph:
        leaves = [name for name, needs in graph.items() if not needs & graph.keys()]
        assert leaves, f"a circle among {sorted(graph)}"
        for name in leaves:
            del graph[name]


def test_reading_needs_no_torch() -> None:
    modules = [f"cambench.bench.{name}" for name in READING]
    modules += ["cambench.reports.html", "cambench.reports.markdown", "cambench.reports.csv", "cambench.bench.cli.main"]
    code = f"import sys, {', '.join(modules)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_files_keep_their_size() -> None:
    long = {file.name: lines for file in sources(*FOLDERS) if (lines := len(file.read_text().splitlines())) > 200}
    assert not long


def test_the_wheel_holds_what_git_holds(tmp_path: Path) -> None:
    """Built from a copy of what git tracks, as a clean clone would be: a nested folder left out of the list is missed here."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [Path(name) for name in listed.split("\0") if name and (ROOT / name).exists()]
    source = tmp_path / "clone"
    for file in tracked:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_bytes((ROOT / file).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {name.removeprefix("cambench/") for name in wheel.namelist() if name.startswith("cambench/")}
    assert held == {"__init__.py", *(file.as_posix() for file in tracked if file.parts[0] in FOLDERS)}
