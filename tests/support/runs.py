"""A small synthetic run on disk, for the tests of the packages that read runs."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cambench.bench.core.files import hash_file
from cambench.bench.store.header import FORMAT
from cambench.bench.store.parts import PartList
from cambench.bench.store.run import open_run
from cambench.bench.store.schema import SCHEMAS

NETS = {"squeezenet1_1": "features", "resnet18": "layer4", "vgg16": "features"}
METHODS = {
    "cam": "CAM: the weights of the class, applied to the last activations.",
    "grad_cam": "Grad-CAM: activations weighted by the mean gradient of the class score.",
    "score_cam": "Score-CAM: activations weighted by the class score of the image that each of them masks.",
    "random": "Control: a coarse random map.",
    "centre": "Control: a Gaussian in the middle of the image.",
}
METRICS = {  # better, short, unit
    "insertion": ("higher", "insert", "mean probability"),
    "deletion": ("lower", "delete", "mean probability"),
    "average_drop": ("lower", "drop", "share"),
    "average_increase": ("higher", "incr", "yes or no"),
    "average_gain": ("higher", "gain", "share"),
    "pointing": ("higher", "point", "yes or no"),
    "energy": ("higher", "energy", "share"),
    "distractor": ("lower", "distr", "share"),
}
QUALITY = {"cam": 0.8, "grad_cam": 0.8, "score_cam": 0.85, "random": 0.4, "centre": 0.6}
COST = {
    "cam": (0.004, 1.0),
    "grad_cam": (0.009, 1.02),
    "score_cam": (2.1, 513.0),
    "random": (2e-4, 0.0),
    "centre": (1e-4, 0.0),
}
NO_CAM = "no global pooling: the net ends in fully connected layers"
NO_OTHER = "the image holds no object of another class"
SIZE = 160
CLASSES = ["star", "cross", "leaf", "ring & key"]


def write(directory: Path, *, images: int = 12, nets: dict[str, str] | None = None, prefix: str = "image") -> Path:
    """Write a complete run of 5 methods and 8 metrics. Plain CAM does not apply to vgg16."""
    nets = NETS if nets is None else nets
    names = [f"{prefix} {number:02}" for number in range(images)]
    directory.mkdir(parents=True, exist_ok=True)
    header = make_header(names, nets)
    (directory / "run.json").write_text(json.dumps(header), encoding="utf-8")
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("scores", "curves", "maps", "predictions", "cost", "images")
    }
    rng = np.random.default_rng(7)
    for name in names:
        rows["images"].append({"dataset": "scenes", "image": name, "jpeg": _jpeg(rng)})
    for net in nets:
        for index, name in enumerate(names):
            _cell(rows, rng, {"dataset": "scenes", "image": name, "net": net}, nets[net], index)
    store(directory, rows)
    return directory


def add_ties(directory: Path, effects: dict[str, list[float]]) -> Path:
    """Add the metric `insertion_ties` to a run: values of methods by image (NaN: no row), and 0 for the other methods."""
    file = directory / "run.json"
    header = json.loads(file.read_text(encoding="utf-8"))
    header["suite"]["metrics"].append("insertion_ties")
    header["protocols"]["insertion_ties"] = header["protocols"]["insertion"] | {"metric": "insertion_ties"}
    scale = {"better": "lower", "short": "ins-tie", "ties_of": "insertion"}
    header["metrics"]["insertion_ties"] = header["metrics"]["insertion"] | scale
    file.write_text(json.dumps(header), encoding="utf-8")
    scores = open_run(directory).table("scores")
    ties = scores[scores["metric"] == "insertion"].assign(metric="insertion_ties", value=0.0)
    for method, values in effects.items():
        ties.loc[ties["method"] == method, "value"] = values
    rewrite(directory, "scores", pd.concat([scores, ties.dropna(subset="value")]))
    return directory


def words(text: str) -> str:
    """The text of a terminal without line breaks."""
    return " ".join(text.split())


KEYS = ("net", "image", "method", "metric", "share")
TABLES = ("scores", "curves", "maps", "strips", "drift", "predictions", "cost", "images", "failures")


def assert_same(one: Path, other: Path) -> None:
    """Raise AssertionError if two runs on disk differ in any bit or row, except in seconds."""
    for name in TABLES:
        actual, expected = (_sorted(open_run(directory).table(name)) for directory in (one, other))
        pd.testing.assert_frame_equal(actual, expected, check_exact=True, obj=name)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    plain = frame.drop(columns=["seconds", "batch_seconds"], errors="ignore")
    plain = plain.map(lambda value: value.tobytes() if isinstance(value, np.ndarray) else value)
    return plain.sort_values([key for key in KEYS if key in plain], ignore_index=True) if len(plain) else plain


def store(directory: Path, rows: dict[str, list[dict[str, Any]]]) -> None:
    for table, content in rows.items():
        if content:
            rewrite(directory, table, pd.DataFrame(content))


def rewrite(directory: Path, table: str, frame: pd.DataFrame, part: int = 0) -> None:
    """Replace a table of a run, or that of one part."""
    file = directory / table / f"part-{part:05}.parquet"
    file.parent.mkdir(exist_ok=True)
    columns = frame.reindex(columns=SCHEMAS[table].names)
    pq.write_table(pa.Table.from_pandas(columns, SCHEMAS[table], preserve_index=False), file)


def seal(directory: Path) -> Path:
    """Give a run an identity, and each of its parts a list, as runs that are measured have."""
    header = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    (directory / "run.json").write_text(json.dumps({"id": directory.name} | header), encoding="utf-8")
    digest = hash_file(directory / "run.json")
    (directory / "parts").mkdir(exist_ok=True)
    for scores in (directory / "scores").glob("part-*.parquet"):
        files = {table: directory / table / scores.name for table in SCHEMAS}
        hashes = {table: hash_file(file) for table, file in files.items() if file.exists()}
        part = PartList(run=directory.name, header=digest, files=hashes)
        (directory / "parts" / f"{scores.stem}.json").write_text(part.model_dump_json(), encoding="utf-8")
    return directory


def _cell(
    rows: dict[str, list[dict[str, Any]]], rng: np.random.Generator, key: dict[str, Any], layer: str, index: int
) -> None:
    rows["predictions"].append(key | _prediction(rng, index))
    for method in METHODS:
        applies = (method, key["net"]) != ("cam", "vgg16")
        if applies:
            rows["maps"].append(key | {"method": method} | _map(rng, method))
            rows["cost"].append(key | {"layer": layer, "method": method} | _cost(rng, method, first=index == 0))
        for metric, (better, _, unit) in METRICS.items():
            reason = NO_OTHER if metric == "distractor" and index % 2 else None
            reason = reason if applies else NO_CAM
            value, curve = _value(rng, method, better, unit)
            facts = {"layer": layer, "method": method, "metric": metric, "protocol": "softmax", "label": 3, "target": 3}
            facts |= {"version": 1, "constant_map": False, "nan_map": False}
            score = {"value": np.nan if reason else value, "reason": reason}
            rows["scores"].append(key | facts | score)
            if metric in ("insertion", "deletion") and not reason:
                shares = np.linspace(0, 1, len(curve)).tolist()
                rows["curves"].append(key | {"method": method, "metric": metric, "shares": shares, "scores": curve})


def _cost(rng: np.random.Generator, method: str, *, first: bool) -> dict[str, float]:
    seconds, forwards = COST[method]
    counted = {"forwards": forwards, "peak_bytes": 1e6 * (1 + forwards / 4)}
    return {"seconds": seconds * rng.uniform(0.9, 1.4)} | (counted if first else dict.fromkeys(counted, np.nan))


def _value(rng: np.random.Generator, method: str, better: str, unit: str) -> tuple[float, list[float]]:
    quality = float(np.clip(rng.normal(QUALITY[method], 0.1), 0.05, 0.98))
    if unit == "yes or no":
        return float(rng.random() < quality), []
    shares = np.linspace(0, 1, 29)
    curve = shares ** (1 / quality - 1) if better == "higher" else (1 - shares) ** (1 / (1 - quality) - 1)
    return float(np.trapezoid(curve, shares)), curve.tolist()


def _prediction(rng: np.random.Generator, index: int) -> dict[str, Any]:
    return {
        "label": 3,
        "label_name": "ring & key",
        "target": 3,
        "target_name": "ring & key",
        "probability": float(rng.uniform(0.8, 1)),
        "top1": index != 5,
        "objects": 1 + (index + 1) % 2,
        "top2": None if index % 2 else True,
        "sha256": f"{index:064x}",
    }


def _map(rng: np.random.Generator, method: str) -> dict[str, Any]:
    size = SIZE if method == "centre" else 5
    y, x = np.mgrid[0:size, 0:size] / (size - 1) - 0.5
    peak = rng.uniform(-0.3, 0.3, 2) if method != "centre" else (0, 0)
    values = np.exp(-((y - peak[0]) ** 2 + (x - peak[1]) ** 2) * 12)
    return {"height": size, "width": size, "values": values.astype(np.float32).ravel()}


def _jpeg(rng: np.random.Generator) -> bytes:
    coarse = Image.fromarray(rng.integers(40, 220, (6, 6, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def make_header(names: list[str], nets: dict[str, str]) -> dict[str, Any]:
    suite: dict[str, Any] = {"name": "scenes", "description": "The default.", "dataset": "scenes", "images": len(names)}
    suite |= {"seed": 0, "target": "predicted", "precision": "bf16", "device": "cpu"}
    protocol = {"version": 1, "score": "softmax", "target": "predicted", "fit": "bilinear", "stretch": "min-max"}
    return {
        "format": FORMAT,
        "suite": suite | {"nets": list(nets), "methods": list(METHODS), "metrics": list(METRICS)},
        "protocols": {metric: {"metric": metric} | protocol | {"ties": "pixel order"} for metric in METRICS},
        "metrics": {
            metric: {"description": f"{metric.capitalize()}: what it says.", "better": better, "unit": unit}
            | {"range": [0, 1], "short": short, "version": 1, "settings": {}}
            for metric, (better, short, unit) in METRICS.items()
        },
        "methods": {
            spec: {"description": text, "version": 1, "settings": {}, "control": text.startswith("Control")}
            for spec, text in METHODS.items()
        },
        "nets": {
            net: {"layer": layer, "classes": CLASSES, "fingerprint": "0123abcd", "notes": []}
            for net, layer in nets.items()
        },
        "data": {
            "settings": {"size": SIZE},
            "version": 1,
            "images": names,
            "fingerprint": "89ef",
            "classes": CLASSES,
        },
        "environment": {"python": "3.11.2", "torch": "2.11.0", "processor": "two cores"},
    }
