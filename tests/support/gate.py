"""How sure the gate is: mutations of the project's own methods that it must catch, and noise that it must let pass.

`python -m cambench.tests.support.gate` tries them all on the smoke suite, and noise 200 times, and keeps the figures that the
README tells. A mutation is harmful if on 40 images of one net its method is worse beyond doubt.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambench.bench.compare.compare import Comparison, compare
from cambench.bench.compare.snapshot import COUNTED, Recorded, recorded
from cambench.bench.compare.verdicts import ALPHA
from cambench.bench.config import suite_file
from cambench.bench.engines import local
from cambench.bench.run.describe import header
from cambench.bench.run.plan import plan
from cambench.bench.store import run as store
from cambench.bench.store.writer import Writer

ROOT = Path(__file__).parents[2]
FIGURES = Path(__file__).parents[1] / "data" / "gate.json"
RERUNS = 200
MANY = 40  # images that show which mutations are harmful
DRAWN = ("random", "rise[count=20]")  # methods that draw their maps


@dataclass(frozen=True)
class Mutation:
    """A change of a method's source."""

    what: str
    method: str
    old: str
    new: str


_MAP = "return (weights * activations).sum(1).relu()"
_LEAK = """found = (weights * activations).sum(1).relu()
    before = globals().get("LAST", found)
    globals()["LAST"] = found
    return before"""
MUTATIONS = (
    Mutation("sign flipped", "grad_cam", _MAP, "return (-weights * activations).sum(1).relu()"),
    Mutation("ReLU dropped", "grad_cam", _MAP, "return (weights * activations).sum(1)"),
    Mutation("size taken, not ReLU", "grad_cam", _MAP, "return (weights * activations).sum(1).abs()"),
    Mutation("wrong layer", "grad_cam", "activations, slopes = gradients(net, images, targets, of)",
             "activations = (parts := net.parts([net._names[1]]))[0](images).detach()\n"
             "    slopes = __import__('cambench.methods._gradients', fromlist=['x']).gradients_behind(\n"
             "        parts, images, lambda logits: logits.gather(1, targets[:, None])[:, 0])[0][1]"),
    Mutation("upsampling off by one cell", "grad_cam", _MAP,
             "return (weights * activations).sum(1).relu().roll((1, 1), (1, 2))"),
    Mutation("upsampling to the corners", "grad_cam", _MAP,
             "return __import__('torch').nn.functional.interpolate((weights * activations).sum(1).relu()[:, None],\n"
             "        images.shape[2:], mode='bilinear', align_corners=True)[:, 0]"),
    Mutation("channels shuffled", "grad_cam", _MAP, "return (weights.roll(7, 1) * activations).sum(1).relu()"),
    Mutation("map transposed", "grad_cam", _MAP, "return (weights * activations).sum(1).relu().mT"),
    Mutation("target off by one", "grad_cam", "gradients(net, images, targets, of)",
             "gradients(net, images, (targets + 1) % len(net.classes), of)"),
    Mutation("map of the image before", "grad_cam", _MAP, _LEAK),
    Mutation("1 % noise", "grad_cam", _MAP,
             "found = (weights * activations).sum(1).relu()\n"
             "    noise = __import__('torch').rand(found.shape, generator=__import__('torch').Generator().manual_seed(1))\n"
             "    return found + 0.01 * found.amax((1, 2), keepdim=True) * noise"),
    Mutation("softmax forgotten", "score_cam", "target, weights)", "target, 'logit')"),
    Mutation("channels shuffled", "score_cam", "else combined(scores, live)", "else combined(scores.roll(7), live)"),
    Mutation("sign flipped", "score_cam", "else combined(scores, live)", "else combined(1 - scores, live)"),
    Mutation("target off by one", "score_cam", "substrate(image, fill), target,",
             "substrate(image, fill), (target + 1) % len(net.classes),"),
)  # fmt: skip


def copied(method: str, directory: Path, old: str = "", new: str = "") -> str:
    """The file of a method's copy, changed; its name, and so its records' keys, are the method's own."""
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


def ran(methods: Sequence[str], directory: Path, **changes: Any) -> Recorded:
    """The smoke suite, of these methods, with changes of it."""
    planned = plan(suite_file.load("smoke", methods=list(methods), **changes), "cpu")
    writer = Writer(directory, header(planned))
    for _ in local.work(planned, writer):
        pass
    writer.close()
    return recorded(store.read(directory))


def judge(mutation: Mutation, base: Recorded, directory: Path, **changes: Any) -> Comparison:
    """The smoke suite of a mutated method against that of the method as it is."""
    file = copied(mutation.method, directory / "changed", mutation.old, mutation.new)
    return compare(base.only(None, [mutation.method], None), ran([file], directory / "run", **changes))


def outcome(found: Comparison) -> str:
    """What the gate says of a method's scores, whatever they cost: worse, unclear (which `--strict` fails as well), or same."""
    said = {cell.verdict for cell in found.cells if cell.key[2] not in COUNTED}
    return next((word for word in ("worse", "unclear") if word in said), "same")


def false_alarm(seed: int, directory: Path) -> bool:
    """Whether methods that are the same but for their draws, on images of this seed, are called worse or better."""
    where = {"seed": seed, "nets": ["squeezenet1_1"], "metrics": quick()}
    base = ran(DRAWN, directory / "base", **where)
    changed = []
    for spec in DRAWN:
        name, bracket, settings = spec.partition("[")
        file = copied(name, directory / "changed", "crc32(image.cpu().numpy().tobytes(), seed)",
                      "crc32(image.cpu().numpy().tobytes(), seed + 1_000_003)")  # fmt: skip
        changed.append(file + bracket + settings)
    found = compare(base, ran(changed, directory / "new", **where))
    assert found.counts["same"] < len(found.cells), "other draws must give other numbers"
    return bool(found.counts["worse"] + found.counts["better"])


def quick() -> list[str]:
    """The smoke suite's metrics but for ROAD, which takes as long as all others together."""
    return [metric for metric in suite_file.load("smoke").metrics or [] if metric != "road"]


def tried(place: Path, **changes: Any) -> list[str]:
    """The outcome of each mutation, on the smoke suite with changes of it."""
    base = ran(sorted({mutation.method for mutation in MUTATIONS}), place / "base", **changes)
    found = []
    for number, mutation in enumerate(MUTATIONS):
        found.append(outcome(judge(mutation, base, place / str(number), **changes)))
        print(f"{len(base.images)} images, {mutation.method}, {mutation.what}: {found[-1]}", flush=True)
    return found


def main(reruns: int) -> None:
    """Tries everything and keeps the figures."""
    with tempfile.TemporaryDirectory() as name:
        few = tried(Path(name) / "few")
        many = tried(Path(name) / "many", images=MANY, nets=["squeezenet1_1"], metrics=quick())
        alarms = 0
        for seed in range(1, reruns + 1):
            alarms += false_alarm(seed, Path(name) / f"noise-{seed}")
            print(f"{alarms} false alarms in {seed} reruns", flush=True)
    mutations = [
        {"method": one.method, "what": one.what, "smoke": at_once, "many": in_truth}
        for one, at_once, in_truth in zip(MUTATIONS, few, many, strict=True)
    ]
    figures = {"images": suite_file.load("smoke").images, "many": MANY, "mutations": mutations}
    figures |= {"reruns": reruns, "alarms": alarms, "alpha": round(ALPHA, 6)}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RERUNS)
