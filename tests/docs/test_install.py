"""What docs/install.md and the Makefile say of installation is what pyproject.toml declares."""

import importlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from cambench.bench.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_command_has_two_names() -> None:
    assert set(PROJECT["scripts"]) == {"bench", "cambench"}
    for script in PROJECT["scripts"].values():
        module, _, name = script.partition(":")
        assert getattr(importlib.import_module(module), name) is main


def test_the_page_names_every_extra_and_the_least_versions() -> None:
    (table,) = re.findall(r"\| extra \|.*?\n\n", PAGE, re.DOTALL)
    named = {
        name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    assert named == set(PROJECT["optional-dependencies"])
    (torch,) = [each for each in PROJECT["dependencies"] if each.startswith("torch>")]
    assert f"({torch.removeprefix('torch>=')} or later)" in PAGE
    assert f"Python {PROJECT['requires-python'].removeprefix('>=')} or later" in PAGE


def test_the_lines_that_install_name_the_repository() -> None:
    urls = set(re.findall(r"git\+(https://\S+?)[\"'\s]", PAGE))
    assert urls == {PROJECT["urls"]["Repository"]}
    assert urls == set(re.findall(r"git\+(https://\S+?)[\"'\s]", (ROOT / "README.md").read_text(encoding="utf-8")))


def installed_by(target: str, folder: Path) -> str:
    """The commands that make would run in a fresh checkout."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return subprocess.run(["make", "-n", target], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_running_installs_no_more_than_it_needs(tmp_path: Path) -> None:
    running, testing = installed_by("run", tmp_path), installed_by("test", tmp_path)
    assert "-e .\n" in running and "[dev]" not in running
    assert "-e .\n" in testing and "-e '.[dev]'" in testing
