"""Suites: built in, from files, with changed settings; errors name each wrong key."""

import re
from pathlib import Path
from typing import Any

import pytest

from cambench.bench.config import suite_file
from cambench.bench.core.errors import UsageError
from cambench.bench.core.formatting import make_title


def test_all_names_in_built_in_suites_exist() -> None:
    assert suite_file.list_names() == ["everything", "implementations", "published", "reference", "scenes", "smoke"]
    for name in suite_file.list_names():
        suite = suite_file.load(name)
        assert suite.find_method_plugins()
        assert suite.find_metric_plugins(suite.load_protocols())
        if suite.dataset:
            assert suite.find_dataset_plugin(None).name == "scenes"


def test_a_change_may_be_a_function_of_the_suites_own_value(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    read = suite_file._read
    monkeypatch.setattr(suite_file, "_read", lambda path: reads.append(path) or read(path))
    suite = suite_file.load("smoke", images=2, nets=lambda nets: nets[:1], methods=lambda _: None)
    plain = suite_file.load("smoke")
    assert (suite.nets, suite.images, suite.methods) == (plain.nets[:1], 2, plain.methods)
    assert len(reads) == 2, "a suite file is read once by each call"


def test_changed_settings_override_the_suite_and_rename_its_directory() -> None:
    assert suite_file.load("scenes").make_directory_name() == "scenes"
    changed = suite_file.load("scenes", images=4, seed=None)
    assert (changed.images, changed.seed) == (4, 0)
    assert changed.description == "The suite scenes with other images."
    assert changed.make_directory_name().startswith("scenes-")
    assert changed.make_directory_name() != suite_file.load("scenes", images=5).make_directory_name()


@pytest.mark.parametrize("kind", ["methods", "metrics"])
def test_changed_code_of_the_users_own_renames_the_directory(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = {
        "methods": "def explain(net, images, targets):\n    return net.features(images).mean(1)\n",
        "metrics": "BETTER, UNIT, RANGE, SHORT = 'lower', 'share', (0, 1), 'own'\n\n\ndef score(case):\n    return 0.5\n",
    }[kind]

    def name(content: str) -> str:
        Path("own.py").write_text(content, encoding="utf-8")
        changes: dict[str, Any] = {kind: ["./own.py"]}
        return suite_file.load("smoke", **changes).make_directory_name()

    assert name(code) == name(code) != name(f"{code}\n")


def test_the_directory_of_a_suite_in_parts_is_renamed_with_the_code_of_each_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "def explain(net, images, targets):\n    return net.features(images).mean(1)\n"
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(f"{folder}/own.py").write_text(code, encoding="utf-8")
    Path("parts.toml").write_text(
        'nets = ["squeezenet1_1"]\nmetrics = ["gini"]\n[[parts]]\nmethods = ["a/own.py"]\n[[parts]]\n'
        'methods = ["b/own.py"]\nprotocols = ["adcc"]\nmetrics = ["coherency"]\n',
        encoding="utf-8",
    )
    before = suite_file.load("parts.toml").make_directory_name()
    assert before == suite_file.load("parts.toml").make_directory_name()
    Path("b/own.py").write_text(f"{code}\n", encoding="utf-8")
    assert before != suite_file.load("parts.toml").make_directory_name()


@pytest.mark.parametrize(
    ("dataset", "pattern"),
    [("scenes[size=64]", r"scenes-[0-9a-f]{6}"), ("my/cat photos (2)/", r"scenes-cat-photos-2-[0-9a-f]{6}"),
     ("image_folder[path=a/pets,size=64]", r"scenes-pets-[0-9a-f]{6}"), ("猫", r"scenes-[0-9a-f]{6}"),
     ("a" * 90, r"scenes-a{30}-[0-9a-f]{6}")],
)  # fmt: skip
def test_the_directory_is_named_after_the_users_data(dataset: str, pattern: str) -> None:
    assert re.fullmatch(pattern, suite_file.load("scenes", dataset=dataset).make_directory_name())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("net = ['vgg16']", "there is no key 'net': did you mean 'nets'"),
        ("images = 0", "images: input should be greater than or equal to 1"),
        ("images = 'many'", "images: input should be a valid integer"),
        ("nets = []", "nets: the list is empty: name at least one"),
        ("precision = 'fp8'", "precision: input should be 'auto', 'fp32', 'tf32', 'bf16' or 'fp16'"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_wrong_suite_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    rest = "".join(f"{key} = ['x']\n" for key in ("nets", "methods", "metrics") if f"{key} =" not in content)
    file.write_text(f"{content}\n{rest}", encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        suite_file.load(str(file))


def test_an_unknown_suite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no suite 'scene': did you mean 'scenes'"):
        suite_file.load("scene")
    (tmp_path / "scene.toml").touch()
    with pytest.raises(UsageError, match=r"there is no suite 'scene': did you mean 'scene\.toml'"):
        suite_file.load("scene")


def test_a_method_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="grad_cam is named twice"):
        suite_file.load("smoke", methods=["grad_cam", "grad_cam"]).find_method_plugins()


def test_a_file_with_the_name_of_a_built_in_method_is_to_be_renamed(tmp_path: Path) -> None:
    file = tmp_path / "grad_cam.py"
    file.write_text("def explain(net, images, targets): ...\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"^grad_cam comes with cambench, and another one has its name: rename that one's file$"
    ):
        suite_file.load("smoke", methods=[str(file), "grad_cam"]).find_method_plugins()


def test_a_target_that_contradicts_the_protocol_is_refused() -> None:
    assert suite_file.load("smoke", protocols=["opticam"], target="predicted").load_protocols()[0].target == "predicted"
    with pytest.raises(UsageError, match="contradict each other"):
        suite_file.load("smoke", protocols=["opticam[target=predicted]"], target="label").load_protocols()


@pytest.mark.parametrize(
    ("dataset", "title"),
    [
        ("scenes[size=64]", "scenes"),
        ("image_folder[path=/a/photos/,size=64]", "photos (suite scenes)"),
        ("s3://bucket/birds", "birds (suite scenes)"),
        ("voc[year=2007]", "voc (suite scenes)"),
        ("./my_data.py", "my_data.py (suite scenes)"),
    ],
)
def test_the_title_of_a_run_names_its_suite_and_data_set(dataset: str, title: str) -> None:
    assert make_title("scenes", dataset) == title
