"""bench run: the files it writes, how it resumes, and what it refuses."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from cambench.bench.api import execute
from cambench.bench.api.progress import follow
from cambench.bench.cli.main import main
from cambench.bench.config import suite_file
from cambench.bench.core.errors import PluginError
from cambench.bench.engines import local
from cambench.bench.nets import quantised, zoo
from cambench.bench.run.plan import Plan, make_plan
from cambench.bench.stats.summary import build_tables
from cambench.bench.store import run as store
from cambench.bench.store.parts import NetImage
from cambench.bench.store.writer import Writer

from ..support.cli import bench, refused

ROOT = Path(__file__).parents[2]
SMALL = ["--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--precision", "fp32"]
CHEAP = ["--methods", "grad_cam,random", "--metrics", "insertion,deletion,pointing"]
VALUES = ["image", "net", "method", "metric", "value"]


def scores(directory: Path) -> pd.DataFrame:
    return store.open_run(directory).table("scores")[VALUES].sort_values(VALUES[:4]).reset_index(drop=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run") / "finished"
    assert bench("run", *SMALL, "--images", "3", "--out", directory).exit_code == 0
    return directory


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights that a test may damage."""
    copy = tmp_path / "weights"
    copy.mkdir()
    shutil.copy(zoo.WEIGHTS / "squeezenet1_1.safetensors", copy)
    monkeypatch.setattr(zoo, "WEIGHTS", copy)
    return copy


def test_a_run_writes_the_tables_and_header_that_the_readme_names(finished: Path) -> None:
    assert {"run.json", "scores", "curves", "cost", "report.html"} <= {path.name for path in finished.iterdir()}
    run = store.open_run(finished)
    table = run.table("scores")
    assert len(table) == 3 * 5 * 8
    assert table.groupby(["image", "method", "metric"], observed=True).size().eq(1).all()
    assert set(table["layer"]) == {"features.12"}
    assert (table["value"].isna() == table["reason"].notna()).all()
    assert set(run.header.protocols["insertion"]) >= {
        "steps",
        "fill",
        "score",
        "target",
        "fit",
        "precision",
        "version",
    }
    assert run.header.protocols["average_drop"]["fill"] == "mean"


def test_a_run_says_nothing_of_the_machine_but_its_device_and_versions(finished: Path) -> None:
    software = {"cambench", "commit", "python", "torch", "torchvision", "numpy", "scipy", "pandas"}
    assert store.open_run(finished).header.environment.keys() == software | {"device", "threads", "cores", "system"}
    words = [socket.gethostname(), *map(str, (Path.home(), Path.cwd(), ROOT, finished.parent))]
    private = [word for word in words if len(word) > 4]  # shorter ones are in any text
    for file in (path for path in finished.rglob("*") if path.is_file()):
        assert not [text for text in private if text.encode() in file.read_bytes()], file


def test_the_first_half_of_few_images_is_timed_one_by_one_and_no_batch_of_one_image(finished: Path) -> None:
    cost = store.open_run(finished).table("cost")
    names = store.open_run(finished).header.data.images
    assert (cost["seconds"] > 0).tolist() == (cost["image"] == names[0]).tolist()
    assert cost["batch_seconds"].isna().all() and cost["batch"].isna().all()
    predictions = store.open_run(finished).table("predictions").set_index("image")["seconds"]
    assert predictions[names[0]] > 0 and predictions[names[1:]].isna().all()


def test_the_cost_is_stored_for_every_image(finished: Path) -> None:
    cost = store.open_run(finished).table("cost")
    assert cost.groupby("method", observed=True).size().eq(3).all()
    forwards = cost.dropna(subset="forwards").set_index("method")["forwards"]
    assert forwards["cam"] == pytest.approx(1, abs=0.05)
    assert 1 < forwards["grad_cam"] < 2
    assert 100 < forwards["score_cam"] <= 513
    assert forwards["random"] == forwards["centre"] == 0


def test_the_same_command_again_computes_nothing(finished: Path) -> None:
    before = scores(finished)
    result = bench("run", *SMALL, "--images", "3", "--out", finished)
    assert "3 of 3 done before" in result.output
    pd.testing.assert_frame_equal(scores(finished), before)


