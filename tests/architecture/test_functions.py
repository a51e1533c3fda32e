"""Functions stay small: at most five positional parameters, and bodies that fit a screen. Docstrings are imperative."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "methods", "datasets", "reports", "references", "tools", "training", "examples")
POSITIONAL = 5
LINES = 25  # of a body without its docstring


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef):
                    yield f"{file.relative_to(ROOT)}:{node.name}", node


def positional(function: ast.FunctionDef) -> int:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len([name for name in names if name not in ("self", "cls")])


def lines(function: ast.FunctionDef) -> int:
    documented = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if documented else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize(("measure", "bound"), [(positional, POSITIONAL), (lines, LINES)])
def test_no_function_exceeds_the_bound(measure: object, bound: int) -> None:
    assert callable(measure)
    assert not {name: size for name, function in functions() if (size := measure(function)) > bound}


def is_property(function: ast.FunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_docstrings_say_what_to_raise_and_return_in_the_imperative() -> None:
    """The linter checks the first word alone. A property is described as a noun, so it `raises`."""
    indicative = re.compile(r"(\A|[.;]\s+)(Raises|Returns|raises|returns) ")
    assert not [
        name
        for name, function in functions()
        if not is_property(function) and indicative.search(ast.get_docstring(function) or "")
    ]
