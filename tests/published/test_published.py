"""Published and measured numbers: the file, the allowed difference, the aggregates of means, and the suite."""

import re
from decimal import Decimal
from math import nan, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torchvision
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console
from scipy.stats import t

from cambench.bench.cli.main import main
from cambench.bench.config import protocol, suite_file
from cambench.bench.core import plugins
from cambench.bench.core.errors import UsageError
from cambench.bench.core.plugins import METHOD
from cambench.bench.data import labels
from cambench.bench.data.labels import map_labels
from cambench.bench.nets import sources
from cambench.bench.published import published, table
from cambench.bench.published.published import PublishedTable, Reproduction
from cambench.bench.stats import aggregates
from cambench.bench.stats.aggregates import adcc_of_means, list_needed_metrics
from cambench.bench.stats.estimate import Estimate, estimate_mean
from cambench.bench.store import run as store
from cambench.datasets import image_folder
from cambench.reports._page.published import make_section
from cambench.tests.support import runs
from cambench.tests.support.comparisons import edit_header
from cambench.tests.support.missing_weights import hide_weights

MEASURED = [each for each in published.read_tables() if not each.why_not]
TINY = """
[[tables]]
source = "Nobody"
net = "{net}"
weights = "imagenet"
data = "ImageNet validation"
images = 400
protocol = "{protocol}"
metrics = ["average_drop", "win[over=grad_cam]"]
[tables.values]
grad_cam    = [0.250, nan]
grad_cam_pp = [0.20, 0.50]
"""


def bench(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


def make_table(**changed: object) -> PublishedTable:
    content = {"source": "Nobody", "net": "vgg16", "weights": "imagenet", "data": "ImageNet validation", "images": 400}
    content |= {"protocol": "default", "metrics": ["average_drop"], "values": {"grad_cam": [Decimal("0.450")]}}
    return PublishedTable(**(content | changed))


def student(mean: float, sd: float, n: int) -> Estimate:
    """An estimate with Student's interval."""
    half = t.ppf(0.975, n - 1) * sd / sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def reproduce(measured: Estimate, folders: str = "same", **changed: object) -> Reproduction:
    (number,) = make_table(**changed).list_numbers()
    return Reproduction(number, "drop", measured, folders)  # type: ignore[arg-type]


@pytest.mark.parametrize("printed", MEASURED, ids=lambda each: f"{each.spec} {each.protocol} {each.source[:9]}")
def test_the_suite_has_what_a_published_table_needs(printed: PublishedTable) -> None:
    sources.parse_source(printed.spec)
    assert printed.weights == "imagenet"
    found = protocol.find_protocol(printed.protocol)
    assert found.name == printed.protocol
    for method in printed.values:
        if printed.needs:
            pytest.importorskip(method.partition(":")[0])
        assert plugins.find(METHOD, method).spec == method
    for number in printed.list_numbers():
        assert all(found.find_metric_plugins(part, 0) for part in list_needed_metrics(number.metric))


def test_the_suites_parts_measure_what_is_published_and_no_more() -> None:
    suite = {
        (net, name, method, metric)
        for part in suite_file.load("published").parts
        for name in part.protocols
        for net in part.nets
        for method in part.methods
        for metric in part.metrics or ()
    }
    tables = {
        (printed.spec, printed.protocol, number.method, metric)
        for printed in MEASURED
        if not printed.needs
        for number in printed.list_numbers()
        for metric in list_needed_metrics(number.metric)
    }
    assert suite == tables


def test_every_table_says_why_it_is_not_measured_in_a_sentence() -> None:
    for printed in published.read_tables():
        assert not (printed.why_not and printed.needs)
        for sentence in (printed.why_not, printed.needs):
            assert len(sentence) < 128 and (not sentence or sentence.endswith("."))


def test_the_published_adcc_is_that_of_the_published_means() -> None:
    """So our formula is theirs, and the four numbers were copied rightly."""
    checked = 0
    for printed in published.read_tables():
        if {*aggregates.ADCC_PARTS, "adcc_of_means"} <= {*printed.metrics}:
            for values in printed.values.values():
                by = dict(zip(printed.metrics, map(float, values), strict=True))
                means = np.array([by[part] for part in aggregates.ADCC_PARTS])
                assert adcc_of_means(means) == pytest.approx(by["adcc_of_means"], abs=2e-4)
                checked += 1
    assert checked == 14


@pytest.mark.parametrize(
    "changed",
    [
        {"values": {"grad_cam": [Decimal("45")]}},
        {"values": {"grad_cam": [Decimal("0.1"), Decimal("0.2")]}},
        {"protocol": ""},
        {"images": None},
        {"nets": "vgg16"},
    ],
)
def test_a_wrong_table_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="PublishedTable"):
        make_table(**changed)


