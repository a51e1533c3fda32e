"""A suite file, or the spec of a plug-in, with any content is refused in one sentence, or makes a run that can be resumed."""

import json
from datetime import date, time
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cambench.bench.config.protocol import find_protocol
from cambench.bench.config.protocol import list_names as list_protocols
from cambench.bench.config.suite import Suite, find_dataset
from cambench.bench.core import plugins
from cambench.bench.core.plugins import METHOD, METRIC, REFERENCE, REPORT
from cambench.bench.data.checked import open_dataset
from cambench.bench.nets import load
from cambench.tests.support.properties import (
    assert_orderly,
    hold,
    numbers,
    read_refusal,
    texts,
    times,
    values,
)

# Specs


def make_specs(names: list[str], *settings: str) -> SearchStrategy[str]:
    """Specs that are nearly right: a name, and settings with odd names or values."""
    keys = st.sampled_from([*settings, "size", "seed", "path", "steps"]) | texts
    given = st.lists(st.tuples(keys, texts | numbers.map(str)).map("=".join) | texts, max_size=2).map(",".join)
    names_or_texts = st.sampled_from(names) | texts
    return st.tuples(names_or_texts, st.sampled_from(["{}", "{}[{}]", "{}:{}", "{}[{}", "{}@{}"]), given).map(
        lambda parts: parts[1].format(parts[0], parts[2])
    )


METHODS = make_specs(plugins.list_names(METHOD), "samples", "fill", "of", "layer", "power", "batch")
METRICS = make_specs(plugins.list_names(METRIC), "fill", "order", "share", "samples", "cells")
DATASETS = make_specs(["scenes", "photos", "cracks", "image_folder", "imagenet", "coco"], "objects", "resize", "root")
PROTOCOLS = make_specs(list_protocols(), "fit", "target", "layers", "fill")
NETS = make_specs(
    ["net.py", "resnet18", "timm", "vgg16_gap", "sys", "json"], "weights", "classes", "preprocess", "layer"
)


@times
def test_any_spec_names_a_plugin_that_records_can_hold_or_is_refused(times: int) -> None:
    def check(method: str, metric: str, report: str, protocol: str) -> None:
        for kind, spec in ((METHOD, method), (METRIC, metric), (REPORT, report), (REFERENCE, report)):
            read_refusal(lambda: json.dumps(plugins.find(kind, spec, 0).stored_settings, allow_nan=False))  # noqa: B023
        read_refusal(lambda: find_protocol(protocol).list_choices())

    reports = make_specs(plugins.list_names(REPORT))
    hold(check, METHODS, METRICS, reports, PROTOCOLS, examples=16 * times)


@times
def test_any_data_set_gives_an_image_or_is_refused(times: int) -> None:
    def check(spec: str) -> None:
        def read() -> None:
            images = open_dataset(find_dataset(spec, 0))
            assert len(images) and images[0].pixels.shape[2] == 3

        read_refusal(read)

    hold(check, DATASETS, examples=16 * times)


@times
def test_any_net_is_loaded_or_refused(folder: Path, times: int) -> None:
    def check(spec: str) -> None:
        read_refusal(lambda: load.load(spec, torch.device("cpu"), "fp32"))

    own = make_specs(["net.py:make"], "width", "bias", "name", "layer", "scores", "output", "preprocess", "mean")
    hold(check, NETS | own, examples=16 * times)


# Suite files


def format_toml(value: Any) -> str:
    """Write a value of any type as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(format_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{format_toml(key)} = {format_toml(inner)}' for key, inner in value.items())}}}"
    return value.isoformat() if isinstance(value, date | time) else "{}" if value is None else repr(value)


RIGHT: dict[str, Any] = {
    "images": 2, "dataset": "scenes[size=32]", "precision": "fp32", "nets": ["net.py:make"],
    "methods": ["grad_cam", "random"], "metrics": ["insertion", "gini"], "protocols": ["default"],
}  # fmt: skip


def extend(key: str, specs: SearchStrategy[str]) -> SearchStrategy[tuple[str, Any]]:
    """A list of the suite with further entries."""
    return st.lists(specs, max_size=2).map(lambda own: (key, [*RIGHT[key], *own]))


def make_suites() -> SearchStrategy[dict[str, Any]]:
    """A suite that is right, with some keys that have other values, and perhaps with parts."""
    odd = values | st.dates() | st.times() | st.datetimes()
    changed = st.lists(
        extend("methods", METHODS)
        | extend("metrics", METRICS)
        | extend("protocols", PROTOCOLS)
        | extend("nets", NETS)
        | DATASETS.map(lambda spec: ("dataset", spec))
        | st.tuples(st.sampled_from([*Suite.model_fields, "x"]) | texts, odd),
        max_size=2,
    ).map(dict)
    parts = st.lists(changed, max_size=2).map(lambda own: {"parts": own} if own else {})
    return st.tuples(changed, parts).map(lambda own: RIGHT | own[0] | own[1])


@times
def test_any_suite_file_starts_a_run_or_is_refused(begun: Path, times: int) -> None:
    file, exits = begun / "suite.toml", set()

    def check(content: dict[str, Any]) -> None:
        lines = [f"{format_toml(key)} = {format_toml(value)}\n" for key, value in content.items()]
        file.write_bytes("".join(lines).encode(errors="replace"))
        exits.add(assert_orderly("run", file, "--out", begun / "run").exit_code)

    hold(check, make_suites(), examples=20 * times)
    assert exits == {0, 2}


@times
def test_any_bytes_of_a_suite_file_start_a_run_or_are_refused(begun: Path, times: int) -> None:
    file = begun / "suite.toml"
    lines = [
        "images = 2",
        'dataset = "scenes[size=32]"',
        'nets = ["net.py:make"]',
        'methods = ["grad_cam"]',
        'metrics = ["gini"]',
    ]
    text = "\n".join(lines).encode()

    def check(at: int, length: int, content: bytes) -> None:
        file.write_bytes(text[:at] + content + text[at + length :])
        assert_orderly("run", file, "--out", begun / "run")

    hold(check, st.integers(0, len(text)), st.integers(0, 9), st.binary(max_size=3), examples=12 * times)
