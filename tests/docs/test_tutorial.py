"""The tutorial is run: its files are written, its commands executed in order in an empty folder, what it prints is printed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cambench import explain
from cambench.datasets import scenes

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
NEAR = 0.03  # other processors' kernels and bf16 move a score by less


def steps(text: str) -> Iterator[tuple[str, str, str]]:
    """The language, title and content of each fenced block."""
    for match in BLOCK.finditer(text):
        yield match[1], match[2] or "", match[3]


def run(commands: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def missing(expected: str, printed: str) -> list[str]:
    """The lines that were not printed, in this order; `...` stands for the rest of a line."""
    lines, absent = printed.splitlines(), []
    for line in expected.splitlines():
        place = next((place for place, one in enumerate(lines) if _says(one, line)), None)
        if place is None:
            absent.append(line)
        else:
            lines = lines[place + 1 :]
    return absent


def _says(printed: str, expected: str) -> bool:
    found, wanted = printed.split(), expected.split()
    if wanted[-1:] == ["..."]:
        wanted = wanted[:-1]
        found = found[: len(wanted)]
    return len(found) == len(wanted) and all(map(_alike, found, wanted))


def _alike(found: str, wanted: str) -> bool:
    try:
        return abs(float(found) - float(wanted)) <= NEAR
    except ValueError:
        return found == wanted


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    printed, ran = "", 0
    for language, title, content in steps(TUTORIAL.read_text()):
        if language == "python":
            (tmp_path / title).write_text(content)
        elif language == "sh":
            printed, ran = run(content, tmp_path), ran + 1
        else:
            assert language == "text" and content.strip()
            assert not missing(content, printed), printed
    assert ran == TUTORIAL.read_text().count("```sh") >= 6


@pytest.mark.parametrize(
    ("expected", "absent"),
    [
        ("a .50 more\nc ...", []),
        ("a .60 more\nc 1", ["a .60 more"]),
        ("c 1\na .51 more", ["a .51 more"]),
        ("a .51", ["a .51"]),
        ("c 1 2 ...", ["c 1 2 ..."]),
        ("b ...", ["b ..."]),
    ],
)
def test_what_is_not_printed_is_missed(expected: str, absent: list[str]) -> None:
    assert missing(expected, "a .51 more\n  c 1") == absent


def test_the_method_and_the_metric_that_are_shown_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for language, title, content in steps((ROOT / "docs" / "own.md").read_text()):
        if language == "python":
            Path(title).write_text(content)
    asked = {
        "metrics": ["average_drop[fill=black,relative=false]", "./my_drop.py"],
        "precision": "fp32",
        "device": "cpu",
    }
    found = explain(scenes.load(size=64)[0], "squeezenet1_1", method="./my_cam.py[power=2]", target="heart", **asked)
    own, known = found.scores["my_drop"], found.scores["average_drop[fill=black,relative=False]"]
    assert own == pytest.approx(known) and found.raw is not None and float(found.raw.min()) >= 0


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    python, methods = (tmp_path / "site" / page for page in ("python/index.html", "lists/methods/index.html"))
    assert "def " not in python.read_text() and ":::" not in python.read_text()
    assert all(name in python.read_text() for name in ("explain_all", "load_net", "Explanation", "NotApplicable"))
    assert "opacity: float = 0.55" in re.sub(r"<[^>]+>", "", python.read_text())
    assert "score_cam" in methods.read_text()
    served = [page.read_text() for page in (tmp_path / "site").rglob("*.html")]
    fetched = [url for text in served for url in re.findall(r'(?:src|<link[^>]*href)="(https?://[^"]+)"', text)]
    assert not fetched
