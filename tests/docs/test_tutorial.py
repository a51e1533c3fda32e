"""The tutorial is run: its files are written, its commands run in an empty folder, and their output compared."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cambench import explain, load_dataset
from cambench.bench.core.declarations import DECLARATIONS

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
TOLERANCE = 0.03  # larger than differences between processors and precisions


def steps(text: str) -> Iterator[tuple[str, str, str]]:
    """The language, title and content of each fenced block."""
    for match in BLOCK.finditer(text):
        yield match[1], match[2] or "", match[3]


def run(commands: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def missing(expected: str, printed: str) -> list[str]:
    """The expected lines that were not printed in this order; `...` stands for the rest of a line."""
    lines, absent = printed.splitlines(), []
    for line in expected.splitlines():
        index = next((index for index, printed_line in enumerate(lines) if _matches(printed_line, line)), None)
        if index is None:
            absent.append(line)
        else:
            lines = lines[index + 1 :]
    return absent


def _matches(printed: str, expected: str) -> bool:
    printed_words, expected_words = printed.split(), expected.split()
    if expected_words[-1:] == ["..."]:
        expected_words = expected_words[:-1]
        printed_words = printed_words[: len(expected_words)]
    return len(printed_words) == len(expected_words) and all(map(_close_enough, printed_words, expected_words))


def _close_enough(printed: str, expected: str) -> bool:
    try:
        return abs(float(printed) - float(expected)) <= TOLERANCE
    except ValueError:
        return printed == expected


def test_the_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    printed, ran = "", 0
    for language, title, content in steps(TUTORIAL.read_text(encoding="utf-8")):
        if language == "python":
            (tmp_path / title).write_text(content, encoding="utf-8")
        elif language == "sh":
            printed, ran = run(content, tmp_path), ran + 1
        else:
            assert language == "text" and content.strip()
            assert not missing(content, printed), printed
    assert ran == TUTORIAL.read_text(encoding="utf-8").count("```sh") >= 6


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
def test_missing_lines_are_found(expected: str, absent: list[str]) -> None:
    assert missing(expected, "a .51 more\n  c 1") == absent


@pytest.fixture
def plugins_of_own_md(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with the files that own.md shows."""
    monkeypatch.chdir(tmp_path)
    for language, title, content in steps((ROOT / "docs" / "own.md").read_text(encoding="utf-8")):
        if language == "python":
            Path(title).write_text(content, encoding="utf-8")
    return tmp_path


def test_the_method_and_the_metric_in_own_md_work(plugins_of_own_md: Path) -> None:
    settings = {
        "metrics": ["average_drop[fill=black,relative=false]", "./my_drop.py"],
        "precision": "fp32",
        "device": "cpu",
    }
    explanation = explain(
        load_dataset("scenes[size=64]")[0], "squeezenet1_1", method="./my_cam.py[power=2]", target="heart", **settings
    )
    score, expected = explanation.scores["my_drop"], explanation.scores["average_drop[fill=black,relative=False]"]
    assert score == pytest.approx(expected) and explanation.raw is not None and float(explanation.raw.min()) >= 0


def test_the_method_with_gradients_in_own_md_is_grad_cam(plugins_of_own_md: Path) -> None:
    image, settings = load_dataset("scenes[size=64]")[0], {"precision": "fp32", "device": "cpu"}
    own, expected = (
        explain(image, "resnet18", method=method, **settings).raw for method in ("./my_grad_cam.py", "grad_cam")
    )
    assert own is not None and expected is not None and expected.max() > 0
    assert own == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_stream_and_the_rerun_in_own_md_work(plugins_of_own_md: Path) -> None:
    explanation = explain(
        load_dataset("scenes[size=64]")[0], "squeezenet1_1", method="./my_occlusion.py", metrics=["./my_mirror.py"],
        precision="fp32", device="cpu",
    )  # fmt: skip
    assert explanation.raw is not None and explanation.raw.shape == (4, 4)
    assert 0 <= explanation.raw.min() < explanation.raw.max() <= 1
    assert 0 < explanation.scores["my_mirror"] < 1


def test_the_number_of_a_map_in_own_md_is_that_of_numpy(plugins_of_own_md: Path) -> None:
    explanation = explain(
        load_dataset("scenes[size=64]")[0], "squeezenet1_1", method="grad_cam", metrics=["./my_share.py"],
        precision="fp32", device="cpu",
    )  # fmt: skip
    assert explanation.map is not None
    expected = float((explanation.map > explanation.map.max() / 2).mean())
    assert 0 < expected < 1 and explanation.scores["my_share"] == pytest.approx(expected)


def test_the_reference_library_in_own_md_has_a_known_fault(plugins_of_own_md: Path) -> None:
    command = (
        'bench conform --references ./my_library.py --nets resnet18 --dataset "scenes[size=64]" --images 2 --device cpu'
    )
    assert "0 same, 1 known fault, 0 differ" in run(command, plugins_of_own_md)


def test_the_data_set_and_the_report_in_own_md_work(plugins_of_own_md: Path) -> None:
    printed = run(
        "bench run --dataset ./my_data.py --nets squeezenet1_1 --images 2 --methods ./my_cam.py "
        "--metrics complexity --out run\n"
        "bench report run --format ./my_report.py",
        plugins_of_own_md,
    )
    assert re.search(r"squeezenet1_1 +my_cam +complexity +[\d.]+", printed)


def test_everything_that_a_plugin_may_define_is_documented() -> None:
    text = (ROOT / "docs" / "own.md").read_text(encoding="utf-8")
    names = [name for names in DECLARATIONS.values() for name in names]
    assert [name for name in names if f"`{name}" not in text] == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_examples_import_from_cambench_alone(page: Path) -> None:
    blocks = [content for language, _, content in steps(page.read_text(encoding="utf-8")) if language == "python"]
    modules = {
        module for block in blocks for module in re.findall(r"^(?:from|import) (cambench\S*)", block, re.MULTILINE)
    }
    assert modules <= {"cambench"}


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert result.returncode == 0 and "WARNING" not in result.stderr, result.stderr
    assert 'not included in the "nav"' not in result.stderr, result.stderr
    python, methods = (tmp_path / "site" / page for page in ("python/index.html", "methods/index.html"))
    assert "def " not in python.read_text(encoding="utf-8") and ":::" not in python.read_text(encoding="utf-8")
    assert all(
        name in python.read_text(encoding="utf-8")
        for name in ("explain_all", "load_net", "Explanation", "NotApplicable")
    )
    assert "opacity: float = 0.85" in re.sub(r"<[^>]+>", "", python.read_text(encoding="utf-8"))
    assert "score_cam" in methods.read_text(encoding="utf-8")
    architecture = (tmp_path / "site/architecture/index.html").read_text(encoding="utf-8")
    packages = [
        readme.parent for readme in ROOT.glob("*/*/README.md") if "\nMay import: " in readme.read_text(encoding="utf-8")
    ]
    assert packages and all(f">{path.relative_to(ROOT).as_posix()}</text>" in architecture for path in packages)
    served = [page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html")]
    fetched = [url for text in served for url in re.findall(r'(?:src|<link[^>]*href)="(https?://[^"]+)"', text)]
    assert not fetched
