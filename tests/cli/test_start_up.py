"""The command line starts quickly: a command imports only what it needs."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cambench.bench.cli.main import COMMANDS, main

RUN = Path(__file__).parents[1] / "data" / "scenes"
HEAVY = ("torch", "torchvision", "pandas", "scipy", "pyarrow", "matplotlib")
CODE = """
import sys
from cambench.bench.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("imported:", *(name for name in {heavy} if name in sys.modules), file=sys.stderr)
"""


def _run(*arguments: str, heavy: tuple[str, ...] = HEAVY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE.format(heavy=heavy), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["--version"], 0), (["rnu"], 2), (["list"], 0)])
def test_heavy_libraries_are_not_imported(arguments: list[str], code: int) -> None:
    result = _run(*arguments)
    assert result.returncode == code, result.stderr
    assert result.stderr.splitlines()[-1] == "imported:"


def test_a_page_is_made_without_torch_and_without_figures_of_matplotlib(tmp_path: Path) -> None:
    result = _run("report", str(RUN), "--out", str(tmp_path / "page.html"), heavy=("torch", "matplotlib.figure"))
    assert result.returncode == 0, result.stderr
    assert result.stderr.splitlines()[-1] == "imported:"


@pytest.mark.parametrize("arguments", [["--help"], ["rnu"]])
def test_help_and_a_mistyped_command_import_no_command(arguments: list[str]) -> None:
    result = _run(*arguments, heavy=("rich", "pydantic", "numpy", *(f"cambench.bench.cli.{name}" for name in COMMANDS)))
    assert result.stderr.splitlines()[-1] == "imported:"


@pytest.mark.parametrize("name", COMMANDS)
def test_bench_help_shows_the_first_line_of_each_commands_help(name: str) -> None:
    context = click.Context(main)
    command = main.get_command(context, name)
    assert command is not None and command.name == name
    assert COMMANDS[name].help == (command.help or "").partition("\n")[0]
    assert list(COMMANDS) == sorted(COMMANDS) == main.list_commands(context)


def test_output_that_the_terminal_cannot_encode_is_escaped() -> None:
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    command = [sys.executable, "-m", "cambench", "list"]
    result = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert result.returncode == 0 and result.stdout.isascii()
    assert rb"\xfc" in result.stdout, "no letter of the list is beyond ASCII, so that this test shows nothing"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_an_output_that_cannot_be_written_is_named_in_a_sentence() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "cambench", "list", "suites"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (2, "bench: the output cannot be used: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes of a shell that are closed in this way")
def test_a_reader_that_closes_the_pipe_is_no_error() -> None:
    command = f"'{sys.executable}' -m cambench report '{RUN}' --csv | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "cannot be used" not in result.stderr and "Traceback" not in result.stderr
