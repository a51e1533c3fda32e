"""A run of several nets goes on without those whose weights are missing, says so, and exits with 3; without any net, with 2."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cambench.bench.cli.main import main
from cambench.bench.core.errors import UsageError
from cambench.bench.store import run as store
from cambench.bench.store.writer import Writer
from cambench.tests.support.missing_weights import hide_weights

SMALL = (
    "--dataset", "scenes[size=64]", "--images", "1", "--methods", "cam,centre", "--metrics", "energy",
    "--precision", "fp32", "--device", "cpu",
)  # fmt: skip
REASON = "resnet18@imagenet cannot be downloaded (<urlopen error no network>): put torchvision's file at "


def bench(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_weights(monkeypatch, "ResNet18_Weights", "VGG16_Weights")


def test_the_other_nets_go_on_and_the_record_and_the_page_say_what_is_missing(tmp_path: Path) -> None:
    asked = ("run", "smoke", *SMALL, "--nets", "resnet18@imagenet,squeezenet1_1", "--out", tmp_path / "run")
    result = bench(*asked)
    assert result.exit_code == 3
    first, *_, last = result.output.splitlines()
    assert first.startswith(f"left out: {REASON}") and first.endswith(".pth")
    assert last == "not measured, because the weights are missing: resnet18@imagenet"
    run = store.open_run(tmp_path / "run")
    assert list(run.header.nets) == run.header.suite.nets == ["squeezenet1_1"]
    assert set(run.table("scores")["net"]) == {"squeezenet1_1"}
    assert run.header.suite.missing["resnet18@imagenet"].startswith(REASON)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Left out: resnet18@imagenet cannot be downloaded" in page
    assert (
        "Left out: resnet18@imagenet cannot be downloaded"
        in bench("report", tmp_path / "run", "--format", "markdown").output
    )
    again = bench(*asked)
    assert again.exit_code == 3 and "1 of 1 done before" in again.output
    other = bench("run", "smoke", *SMALL, "--nets", "resnet18,squeezenet1_1", "--out", tmp_path / "run")
    assert other.exit_code == 2
    assert "holds another run: its nets is squeezenet1_1, not resnet18, squeezenet1_1;" in other.stderr


def test_weights_that_came_later_are_measured_in_another_directory(tmp_path: Path) -> None:
    asked = ("run", "smoke", *SMALL, "--nets", "resnet18@imagenet,squeezenet1_1", "--out", tmp_path / "run")
    assert bench(*asked).exit_code == 3
    header = store.open_run(tmp_path / "run").header
    nets = {"resnet18@imagenet": header.nets["squeezenet1_1"], **header.nets}
    suite = header.suite.model_copy(update={"nets": list(nets), "missing": {}})
    message = (
        "run was measured without resnet18@imagenet, whose weights were missing: "
        "measure them with --nets resnet18@imagenet --out OTHER"
    )
    with pytest.raises(UsageError, match=f"{re.escape(message)}$"):
        Writer(tmp_path / "run", header.model_copy(update={"nets": nets, "suite": suite}))


@pytest.mark.parametrize("nets", ["resnet18@imagenet", "resnet18@imagenet,vgg16@imagenet"])
def test_without_any_net_the_run_is_refused(nets: str, tmp_path: Path) -> None:
    result = bench("run", "smoke", *SMALL, "--nets", nets, "--out", tmp_path / "run")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"bench: {REASON}")
    assert not (tmp_path / "run").exists()


def test_a_suite_whose_parts_all_lack_their_nets_is_refused(tmp_path: Path) -> None:
    result = bench("run", "published", "--dataset", "scenes[size=64]", "--images", "1", "--out", tmp_path / "run")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"bench: {REASON}")
    assert not (tmp_path / "run").exists()


def test_a_part_whose_nets_are_all_missing_is_left_out(tmp_path: Path) -> None:
    common = "methods = ['cam']\nmetrics = ['energy']\ndataset = 'scenes[size=64]'\nimages = 1\nprecision = 'fp32'\n"
    parts = "[[parts]]\nname = 'a'\nnets = ['resnet18@imagenet']\n[[parts]]\nname = 'b'\nnets = ['squeezenet1_1']\n"
    (tmp_path / "mine.toml").write_text(common + parts, encoding="utf-8")
    result = bench("run", tmp_path / "mine.toml", "--device", "cpu", "--out", tmp_path / "run")
    assert result.exit_code == 3
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["b"]
    assert result.output.startswith(f"left out: {REASON}")


def test_a_forecast_and_a_comparison_with_libraries_need_all_nets() -> None:
    pytest.importorskip("captum", reason="the library of the extra `references` is not installed")
    nets = ("--nets", "resnet18@imagenet,squeezenet1_1")
    for command in (("plan", "smoke", "--images", "3"), ("conform", "--images", "1", "--references", "captum")):
        result = bench(*command, *nets)
        assert result.exit_code == 2 and result.stderr.startswith(f"bench: {REASON}")
