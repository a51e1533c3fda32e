"""Races of methods whose scores are known, from the command to the report."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import inf
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from rich.console import Console

from cambench import choose, load
from cambench.bench.api import choose as choose_module
from cambench.bench.api.choose import make_suite
from cambench.bench.api.race import measure_race
from cambench.bench.config.suite import Race
from cambench.bench.core import plugins
from cambench.bench.core.errors import UsageError
from cambench.bench.core.plugins import ENGINE, Plugin
from cambench.bench.run.describe import make_header
from cambench.bench.run.plan import Plan, make_plan
from cambench.bench.show.answer_matrix import RACE_COLUMNS_NOTE, RACE_NOTE
from cambench.bench.stats.summary import build_table
from cambench.bench.store.parts import NetImage
from cambench.bench.store.run import open_run
from cambench.bench.store.writer import Writer
from cambench.reports import html, markdown

from ..support import races
from ..support.cli import bench, refused
from ..support.runs import assert_same, words

LOCAL = plugins.find(ENGINE, "local")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished race in `run`, and what the command printed in `printed`."""
    home = tmp_path_factory.mktemp("race")
    done = bench("choose", *races.write(home), "--by", home / "mean_of_map.py", "--out", home / "run")
    assert done.exit_code == 0
    (home / "printed").write_text(words(done.output), encoding="utf-8")
    return home


def make_race_plan(home: Path, **changes: int) -> Plan:
    """The plan of the command's race."""
    options = races.write(home)
    suite = make_suite(
        "scenes", Race(), [str(home / "mean_of_map.py")], nets=[options[1]], dataset=options[3],
        methods=options[5].split(","), images=1000, precision="fp32", **changes,
    )  # fmt: skip
    return make_plan(suite, "cpu")


def spec(home: Path, name: str) -> str:
    """The spec of a method in the records of a race."""
    return next(method for method in open_run(home / "run").header.methods if name in method)


def count_images(directory: Path) -> dict[str, int]:
    """The number of images of each method in the records, by the name of its file."""
    scores = open_run(directory).table("scores")
    return {str(method).rpartition("/")[2]: len(rows) for method, rows in scores.groupby("method", observed=True)}


def claim(first: float, second: float, factors: tuple[int, int], shades: list[int]) -> int:
    """After how many images the first of two methods is surely ahead, by bets in plain Python."""
    capitals = [1 / 64] * 16 + [3 / 4]
    shares = [np.sin(np.pi * (number + 0.5) / 32) ** 2 for number in range(16)] + [0.99]
    for count, shade in enumerate(shades, 1):
        levels = [
            level + (shade * factor % 7 - 3) / 200 for level, factor in zip((first, second), factors, strict=True)
        ]
        gain = (1 + levels[0] - levels[1]) / 2 / 0.5 - 1
        capitals = [capital * (1 + share * gain) for capital, share in zip(capitals, shares, strict=True)]
        if sum(capitals) >= 6 / 0.05:  # 3 pairs of methods, and 3 with the control
            return count
    raise AssertionError("never sure")