def test_the_interval_by_hand() -> None:
    """Errors of .01 and .005, and Student's 1.98422 of 99 degrees of freedom: 1.98422 sqrt(.0001 + .000025) = .0221843."""
    assert reproduce(student(0.50, 0.1, 100)).interval == pytest.approx((0.4778157, 0.5221843), abs=1e-6)
    assert reproduce(student(0.47, 0.1, 100)).verdict == "reproduced"
    assert reproduce(student(0.43, 0.1, 100)).verdict == "reproduced"
    assert reproduce(student(0.48, 0.1, 100)).verdict == "not reproduced"
    assert reproduce(student(0.42, 0.1, 100)).verdict == "not reproduced"


def test_few_images_have_a_long_interval_in_which_nothing_is_reproduced() -> None:
    """Student's 2.306004 of 8 degrees of freedom: 2.306004 * .1 sqrt(1 / 9 + 1 / 400) = .0777265.

    .155453 sqrt(1 / n + 1 / 400) / sqrt(1 / 9 + 1 / 400) = .05 for n = 108.1.
    """
    few = reproduce(student(0.40, 0.1, 9))
    assert few.interval == pytest.approx((0.3222735, 0.4777265), abs=1e-6)
    assert (few.verdict, few.needed_images) == ("too few images", 109)
    high = reproduce(student(0.95, 0.1, 9))
    assert high.interval == pytest.approx((0.8722735, 1.0), abs=1e-6)
    assert (high.verdict, high.needed_images) == ("not reproduced", None)
    assert reproduce(student(0.45, 0.1, 70)).verdict == "too few images"
    assert reproduce(student(0.45, 0.1, 109)).verdict == "reproduced"
    alone = reproduce(Estimate(0.45, nan, nan, 1))
    assert (alone.interval, alone.verdict, alone.needed_images) == (None, "too few images", None)


def test_a_publication_of_few_images_is_never_reproduced_however_many_are_measured() -> None:
    """The error of its own mean, .3 / sqrt(400) = .015, makes the interval .059 long."""
    for n in (10, 10**6):
        few = reproduce(student(0.45, 0.3, n))
        assert (few.verdict, few.needed_images) == ("too few images", None)


def test_a_dozen_equal_scores_at_the_end_of_the_range_reproduce_and_refute_nothing_near() -> None:
    """Twelve scores of 0 are one sample in 40 if all scores are 0 or 1, and 1 - .025^(1 / 12) = .265 of them are 1.

    The limit is a quantile of 10,000 draws: its standard error is sqrt(.025 .975 / 10,000) / (12 (1 - .265)^11) = .004.
    """
    zeros = estimate_mean([0.0] * 12, bounds=(0, 1))
    for value, verdict in (("0.190", "too few images"), ("0.280", "not reproduced")):
        found = reproduce(zeros, values={"grad_cam": [Decimal(value)]})
        assert found.verdict == verdict and found.interval == pytest.approx((0, 0.26465 * sqrt(1.03)), abs=8e-3)


