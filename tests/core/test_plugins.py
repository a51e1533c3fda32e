"""Plug-ins are found by name, path and variant; what is asked wrongly is said with what is right."""

import hashlib
from pathlib import Path

import pytest

from cambench.bench.core import plugins, specs
from cambench.bench.core.errors import UsageError
from cambench.bench.core.plugins import DATASET, METHOD, METRIC


def test_a_file_is_the_plugin(tmp_path: Path) -> None:
    file = tmp_path / "my_cam.py"
    file.write_text('"""Mine."""\n\ndef explain(net, images, targets, *, power: float = 1.0):\n    return power\n')
    found = plugins.find(METHOD, f"{file}[power=2]")
    assert (found.spec, found.description, found.settings) == ("my_cam[power=2]", "Mine.", {"power": 2.0})
    assert found(None, None, None) == 2.0


def test_defaults_are_settings_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text('def score(case, *, steps: int = 28, substrate: str = "mean"):\n    return 0.0\n')
    assert plugins.find(METRIC, str(file)).settings == {"steps": 28, "substrate": "mean"}


def test_a_variant_is_short_for_the_first_setting(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text('def explain(net, images, targets, *, variant: str = "a", power: int = 1):\n    return variant\n')
    found = plugins.find(METHOD, f"{file}:b")
    assert (found.spec, found.settings) == ("mine:b", {"variant": "b", "power": 1})


def test_specs_are_parted_outside_brackets() -> None:
    assert specs.split("a[x=1,y=2], b:c ,d") == ["a[x=1,y=2]", "b:c", "d"]


def test_helpers_are_no_plugins() -> None:
    assert not [name for name in plugins.names(DATASET) if name.startswith("_")]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("grad_cm", "there is no method 'grad_cm': did you mean 'grad_cam'\\? there are: .*cam, centre"),
        ("score_cam[fil=black]", "no setting 'fil': did you mean 'fill'"),
        ("score_cam[fill=red]", "setting 'fill': Input should be 'mean', 'black'"),
        ("centre[sigma=wide]", "setting 'sigma': Input should be a valid number"),
        ("score_cam[fill]", "'fill' sets nothing: write setting=value"),
        ("score_cam[fill=mean,fill=black]", "sets 'fill' twice: set it once"),
        ("a[b", "names no method: write name"),
        ("random[size=0]", "setting 'size': Input should be greater than or equal to 1"),
        ("centre[sigma=0]", "setting 'sigma': Input should be greater than 0"),
        ("no_such_file.py", "there is no file no_such_file.py"),
        ("_hidden", "there is no method '_hidden'"),
    ],
)
def test_what_is_asked_wrongly_is_said(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plugins.find(METHOD, spec)


@pytest.mark.parametrize(
    ("settings", "told"),
    [(":x", "'plain' has no settings"), ("[x=1]", "'plain' has no setting 'x': it has no settings")],
)
def test_a_setting_of_what_has_none_is_refused(tmp_path: Path, settings: str, told: str) -> None:
    file = tmp_path / "plain.py"
    file.write_text("def explain(net, images, targets):\n    return 1\n")
    with pytest.raises(UsageError, match=told):
        plugins.find(METHOD, f"{file}{settings}")


def test_a_file_without_the_function_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.py"
    file.write_text('"""Nothing."""\n')
    with pytest.raises(UsageError, match=r"is no method: it has no function explain\(\)"):
        plugins.find(METHOD, str(file))


def test_a_setting_without_a_default_is_asked_for() -> None:
    with pytest.raises(UsageError, match="dataset 'image_folder', setting 'path': Field required"):
        plugins.find(DATASET, "image_folder")


def test_only_what_has_the_function_is_a_plugin(tmp_path: Path) -> None:
    file = tmp_path / "number.py"
    file.write_text("explain = 3\n")
    with pytest.raises(UsageError, match=r"number is no method: it has no function explain\(\)"):
        plugins.find(METHOD, str(file))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\ndef explain(net:\n", r"line 2 raises SyntaxError: '\(' was never closed"),
        ("\n\nimport no_such_library\n", "line 3 raises ModuleNotFoundError: No module named 'no_such_library'"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", "line 2 raises ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", "line 2 raises JSONDecodeError: Expecting property name"),
        ("import sys\nsys.exit()\n", "line 2 raises SystemExit$"),
        ("import sys\nsys.exit('bye')\n", "line 2 raises SystemExit: bye"),
        ("raise ValueError('two\\nlines')\n", "line 1 raises ValueError: two lines"),
        ("# \x00\n", "raises (SyntaxError|ValueError): source code .*null bytes"),
    ],
)
def test_a_file_that_cannot_be_imported_is_told_in_one_line(tmp_path: Path, source: str, told: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(source)
    with pytest.raises(UsageError, match=rf"broken\.py cannot be imported: .*{told}") as refusal:
        plugins.find(METHOD, str(file))
    assert "\n" not in str(refusal.value) and str(refusal.value).startswith(str(file))


def test_ctrl_c_while_a_file_is_imported_is_no_error_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "slow.py"
    file.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        plugins.find(METHOD, str(file))


def test_a_repaired_file_is_imported_again(tmp_path: Path) -> None:
    file = tmp_path / "repaired.py"
    for source in ("import", "def explain(net, images, targets):\n    return 5\n"):
        file.write_text(source)
        if source == "import":
            with pytest.raises(UsageError, match="line 1 raises SyntaxError"):
                plugins.find(METHOD, str(file))
    assert plugins.find(METHOD, str(file))(None, None, None) == 5


def test_the_fingerprint_is_that_of_the_users_file_and_so_is_what_runs(tmp_path: Path) -> None:
    """Also where it was edited within the second and to the same length, which Python's own cache takes for unchanged."""
    file, found = tmp_path / "mine.py", []
    for power in (1, 2):
        file.write_text(f"def explain(net, images, targets):\n    return {power}\n")
        found.append(plugins.find(METHOD, str(file)))
        assert found[-1].fingerprint == hashlib.sha256(file.read_bytes()).hexdigest()
        assert found[-1](None, None, None) == power
    assert found[0].spec == found[1].spec and found[0].fingerprint != found[1].fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]  # nothing is left beside it


def test_what_ships_with_the_suite_has_no_fingerprint() -> None:
    assert plugins.find(METHOD, "grad_cam").fingerprint == plugins.find(DATASET, "scenes").fingerprint == ""


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (
            'REQUIRES = "no_such_library"\nEXTRA = "references"\n',
            r"method needy needs the library no_such_library: pip install 'cambench\[references\]'",
        ),
        (
            'REQUIRES = ("json", "no_such_library.part")\n',
            "needs the library no_such_library.part, which is not installed",
        ),
    ],
)
def test_a_missing_library_is_told_before_anything_runs(tmp_path: Path, declared: str, told: str) -> None:
    file = tmp_path / "needy.py"
    file.write_text(f"{declared}\n\ndef explain(net, images, targets):\n    import no_such_library\n")
    with pytest.raises(UsageError, match=told):
        plugins.find(METHOD, str(file))


@pytest.mark.parametrize("declared", ["()", '"json"', '("json", "torch.nn")'])
def test_a_library_that_is_there_is_no_obstacle(tmp_path: Path, declared: str) -> None:
    file = tmp_path / "equipped.py"
    file.write_text(f"REQUIRES = {declared}\n\n\ndef explain(net, images, targets):\n    return 1\n")
    assert plugins.find(METHOD, str(file)).name == "equipped"


def test_what_a_users_file_raises_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "my_cam.py"
    file.write_text("def explain(net, images, targets):\n    return missing\n")
    with pytest.raises(UsageError, match=r"my_cam\.py fails: line 2 raises NameError: name 'missing' is not defined"):
        plugins.find(METHOD, str(file))(None, None, None)


def test_a_mere_folder_is_not_the_library_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes any folder on its path for a package: this checkout's datasets/ is not Hugging Face's."""
    (tmp_path / "a_mere_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "needy.py"
    file.write_text('"""Needs a library."""\nREQUIRES = "a_mere_folder"\ndef load(): ...\n')
    with pytest.raises(UsageError, match="dataset needy needs the library a_mere_folder, which is not installed"):
        plugins.find(DATASET, str(file))
