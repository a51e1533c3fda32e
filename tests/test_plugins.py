"""Plug-ins are found by name, path and variant; what is asked wrongly is said with what is right."""

from pathlib import Path

import pytest

from cambench.bench import plugins
from cambench.bench.errors import UsageError
from cambench.bench.plugins import DATASET, METHOD, METRIC


def test_a_file_is_the_plugin(tmp_path: Path) -> None:
    file = tmp_path / "my_cam.py"
    file.write_text('"""Mine."""\n\ndef explain(net, images, targets, *, power: float = 1.0):\n    return power\n')
    found = plugins.find(METHOD, f"{file}[power=2]")
    assert (found.spec, found.description, found.settings) == ("my_cam[power=2]", "Mine.", {"power": 2.0})
    assert found(None, None, None) == 2.0


def test_defaults_are_settings_too() -> None:
    assert plugins.find(METRIC, "deletion").settings == {"steps": 28, "substrate": "mean"}


def test_a_variant_is_short_for_a_setting() -> None:
    found = plugins.find(METHOD, "pytorch_grad_cam:ScoreCAM")
    assert (found.spec, found.settings) == ("pytorch_grad_cam:ScoreCAM", {"variant": "ScoreCAM"})


def test_specs_are_parted_outside_brackets() -> None:
    assert plugins.split("a[x=1,y=2], b:c ,d") == ["a[x=1,y=2]", "b:c", "d"]


def test_helpers_are_no_plugins() -> None:
    assert not [name for name in plugins.names(DATASET) if name.startswith("_")]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("grad_cm", "there is no method 'grad_cm': did you mean 'grad_cam'\\? there are: cam, centre"),
        ("score_cam[fil=black]", "no setting 'fil': did you mean 'fill'"),
        ("score_cam[fill=red]", "setting 'fill': Input should be 'mean', 'black' or 'blur'"),
        ("centre[sigma=wide]", "setting 'sigma': Input should be a valid number"),
        ("score_cam[fill]", "'fill' sets nothing: write setting=value"),
        ("a[b", "names no method: write name"),
        ("grad_cam:x", "'grad_cam' has no settings"),
        ("random[size=0]", "setting 'size': Input should be greater than or equal to 1"),
        ("centre[sigma=0]", "setting 'sigma': Input should be greater than 0"),
        ("grad_cam[x=1]", "'grad_cam' has no setting 'x': it has no settings"),
        ("no_such_file.py", "there is no file no_such_file.py"),
        ("_hidden", "there is no method '_hidden'"),
    ],
)
def test_what_is_asked_wrongly_is_said(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plugins.find(METHOD, spec)


def test_a_file_without_the_function_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.py"
    file.write_text('"""Nothing."""\n')
    with pytest.raises(UsageError, match=r"is no method: it has no function explain\(\)"):
        plugins.find(METHOD, str(file))


def test_a_setting_without_a_default_is_asked_for() -> None:
    with pytest.raises(UsageError, match="dataset 'image_folder', setting 'path': Field required"):
        plugins.find(DATASET, "image_folder")
