"""The drift of scores in lower precisions from those in fp32, on the shipped nets.

    python -m cambench.tests.benchmarks.drift                           # six scenes of 112 pixels, half an hour of one core
    python -m cambench.tests.benchmarks.drift --images 1                # that the script works
    python -m cambench.tests.benchmarks.drift --store tests/data/drift.json

Each precision is a run of its own, in runs/drift/IMAGES, which is resumed: the same maps, but methods that score masked images
compute these scores in the precision of the metrics. A precision that the device does not have is left out.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from cambench.bench.api.api import run
from cambench.bench.core.errors import UsageError
from cambench.bench.forward.device import find_device
from cambench.bench.forward.precision import choose_precision
from cambench.bench.stats.drift import KEYS, compare_precisions
from cambench.bench.store.run import Run

PRECISIONS = ("tf32", "bf16", "fp16")
OUT = Path("runs") / "drift"
SUITE = {
    "nets": ["squeezenet1_1", "resnet18", "vgg16"],
    "methods": ["grad_cam", "layer_cam", "eigen_cam", "group_cam", "random", "edge"],
    "metrics": ["insertion", "deletion", "road", "average_drop", "average_increase", "average_gain", "coherency"],
    "dataset": "scenes[size=112]",
}


def measure(images: int, device: str, **changes: Any) -> dict[str, Any]:
    """Measure the drift on so many images: the device, and a row of figures for each precision, net and metric.

    `changes` replace values of the suite. A precision that the device does not have is left out.
    """
    exact = _run("fp32", images, device, **changes)
    rows = chain.from_iterable(
        _compare(exact, _run(precision, images, device, **changes), precision)
        for precision in PRECISIONS
        if _has(precision, device)
    )
    environment = exact.header.environment
    return {"device": environment["device"], "torch": environment["torch"], "images": images, "figures": list(rows)}


def _run(precision: str, images: int, device: str, **changes: Any) -> Run:
    suite = SUITE | changes | {"images": images, "precision": precision}
    return run("scenes", out=OUT / str(images) / precision, device=device, quiet=True, **suite)


def _has(precision: str, device: str) -> bool:
    try:
        choose_precision(precision, find_device(device))
    except UsageError as error:
        print(f"{precision} is left out: {error}")
        return False
    return True


def _compare(exact: Run, lower: Run, precision: str) -> Iterator[dict[str, Any]]:
    for net in exact.header.nets:
        exact_scores, scores = (each.table("scores", columns=[*KEYS, "value"], net=net) for each in (exact, lower))
        for drift in compare_precisions(exact_scores, scores, exact.header.metrics):
            yield {
                "precision": precision, "net": net, "metric": drift.metric, "n": drift.n, "mean": drift.mean,
                "largest": drift.largest, "swapped": len(drift.swapped),
            }  # fmt: skip


def show(figures: dict[str, Any]) -> RichTable:
    """Show the figures in a table."""
    table = RichTable(box=None, pad_edge=False)
    for head in ("precision", "net", "metric", "n", "mean", "largest", "swapped"):
        table.add_column(head, justify="left" if head in ("precision", "net", "metric") else "right")
    for row in figures["figures"]:
        table.add_row(*(f"{value:.2g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table


def main() -> None:
    """Measure the drift of each precision, and print or store the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--store", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures = measure(options.images, options.device)
    Console().print(show(figures))
    if options.store:
        options.store.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