def test_the_printed_digits_are_the_least_that_is_allowed() -> None:
    assert reproduce(student(0.4505, 0.0, 100)).verdict == "reproduced"
    assert reproduce(student(0.4506, 0.0, 100)).verdict == "not reproduced"
    assert reproduce(student(0.454, 0.0, 100), values={"grad_cam": [Decimal("0.45")]}).verdict == "reproduced"


def rate(value: float, n: int, images: int = 400) -> Reproduction:
    (number,) = make_table(images=images).list_numbers()
    return Reproduction(number, "incr", Estimate(value, value, value, n), "same", binary=True)


@pytest.mark.parametrize(("value", "n", "images"), [(0.0, 100, 400), (0.3, 20, 50_000), (0.75, 8, 30), (1.0, 64, 500)])
def test_the_interval_of_a_rate_holds_what_the_test_of_both_rates_together_does_not_reject(
    value: float, n: int, images: int
) -> None:
    found = rate(value, n, images).interval
    assert found is not None
    shares = np.linspace(0, 1, 100_001)
    pooled = (n * value + images * shares) / (n + images)
    kept = shares[(shares - value) ** 2 <= 1.959964**2 * pooled * (1 - pooled) * (1 / n + 1 / images)]
    # Half a printed digit, .0005, is the least; no interval here is shorter on a side where it does not end at 0 or 1.
    low, high = min(kept.min(), value), max(kept.max(), value)
    low, high = max(0.0, min(low, value - 0.0005)), min(1.0, max(high, value + 0.0005))
    assert found == pytest.approx((low, high), abs=2e-5)


def test_the_interval_of_a_rate_is_wilsons_if_the_publication_has_very_many_images() -> None:
    """Nine yes in twelve: Wilson's interval is .4677 to .9111."""
    assert rate(0.75, 12, 10**9).interval == pytest.approx((0.4677, 0.9111), abs=1e-4)


def test_what_cannot_be_compared_gets_no_verdict() -> None:
    same = student(0.45, 0.1, 100)
    assert reproduce(same, "unknown").verdict == "reproduced"
    assert reproduce(same, "other").verdict == "other images"
    assert reproduce(same, why_not="It is another method.").verdict == "not comparable"
    assert reproduce(same, why_not="It is another method.", images=None).interval is None


def test_numbers_on_a_net_that_was_left_out_are_listed_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(tmp_path, monkeypatch, net="resnet18", protocol="gradcampp")
    asked = suite_file.load("published", protocols=["gradcampp"], nets=["resnet18@imagenet", "vgg16@imagenet"])
    missing = {"resnet18@imagenet": "no network"}
    (part,) = asked.parts
    found = published.list_unmeasured(part, missing)
    assert [(row.published.method, row.short, row.reason) for row in found] == [
        ("grad_cam", "drop", "no network"), ("grad_cam_pp", "drop", "no network"), ("grad_cam_pp", "win", "no network"),
    ]  # fmt: skip
    assert table.format_row(found[0]) == ["grad_cam", "drop", ".250", "-", "-", "not measured"]
    (text,) = table.lay_out(found)
    assert text.title == "resnet18@imagenet by gradcampp: not measured here, 400 of ImageNet validation published"
    assert text.remarks == ["Not measured: no network."]
    assert table.summarise(found) == "Of 3 published numbers, 0 reproduced, 0 not reproduced, 3 not measured."
    other_metric, other_method, other_protocol = (
        part.model_copy(update=change)
        for change in ({"metrics": ["insertion"]}, {"methods": ["cam"]}, {"protocols": ["rise"]})
    )
    for other in (other_metric, other_method, other_protocol):
        assert published.list_unmeasured(other, missing) == []
    assert published.list_unmeasured(part, {"vgg16@imagenet": "no network"}) == []


def test_adcc_of_means_by_hand() -> None:
    means = np.array([0.2, 0.9, 0.4])  # drop, coherency, complexity
    assert adcc_of_means(means) == pytest.approx(3 / (1 / 0.9 + 1 / 0.6 + 1 / 0.8))
    assert adcc_of_means(np.array([1.0, 0.9, 0.4])) == 0