def test_methods_drop_out_when_bets_on_their_known_scores_say_so(home: Path) -> None:
    counts = count_images(home / "run")
    shades = [int(name) for name in open_run(home / "run").header.data.images]
    needed = claim(races.LEVELS["good"], races.LEVELS["poor"], (1, 3), shades)
    assert counts["poor"] == -(-needed // 8) * 8 < counts["good"] == counts["fair"] < 120
    assert f"poor drops out after {counts['poor']} images: good is surely better by mean_of_map" in read(
        home, "printed"
    )


def read(home: Path, name: str) -> str:
    return (home / name).read_text(encoding="utf-8")


def test_each_map_is_made_once_and_only_while_it_is_needed(home: Path) -> None:
    made = Counter(line.split()[0] for line in set(races.read_log(home)))
    assert made == count_images(home / "run")
    # The first image is explained twice more, to count its work and to warm up, and the first batch both alone and as a whole;
    # what is timed and short is made twice.
    assert len(races.read_log(home)) <= sum(made.values()) + 4 * (2 + 8 + 8 + 8)


def test_the_images_are_in_a_random_order_of_the_seed(home: Path) -> None:
    names = open_run(home / "run").header.data.images
    assert sorted(names) == [f"{index:03}" for index in range(120)] != names
    orders = []
    for seed in (0, 0, 1):
        plan = make_race_plan(home, seed=seed)
        orders.append([plan.images.name(index) for index in plan.indices])
    assert orders[0] == orders[1] == names != orders[2]


def test_the_answer_is_that_of_the_race(home: Path) -> None:
    run = load(home / "run")
    (answer,) = run.answer()
    assert (answer.state, answer.take) == ("tie", spec(home, "good"))
    assert answer.text in read(home, "printed") and answer.text.endswith("(95 % sure)")
    assert answer.by[0].standings == {
        spec(home, "good"): "tie", spec(home, "fair"): "tie", spec(home, "poor"): "no better than a control"
    }  # fmt: skip
    race = build_table(run, answer.net).race
    assert race and race.decided and race.outcome == "close" and answer.images == race.images


def test_the_same_command_computes_nothing_more(home: Path) -> None:
    before = races.read_log(home)
    done = bench("choose", *races.write(home), "--by", home / "mean_of_map.py", "--out", home / "run")
    assert done.exit_code == 0 and races.read_log(home) == before


def test_the_reports_show_who_dropped_out_and_why(home: Path) -> None:
    markdown = bench("report", home / "run", "--markdown").output
    counts = count_images(home / "run")
    assert "by mean_of_map: 95 % sure, slack 2 %, at most 120 images" in markdown
    assert f"| {counts['poor']} | dropped out: good is surely better by mean_of_map |" in markdown
    assert "not complete" not in markdown
    assert f"mean_of_map: over {counts['poor']} of {counts['good']} images by poor (poor dropped out)." in markdown
    page = read(home, "run/report.html")
    assert '<section id="race">' in page and "dropped out: good is surely better by mean_of_map" in page
    assert "not complete" not in page


def test_a_race_is_not_compared_with_a_run(home: Path) -> None:
    message = refused("baseline", home / "run", "--out", home / "baseline")
    assert "is a race, which scored methods on different images" in message and not (home / "baseline").exists()


class Interrupting:
    """An engine that is interrupted after so many images."""

    def __init__(self, count: int) -> None:
        self._count = count

    def blame(self) -> AbstractContextManager[None]:
        return nullcontext()

    def __call__(self, plan: Plan, writer: Writer) -> Iterator[NetImage]:
        for number, done in enumerate(LOCAL(plan, writer)):
            if number == self._count:
                raise KeyboardInterrupt
            yield done


def race_into(home: Path, directory: Path, engine: Plugin | Interrupting, seconds: float | None = None) -> None:
    """Race into a directory with an engine; what is not on disk at an interrupt is lost."""
    plan = make_race_plan(home)
    writer = Writer(directory, make_header(plan))
    try:
        measure_race(plan, writer, Console(quiet=True), engine, seconds)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        pass
    finally:
        writer.close()


def test_a_race_that_is_killed_again_and_again_has_the_records_of_one_that_is_not(home: Path, tmp_path: Path) -> None:
    counts = []
    for images in (0, 1, 5, 9, 20):
        race_into(home, tmp_path / "run", Interrupting(images))
        counts.append(len(open_run(tmp_path / "run").table("scores")))
    assert counts == sorted(counts) and 0 < counts[-1] < len(open_run(home / "run").table("scores"))
    race_into(home, tmp_path / "run", LOCAL)
    assert_same(tmp_path / "run", home / "run")


def test_a_part_of_a_race_that_is_removed_is_computed_again(home: Path, tmp_path: Path) -> None:
    """A message on a damaged part says so."""
    lists = sorted((home / "run" / "parts").iterdir())
    assert len(lists) > 3
    for number in (0, 1, len(lists) - 1):
        run = Path(shutil.copytree(home / "run", tmp_path / f"run{number}"))
        (run / "parts" / lists[number].name).unlink()
        race_into(home, run, LOCAL)
        assert_same(run, home / "run")


def test_reports_of_a_race_say_that_other_tests_are_not_valid_in_it(home: Path) -> None:
    run = open_run(home / "run")
    text, page = markdown.render(run), html.render(run)
    assert text.count(RACE_NOTE) == 1 and text.count(RACE_COLUMNS_NOTE) == page.count(RACE_COLUMNS_NOTE) == 1
    assert "claim more than is sure.</p>" in page


def test_a_race_ends_when_its_time_is_up_and_goes_on_later(home: Path, tmp_path: Path) -> None:
    race_into(home, tmp_path / "run", LOCAL, 1e-3)
    race = build_table(open_run(tmp_path / "run"), "net:make").race
    assert race and not race.over and race.outcome == "open" and race.images < 56
    assert (
        race.text.startswith(f"no method to take after {race.images} image")
        and "not shown to beat control" in race.text
    )
    race_into(home, tmp_path / "run", LOCAL, inf)
    assert_same(tmp_path / "run", home / "run")


def test_an_image_that_fails_is_left_out_and_reported(tmp_path: Path) -> None:
    options = races.write(tmp_path, broken=(3, 50, 51))
    result = bench("choose", *options, "--by", tmp_path / "mean_of_map.py", "--out", tmp_path / "run", "--images", 120)
    names = open_run(tmp_path / "run").header.data.images
    reached = max(names.index(name) for name in open_run(tmp_path / "run").table("predictions")["image"])
    failed = {name for name in ("003", "050", "051") if names.index(name) <= reached}
    assert failed and result.exit_code == 3
    assert set(open_run(tmp_path / "run").table("failures")["image"]) == failed
    race = build_table(open_run(tmp_path / "run"), "net:make").race
    assert race and race.decided and count_images(tmp_path / "run")["good"] == race.images - len(failed)
    (tmp_path / "mended").touch()
    again = bench("choose", *options, "--by", tmp_path / "mean_of_map.py", "--out", tmp_path / "run", "--images", 120)
    assert again.exit_code == 0 and not len(open_run(tmp_path / "run").table("failures"))
    assert count_images(tmp_path / "run")["good"] == race.images


def test_python_races_too(home: Path, tmp_path: Path) -> None:
    options = races.write(home)
    changes = {"nets": [options[1]], "dataset": options[3], "methods": options[5].split(","), "precision": "fp32"}
    run = choose(by=str(home / "mean_of_map.py"), out=tmp_path / "run", quiet=True, device="cpu", **changes)
    assert run.answer()[0].text == load(home / "run").answer()[0].text
    assert_same(tmp_path / "run", home / "run")


def test_what_cannot_be_raced_is_refused_in_a_sentence(home: Path, tmp_path: Path) -> None:
    base = ("choose", *races.write(home), "--out", tmp_path / "run")
    assert "infidelity has no lowest or no highest value" in refused(*base, "--by", "infidelity")
    assert "a race needs two methods at least, and there is one" in refused(*base, "--methods", "cam")
    assert "the suite published has parts" in refused("choose", "published")
    assert "did you mean 'insertion'" in refused(*base, "--by", "insertio")
    assert "a race is from 50 % to less than 100 % sure, and its confidence is 40 %" in refused(
        *base, "--confidence", "40%"
    )
    assert not (tmp_path / "run").exists()
    for option, value in (("--slack", "0%"), ("--confidence", "120%"), ("--budget", "soon"), ("--budget", "0s")):
        assert bench(*base, option, value).exit_code == 2
    with pytest.raises(UsageError, match="needs two methods"):
        choose(methods=["cam"])
    with pytest.raises(UsageError, match=r"between 0 % and 100 % of a metric's range, and not 150 %"):
        choose(slack=1.5)


@pytest.mark.parametrize(
    ("dataset", "by", "metrics"),
    [("folder", None, ["insertion", "average_gain"]), ("folder", ["energy"], ["energy"]),
     ("scenes[size=64]", None, ["insertion", "average_gain", "energy"])],
)  # fmt: skip
def test_metrics_of_objects_do_not_decide_on_images_without_objects(
    tmp_path: Path, dataset: str, by: list[str] | None, metrics: list[str]
) -> None:
    for number in range(9):
        PIL.Image.new("RGB", (64, 64), (9 * number, 0, 0)).save(tmp_path / f"{number}.png")
    chosen = str(tmp_path) if dataset == "folder" else dataset
    few = {"nets": ["squeezenet1_1"], "methods": ["cam", "random"], "precision": "fp32", "images": 9}
    suite = make_suite("scenes", Race(), by, dataset=chosen, **few)
    plan = choose_module.make_race_plan(suite, device="cpu", by=by)
    assert [measure.metric.name for measure in plan.measures] == metrics
    assert list(make_header(plan).metrics) == plan.suite.metrics == metrics


@pytest.mark.parametrize(("by", "metrics"), [(None, ["insertion", "average_gain", "energy"]), (["energy"], ["energy"])])
def test_a_balanced_choice_of_metrics_decides_unless_they_are_named(by: list[str] | None, metrics: list[str]) -> None:
    suite = make_suite("scenes", Race(slack=0.1), by)
    assert suite.metrics == metrics and suite.race == Race(confidence=0.95, slack=0.1)
    one, other = (partial(make_suite, "scenes", Race(slack=slack), by) for slack in (0.1, 0.2))
    assert one().make_directory_name() != other().make_directory_name()
