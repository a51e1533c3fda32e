"""A race, and a run within a time, with any options starts, or is refused in one sentence; what it writes can be resumed."""

import shutil
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cambench.bench.store.run import open_run
from cambench.tests.support.properties import assert_orderly, hash_files, hold, numbers, texts, times

RIGHT = ["--nets", "net.py:make", "--dataset", "scenes[size=32]", "--precision", "fp32", "--seed", "0"]
SHARES = st.sampled_from(["95%", "40%", "2%", "0.5", ".5", "1e-3", "50 %", "99.9999999999%", "0." + "9" * 16, "1e-10"]) | (
    st.sampled_from([
        "0", "0%", "100%", "1", "-1%", "nan", "inf", "0." + "9" * 40, "0." + "0" * 400 + "1", "0." + "0" * 300 + "1", "%",
        "٥%", "5%%", "1" + "0" * 30,
    ])
)  # fmt: skip
DURATIONS = st.sampled_from(["1s", "9h", "999999999h", "0.000000001", "1 min", "1MIN", "٥s"]) | st.sampled_from([
    "0", "0s", "0.0", "-1s", "nan", "inf", "1e9", "1e-9", "soon", "1s1s", "1" + "0" * 400,
])  # fmt: skip
COUNTS = st.sampled_from(["1", "2", "4"]) | st.sampled_from(["0", "-1", "1.5", "nan", "9" * 30])
METHODS = st.sampled_from(["centre,grad_cam", "random[seed=1],random", "centre"]) | st.sampled_from(
    ["centre,centre", ",", ""]
)
METRICS = st.sampled_from(["gini", "gini,energy", "complexity"]) | st.sampled_from(
    ["infidelity", "gini,gini", "insertion@rise", ",", ""]
)


def make_options(**values: SearchStrategy[str]) -> SearchStrategy[list[str]]:
    """Some of these options, each with one of its values, which are odd or not, or with any text or number."""
    given = [st.tuples(st.just(f"--{name}"), own | texts | numbers.map(str)) for name, own in values.items()]
    return st.lists(st.one_of(given), max_size=2).map(lambda pairs: [word for pair in pairs for word in pair])


RACES = make_options(confidence=SHARES, slack=SHARES, budget=DURATIONS, images=COUNTS, by=METRICS, methods=METHODS)
TIMED = make_options(time=DURATIONS, images=COUNTS, metrics=METRICS, methods=METHODS, drift=COUNTS)


def assert_begun(folder: Path, *command: object) -> int:
    """Run a command twice; what the first has written stays."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    exit_code = assert_orderly(*command, "--out", "run").exit_code
    if exit_code != 2:
        open_run(folder / "run").check()
        before = {
            file: digest for file, digest in hash_files(folder / "run").items() if file.endswith((".parquet", ".json"))
        }
        assert assert_orderly(*command, "--out", "run").exit_code == exit_code
        assert before.items() <= hash_files(folder / "run").items()
    return exit_code


@times
def test_a_race_with_any_options_is_run_or_refused(folder: Path, times: int) -> None:
    exits = set()

    def check(options: list[str]) -> None:
        start = ["choose", "scenes", *RIGHT, "--methods", "centre,random", "--images", "3", "--by", "gini"]
        exits.add(assert_begun(folder, *start, *options))

    hold(check, RACES, examples=6 * times)
    assert exits == {0, 2}


@times
def test_a_run_within_a_time_with_any_options_is_run_or_refused(folder: Path, times: int) -> None:
    exits = set()

    def check(options: list[str]) -> None:
        start = ["run", "scenes", *RIGHT, "--methods", "centre,rise[count=4]", "--images", "2", "--metrics", "gini"]
        exits.add(assert_begun(folder, *start, "--time", "9h", *options))

    hold(check, TIMED, examples=5 * times)
    assert exits == {0, 2}
