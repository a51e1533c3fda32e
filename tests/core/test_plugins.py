"""Plug-ins are found by name, path and variant; errors name the valid alternatives."""

import hashlib
from pathlib import Path

import pytest

from cambench.bench.core import plugins, specs
from cambench.bench.core.errors import PluginError, UsageError
from cambench.bench.core.plugins import DATASET, METHOD


def test_a_plugin_is_loaded_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "my_cam.py"
    file.write_text(
        '"""Mine."""\n\ndef explain(net, images, targets, *, power: float = 1.0):\n    return power\n', encoding="utf-8"
    )
    plugin = plugins.find(METHOD, f"{file}[power=2]")
    assert (plugin.spec, plugin.description, plugin.settings) == ("my_cam[power=2]", "Mine.", {"power": 2.0})
    assert plugin(None, None, None) == 2.0


def test_defaults_are_settings_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        'def explain(net, images, targets, *, steps: int = 28, fill: str = "mean"):\n    return 0.0\n',
        encoding="utf-8",
    )
    assert plugins.find(METHOD, str(file)).settings == {"steps": 28, "fill": "mean"}


def test_a_spec_with_a_colon_sets_the_variant(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        'def explain(net, images, targets, *, variant: str = "a", power: int = 1):\n    return variant\n',
        encoding="utf-8",
    )
    plugin = plugins.find(METHOD, f"{file}:b")
    assert (plugin.spec, plugin.settings) == ("mine:b", {"variant": "b", "power": 1})


def test_specs_are_split_at_commas_outside_brackets() -> None:
    assert specs.split("a[x=1,y=2], b:c ,d") == ["a[x=1,y=2]", "b:c", "d"]


def test_specs_of_any_length_are_split_at_once() -> None:
    """By time that grows with the length: 100,000 commas took minutes."""
    assert specs.split("a[b,c]," * 50_000) == ["a[b,c]"] * 50_000
    assert specs.split("," * 100_000) == [] and len(specs.split("[" + "," * 100_000)) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", ["{{}:1}", "-" * 10_000 + "1", "[" * 10_000, "9" * 5000, r"'\d'", "1is 2", "\0"])
def test_what_is_no_literal_is_text(text: str) -> None:
    assert specs.parse_value(text) in (text, r"\d")


def test_modules_with_an_underscore_are_not_plugins() -> None:
    assert not [name for name in plugins.list_names(DATASET) if name.startswith("_")]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("grad_cm", "there is no method 'grad_cm': did you mean 'grad_cam'\\? there are: .*cam, centre"),
        ("GradCAM", "there is no method 'GradCAM': did you mean 'grad_cam'\\?"),
        ("Grad-CAM++", "there is no method 'Grad-CAM\\+\\+': did you mean 'grad_cam_pp'\\?"),
        ("score_cam[fil=black]", "no setting 'fil': did you mean 'fill'"),
        ("score_cam[fill=red]", "setting 'fill': Input should be 'mean', 'black'"),
        ("centre[sigma=wide]", "setting 'sigma': Input should be a valid number"),
        ("score_cam[fill]", "'fill' sets nothing: write setting=value"),
        ("score_cam[fill=mean,fill=black]", "sets 'fill' twice: set it once"),
        ("a[b", "names no method: write name"),
        ("random[size=0]", "setting 'size': Input should be greater than or equal to 1"),
        ("centre[sigma=0]", "setting 'sigma': Input should be greater than 0"),
        ("random[seed={{}:1}]", "setting 'seed': Input should be a valid integer"),
        (f"random[seed={'-' * 3000}1]", "setting 'seed': Input should be a valid integer"),
        (f"random[seed={'[' * 3000}1", "names no method: write name"),
        ("random[seed=-1]", "setting 'seed' is -1: a seed is a whole number from 0 to 4294967295"),
        (
            "random[seed=4294967296]",
            "setting 'seed' is 4294967296: a setting is a finite number, a whole one up to 42949672",
        ),
        ("centre[sigma=inf]", "setting 'sigma' is inf: a setting is a finite number"),
        ("x" * 5000, "a method has a name of 5000 characters: at most 4096 are read"),
        ("no_such_file.py", "there is no file no_such_file.py"),
        ("_hidden", "there is no method '_hidden'"),
    ],
)
def test_invalid_specs_are_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plugins.find(METHOD, spec)