def test_the_line_of_progress_counts_the_images_that_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    def follow_and_note(
        *arguments: Any, describe: Callable[[str, str], tuple[str, float | None]], **others: Any
    ) -> Any:
        def note(net: str, image: str) -> tuple[str, float | None]:
            line = describe(net, image)
            lines.append(line[0])
            return line

        return follow(*arguments, describe=note, **others)

    monkeypatch.setattr(execute, "follow", follow_and_note)
    arguments = ["run", *SMALL, "--methods", "centre", "--metrics", "gini", "--images", "3", "--out", tmp_path / "run"]
    assert bench(*arguments).exit_code == 0
    assert [line.partition(",")[0] for line in lines] == [f"squeezenet1_1: {done} of 3 images" for done in (1, 2, 3)]


def test_an_interrupted_run_says_how_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = local.work

    def interrupted(plan: Plan, writer: Writer) -> Iterator[NetImage]:
        yield next(work(plan, writer))
        raise KeyboardInterrupt

    monkeypatch.setattr("cambench.bench.run.plan.MAX_GROUP", 1)
    monkeypatch.setattr(local, "work", interrupted)
    result = bench("run", *SMALL, *CHEAP, "--images", "2", "--out", tmp_path / "run")
    assert result.exit_code == 130
    assert "run the same command to resume" in " ".join(result.output.split())
    assert len(store.open_run(tmp_path / "run").table("predictions")) == 1


