"""Checks of generated inputs: few of each by default, many with `pytest -m slow tests/properties`.

The inputs are the same every time. What each command and call promises whatever it is given is checked by `read_refusal`
and `assert_orderly`.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cambench.bench.core.errors import BenchError
from cambench.tests.support.cli import bench

MANY = 60  # times as many
times = pytest.mark.parametrize("times", [1, pytest.param(MANY, marks=pytest.mark.slow)])
CODES = (0, 1, 2, 3)  # exit codes; 1: `bench compare` found something worse


def hold(check: Callable[..., object], *inputs: SearchStrategy[Any], examples: int) -> None:
    """Call a check with so many generated inputs. Raise what it raises, for the simplest input that it fails for."""
    chosen = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )

    @chosen
    @given(st.tuples(*inputs))
    def call(values: tuple[Any, ...]) -> None:
        check(*values)

    call()


def read_refusal(call: Callable[[], object]) -> str | None:
    """The sentence with which a call is refused; None if it is not. Any other exception is raised.

    The command line also prints an error of the file system that names a file.
    """
    try:
        call()
    except BenchError as error:
        assert_sentence(str(error))
        return str(error)
    except OSError as error:
        if error.filename is None:
            raise
        return str(error)
    return None


def assert_sentence(text: str) -> None:
    """Assert that a message is one line of text that a terminal shows."""
    assert 10 < len(text) < 5000 and text.isprintable(), ascii(text)


def assert_orderly(*arguments: object) -> Result:
    """Call the command line. It prints a result, or one sentence that says why not; of a wrong option, below the usage."""
    result = bench(*arguments)
    assert result.exit_code in CODES, result.stderr
    if result.exit_code == 2:
        *usage, sentence = result.stderr.splitlines()
        assert sentence.startswith("Error: " if usage else "bench: ")
        assert len(usage) == (3 if usage else 0), result.stderr
        assert_sentence(sentence)
    else:
        assert not result.stderr
    return result


def hash_files(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a folder, by its path in the folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# Values of every type that a file can hold

odd_texts = st.sampled_from([
    "", " ", "a\nb", "\0", "\x1b[31m", "\ud800", "é" * 300, "../..", "/", "~", "nan", "1e999", "-1", "[", "]", "[]", "a=b",
    "x[y=1]", "x[y=[1]]", "a:b", ",", "None", "{}", "{{}:1}", "(" * 300, "9" * 5000, "x" * 5000, "'", '"', "\\", "%s", "{0}",
    "\u202e", "\ufeff", "COM1", "a" * 256 + ".py", "{" * 100, "-" * 1000, "1" + "0" * 400,
])  # fmt: skip
texts = odd_texts | st.text(max_size=20)
numbers = (
    st.integers() | st.sampled_from([0, -1, 1, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 10**19, 10**400]) | st.floats()
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