def test_a_file_is_suggested_for_its_stem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no method 'my_grad_cam': did you mean 'grad_cam'"):
        plugins.find(METHOD, "my_grad_cam")
    (tmp_path / "my_grad_cam.py").write_text("def explain(net, images, targets):\n    return 1\n", encoding="utf-8")
    for name in ("my_grad_cam[power=2]", "./my_grad_cam"):
        with pytest.raises(UsageError, match=r"did you mean '\./my_grad_cam\.py'\? there are: .*grad_cam"):
            plugins.find(METHOD, name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [(":x", "'plain' has no settings"), ("[x=1]", "'plain' has no setting 'x': it has no settings")],
)
def test_a_setting_of_a_plugin_without_settings_is_refused(tmp_path: Path, settings: str, message: str) -> None:
    file = tmp_path / "plain.py"
    file.write_text("def explain(net, images, targets):\n    return 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        plugins.find(METHOD, f"{file}{settings}")


def test_a_file_without_the_function_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.py"
    file.write_text('"""Nothing."""\n', encoding="utf-8")
    with pytest.raises(PluginError, match=r"is not a method: it has no function explain\(\)"):
        plugins.find(METHOD, str(file))


def test_a_missing_required_setting_is_refused() -> None:
    with pytest.raises(UsageError, match="dataset 'image_folder', setting 'path': Field required"):
        plugins.find(DATASET, "image_folder")


def test_a_plugin_without_the_function_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "number.py"
    file.write_text("explain = 3\n", encoding="utf-8")
    with pytest.raises(PluginError, match=r"number is not a method: it has no function explain\(\)"):
        plugins.find(METHOD, str(file))


@pytest.mark.parametrize(
    ("source", "message"),
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
def test_an_import_error_is_reported_in_one_line(tmp_path: Path, source: str, message: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(source, encoding="utf-8")
    with pytest.raises(PluginError, match=rf"broken\.py cannot be imported: .*{message}") as refusal:
        plugins.find(METHOD, str(file))
    assert "\n" not in str(refusal.value) and str(refusal.value).startswith(str(file))


def test_a_keyboard_interrupt_during_an_import_is_not_a_plugin_error(tmp_path: Path) -> None:
    file = tmp_path / "slow.py"
    file.write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        plugins.find(METHOD, str(file))


def test_a_repaired_file_is_imported_again(tmp_path: Path) -> None:
    file = tmp_path / "repaired.py"
    for source in ("import", "def explain(net, images, targets):\n    return 5\n"):
        file.write_text(source, encoding="utf-8")
        if source == "import":
            with pytest.raises(PluginError, match="line 1 raises SyntaxError"):
                plugins.find(METHOD, str(file))
    assert plugins.find(METHOD, str(file))(None, None, None) == 5


def test_fingerprint_and_behaviour_follow_edits_of_the_file(tmp_path: Path) -> None:
    """An edit within a second that keeps the file's length counts too; Python's own cache would miss it."""
    file, versions = tmp_path / "mine.py", []
    for power in (1, 2):
        file.write_text(f"def explain(net, images, targets):\n    return {power}\n", encoding="utf-8")
        versions.append(plugins.find(METHOD, str(file)))
        assert versions[-1].fingerprint == hashlib.sha256(file.read_bytes()).hexdigest()
        assert versions[-1](None, None, None) == power
    assert versions[0].spec == versions[1].spec and versions[0].fingerprint != versions[1].fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]  # no cache files are left


def test_built_in_plugins_have_no_fingerprint() -> None:
    assert plugins.find(METHOD, "grad_cam").fingerprint == plugins.find(DATASET, "scenes").fingerprint == ""


@pytest.mark.parametrize(
    ("declared", "message"),
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
def test_a_missing_library_is_reported_before_anything_runs(tmp_path: Path, declared: str, message: str) -> None:
    file = tmp_path / "needy.py"
    file.write_text(f"{declared}\n\ndef explain(net, images, targets):\n    import no_such_library\n", encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        plugins.find(METHOD, str(file))


@pytest.mark.parametrize("declared", ["()", '"json"', '("json", "torch.nn")'])
def test_an_installed_library_is_accepted(tmp_path: Path, declared: str) -> None:
    file = tmp_path / "equipped.py"
    file.write_text(f"REQUIRES = {declared}\n\n\ndef explain(net, images, targets):\n    return 1\n", encoding="utf-8")
    assert plugins.find(METHOD, str(file)).name == "equipped"


def test_an_error_in_a_users_file_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "my_cam.py"
    file.write_text("def explain(net, images, targets):\n    return missing\n", encoding="utf-8")
    with pytest.raises(PluginError, match=r"my_cam\.py fails: line 2 raises NameError: name 'missing' is not defined"):
        plugins.find(METHOD, str(file))(None, None, None)


def test_a_folder_with_the_name_of_a_library_is_not_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python imports any folder on its path as a package, but this repository's datasets/ is not Hugging Face's library."""
    (tmp_path / "a_mere_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "needy.py"
    file.write_text('"""Needs a library."""\nREQUIRES = "a_mere_folder"\ndef load(): ...\n', encoding="utf-8")
    with pytest.raises(UsageError, match="dataset needy needs the library a_mere_folder, which is not installed"):
        plugins.find(DATASET, str(file))
