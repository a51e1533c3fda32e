"""The error classes: wrong usage, one image, a plug-in, or the whole run."""

import errno
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result
from torch import Tensor

from cambench.bench.cli.main import main
from cambench.bench.core import errors, plugins
from cambench.bench.core.errors import (
    BenchError,
    Fatal,
    ImageError,
    NotApplicable,
    PluginError,
    UsageError,
    list_known_names,
)
from cambench.bench.core.plugins import DATASET, ENGINE, METHOD, REFERENCE, REPORT, Kind
from cambench.bench.core.user_code import blame_user_code
from cambench.bench.data.checked import open_dataset

CLASSES = (UsageError, ImageError, PluginError, Fatal)


@pytest.mark.parametrize("error_class", CLASSES)
def test_error_classes_are_not_subclasses_of_each_other(error_class: type[BenchError]) -> None:
    assert issubclass(error_class, BenchError)
    assert not [other for other in CLASSES if other is not error_class and issubclass(error_class, other)]
    assert not issubclass(NotApplicable, BenchError), "it is a result, not an error of the run"


def test_the_module_docstring_names_every_error_class() -> None:
    classes = [
        name for name, member in vars(errors).items() if isinstance(member, type) and issubclass(member, Exception)
    ]
    assert [name for name in classes if name not in (errors.__doc__ or "")] == []


@pytest.mark.parametrize("error_class", [ImageError, PluginError, Fatal])
def test_an_error_of_this_suite_raised_by_user_code_keeps_its_class(error_class: type[Exception]) -> None:
    with pytest.raises(error_class, match=r"^on purpose$"), blame_user_code("mine.py fails", "mine.py"):
        raise error_class("on purpose")


def test_a_usage_error_of_user_code_is_a_plugin_error_that_names_the_file() -> None:
    with pytest.raises(PluginError, match=r"^mine\.py fails: on purpose$"), blame_user_code("mine.py fails", "mine.py"):
        raise UsageError("on purpose")


def test_not_applicable_passes_only_where_a_plugin_may_refuse() -> None:
    with pytest.raises(NotApplicable), blame_user_code("mine.py fails", "mine.py", may_refuse=True):
        raise NotApplicable("no layer")
    with pytest.raises(PluginError, match="NotApplicable: no layer"), blame_user_code("mine.py fails", "mine.py"):
        raise NotApplicable("no layer")


def test_a_data_set_may_not_refuse(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        '"""Mine."""\nfrom cambench import NotApplicable\n\n\ndef load():\n    raise NotApplicable("no images")\n',
        encoding="utf-8",
    )
    with pytest.raises(PluginError, match=r"mine\.py fails: line 6 raises NotApplicable: no images"):
        open_dataset(plugins.find(DATASET, str(tmp_path / "mine.py")))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (REPORT, "def render(run):"),
        (REFERENCE, "def compare(net, images, targets):"),
        (ENGINE, "def work(plan, writer):"),
    ],
)
def test_only_methods_and_metrics_may_refuse(tmp_path: Path, kind: Kind, code: str) -> None:
    text = f"from cambench import NotApplicable\n{code}\n    raise NotApplicable('no')\n"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    with pytest.raises(PluginError, match=r"mine\.py fails: line 3 raises NotApplicable: no"):
        plugins.find(kind, str(tmp_path / "mine.py"))(*kind.parameters)


def test_a_metric_that_yields_no_perturbed_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        '"""Odd."""\nBETTER, UNIT, RANGE, SHORT = "higher", "share", (0, 1), "odd"\n\n\n'
        "def score(case):\n    yield ['clean']\n    return 0.0\n",
        encoding="utf-8",
    )
    result = _run(tmp_path / "run", "--methods", "centre", "--metrics", str(tmp_path / "odd.py"))
    assert result.exit_code == 2
    assert "yields ['clean']: yield a list of perturbed images" in " ".join(result.output.split())


def test_any_other_error_of_user_code_is_a_plugin_error_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def explain(net, images, targets):\n    return 1 / 0\n", encoding="utf-8")
    with pytest.raises(PluginError, match=r"mine\.py fails: line 2 raises ZeroDivisionError"):
        plugins.find(METHOD, str(file))(None, None, None)


def _run(out: Path, *options: str) -> Result:
    common = ["--nets", "squeezenet1_1", "--images", "1", "--metrics", "average_drop", "--device", "cpu"]
    return CliRunner().invoke(main, ["run", "scenes", "--out", str(out), *common, *options])


def test_the_command_line_shows_a_plugin_error_as_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("def explain(net, images, targets:\n", encoding="utf-8")
    result = _run(tmp_path / "run", "--methods", str(file))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"bench: {file} cannot be imported: line 1 raises SyntaxError")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("error_class", CLASSES)
def test_the_command_line_shows_every_error_as_one_sentence(
    error_class: type[BenchError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> Tensor:
        raise error_class("what was wrong: what is right")

    monkeypatch.setattr("cambench.bench.config.suite_file.load", fail)
    result = CliRunner().invoke(main, ["run", "scenes"])
    assert (result.exit_code, result.stderr) == (2, "bench: what was wrong: what is right\n")


def test_of_many_known_names_the_first_are_listed() -> None:
    names = [f"name{number}" for number in range(41)]
    assert list_known_names("x", names[:40]).endswith(", name38, name39")
    assert list_known_names("x", names) == f"there are: {', '.join(names[:20])}, and 21 more"


def test_an_error_of_the_system_that_is_no_full_output_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cambench.bench.config.suite_file.load", Mock(side_effect=OSError(errno.ENOMEM, "no memory")))
    with pytest.raises(OSError, match="no memory"):
        CliRunner(catch_exceptions=False).invoke(main, ["run", "scenes"])
