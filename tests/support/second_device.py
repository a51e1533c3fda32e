"""A device of torch's that every machine has: see second_device.cpp. A process that starts it keeps it to its end.

As a program, it computes scores on it and on the CPU, counts what would make a GPU wait, and prints both as JSON:
`python -m cambench.tests.support.second_device FOLDER METHODS METRICS`.
"""

import json
import sys
import types
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils import cpp_extension

from cambench.bench.config import suite_file
from cambench.bench.run.plan import make_plan
from cambench.bench.run.session import Session
from cambench.tests.support.nets import MANY_LIVE_CHANNELS

NAME = "second"
SOURCE = Path(__file__).with_suffix(".cpp")
SCENES = 6  # in two batches
BATCH = 3


def start(build: Path) -> Any:
    """Build the device in a directory, and add it to this process. Return the module of its functions."""
    build.mkdir(parents=True, exist_ok=True)
    extension = cpp_extension.load(NAME, [str(SOURCE)], build_directory=str(build), extra_cflags=["-O0"])
    extension.start()
    torch.utils.rename_privateuse1_backend(NAME)
    module: Any = types.ModuleType(f"torch.{NAME}")
    module.is_available, module._is_in_bad_fork = (lambda: True), (lambda: False)
    module.device_count, module.current_device = (lambda: 1), (lambda: 0)
    module.manual_seed = module.manual_seed_all = extension.seed
    torch._register_device_module(NAME, module)
    return extension


def compute_scores(
    device: str, net: str, methods: Sequence[str], metrics: Sequence[str], listen: Any = None
) -> dict[str, Any]:
    """Return the value, or the reason why there is none, of each image, method and metric. Raise RuntimeError for a failure.

    `listen` is told of what the last batch waits for.
    """
    suite = suite_file.load(
        "smoke", nets=[net], methods=list(methods), metrics=list(metrics), images=SCENES, precision="fp32",
        dataset="scenes[size=32]", target="predicted",
    ).model_copy(update={"timed": 1})  # fmt: skip
    plan = make_plan(suite, device)
    session = Session(plan, plan.suite.nets[0])
    (units,) = session.compute([plan.indices[:BATCH]])
    if listen:
        listen()
    (more_units,) = session.compute([plan.indices[BATCH:]])
    units = [*units, *more_units]
    if failures := [unit.rows["failures"] for unit in units if unit.rows.get("failures")]:
        raise RuntimeError(str(failures))
    rows = [row for unit in units for row in unit.rows["scores"]]
    return {f"{row['image']} {row['method']} {row['metric']}": row["reason"] or row["value"] for row in rows}


def main(folder: str, methods: str, metrics: str) -> None:
    """Print the scores of both devices and the waits as JSON; the folder holds the device and the net."""
    extension, waits = start(Path(folder)), Counter[str]()
    Path(folder, "nets.py").write_text(MANY_LIVE_CHANNELS, encoding="utf-8")
    arguments = f"{folder}/nets.py:tiny", methods.split(), metrics.split()
    here = compute_scores(NAME, *arguments, listen=lambda: extension.listen(lambda what: waits.update([what])))
    print(json.dumps({"waits": waits, "second": here, "cpu": compute_scores("cpu", *arguments)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
