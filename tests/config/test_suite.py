"""Suites: built in, from files, with changes; every wrong key is said."""

from pathlib import Path

import pytest

from cambench.bench.config import suite_file
from cambench.bench.core.errors import UsageError
from cambench.bench.core.formatting import titled


def test_every_built_in_suite_names_only_what_there_is() -> None:
    assert suite_file.names() == ["everything", "implementations", "published", "scenes", "smoke"]
    for name in suite_file.names():
        found = suite_file.load(name)
        assert found.explained()
        assert found.measured(found.followed())
        if found.dataset:
            assert found.images_of(None).name == "scenes"


def test_changes_are_laid_over_and_mark_the_directory() -> None:
    assert suite_file.load("scenes").directory() == "scenes"
    changed = suite_file.load("scenes", images=4, seed=None)
    assert (changed.images, changed.seed) == (4, 0)
    assert changed.description == "The suite scenes with other images."
    assert changed.directory().startswith("scenes-")
    assert changed.directory() != suite_file.load("scenes", images=5).directory()


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
def test_a_wrong_file_is_said(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    rest = "".join(f"{key} = ['x']\n" for key in ("nets", "methods", "metrics") if f"{key} =" not in content)
    file.write_text(f"{content}\n{rest}")
    with pytest.raises(UsageError, match=message):
        suite_file.load(str(file))


def test_an_unknown_suite_is_said() -> None:
    with pytest.raises(UsageError, match="there is no suite 'scene': did you mean 'scenes'"):
        suite_file.load("scene")


def test_a_method_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="grad_cam is named twice"):
        suite_file.load("smoke", methods=["grad_cam", "grad_cam"]).explained()


def test_a_target_that_contradicts_the_protocols_own_words_is_refused() -> None:
    assert suite_file.load("smoke", protocols=["opticam"], target="predicted").followed()[0].target == "predicted"
    with pytest.raises(UsageError, match="contradict each other"):
        suite_file.load("smoke", protocols=["opticam[target=predicted]"], target="label").followed()


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("scenes[size=64]", "scenes"),
        ("image_folder[path=/a/photos/,size=64]", "scenes on photos"),
        ("s3://bucket/birds", "scenes on birds"),
        ("voc[year=2007]", "scenes on voc"),
        ("./my_data.py", "scenes on my_data.py"),
    ],
)
def test_a_run_is_called_by_its_suite_and_its_data(dataset: str, said: str) -> None:
    assert titled("scenes", dataset) == said