def test_a_run_that_goes_on_with_other_threads_says_that_its_seconds_do_not_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of which something is left to measure; one that is complete has nothing to say."""
    arguments = ["run", *SMALL, *CHEAP, "--images", "2", "--out", tmp_path / "run"]
    work = local.work

    def interrupted(plan: Plan, writer: Writer) -> Iterator[NetImage]:
        yield next(work(plan, writer))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cambench.bench.run.plan.MAX_GROUP", 1)
        patch.setattr(local, "work", interrupted)
        bench(*arguments)
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 3)
    note = f"do not compare with those before: threads {threads} → {threads + 3}"
    assert note in " ".join(bench(*arguments).output.split())
    assert "do not compare" not in bench(*arguments).output


@pytest.mark.parametrize(
    ("net", "methods", "images"), [("squeezenet1_1", "grad_cam,score_cam", "1"), ("resnet18", "grad_cam", "2")]
)
def test_scores_in_bf16_are_close_to_those_in_fp32(tmp_path: Path, net: str, methods: str, images: str) -> None:
    """On the same images, the means of each method and metric differ by less than .005 between the precisions."""
    arguments = ["run", "--nets", net, "--dataset", "scenes[size=112]", "--images", images, "--methods", methods]
    arguments += ["--metrics", "insertion,deletion,average_drop"]
    tables = {}
    for precision in ("fp32", "bf16"):
        assert bench(*arguments, "--precision", precision, "--out", tmp_path / precision).exit_code == 0
        tables[precision] = (
            scores(tmp_path / precision).groupby(["net", "method", "metric"], observed=True)["value"].mean()
        )
    assert (tables["fp32"] - tables["bf16"]).abs().max() < 0.005


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "nope"], "there is no suite 'nope'"),
        (["run", "--nets", "resnet19"], "there is no net 'resnet19': did you mean 'resnet18'"),
        (["run", "--nets", "resnet18@cifar"], "has no weights 'cifar': there are: imagenet, IMAGENET1K_V1"),
        (["run", "--net", "resnet19", "--method", "cam"], "there is no net 'resnet19': did you mean 'resnet18'"),
        (["run", "--methods", "grad-cam"], "there is no method 'grad-cam': did you mean 'grad_cam'"),
        (["run", "--metrics", "insert"], "there is no metric 'insert': did you mean 'insertion'"),
        (["run", "--dataset", "nowhere"], "there is no dataset 'nowhere': there are: cifar10, "),
        (["run", "--dataset", "nowhere"], "voc, or a folder of images"),
        (["run", "--dataset", "photos.v2"], "there is no folder photos.v2"),
        (["run", "--dataset", r"C:\\photos"], r"there is no folder C:\\photos"),
        (["run", "--dataset", __file__[:-1]], "there is no folder"),
        (["run", "--dataset", str(Path(__file__).parents[2] / "README.md")], "README.md is a file: name the folder of"),
        (["run", "--dataset", "./photos"], "there is no folder ./photos"),
        (["run", "--device", "tpu"], "there is no device 'tpu'"),
        (["run", "--nets", "vgg16,vgg16"], "vgg16 is named twice"),
        (["report", "nowhere"], "nowhere holds no run"),
    ],
)
def test_a_wrong_argument_is_refused(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    arguments = [*arguments, "--out", str(tmp_path / "run")]
    assert sentence in refused(*arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", [["plan", "--images", "100"], ["conform"]])
@pytest.mark.parametrize("option", ["--net", "--nets"])
def test_an_option_with_a_list_may_be_named_in_the_singular(command: list[str], option: str) -> None:
    assert "there is no net 'resnet19'" in refused(*command, option, "resnet19")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_device_is_refused() -> None:
    assert "there is no device 'cuda' here" in refused("run", "--device", "cuda")


def test_a_directory_that_holds_another_run_is_refused(finished: Path) -> None:
    assert "holds another run: its images is 3, not 4" in refused("run", *SMALL, "--images", "4", "--out", finished)


def test_weights_of_another_shape_are_refused(tmp_path: Path, weights: Path) -> None:
    shutil.copy(weights / "squeezenet1_1.safetensors", weights / "resnet18.safetensors")
    assert "does not fit resnet18" in refused("run", "--nets", "resnet18", "--out", tmp_path / "run")


def test_damaged_weights_are_refused(tmp_path: Path, weights: Path) -> None:
    (weights / "squeezenet1_1.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0garbage")
    assert "squeezenet1_1.safetensors" in refused("run", *SMALL, "--out", tmp_path / "run")


def test_a_net_that_returns_nan_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = quantised.load
    monkeypatch.setattr(quantised, "load", lambda path: {k: v * float("nan") for k, v in load(path).items()})
    sentence = refused("run", *SMALL, *CHEAP, "--images", "1", "--out", tmp_path / "run")
    assert "class scores that are not finite" in sentence


def test_a_damaged_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"not weights")
    sentence = refused("run", "--nets", "squeezenet1_1@imagenet", "--out", tmp_path / "run")
    assert "squeezenet1_1-b8a52dc0.pth" in sentence


def test_a_pickle_that_contains_code_is_refused_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "executed"),)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save({"weight": Attack()}, checkpoints / "squeezenet1_1-b8a52dc0.pth")
    refused("run", "--nets", "squeezenet1_1@imagenet", "--out", tmp_path / "run")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("label", "folder", "sentence"),
    [
        ("10", None, "is of class 10, but squeezenet1_1 has the classes 0 to 9"),
        (None, "dog", "classes (dog) are not among the 10 of squeezenet1_1 ("),
    ],
)
def test_labels_that_the_net_does_not_have_are_refused(
    tmp_path: Path, label: str | None, folder: str | None, sentence: str
) -> None:
    photos = tmp_path / "photos"
    (photos / (folder or "")).mkdir(parents=True)
    Image.new("RGB", (64, 64), "red").save(photos / (folder or "") / "a.png")
    if label:
        (photos / "labels.csv").write_text(f"file,class_index\na.png,{label}\n", encoding="utf-8")
    arguments = ("run", "--nets", "squeezenet1_1", "--dataset", photos, "--target", "label", "--out", tmp_path / "run")
    assert sentence in refused(*arguments)


def test_real_photos_and_weights_run_offline(tmp_path: Path, real_data: Path) -> None:
    arguments = ["run", "--nets", "squeezenet1_1@imagenet", "--dataset", real_data, "--images", "6", *CHEAP]
    result = bench(*arguments, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    run = store.open_run(tmp_path / "run")
    assert run.table("predictions")["top1"].mean() >= 0.5
    means = run.table("scores").groupby(["method", "metric"], observed=True)["value"].mean().to_dict()
    assert means["grad_cam", "insertion"] > means["random", "insertion"]
    assert means["grad_cam", "deletion"] < means["random", "deletion"]


def test_a_method_runs_from_a_users_file(tmp_path: Path) -> None:
    file = tmp_path / "corner.py"
    file.write_text(
        '"""The upper left corner."""\n\nimport torch\n\n\ndef explain(net, images, targets, *, size: int = 4):\n'
        "    maps = torch.zeros(len(images), size, size)\n    maps[:, 0, 0] = 1\n    return maps\n",
        encoding="utf-8",
    )
    arguments = ["run", *SMALL, "--methods", f"{file}[size=2]", "--images", "1", "--out", tmp_path / "run"]
    assert bench(*arguments).exit_code == 0
    assert set(store.open_run(tmp_path / "run").table("scores")["method"]) == {"corner[size=2]"}


def test_a_run_records_the_order_of_ties_and_which_metric_measures_its_effect(tmp_path: Path) -> None:
    chosen = ["--methods", "grad_cam,uniform", "--images", "1", "--out", tmp_path / "run"]
    metrics = "insertion[steps=4],insertion[steps=4,ties=reverse],insertion[steps=8],insertion_ties[steps=4,orders=2]"
    assert bench("run", *SMALL, *chosen, "--metrics", metrics).exit_code == 0
    run = store.open_run(tmp_path / "run")
    measured = {spec: run.header.find_tie_metric(spec) for spec in run.header.metrics}
    ties = "insertion_ties[orders=2,steps=4]"
    assert measured == {
        "insertion[steps=4]": ties, "insertion[steps=4,ties=reverse]": ties, "insertion[steps=8]": "", ties: "",
    }  # fmt: skip
    (table,) = build_tables(run)
    effects = run.table("scores").query("metric == @ties").groupby("method", observed=True)["value"].mean()
    insertion = next(metric for metric in table.metrics if metric.spec == "insertion[steps=4]")
    assert (
        table.find_tie_effect("uniform", insertion) == pytest.approx(effects["uniform"]) and effects["uniform"] > 0.01
    )
    orders = {spec: protocol["ties"] for spec, protocol in run.header.protocols.items()}
    assert orders == dict.fromkeys(measured, "reading order") | {"insertion[steps=4,ties=reverse]": "reverse"}


def test_every_kind_is_listed() -> None:
    words = bench("list").output.split()
    for name in ("squeezenet1_1", "vgg16", "score_cam", "insertion", "scenes", "image_folder", "smoke", "markdown"):
        assert name in words


def test_markdown_and_csv_are_printed(finished: Path, tmp_path: Path) -> None:
    assert "| grad_cam |" in bench("report", finished, "--markdown").output
    table = tmp_path / "table.csv"
    assert bench("report", finished, "--csv", "--out", table).exit_code == 0
    assert {"net", "method", "metric", "mean"} <= set(pd.read_csv(table).columns)


MEDDLERS = {
    "hook": "    net.features.register_forward_hook(lambda *_: None)\n",
    "train mode": "    net.train()\n",
    "weights": "    next(net.parameters()).zero_()\n",
    "weights without a version": "    next(net.parameters()).data[0] += 1\n",
    "backward hook": "    net.features.register_full_backward_hook(lambda *_: None)\n",
    "another forward": "    net.classify[0].forward = lambda x: 2 * x\n",
    "another link": "    net.link = 'sigmoid'\n",
}


@pytest.mark.parametrize("meddling", MEDDLERS)
def test_a_method_that_changes_the_net_is_refused(tmp_path: Path, meddling: str) -> None:
    file = tmp_path / "meddler.py"
    code = '"""Meddles."""\n\nimport torch\n\n\n@torch.no_grad()\ndef explain(net, images, targets):\n'
    file.write_text(f"{code}{MEDDLERS[meddling]}    return torch.rand(1, 4, 4)\n", encoding="utf-8")
    arguments = ["run", *SMALL, "--methods", f"{file},grad_cam", "--images", "1", "--out", tmp_path / "run"]
    assert "method meddler leaves squeezenet1_1 changed" in refused(*arguments)


def test_a_method_that_writes_into_its_images_does_not_affect_other_methods(tmp_path: Path) -> None:
    file = tmp_path / "eraser.py"
    file.write_text(
        '"""Erases."""\n\nimport torch\n\n\ndef explain(net, images, targets):\n'
        "    images.zero_()\n    return torch.eye(4)[None]\n",
        encoding="utf-8",
    )
    means: list[float] = []
    for methods in (f"{file},grad_cam", "grad_cam"):
        out = tmp_path / f"run{len(means)}"
        arguments = ["run", *SMALL, "--metrics", "insertion", "--methods", methods, "--images", "1", "--out", out]
        assert bench(*arguments).exit_code == 0
        table = store.open_run(out).table("scores").set_index("method")["value"]
        means.append(table["grad_cam"])
    assert means[0] == pytest.approx(means[1], abs=1e-6)


def test_a_method_that_writes_into_its_images_is_timed_on_the_images_themselves(tmp_path: Path) -> None:
    """A short call is timed when it is repeated: on images that the first call has not changed."""
    methods = []
    for name, code in (("in_place", "images.mul_(3).sin_()"), ("out_of_place", "(images * 3).sin()")):
        methods.append(tmp_path / f"{name}.py")
        text = f'"""Brightness."""\n\n\ndef explain(net, images, targets):\n    return {code}.mean(1)\n'
        methods[-1].write_text(text, encoding="utf-8")
    arguments = ["run", *SMALL, "--metrics", "insertion", "--methods", ",".join(map(str, methods)), "--images", "4"]
    assert bench(*arguments, "--out", tmp_path / "run").exit_code == 0
    run = store.open_run(tmp_path / "run")
    assert run.table("cost")["seconds"].notna().sum() > 2
    scores = run.table("scores").pivot(index="image", columns="method", values="value")
    assert scores["in_place"].to_list() == scores["out_of_place"].to_list()


@pytest.mark.parametrize("value", ["[1, 2]", "torch.zeros(4, 4)", "None"])
def test_a_method_that_returns_no_map_is_refused(tmp_path: Path, value: str) -> None:
    file = tmp_path / "odd.py"
    file.write_text(
        f'"""Odd."""\n\nimport torch\n\n\ndef explain(net, images, targets):\n    return {value}\n', encoding="utf-8"
    )
    arguments = ["run", *SMALL, "--methods", file, "--images", "1", "--out", tmp_path / "run"]
    assert refused(*arguments).startswith("bench: test-00000: method odd gives ")


def test_a_metric_that_writes_into_the_map_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "writes.py"
    declarations = 'VERSION = 1\nBETTER = "higher"\nUNIT = "share"\nRANGE = (0, 1)\nSHORT = "w"\n'
    file.write_text(
        f'"""Writes."""\n\n{declarations}\n\ndef score(case):\n    case.map[:] = 0\n    return 0.0\n', encoding="utf-8"
    )
    arguments = ["run", *SMALL, "--methods", "centre", "--metrics", file, "--images", "1", "--out", tmp_path / "run"]
    assert refused(*arguments) == (
        "bench: test-00000: writes.py fails: line 11 raises ValueError: assignment destination is read-only"
    )


def test_a_metric_without_a_required_declaration_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bare.py"
    declarations = 'UNIT = "share"\nRANGE = (0, 1)\nSHORT = "b"\n'
    file.write_text(f'"""Bare."""\n\n{declarations}\n\ndef score(case):\n    return 0.0\n', encoding="utf-8")
    assert "does not declare BETTER" in refused("run", *SMALL, "--metrics", file, "--out", tmp_path / "run")


def test_a_map_that_is_not_finite_is_reported_and_scored_as_constant(tmp_path: Path) -> None:
    (tmp_path / "nan_cam.py").write_text(
        "def explain(net, images, targets):\n    return images.new_full((len(images), 4, 4), float('nan'))\n",
        encoding="utf-8",
    )
    arguments = ["run", "smoke", "--nets", "squeezenet1_1", "--images", "1", "--metrics", "deletion,energy"]
    methods = f"uniform,{tmp_path / 'nan_cam.py'}"
    result = CliRunner(catch_exceptions=False).invoke(
        main, [*arguments, "--methods", methods, "--out", str(tmp_path / "r")]
    )
    assert result.exit_code == 0
    assert "nan_cam: 1 map not finite (NaN or infinite), scored as constant" in " ".join(result.output.split())
    scores = store.open_run(tmp_path / "r").table("scores")
    values = scores.pivot_table(index="metric", columns="method", values="value", observed=True)
    assert (values["nan_cam"] == values["uniform"]).all()
    assert scores.groupby("method", observed=True)["nan_map"].all().to_dict() == {"nan_cam": True, "uniform": False}
    assert scores["constant_map"].all()


def test_a_metric_of_the_ties_of_no_metric_is_refused(tmp_path: Path) -> None:
    code = 'BETTER, UNIT, RANGE, SHORT = "lower", "share", (0, 1), "t"\nTIES_OF = "{}"\n\n\ndef score(case):\n    return 0.0\n'
    declared = {"mine_ties": "mine", "mine": "insertion", "odd": "insertoin", "other": "insertion[cels=False]"}
    for name, ties_of in declared.items():
        (tmp_path / f"{name}.py").write_text(code.format(ties_of), encoding="utf-8")
    mine, faults = (
        [str(tmp_path / f"{name}.py") for name in ("mine_ties", "mine")],
        {
            "odd": "metric odd: TIES_OF is 'insertoin': .*did you mean 'insertion'",
            "other": r"metric other: TIES_OF is 'insertion\[cels=False\]': .*'cells'",
        },
    )
    make_plan(suite_file.load("smoke", metrics=mine, precision="fp32"), "cpu")
    for name, message in faults.items():
        with pytest.raises(PluginError, match=message):
            make_plan(suite_file.load("smoke", metrics=[*mine, str(tmp_path / f"{name}.py")], precision="fp32"), "cpu")
