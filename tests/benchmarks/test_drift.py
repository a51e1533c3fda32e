"""The stored drift of lower precisions is that of a smaller measurement."""

import json
from pathlib import Path
from typing import Any

import pytest

from cambench.tools.figures import DRIFT

from .drift import measure

FEW = {"nets": ["squeezenet1_1"], "methods": ["grad_cam", "random"], "metrics": ["insertion", "deletion", "road"]}


def test_one_image_drifts_no_further_than_the_stored_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    figures = measure(1, "cpu", **FEW)["figures"]
    stored = _index(json.loads(DRIFT.read_text(encoding="utf-8"))["figures"])
    found = _index(figures)
    assert {metric for precision, _, metric in found if precision == "bf16"} == set(FEW["metrics"])
    for key, row in found.items():
        assert row["n"] == 2
        assert 0 < row["mean"] <= row["largest"] < 1.2 * stored[key]["largest"]
        if key[0] == "fp16":  # only on processors with units for it
            assert row["mean"] < found["bf16", *key[1:]]["mean"] / 2


def _index(figures: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(row["precision"], row["net"], row["metric"]): row for row in figures}
