"""Names and numbers that cannot be are refused in one sentence, before any work starts."""

from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cambench.bench.cli.main import main
from cambench.bench.cli.options import Number, parse_size
from cambench.bench.config import suite_file
from cambench.bench.config.suite import find_dataset
from cambench.bench.core.errors import UsageError
from cambench.bench.core.files import check_directory, write_text
from cambench.bench.run.targets import find_target
from cambench.tests.support.cli import refused

LONG = "x" * 300


@pytest.mark.parametrize("text", ["a\0b", "caf\udce9.jpg"])
@pytest.mark.parametrize("command", ["run", "explain", "report", "baseline", "compare", "history", "fit", "plan"])
def test_an_argument_that_is_not_text_is_refused(command: str, text: str) -> None:
    assert refused(command, text).endswith("is not text in UTF-8: rename the file")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--dataset", "a\nb"], r"scenes.toml, dataset: 'a\nb' has characters that cannot be printed"),
        (["run", "--nets", "a\x1bb"], r"scenes.toml, nets: 'a\x1bb' has characters that cannot be printed"),
        (["run", "--subset", "a\nb"], "there is no file a b: a subset is a text file"),
        (["run", "--images", "1000000000"], "scenes.toml, images: input should be less than or equal to 100000000"),
        (["run", "--seed", "4294967296"], "scenes.toml, seed: input should be less than or equal to 4294967295"),
        (["run", "--drift", "1" + "0" * 30], "scenes.toml, drift: input should be less than or equal to"),
        (["run", "--methods", f"{LONG}.py"], "there is no file"),
        (["run", "--methods", LONG], "there is no method"),
        (["run", f"{LONG}.toml"], "cannot be used: File name too long"),
        (["explain", LONG], "cannot be used: File name too long"),
        (["baseline", "/"], "/ holds no run: it has no run.json"),
        (["fit", "vgg16_gap", "--out", "./"], ". is not a .safetensors file: write --out head.safetensors"),
    ],
)
def test_odd_names_and_numbers_are_refused(arguments: Sequence[str], message: str) -> None:
    line = refused(*arguments)
    if "no file" in message or "no method" in message:
        assert message in line or "File name too long" in line
    else:
        assert message in line


@pytest.mark.parametrize("text", ["1e400", "0", "-1", "nan", "inf", "1e19", "9" * 5000, "0.5", "1e400GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a size: write 2GB or 500MB"):
        parse_size(text)
    assert parse_size("1.5GB") == 1.5e9


@pytest.mark.parametrize("text", ["nan", "inf", "1e400"])
def test_a_number_is_finite(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a finite number"):
        Number(0).convert(text, None, None)
    assert Number(0).convert("2.5", None, None) == 2.5


@pytest.mark.parametrize(
    "arguments",
    [["plan", "--images", "10", "--rate", "nan"], ["compare", "a", "b", "--judge-seconds", "nan"],
     ["explain", "a.jpg", "--opacity", "nan"], ["plan", "--images", "1" + "0" * 30]],
)  # fmt: skip
def test_options_that_are_no_finite_number_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and "Invalid value for" in result.stderr


@pytest.mark.parametrize("option", ["--images", "--slack", "--budget", "--seed"])
def test_a_wrong_value_of_any_length_is_shown_in_a_short_line(option: str) -> None:
    result = CliRunner().invoke(main, ["choose", option, "x" * 100_000])
    *_, line = result.stderr.splitlines()
    assert result.exit_code == 2 and line.startswith(f"Error: Invalid value for '{option}'") and len(line) < 2100


def test_a_class_of_any_length_is_shown_in_a_short_line() -> None:
    line = refused("choose", "--target", "x" * 100_000)
    assert line.startswith("bench: the target is predicted, label or a class of ") and len(line) < 2100


@pytest.mark.parametrize("directory", ["/", "//", "/tmp/..", "a\0b", "a\nb", LONG, f"a/{LONG}"])
def test_what_is_no_directory_of_a_run_is_refused(directory: str) -> None:
    with pytest.raises(UsageError):
        check_directory(Path(directory))
    check_directory(Path()), check_directory(Path("runs/für mich"))


def test_a_link_in_a_circle_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "text"


@pytest.mark.parametrize("root", ["/", "/tmp/..", "//"])
def test_the_whole_file_system_is_no_data_set(root: str) -> None:
    with pytest.raises(UsageError, match="is the root of the file system: name a folder of images"):
        find_dataset(root)


@pytest.mark.parametrize("target", ["9" * 5000, "top" + "9" * 5000])
def test_a_class_of_any_digits_is_looked_up(target: str) -> None:
    with pytest.raises(UsageError, match="there is no class"):
        find_target(target, [0, 1], ["star", "ring"])


def test_a_subset_of_many_names_is_read_at_once(tmp_path: Path) -> None:
    """By time that grows with their number: 100,000 names took minutes."""
    (tmp_path / "names.txt").write_text("\n".join(map(str, range(100_000))), encoding="utf-8")
    assert len(suite_file.read_image_names(str(tmp_path / "names.txt"))) == 100_000