def frame(values: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"image": f"{number}", "method": method, "metric": metric, "value": value}
            for (method, metric), column in values.items()
            for number, value in enumerate(column)
        ]
    )


def test_the_adcc_of_a_run_is_that_of_its_means_with_the_jackknifes_error() -> None:
    rng = np.random.default_rng(1)
    drop, coherency, complexity = rng.uniform(0, 0.8, 500), rng.uniform(0.5, 1, 500), rng.uniform(0.2, 0.6, 500)
    columns = dict(zip(aggregates.ADCC_PARTS, (drop, coherency, complexity), strict=True))
    scores = frame({("grad_cam", f"{name}@adcc"): values.tolist() for name, values in columns.items()})
    found = aggregates.measure(scores, "grad_cam", "adcc_of_means", "adcc")
    assert found is not None
    parts = np.stack([coherency, 1 - complexity, 1 - drop])
    means = parts.mean(1)
    value = 3 / (1 / means).sum()
    assert found.mean == pytest.approx(value)
    slopes = value**2 / 3 / means**2  # the delta method's error
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * sqrt(slopes @ np.cov(parts) @ slopes / 500), rel=0.1)
    assert aggregates.measure(scores, "grad_cam", "adcc_of_means", "shapleycam") is None


def test_win_by_hand() -> None:
    """On two of four images the first method's drop is the smaller; one is a draw, and on the fifth the other has none."""
    name = "average_drop@gradcampp"
    values = {("a", name): [0.1, 0.2, 0.3, 0.4, 0.0], ("b", name): [0.2, 0.2, 0.1, 0.5, nan]}
    found = aggregates.measure(frame(values), "a", "win[over=b]", "gradcampp")
    assert found is not None and (found.mean, found.n) == (0.5, 4)
    other = aggregates.measure(frame(values), "b", "win[over=a]", "gradcampp")
    assert other is not None and (other.mean, other.n) == (0.25, 4)
    assert aggregates.measure(frame(values), "a", "win[over=c]", "gradcampp") is None


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.Run:
    """A made-up run, and the tiny file of published numbers."""
    tiny(tmp_path, monkeypatch, net="resnet18", protocol="default")
    directory = runs.write(tmp_path / "run", images=9, nets={"resnet18@imagenet": "layer4"})
    scores = store.open_run(directory).table("scores")
    again = scores[scores["method"] == "score_cam"].assign(method="grad_cam_pp")
    runs.rewrite(directory, "scores", pd.concat([scores, again]))
    edit_header(directory, lambda header: header["methods"].update(grad_cam_pp=header["methods"]["score_cam"]))
    return store.open_run(directory)


def tiny(folder: Path, monkeypatch: pytest.MonkeyPatch, *, net: str, protocol: str) -> None:
    (folder / "published.toml").write_text(TINY.format(net=net, protocol=protocol), encoding="utf-8")
    monkeypatch.setattr(published, "FILE", folder / "published.toml")


def test_a_runs_numbers_are_set_beside_the_published_ones(run: store.Run) -> None:
    first, second, third = (row for row in published.find_reproductions(run) if isinstance(row, Reproduction))
    scores = run.table("scores")
    drops = scores[(scores["method"] == "grad_cam") & (scores["metric"] == "average_drop")]["value"]
    assert (first.published.method, first.published.metric, first.published.digits, first.short) == (
        "grad_cam",
        "average_drop",
        3,
        "drop",
    )
    assert first.measured == estimate_mean(drops, bounds=(0, 1))
    assert (second.published.digits, third.short, third.image_match) == (2, "win", "unknown")
    assert [row.binary for row in (first, second, third)] == [False, False, True]


def test_another_net_has_nothing_beside_it(tmp_path: Path) -> None:
    assert published.find_reproductions(store.open_run(runs.write(tmp_path / "run", images=1))) == []


