"""The structure of the project: what each package may import, what starts without torch, what the wheel contains."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("bench", "methods", "datasets", "reports", "references")  # folders that the wheel contains
NOT_SHIPPED = ("tools", "training")
READING = ("core", "config", "store", "stats", "compare", "published", "show")  # bench/ packages that need no torch
PLUGINS = ("methods", "datasets", "reports", "references", "bench/metrics", "bench/engines")


def imports(file: Path) -> set[str]:
    """The modules of the project that a file imports, as paths from the root: bench/nets/net, methods/cam."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            named = (base / alias.name if (base / f"{alias.name}.py").exists() else base for alias in node.names)
            found |= {path.relative_to(ROOT).as_posix() for path in named}
    return found


def sources(*folders: str) -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def name(file: Path) -> str:
    return file.relative_to(ROOT).with_suffix("").as_posix()


def package(module: str) -> str:
    return module.rpartition("/")[0]


def packages(*folders: str) -> list[str]:
    return sorted({package(name(file)) for file in sources(*folders)})


def allowed(readme: Path) -> set[str]:
    """The packages after `May import:` in a package's README."""
    line = next(line for line in readme.read_text(encoding="utf-8").splitlines() if line.startswith("May import:"))
    return set(re.findall(r"`([\w/]+)`", line))


def assert_no_circle(graph: Mapping[str, set[str]]) -> None:
    left = dict(graph)
    while left:
        leaves = [node for node, needs in left.items() if not (needs - {node}) & left.keys()]
        assert leaves, f"a circle among {sorted(left)}"
        for node in leaves:
            del left[node]


@pytest.mark.parametrize("folder", packages(*SHIPPED, *NOT_SHIPPED))
def test_each_package_says_what_it_is_and_imports_no_more_than_it_says(folder: str) -> None:
    readme = ROOT / folder / "README.md"
    title, _, sentence = readme.read_text(encoding="utf-8").splitlines()[:3]
    assert title == f"# {folder}"
    assert sentence.endswith(".")
    used = {package(module) for file in (ROOT / folder).glob("*.py") for module in imports(file)} - {folder}
    assert used == allowed(readme)


def test_packages_import_in_no_circle() -> None:
    assert_no_circle({folder: allowed(ROOT / folder / "README.md") for folder in packages(*SHIPPED, *NOT_SHIPPED)})


def test_files_import_in_no_circle() -> None:
    assert_no_circle({name(file): imports(file) for file in sources(*SHIPPED, *NOT_SHIPPED)})


@pytest.mark.parametrize("file", sources("bench"), ids=name)
def test_the_harness_imports_no_plugin(file: Path) -> None:
    own = package(name(file))
    assert not {module for module in imports(file) if module.startswith(PLUGINS) and package(module) != own}


@pytest.mark.parametrize("file", sources(*PLUGINS), ids=name)
def test_a_plugin_imports_no_plugin(file: Path) -> None:
    plugins = {module for module in imports(file) if package(module) in PLUGINS}
    assert not {module for module in plugins if not module.rpartition("/")[2].startswith("_")}


@pytest.mark.parametrize("file", sources(*SHIPPED), ids=name)
def test_private_modules_are_imported_by_their_own_folder_alone(file: Path) -> None:
    for module in imports(file):
        parts = module.split("/")
        private = next((index for index, part in enumerate(parts) if part.startswith("_")), None)
        if private is not None:
            assert name(file).startswith("/".join(parts[:private]) + "/"), f"{module} is private"


def test_bench_itself_holds_no_module() -> None:
    assert not list((ROOT / "bench").glob("*.py"))


def test_no_test_module_imports_another() -> None:
    pattern = r"(?:from|import) cambench\.tests\.([\w.]+)"
    named = {file: re.findall(pattern, file.read_text(encoding="utf-8")) for file in sources("tests")}
    assert {module.partition(".")[0] for modules in named.values() for module in modules} <= {"support"}


def test_the_reading_half_needs_no_torch() -> None:
    files = [*sources(*(f"bench/{folder}" for folder in READING), "reports"), ROOT / "bench" / "cli" / "main.py"]
    modules = ", ".join("cambench." + name(file).replace("/", ".") for file in files)
    code = f"import sys, cambench, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_wheel_holds_what_git_holds(tmp_path: Path) -> None:
    """Built from a copy of what git tracks, as a clean clone would be: a nested folder left out of the list is missed here."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [Path(line) for line in listed.split("\0") if line and (ROOT / line).exists()]
    source = tmp_path / "clone"
    for file in tracked:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_bytes((ROOT / file).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {line.removeprefix("cambench/") for line in wheel.namelist() if line.startswith("cambench/")}
    shipped = {file for file in tracked if file.parts[0] in SHIPPED and file.name != "README.md"}
    notes = {file for file in tracked if file.as_posix().startswith("datasets/textures/")}
    assert held == {"__init__.py", "__main__.py", *(file.as_posix() for file in shipped | notes)}
