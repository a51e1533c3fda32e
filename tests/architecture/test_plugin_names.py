"""The harness names no plug-in: the defaults are data, in bench/config/defaults.toml."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGINS = ("methods", "datasets", "reports", "references", "bench/metrics", "bench/engines")
# ADCC is defined by the metrics of which it is made; `imagenet` also names weights and a normalisation.
ALLOWED = {"bench/stats/aggregates.py"}
OTHER_MEANINGS = {
    "imagenet",
    "markdown",
    "json",
}  # `bench compare --markdown` and --json are not the reports of those names


def plugin_names() -> set[str]:
    files = (file for folder in PLUGINS for file in (ROOT / folder).glob("*.py"))
    return {file.stem for file in files if not file.stem.startswith("_")} - OTHER_MEANINGS


def strings(file: Path) -> Iterator[str]:
    """The strings of a file that are values, up to the settings or the protocol of a spec. Docstrings are no values."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield re.split(r"[\[:,@]", node.value, maxsplit=1)[0]


def test_no_file_of_the_harness_names_a_plugin() -> None:
    names = plugin_names()
    assert {"grad_cam", "insertion", "scenes", "html", "local"} <= names
    found = {}
    for file in (ROOT / "bench").rglob("*.py"):
        path = file.relative_to(ROOT).as_posix()
        if not path.startswith(PLUGINS) and path not in ALLOWED and (used := names.intersection(strings(file))):
            found[path] = used
    assert not found
