"""The sensitivity of bench compare: mutations of the project's methods that it should detect, and noise that it should pass.

`python -m cambench.tests.support.gate` tries all mutations on the smoke suite, and noise 200 times, and writes the figures that
docs/ci.md shows. A mutation is harmful if its method is significantly worse on 40 images of one net.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambench.bench.compare.compare import Comparison, compare_snapshots
from cambench.bench.compare.snapshot import COUNTED, Snapshot, take_snapshot
from cambench.bench.config import suite_file
from cambench.bench.engines import local
from cambench.bench.run.describe import make_header
from cambench.bench.run.plan import make_plan
from cambench.bench.stats.estimate import ALPHA
from cambench.bench.store import run as store
from cambench.bench.store.writer import Writer

ROOT = Path(__file__).parents[2]
FIGURES = Path(__file__).parents[1] / "data" / "gate.json"
RERUNS = 200
MANY = 40  # images on which harmful mutations are significant
RANDOM = ("random", "rise[count=20]")  # methods with random maps


@dataclass(frozen=True)
class Mutation:
    """A change of the source of a method."""

    what: str
    method: str
    old: str
    new: str


_MAP = "return (weights * activations).sum(1).relu()"
_MASKS = "return make_masks(activations[start:stop], masked.image, first)"
_LEAK = """maps = (weights * activations).sum(1).relu()
    previous = globals().get("LAST", maps)
    globals()["LAST"] = maps
    return previous"""
MUTATIONS = (
    Mutation("sign flipped", "grad_cam", _MAP, "return (-weights * activations).sum(1).relu()"),
    Mutation("ReLU dropped", "grad_cam", _MAP, "return (weights * activations).sum(1)"),
    Mutation("absolute value instead of ReLU", "grad_cam", _MAP, "return (weights * activations).sum(1).abs()"),
    Mutation("wrong layer", "grad_cam", "activations, gradients = compute_gradients(net, images, targets, of)",
             "activations = (parts := net.split_at([list(net.cut.modules)[1]]))[0](images).detach()\n"
             "    gradients = __import__('cambench.methods._gradients', fromlist=['x']).compute_layer_gradients(\n"
             "        parts, images, lambda logits: logits.gather(1, targets[:, None])[:, 0])[0][1]"),
    Mutation("upsampling off by one cell", "grad_cam", _MAP,
             "return (weights * activations).sum(1).relu().roll((1, 1), (1, 2))"),
    Mutation("upsampling to the corners", "grad_cam", _MAP,
             "return __import__('torch').nn.functional.interpolate((weights * activations).sum(1).relu()[:, None],\n"
             "        images.shape[2:], mode='bilinear', align_corners=True)[:, 0]"),
    Mutation("channels shuffled", "grad_cam", _MAP, "return (weights.roll(7, 1) * activations).sum(1).relu()"),
    Mutation("map transposed", "grad_cam", _MAP, "return (weights * activations).sum(1).relu().mT"),
    Mutation("target off by one", "grad_cam", "compute_gradients(net, images, targets, of)",
             "compute_gradients(net, images, (targets + 1) % len(net.classes), of)"),
    Mutation("map of the previous image", "grad_cam", _MAP, _LEAK),
    Mutation("1 % noise", "grad_cam", _MAP,
             "maps = (weights * activations).sum(1).relu()\n"
             "    noise = __import__('torch').rand(maps.shape, generator=__import__('torch').Generator().manual_seed(1))\n"
             "    return maps + 0.01 * maps.amax((1, 2), keepdim=True) * noise"),
    Mutation("softmax left out", "score_cam", "weights=weights", "weights='logit'"),
    Mutation("channels shuffled", "score_cam", _MASKS, _MASKS.replace("activations", "activations.roll(-7, 0)")),
    Mutation("masks inverted", "score_cam", _MASKS, _MASKS.replace("return", "return 1 -")),
    Mutation("target off by one", "score_cam", "images, targets, mask_channels",
             "images, (targets + 1) % len(net.classes), mask_channels"),
)  # fmt: skip


def copy_method(method: str, directory: Path, old: str = "", new: str = "") -> str:
    """Write a changed copy of the source of a method. Its name, and so the keys of its rows, are those of the method."""
    source = (ROOT / "methods" / f"{method}.py").read_text()
    assert old in source, f"{method} has no line {old!r} to change"
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{method}.py"
    file.write_text(
        source.replace(old, new)
        .replace("from ..bench", "from cambench.bench")
        .replace("from ._", "from cambench.methods._")
    )
    return str(file)


def run_smoke(methods: Sequence[str], directory: Path, **changes: Any) -> Snapshot:
    """Run the smoke suite with these methods and changes, and take its snapshot."""
    plan = make_plan(suite_file.load("smoke", methods=list(methods), **changes), "cpu")
    writer = Writer(directory, make_header(plan))
    for _ in local.work(plan, writer):
        pass
    writer.close()
    return take_snapshot(store.open_run(directory))


def judge(mutation: Mutation, base: Snapshot, directory: Path, **changes: Any) -> Comparison:
    """Compare the smoke suite of a mutated method with that of the original method."""
    file = copy_method(mutation.method, directory / "changed", mutation.old, mutation.new)
    return compare_snapshots(
        base.select(None, [mutation.method], None), run_smoke([file], directory / "run", **changes)
    )


def outcome(comparison: Comparison) -> str:
    """The verdict on the scores of a method, without costs: worse, unclear (which fails with `--strict`), or same."""
    verdicts = {result.verdict for result in comparison.results if result.key[2] not in COUNTED}
    return next((verdict for verdict in ("worse", "unclear") if verdict in verdicts), "same")


def false_alarm(seed: int, directory: Path) -> bool:
    """Whether random methods that differ only in their draws are judged worse or better, on images of this seed."""
    changes = {"seed": seed, "nets": ["squeezenet1_1"], "metrics": quick_metrics()}
    base = run_smoke(RANDOM, directory / "base", **changes)
    changed = []
    for spec in RANDOM:
        name, bracket, settings = spec.partition("[")
        file = copy_method(name, directory / "changed", "make_generators(images, seeds, seed)",
                      "make_generators(images, seeds, seed + 1_000_003)")  # fmt: skip
        changed.append(file + bracket + settings)
    comparison = compare_snapshots(base, run_smoke(changed, directory / "new", **changes))
    assert comparison.counts["same"] < len(comparison.results), "other draws must give other numbers"
    return bool(comparison.counts["worse"] + comparison.counts["better"])


def quick_metrics() -> list[str]:
    """The metrics of the smoke suite except ROAD, which takes as long as all others together."""
    return [metric for metric in suite_file.load("smoke").metrics or [] if metric != "road"]


def try_mutations(directory: Path, **changes: Any) -> list[str]:
    """The outcome of each mutation on the smoke suite with these changes."""
    base = run_smoke(sorted({mutation.method for mutation in MUTATIONS}), directory / "base", **changes)
    outcomes = []
    for number, mutation in enumerate(MUTATIONS):
        outcomes.append(outcome(judge(mutation, base, directory / str(number), **changes)))
        print(f"{len(base.image_hashes)} images, {mutation.method}, {mutation.what}: {outcomes[-1]}", flush=True)
    return outcomes


def main(reruns: int) -> None:
    """Try all mutations, and noise, and write the figures."""
    with tempfile.TemporaryDirectory() as name:
        few = try_mutations(Path(name) / "few")
        many = try_mutations(Path(name) / "many", images=MANY, nets=["squeezenet1_1"], metrics=quick_metrics())
        alarms = 0
        for seed in range(1, reruns + 1):
            alarms += false_alarm(seed, Path(name) / f"noise-{seed}")
            print(f"{alarms} false alarms in {seed} reruns", flush=True)
    mutations = [
        {"method": mutation.method, "what": mutation.what, "smoke": on_few, "many": on_many}
        for mutation, on_few, on_many in zip(MUTATIONS, few, many, strict=True)
    ]
    figures = {"images": suite_file.load("smoke").images, "many": MANY, "mutations": mutations}
    figures |= {"reruns": reruns, "alarms": alarms, "alpha": round(ALPHA, 6)}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RERUNS)
