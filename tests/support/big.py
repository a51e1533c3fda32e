"""A synthetic run of any size, written quickly: many methods, metrics and images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import runs

Frame = dict[str, Any]
LAYER = {"resnet18": "layer4", "vgg16": "features", "squeezenet1_1": "features", "mobilenet_v2": "features"}
PART = 128  # images
PICTURED = 40  # images with thumbnails and maps
SHARES = np.linspace(0, 1, 29)


def write(directory: Path, *, nets: int = 3, methods: int = 25, metrics: int = 20, images: int = 2000) -> Path:
    """Write a complete run. For every second metric lower is better; three methods are controls; two metrics have curves."""
    rng = np.random.default_rng(3)
    names = [f"image {number:05}" for number in range(images)]
    specs = [f"method_{number}" for number in range(methods - 3)] + [f"control_{number}" for number in range(3)]
    scored = [f"metric_{number}" for number in range(metrics)]
    layers = dict(list(LAYER.items())[:nets])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").write_text(json.dumps(_header(names, layers, specs, scored)), encoding="utf-8")
    tables: dict[str, list[pd.DataFrame]] = {"scores": [], "curves": [], "maps": [], "cost": [], "predictions": []}
    for net in layers:
        tables["scores"].append(_scores(rng, net, names, specs, scored))
        tables["curves"].append(_curves(rng, net, names, specs, scored[:2]))
        tables["maps"].append(_maps(rng, net, names[:PICTURED], specs))
        tables["cost"].append(_cost(rng, net, names, specs))
        tables["predictions"].append(_predictions(rng, net, names))
    jpeg = runs._jpeg(rng)
    tables["images"] = [pd.DataFrame({"dataset": "big", "image": names[:PICTURED], "jpeg": jpeg})]
    parts = {name: number // PART for number, name in enumerate(names)}
    for table, frames in tables.items():
        for index, frame in enumerate(frames):  # as a run is written: a net in one part, 128 images at most
            for part, rows in frame.groupby(frame["image"].map(parts), observed=True):
                runs.rewrite(directory, table, rows, index * (1 + images // PART) + int(str(part)))
    return runs.seal(directory)


def _grid(net: str, **axes: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_product(list(axes.values()), names=list(axes))
    return index.to_frame(index=False).assign(dataset="big", net=net)


def _scores(rng: np.random.Generator, net: str, names: list[str], specs: list[str], scored: list[str]) -> pd.DataFrame:
    frame = _grid(net, image=names, method=specs, metric=scored)
    shape = (len(names), len(specs), len(scored))
    quality = np.linspace(0.7, 0.4, len(specs))[:, None] + rng.normal(0, 0.03, shape[1:])
    values = quality + rng.normal(0, 0.1, (len(names), 1, len(scored))) + rng.normal(0, 0.1, shape)
    values[..., 1::2] = 1 - values[..., 1::2]
    facts = {"layer": LAYER[net], "protocol": "p", "version": 1, "label": 3, "target": 3, "reason": None}
    return frame.assign(value=values.clip(0, 1).ravel(), constant_map=False, nan_map=False, **facts)


def _curves(rng: np.random.Generator, net: str, names: list[str], specs: list[str], scored: list[str]) -> pd.DataFrame:
    frame: Any = _grid(net, image=names, method=specs, metric=scored)
    powers = rng.uniform(0.3, 3, (len(frame), 1))
    return frame.assign(shares=[SHARES] * len(frame), scores=list(SHARES**powers))


def _maps(rng: np.random.Generator, net: str, names: list[str], specs: list[str]) -> pd.DataFrame:
    frame = _grid(net, image=names, method=specs)
    return frame.assign(height=7, width=7, values=list(rng.random((len(frame), 49)).astype(np.float32)))


def _cost(rng: np.random.Generator, net: str, names: list[str], specs: list[str]) -> pd.DataFrame:
    frame: Any = _grid(net, image=names, method=specs)
    work = np.tile(np.logspace(3, 0, len(specs)), len(names))
    first = frame["image"] == names[0]
    seconds = 0.002 * work * rng.uniform(0.9, 1.2, len(frame))
    facts: Any = {"layer": LAYER[net]}
    return frame.assign(
        **facts,
        seconds=seconds,
        forwards=np.where(first, work, np.nan),
        peak_bytes=np.where(first, 1e6, np.nan),
    )


def _predictions(rng: np.random.Generator, net: str, names: list[str]) -> pd.DataFrame:
    facts = {
        "label": 3,
        "target": 3,
        "label_name": "ring & key",
        "target_name": "ring & key",
        "top1": True,
        "objects": 1,
    }
    values = {"probability": rng.uniform(0.5, 1, len(names)), "top2": None, "sha256": "0"}
    return _grid(net, image=names).assign(**facts, **values)


def _header(names: list[str], nets: dict[str, str], specs: list[str], scored: list[str]) -> Frame:
    header = runs.make_header(names, nets)
    header["suite"] |= {"name": "big", "dataset": "big", "methods": specs, "metrics": scored}
    header["protocols"] = {spec: {"metric": spec, "version": 1, "score": "softmax"} for spec in scored}
    facts = {"unit": "share", "range": [0, 1], "version": 1, "settings": {}}
    header["metrics"] = {
        spec: facts | {"description": f"{spec}: what it says.", "short": spec, "better": ("higher", "lower")[index % 2]}
        for index, spec in enumerate(scored)
    }
    header["methods"] = {
        spec: {"description": f"{spec}.", "version": 1, "settings": {}, "control": spec.startswith("control")}
        for spec in specs
    }
    return header
