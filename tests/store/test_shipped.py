"""The results that ship with the package: found by name, reported and compared like any run, and packed from runs."""

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock, Timeout

import cambench
from cambench.bench.api.missing import list_missing
from cambench.bench.compare.compare import compare_snapshots, load_pair, load_snapshot
from cambench.bench.config import suite_file
from cambench.bench.config.suite import Suite
from cambench.bench.core.errors import UsageError
from cambench.bench.run.describe import make_header
from cambench.bench.run.plan import make_plan
from cambench.bench.store import parts, shipped
from cambench.bench.store.header import FURTHER_DEVICE, read_header
from cambench.bench.store.run import Run, open_run
from cambench.bench.store.schema import NEEDED, SCHEMAS
from cambench.bench.store.writer import Writer, lock_directory
from cambench.tests.support import runs
from cambench.tests.support.cli import bench, refused
from cambench.tests.support.comparisons import edit_header, rename_method, shift_scores
from cambench.tools import records, reference

TWO_NETS = {"squeezenet1_1": "features", "resnet18": "layer4"}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that ships under the name `results`, in the place of those that do; the current directory is empty."""
    monkeypatch.setattr(shipped, "RESULTS", tmp_path / "shipped")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return runs.write(tmp_path / "shipped" / "results", nets=TWO_NETS)


def drop_scores(directory: Path, net: str, method: str, keep: int) -> None:
    """Leave a method the first `keep` images of a net."""
    rows = open_run(directory).table("scores")
    images = open_run(directory).header.data.images[keep:]
    dropped = (rows["net"] == net) & (rows["method"] == method) & rows["image"].isin(images)
    runs.rewrite(directory, "scores", rows[~dropped])


def drop_images(directory: Path, net: str, keep: int) -> None:
    """Leave a net its first `keep` images."""
    run = open_run(directory)
    for table in ("scores", "predictions", "cost", "curves", "maps"):
        rows = run.table(table)
        runs.rewrite(directory, table, rows[(rows["net"] != net) | rows["image"].isin(run.header.data.images[:keep])])


def test_damaged_results_are_refused_with_the_way_to_mend_them(results: Path) -> None:
    (file,) = (results / "scores").glob("*.parquet")
    file.write_bytes(b"damaged")
    with pytest.raises(UsageError, match="install cambench again"):
        cambench.load("results").summary()


def test_results_are_found_by_name_and_a_folder_of_that_name_comes_first(results: Path) -> None:
    assert shipped.list_shipped() == ["results"]
    assert open_run("results").directory == results
    assert cambench.load("results/").directory == results
    with pytest.raises(UsageError, match="File name too long"):
        cambench.load("r" * 300)
    assert cambench.load("results").summary()["mean"].notna().any()
    runs.write(Path("results"), images=3)
    assert open_run("results").directory == Path("results")
    with pytest.raises(UsageError, match="other holds no run"):
        open_run("other")


def test_their_page_is_written_where_the_user_is(results: Path) -> None:
    before = sorted(results.rglob("*"))
    done = bench("report", "results")
    assert done.exit_code == 0 and done.stdout == "report: results.html\n"
    assert "Score-CAM" in Path("results.html").read_text(encoding="utf-8")
    assert sorted(results.rglob("*")) == before


def test_a_run_is_compared_on_what_both_have(results: Path, tmp_path: Path) -> None:
    mine = runs.write(tmp_path / "mine", nets={"squeezenet1_1": "features"})
    rename_method(mine, "score_cam", "my_cam")
    assert bench("compare", "results", mine).exit_code == 0
    comparison = compare_snapshots(*load_pair(Path("results"), mine))
    assert {result.verdict for result in comparison.results if result.key[1] == "my_cam"} == {"new"}
    assert {result.verdict for result in comparison.results if result.key[1] == "cam"} == {"same"}
    assert not any(result.key[1] == "score_cam" for result in comparison.results)
    shift_scores(mine, "cam", "insertion", -0.2)
    done = bench("compare", "results", mine)
    assert done.exit_code == 1 and "results → " in done.stdout and "insert" in done.stdout


def test_what_the_results_lack_is_not_judged(results: Path, tmp_path: Path) -> None:
    """A method has five images instead of twelve on one net, another net has four: the differences elsewhere do not count."""
    drop_scores(results, "squeezenet1_1", "cam", 5)
    drop_scores(results, "squeezenet1_1", "score_cam", 0)
    drop_images(results, "resnet18", 4)
    mine = runs.write(tmp_path / "mine", nets=TWO_NETS)
    rows = open_run(mine).table("scores")
    beyond = (rows["net"] == "squeezenet1_1") & (rows["method"] == "cam") & (rows["metric"] == "energy")
    beyond &= rows["image"].isin(open_run(mine).header.data.images[5:])
    runs.rewrite(mine, "scores", rows.assign(value=rows["value"].mask(beyond, 0.0)))
    comparison = compare_snapshots(*load_pair(Path("results"), mine))
    verdicts = {result.key: result.verdict for result in comparison.results}
    assert verdicts["squeezenet1_1", "cam", "energy"] == "same"
    assert verdicts["squeezenet1_1", "score_cam", "energy"] == "new"
    assert verdicts["resnet18", "grad_cam", "energy"] == "same"
    assert not any("class" in note or "with a value now" in note for note in comparison.notes)
    with pytest.raises(UsageError, match="is damaged: it has 328 of 480 scores"):
        load_snapshot(results)


def test_runs_of_one_net_are_packed_into_one_and_unpacked_again(tmp_path: Path) -> None:
    whole = runs.seal(runs.write(tmp_path / "whole", nets=TWO_NETS))
    split = [tmp_path / net for net in TWO_NETS]
    for directory in split:
        reference.unpack(open_run(whole), directory.name, directory)
        assert list(open_run(directory).header.nets) == [directory.name]
    reference.pack([open_run(directory) for directory in split], tmp_path / "packed")
    packed = open_run(tmp_path / "packed")
    packed.check()
    assert list(packed.header.nets) == packed.header.suite.nets == list(TWO_NETS)
    key = ["net", "image", "method", "metric"]
    for table in ("scores", "predictions", "cost", "curves"):
        columns = [column for column in key if column in packed.table(table)]
        one, other = (run.table(table).sort_values(columns, ignore_index=True) for run in (packed, open_run(whole)))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    shown = packed.header.data.images[: reference.SHOWN_IMAGES]
    assert list(packed.table("images")["image"]) == shown
    assert set(packed.table("maps")["image"]) == set(shown)


def test_scores_that_are_packed_are_not_dropped(tmp_path: Path) -> None:
    whole = runs.seal(runs.write(tmp_path / "whole", nets=TWO_NETS))
    split = [tmp_path / net for net in TWO_NETS]
    for directory in split:
        reference.unpack(open_run(whole), directory.name, directory)
    reference.check_nothing_dropped([open_run(directory) for directory in split], whole)
    with pytest.raises(UsageError, match=r"packing would drop 480 scores of resnet18: compute them too"):
        reference.check_nothing_dropped([open_run(split[0])], whole)
    reference.check_nothing_dropped([open_run(split[0])], whole, ["resnet18"])


def test_results_stay_if_packing_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, packed = open_run(runs.seal(runs.write(tmp_path / "run", nets=TWO_NETS))), tmp_path / "packed"
    reference.pack([run], packed)
    before = open_run(packed).table("scores")
    with monkeypatch.context() as patch:
        patch.setattr(parts, "_encode", interrupt)
        with pytest.raises(KeyboardInterrupt):
            reference.pack([run], packed)
    pd.testing.assert_frame_equal(open_run(packed).table("scores"), before)
    reference.pack([run], packed)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["packed", "run"]
    pd.testing.assert_frame_equal(open_run(packed).table("scores"), before)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_process_waits_while_another_replaces_the_run(tmp_path: Path) -> None:
    directory, lock = runs.seal(runs.write(tmp_path / "run", nets=TWO_NETS)), FileLock(tmp_path / "run.lock")
    (tmp_path / "run.new").mkdir()
    lock.acquire()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(reference.name_further_device, directory, "another")
        time.sleep(0.5)
        assert not waiting.done() and (tmp_path / "run.new").exists()
        lock.release()
        waiting.result()
    assert open_run(directory).header.environment[FURTHER_DEVICE] == "another"


def test_what_is_packed_is_read_while_no_other_process_packs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path
) -> None:
    """Else a process that has read its runs could overwrite what another one packs meanwhile."""
    seen: list[bool] = []
    check, lock = reference.check_nothing_dropped, FileLock(results.with_name("results.lock"))

    def check_locked(*arguments: Any) -> None:
        with pytest.raises(Timeout), lock.acquire(timeout=0):
            pass
        seen.append(True)
        check(*arguments)

    for name, value in {"SUITE": "results", "RESULTS": results.parent, "RUNS": tmp_path / "runs"}.items():
        monkeypatch.setattr(reference, name, value)
    monkeypatch.setattr(reference, "_list_nets", lambda _: list(TWO_NETS))
    monkeypatch.setattr(reference, "check_nothing_dropped", check_locked)
    monkeypatch.setattr(reference, "pack", lambda runs, *_, **__: seen.append(len(runs) == 2))
    reference.update_results([], reference.Work(0, 0, 0), photos=None, device="cpu", anew=False)
    assert seen == [True, True]
    with lock.acquire(timeout=0):
        pass


def test_what_a_process_moved_away_and_left_is_brought_back_before_a_run_is_replaced(tmp_path: Path) -> None:
    directory = runs.seal(runs.write(tmp_path / "run", nets=TWO_NETS))
    header, rows = read_header(directory), {table: records.read_rows(open_run(directory), table) for table in SCHEMAS}
    directory.rename(tmp_path / "run.old")
    with lock_directory(tmp_path / "run.old"), pytest.raises(UsageError, match="another run is writing"):
        records.write_run(directory, header, rows)
    assert open_run(directory).header == header


def test_a_score_that_is_missing_now_is_not_that_of_before(tmp_path: Path) -> None:
    """Only what was measured, such as seconds, is kept where a later row lacks it."""
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    scores, cost = (open_run(directory).table(table) for table in ("scores", "cost"))
    for table in NEEDED:
        runs.rewrite(directory, table, open_run(directory).table(table), part=1)
    runs.rewrite(directory, "scores", scores.assign(value=float("nan"), reason="not any more"), part=1)
    runs.rewrite(directory, "cost", cost.assign(seconds=float("nan")), part=1)
    run = open_run(runs.seal(directory))
    assert {row["reason"] for row in records.read_rows(run, "scores")} == {"not any more"}
    assert all(pd.isna(row["value"]) for row in records.read_rows(run, "scores"))
    assert [row["seconds"] for row in records.read_rows(run, "cost")] == cost["seconds"].to_list()


def test_a_run_that_another_process_writes_is_not_replaced(tmp_path: Path) -> None:
    directory = runs.seal(runs.write(tmp_path / "run", nets=TWO_NETS))
    with lock_directory(directory), pytest.raises(UsageError, match="another run is writing"):
        reference.name_further_device(directory, "another")


@pytest.mark.parametrize("content", ["{", '{"format": 99}', None])
def test_shipped_results_with_a_damaged_header_are_to_be_installed_again(results: Path, content: str | None) -> None:
    (results / "run.json").unlink()
    if content is not None:
        (results / "run.json").write_text(content, encoding="utf-8")
    message = refused("report", "results")
    assert message.endswith("install cambench again") and "remove" not in message
    assert "install cambench again" in " ".join(bench("list", "results").stdout.split())
    assert "cam" in bench("show", "cam").stdout and "resnet18" in bench("list").stdout


def test_a_folder_of_the_users_own_comes_before_the_results(results: Path) -> None:
    assert open_run("results").directory == results
    Path("results").mkdir()
    assert refused("report", "results").endswith("results holds no run: it has no run.json")


def test_results_are_listed_and_a_misspelt_name_is_answered_with_the_closest(results: Path) -> None:
    del results
    assert "results" in bench("list", "results").stdout.split("\n", 1)[1]
    message = "bench: resultz holds no run: did you mean results, the results that ship with cambench?"
    assert refused("report", "resultz") == message


def test_nets_that_the_results_do_not_have_are_refused_and_spaces_do_no_harm() -> None:
    assert reference.list_nets("squeezenet1_1, vgg16", None) == ["squeezenet1_1", "vgg16"]
    assert reference.list_nets("-", None) == []
    assert reference.list_nets("", None) == ["squeezenet1_1", "resnet18", "vgg16"]
    assert reference.list_methods("recipro_cam,ablation_cam") == ["recipro_cam", "ablation_cam"]
    with pytest.raises(UsageError, match=r"--methods , names no method"):
        reference.list_methods(",")
    with pytest.raises(UsageError, match=r"have no net 'resnet19': take some of squeezenet1_1, resnet18, vgg16$"):
        reference.list_nets("resnet19", None)


def test_shipped_results_without_their_lists_are_to_be_installed_again(results: Path) -> None:
    runs.seal(results)
    shutil.rmtree(results / "parts")
    assert "install cambench again" in refused("report", "results")


@pytest.mark.parametrize("part", ["methods", "environment"])
def test_runs_that_differ_in_more_than_their_nets_are_not_packed(tmp_path: Path, part: str) -> None:
    split = [runs.write(tmp_path / net, nets={net: layer}) for net, layer in TWO_NETS.items()]
    changes = {"methods": lambda header: header["methods"]["cam"].update(version=9),
               "environment": lambda header: header["environment"].update(torch="1.0")}  # fmt: skip
    edit_header(split[1], changes[part])
    with pytest.raises(
        UsageError, match=r"resnet18 and squeezenet1_1 have different methods|resnet18 was computed elsewhere"
    ):
        reference.pack([open_run(directory) for directory in split], tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_a_run_that_goes_on_elsewhere_names_both_devices_and_keeps_the_first(tmp_path: Path) -> None:
    split = [runs.write(tmp_path / net, nets={net: layer}) for net, layer in TWO_NETS.items()]
    for directory in split:
        edit_header(directory, lambda header: header["environment"].update(device="A"))
        runs.seal(directory)
    begun, scores = read_header(split[0]), open_run(split[0]).table("scores")
    for device in ("B", "C", "B"):
        reference.name_further_device(split[0], device)
        assert reference.find_first_device(split[0]) == "A"
        Writer(split[0], begun).close()
        pd.testing.assert_frame_equal(open_run(split[0]).table("scores"), scores, check_exact=True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == sorted(TWO_NETS)
    reference.pack([open_run(directory) for directory in split], tmp_path / "packed")
    packed = read_header(tmp_path / "packed").environment
    assert packed["device"] == "A" and packed[FURTHER_DEVICE] == "B; C"


def test_a_run_that_lacks_metrics_gets_them_and_keeps_its_scores(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    before = open_run(directory)
    scores, header = before.table("scores"), before.header
    metric = header.metrics["insertion"].model_copy(update={"ties_of": "insertion", "short": "ins-tie"})
    more = header.model_copy(
        update={
            "metrics": header.metrics | {"insertion_ties": metric},
            "protocols": header.protocols | {"insertion_ties": header.protocols["insertion"]},
            "environment": {"device": "another"},
        }
    )
    reference.add_metrics(directory, more)
    after = open_run(directory)
    assert list(after.header.metrics) == [*header.metrics, "insertion_ties"]
    assert after.header.environment == header.environment
    pd.testing.assert_frame_equal(after.table("scores").astype(str), scores.astype(str))
    files = sorted((file, file.stat().st_mtime_ns) for file in directory.rglob("*.*"))
    reference.add_metrics(directory, more)
    assert sorted((file, file.stat().st_mtime_ns) for file in directory.rglob("*.*")) == files


def load_few(metrics: Sequence[str], images: int) -> Suite:
    methods = ["cam", "score_cam", "random"]
    few = {"nets": ["squeezenet1_1"], "dataset": "scenes[size=64]", "precision": "fp32"}
    return suite_file.load("smoke", methods=methods, metrics=list(metrics), images=images, **few)


def test_metrics_of_ties_are_computed_after_all_others_on_fewer_images_and_keep_the_seconds(tmp_path: Path) -> None:
    directory, suite = tmp_path / "run", load_few(["energy", "insertion_ties[steps=2]"], 3)
    reference.compute(suite, directory, reference.Work(3, 1, 0), "cpu")
    before = open_run(directory)
    seconds = before.table("cost")[["image", "method", "seconds"]].dropna()
    assert dict(Counter(before.table("scores")["method"])) == {"cam": 3, "score_cam": 1, "random": 3}
    reference.compute(suite, directory, reference.Work(3, 1, 2), "cpu")
    reference.pack([open_run(directory)], tmp_path / "packed")
    packed = open_run(tmp_path / "packed")
    ties = packed.table("scores").query("metric != 'energy'")
    assert dict(Counter(ties["method"])) == {"cam": 2, "score_cam": 1, "random": 2}
    pd.testing.assert_frame_equal(packed.table("cost")[["image", "method", "seconds"]].dropna(), seconds)
    assert packed.table("predictions")["seconds"].notna().any()
    files = sorted((file, file.stat().st_mtime_ns) for file in directory.rglob("*.*"))
    reference.compute(suite, directory, reference.Work(3, 1, 2), "cpu")
    assert sorted((file, file.stat().st_mtime_ns) for file in directory.rglob("*.*")) == files


def test_only_the_named_methods_are_computed(tmp_path: Path) -> None:
    directory, suite = tmp_path / "run", load_few(["energy"], 2)
    reference.compute(suite, directory, reference.Work(2, 1, 0, ("score_cam", "random")), "cpu")
    assert dict(Counter(open_run(directory).table("scores")["method"])) == {"score_cam": 1, "random": 2}


def test_metrics_that_need_further_explanations_can_be_left_for_later(tmp_path: Path) -> None:
    directory, suite = tmp_path / "run", load_few(["energy", "coherency"], 2)
    for single_map, scored in ((True, ["energy"]), (False, ["energy", "coherency"])):
        reference.compute(suite, directory, reference.Work(0, 1, 0, single_map=single_map), "cpu")
        scores = open_run(directory).table("scores")
        assert sorted(scores["metric"]) == sorted(scored) and set(scores["method"]) == {"score_cam"}


def test_a_suite_without_metrics_of_ties_has_one_plan(tmp_path: Path) -> None:
    plan = make_plan(load_few(["energy"], 3), "cpu")
    Writer(tmp_path / "run", make_header(plan)).close()
    (part,) = reference.Work(2, 0, 3).list_plans(plan, open_run(tmp_path / "run"))
    assert [measure.spec for measure in part.measures] == ["energy"]


def test_an_image_that_lacks_one_metric_of_a_method_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, suite = tmp_path / "run", load_few(["energy", "gini"], 2)
    reference.compute(suite, directory, reference.Work(2, 0, 0), "cpu")
    plan, run, wanted = make_plan(suite, "cpu"), open_run(directory), {"cam": range(2), "random": range(2)}
    assert list(list_missing(plan, run, "squeezenet1_1", wanted)) == []
    scores, first = run.table("scores"), plan.images.name(plan.indices[0])
    lacking = (scores["image"] == first) & (scores["method"] == "cam") & (scores["metric"] == "gini")
    monkeypatch.setattr(Run, "table", lambda *_, **__: scores[~lacking])
    (planned,) = list_missing(plan, run, "squeezenet1_1", wanted)
    assert planned.methods == ("cam",) and planned.groups == {"squeezenet1_1": [[plan.indices[0]]]}


def test_runs_of_which_one_has_more_metrics_are_packed_with_all_of_them(tmp_path: Path) -> None:
    split = [runs.write(tmp_path / net, nets={net: layer}) for net, layer in TWO_NETS.items()]
    runs.add_ties(split[1], {})
    for directory in split:
        runs.seal(directory)
    reference.pack([open_run(directory) for directory in split], tmp_path / "packed")
    packed = open_run(tmp_path / "packed")
    assert list(packed.header.metrics) == list(open_run(split[1]).header.metrics)
    counts = Counter(packed.table("scores").query("metric == 'insertion_ties'")["net"])
    assert counts["resnet18"] and not counts["squeezenet1_1"]


@pytest.mark.parametrize("left", ["old", "new"])
def test_what_a_stopped_process_left_does_no_harm(tmp_path: Path, left: str) -> None:
    directory = runs.write(tmp_path / "run", nets={"resnet18": "layer4"})
    runs.seal(directory)
    scores = open_run(directory).table("scores")
    shutil.copytree(directory, tmp_path / f"run.{left}")
    reference.name_further_device(directory, "B")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["run"]
    directory.rename(tmp_path / "run.old")
    records.restore(directory)
    pd.testing.assert_frame_equal(open_run(directory).table("scores"), scores, check_exact=True)


def test_a_run_on_other_images_is_told_how_to_explain_those_of_the_results(results: Path, tmp_path: Path) -> None:
    other = runs.write(tmp_path / "other", prefix="photo")
    message = refused("compare", "results", other)
    assert "no image in common" in message and message.endswith(": the images of results are those of scenes")


def test_an_error_names_the_side_that_lacks_what_is_selected(results: Path, tmp_path: Path) -> None:
    mine = runs.write(tmp_path / "mine", nets={"squeezenet1_1": "features"})
    assert f"{mine} has no net 'resnet18'" in refused("compare", "results", mine, "--nets", "resnet18")


def test_a_link_in_a_circle_is_refused_in_a_sentence(results: Path, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    circle = tmp_path / "circle"
    assert refused("compare", circle, results).endswith(f"there is no run or baseline at {circle}")


def test_incomplete_results_are_compared_as_the_base_alone(results: Path, tmp_path: Path) -> None:
    mine = runs.write(tmp_path / "mine", nets=TWO_NETS)
    pair = ("--judge-seconds", 2, "--repeat", mine, "results")
    for command in (("baseline", "results"), ("compare", mine, "results"), ("compare", mine, mine, *pair)):
        assert "results ships with cambench and is not complete" in refused(*command)


def test_a_name_that_is_neither_is_refused_in_a_sentence(results: Path) -> None:
    assert refused("compare", "result", results).endswith("there is no run or baseline at result")
