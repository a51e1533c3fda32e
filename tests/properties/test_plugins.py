"""A plug-in that declares, returns, yields or raises anything fails in one sentence, or makes records that can be read.

What it changes in the process is put back.
"""

import os
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis.strategies import SearchStrategy

from cambench.bench.store.run import open_run
from cambench.tests.support.plugin_code import DATASETS, HEAD, METHODS, METRICS, REPORTS
from cambench.tests.support.properties import assert_orderly, hold, times


def read_state() -> tuple[object, ...]:
    streams = sys.stdout, sys.stderr
    return (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        np.geterr(),
        os.getcwd(),  # noqa: PTH109
        streams,
    )


def assert_run(folder: Path, option: str, code: str, out: Path) -> int:
    """Run a suite with a plug-in of this code; assert that it fails in a sentence, or makes records that can be read."""
    (folder / "odd.py").write_text(HEAD + code, encoding="utf-8")
    chosen = {"nets": "net.py:make", "dataset": "scenes[size=32]", "methods": "centre", "metrics": "gini", "images": "2",
              "precision": "fp32", option: "./odd.py"}  # fmt: skip
    before = read_state()
    result = assert_orderly(
        "run", *(word for key, value in chosen.items() for word in (f"--{key}", value)), "--out", out
    )
    assert read_state() == before
    if result.exit_code != 2:
        open_run(out).check()
    return result.exit_code


@times
@pytest.mark.parametrize(("option", "codes"), [("metrics", METRICS), ("methods", METHODS), ("dataset", DATASETS)])
def test_any_plugin_makes_records_or_fails_in_a_sentence(
    folder: Path, option: str, codes: SearchStrategy[str], times: int
) -> None:
    numbers, exits = count(), set()
    hold(
        lambda code: exits.add(assert_run(folder, option, code, folder / f"{next(numbers)}")),
        codes,
        examples=20 * times,
    )
    assert {0, 2} <= exits


MEAN = "\ndef explain(net, images, targets):\n    return images.mean(1)\n"


@times
def test_any_report_is_text_or_fails_in_a_sentence(folder: Path, times: int) -> None:
    assert (
        assert_run(
            folder, "methods", "\ndef explain(net, images, targets):\n    return images.mean(1)\n", folder / "run"
        )
        == 0
    )

    def check(code: str) -> None:
        (folder / "odd.py").write_text(HEAD + code, encoding="utf-8")
        before = read_state()
        assert_orderly("report", folder / "run", "--format", "./odd.py")
        assert read_state() == before

    hold(check, REPORTS, examples=12 * times)
