"""Each promise of SECURITY.md names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## What holds")[2]
PROMISES = re.findall(r"^\| (.+?) \| (`tests/.+) \|$", TABLE, re.MULTILINE)


def list_tests(file: Path) -> set[str]:
    """List the names of the tests in a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_each_promise_names_tests_that_exist() -> None:
    assert len(PROMISES) == TABLE.count("\n|") - 2 > 10
    for promise, named in PROMISES:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", named)
        assert tests and not re.sub(r"`[^`]+`|, ", "", named), promise
        for file, name in tests:
            assert name in list_tests(ROOT / file), f"{file} has no {name}"