def test_the_table_is_80_columns_wide_and_says_all(run: store.Run) -> None:
    found = published.find_reproductions(run)
    console = Console(width=80)
    with console.capture() as shown:
        console.print(table.show_reproductions(found))
    text = shown.get()
    assert max(map(len, text.splitlines())) <= 80
    assert "resnet18@imagenet by default: 9 images here, 400 of ImageNet validation" in " ".join(text.split())
    assert "it is not known whether the publication has these images" in " ".join(text.split())
    assert table.summarise(found).startswith("Of 3 published numbers, ")
    assert "images would tell what these are too few for." in " ".join(text.split())
    lines = table.format_markdown(found).splitlines()
    assert sum(line.startswith("| grad_cam") for line in lines) == 3
    assert [line.partition(" ")[0] for line in lines if line.startswith("#")] == ["#", "##"]
    inside = table.format_markdown(found, level=2).splitlines()
    assert [line.partition(" ")[0] for line in inside if line.startswith("#")] == ["##", "###"]


def test_the_page_and_markdown_show_the_same_cells(run: store.Run) -> None:
    found = published.find_reproductions(run)
    (part,) = table.lay_out(found)
    section = make_section([run])
    assert section is not None
    body = section.html.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", body.replace("<wbr>", ""))
    assert cells == [cell for row in part.rows for cell in row]
    lines = table.format_markdown(found).splitlines()
    assert all(f"| {' | '.join(row)} |" in lines for row in part.rows)


def test_other_images_are_marked(run: store.Run) -> None:
    run.header.data.classes = list(labels.IMAGENETTE)
    found = published.find_reproductions(run)
    assert {row.verdict for row in found} == {"other images"}
    assert "3 on other images" in table.summarise(found)


def test_imagenettes_folders_are_their_classes(tmp_path: Path) -> None:
    for name in labels.IMAGENETTE:
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 40)).save(tmp_path / name / "1.png")
    images = image_folder.load(path=str(tmp_path))
    classes = torchvision.models.get_model_weights("resnet18")["IMAGENET1K_V1"].meta["categories"]
    named = {images.classes[label]: classes[index] for label, index in map_labels(images, classes).items()}
    assert named["n01440764"] == "tench" and named["n03888257"] == "parachute" and named["n03028079"] == "church"
    assert (named["n02102040"], named["n03394916"]) == ("English springer", "French horn")
    assert map_labels(images, classes[:10]) == {}


def test_a_data_set_is_known_by_its_folders() -> None:
    thousand = labels.IMAGENET_IDS.read_text(encoding="utf-8").split()
    assert len(thousand) == 1000 and thousand == sorted(thousand)
    assert labels.recognise_dataset([f"n{number:08}" for number in range(1000)]) is None
    assert labels.recognise_dataset(thousand) == "ImageNet"
    assert labels.map_wordnet_labels(thousand) == {label: label for label in range(1000)}
    assert labels.recognise_dataset(list(labels.IMAGENETTE)) == "Imagenette"
    assert labels.recognise_dataset(["n01440764"]) is None
    assert labels.map_wordnet_labels(["n02102040"]) == {0: 217}
    assert labels.map_wordnet_labels(["n02102040", "n00000000"]) is None
    assert labels.recognise_dataset([]) is None
    assert labels.map_wordnet_labels([]) is labels.map_wordnet_labels(["ring"]) is None


def test_the_suites_parts_are_its_protocols() -> None:
    parts = suite_file.load("published", images=7, dataset="photos").parts
    assert [part.name for part in parts] == ["torchcam", "gradcampp", "shapleycam", "scorecam50"]
    assert [part.protocols for part in parts] == [[part.name] for part in parts]
    assert {(part.images, part.dataset, part.precision) for part in parts} == {(7, "photos", "fp32")}


