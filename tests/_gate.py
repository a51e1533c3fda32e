"""How sure the gate is: mutations of the project's own methods that it must catch, and noise that it must let pass.

`python -m cambench.tests._gate` tries all of them, 200 times noise, and keeps the figures that the README tells.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from cambench.bench import store, suite
from cambench.bench.compare import Comparison, compare
from cambench.bench.declared import header
from cambench.bench.plan import plan
from cambench.bench.recorded import Recorded, recorded
from cambench.bench.runner import units
from cambench.bench.verdicts import ALPHA

ROOT = Path(__file__).parents[1]
FIGURES = Path(__file__).parent / "data" / "gate.json"
RERUNS = 200
NOISY = ("random", "rise")  # methods that draw their maps


@dataclass(frozen=True)
class Mutation:
    """A change of a method's source; `harmful` if its maps explain less for it."""

    what: str
    method: str
    old: str
    new: str
    harmful: bool = True


_MAP = "return (weights * activations).sum(1).relu()"
_LEAK = """found = (weights * activations).sum(1).relu()
    before = globals().get("LAST", found)
    globals()["LAST"] = found
    return before"""
MUTATIONS = (
    Mutation("sign flipped", "grad_cam", _MAP, "return (-weights * activations).sum(1).relu()"),
    Mutation("ReLU dropped", "grad_cam", _MAP, "return (weights * activations).sum(1)"),
    Mutation("ReLU forgotten, size taken", "grad_cam", _MAP, "return (weights * activations).sum(1).abs()"),
    Mutation("wrong layer", "grad_cam", "activations, slopes = gradients(net, images, targets, of)",
             "activations = (parts := net.parts([net._names[1]]))[0](images).detach()\n"
             "    slopes = __import__('cambench.methods._gradients', fromlist=['x']).gradients_behind(\n"
             "        parts, images, lambda logits: logits.gather(1, targets[:, None])[:, 0])[0][1]"),
    Mutation("upsampling off by one cell", "grad_cam", _MAP,
             "return (weights * activations).sum(1).relu().roll((1, 1), (1, 2))"),
    Mutation("upsampling to the corners", "grad_cam", _MAP,
             "return __import__('torch').nn.functional.interpolate((weights * activations).sum(1).relu()[:, None],\n"
             "        images.shape[2:], mode='bilinear', align_corners=True)[:, 0]", harmful=False),
    Mutation("channels shuffled", "grad_cam", _MAP, "return (weights.roll(7, 1) * activations).sum(1).relu()"),
    Mutation("map transposed", "grad_cam", _MAP, "return (weights * activations).sum(1).relu().mT"),
    Mutation("target off by one", "grad_cam", "gradients(net, images, targets, of)",
             "gradients(net, images, (targets + 1) % len(net.classes), of)"),
    Mutation("map of the image before", "grad_cam", _MAP, _LEAK),
    Mutation("1 % noise", "grad_cam", _MAP,
             "found = (weights * activations).sum(1).relu()\n"
             "    noise = __import__('torch').rand(found.shape, generator=__import__('torch').Generator().manual_seed(1))\n"
             "    return found + 0.01 * found.amax((1, 2), keepdim=True) * noise", harmful=False),
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
        source.replace(old, new).replace("from ..bench", "from cambench.bench").replace("from ._", "from cambench.methods._")
    )
    return str(file)


def ran(methods: Sequence[str], directory: Path, **changes: Any) -> Recorded:
    """The smoke suite, of these methods, with changes of it."""
    planned = plan(suite.load("smoke", methods=list(methods), **changes), "cpu")
    writer = store.Writer(directory, header(planned))
    for unit in units(planned, writer.done):
        writer.add(unit)
    writer.flush()
    writer.close()
    return recorded(store.read(directory))


def judge(mutation: Mutation, base: Recorded, directory: Path, **changes: Any) -> Comparison:
    """The smoke suite of a mutated method against that of the method as it is."""
    file = copied(mutation.method, directory / "changed", mutation.old, mutation.new)
    return compare(base.only(None, [mutation.method], None), ran([file], directory / "run", **changes))


def false_alarm(seed: int, directory: Path) -> bool:
    """Whether methods that are the same but for their draws, on images of this seed, are called worse."""
    where = {"seed": seed, "nets": ["squeezenet1_1"], "metrics": _quick()}
    specs = ["random", "rise[count=50]"]
    base = ran([*specs, "grad_cam"], directory / "base", **where)
    drawn = "manual_seed(", "manual_seed(1_000_003 + "
    changed = [copied(spec.partition("[")[0], directory / "changed", *drawn) for spec in specs]
    new = ran([changed[0], f"{changed[1]}[count=50]", "grad_cam"], directory / "new", **where)
    found = compare(base, new)
    assert all(cell.verdict == "same" for cell in found.cells if cell.key[1] == "grad_cam")
    assert any(cell.verdict != "same" for cell in found.cells)
    return found.failed


def _quick() -> list[str]:
    return [metric for metric in suite.load("smoke").metrics if metric != "road"]


def main(reruns: int) -> None:
    """Tries everything and keeps the figures."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        base = ran(sorted({mutation.method for mutation in MUTATIONS}), place / "base")
        caught = []
        for number, mutation in enumerate(MUTATIONS):
            found = judge(mutation, base, place / f"mutation-{number}")
            worse = [cell.key for cell in found.cells if cell.verdict == "worse"]
            caught.append({"what": mutation.what, "method": mutation.method, "harmful": mutation.harmful, "caught": found.failed})
            print(f"{len(base.images)} images: {mutation.method}, {mutation.what}: {'caught' if found.failed else 'passed'}", dict(found.counts), worse[:4], flush=True)
        alarms = 0
        for seed in range(1, reruns + 1):
            alarms += false_alarm(seed, place / f"noise-{seed}")
            print(f"{seed} reruns: {alarms} false alarms", file=sys.stderr)
    figures = {"mutations": caught, "reruns": reruns, "alarms": alarms, "alpha": round(ALPHA, 6), "images": len(base.images)}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    error = sqrt(max(alarms, 1)) / reruns
    print(f"{sum(one['caught'] for one in caught)} of {len(caught)} caught; {alarms} of {reruns} false alarms (± {error:.3f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RERUNS)