def test_protocols_choose_among_the_parts() -> None:
    chosen = suite_file.load("published", protocols=["shapleycam"], nets=["resnet18@imagenet"])
    assert [(part.name, part.nets) for part in chosen.parts] == [("shapleycam", ["resnet18@imagenet"])]
    with pytest.raises(UsageError, match=r"published\.toml has no part 'shapley': did you mean 'shapleycam'"):
        suite_file.load("published", protocols=["shapley"])


def test_a_data_set_that_has_to_be_named_marks_no_directory() -> None:
    assert suite_file.load("published", dataset="photos").make_directory_name() == "published"
    assert suite_file.load("published", dataset="photos", images=7).make_directory_name().startswith("published-")
    assert (
        suite_file.load("published", dataset="photos", protocols=["torchcam"])
        .make_directory_name()
        .startswith("published-")
    )
    assert suite_file.load("scenes", dataset="photos").make_directory_name().startswith("scenes-")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("parts = 3", "parts: write a .*parts.* table"),
        ("[[parts]]\nprotocols=['rise']\n[[parts]]\nprotocols=['rise']", "two parts are named 'rise'"),
        ("[[parts]]\nnet = ['vgg16']", "part 1: there is no key 'net': did you mean 'nets'"),
        ("[[parts]]\nprotocols = ['rise[steps=224]']", "part 1, name: string should match"),
        ("[[parts]]\nimages = 0", "part 1, images: input should be greater"),
    ],
)
def test_a_wrong_part_is_said(tmp_path: Path, parts: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"nets = ['vgg16']\nmethods = ['cam']\n{parts}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        suite_file.load(str(file))


def test_without_a_data_set_the_suite_names_the_one_it_needs(tmp_path: Path) -> None:
    result = bench("run", "published", "--out", tmp_path / "run")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "ImageNet's validation images, or Imagenette's" in line and "--dataset" in line
    assert not (tmp_path / "run").exists()


def test_the_published_numbers_are_listed() -> None:
    result = bench("list", "published")
    assert result.exit_code == 0
    assert result.output.startswith("resnet18@imagenet by shapleycam; ImageNet validation, 50000 images")
    assert ".1873" in result.output and "The suite has no VGG19" in result.output


def test_published_beside_measured_on_photographs(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two parts of the suite on a net whose weights are here and on one whose are not, with numbers that nobody published."""
    tiny(tmp_path, monkeypatch, net="squeezenet1_1", protocol="gradcampp")
    file = tmp_path / "published.toml"
    file.write_text(file.read_text() + TINY.format(net="resnet18", protocol="gradcampp"), encoding="utf-8")
    hide_weights(monkeypatch, "ResNet18_Weights")
    asked = ["run", "published", "--dataset", real_data, "--images", "2"]
    asked += ["--nets", "squeezenet1_1@imagenet,resnet18@imagenet"]
    asked += ["--protocols", "torchcam,gradcampp", "--metrics", "average_drop", "--out", tmp_path / "run"]
    result = bench(*asked)
    assert result.exit_code == 3
    assert result.output.count("left out: resnet18@imagenet cannot be downloaded (<urlopen error no network>)") == 1
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"torchcam", "gradcampp", "published.md"}
    scores = store.open_run(tmp_path / "run" / "gradcampp").table("scores")
    drop = scores[scores["method"] == "grad_cam"]["value"].mean()
    written = (tmp_path / "run/published.md").read_text(encoding="utf-8")
    assert f"| grad_cam | drop | .250 | {table.format_decimal(drop, 3)} |" in written
    assert "| grad_cam | drop | .250 | - | - | not measured |" in written
    assert "Not measured: resnet18@imagenet cannot be downloaded" in written
    assert "Of 6 published numbers," in " ".join(result.output.split())
    assert result.output.endswith("not measured, because the weights are missing: resnet18@imagenet\n")
    again = bench(*asked)
    assert again.output.count("2 of 2 done before") == 2
    assert "parts" not in store.open_run(tmp_path / "run" / "torchcam").header.dump_content()["suite"]
