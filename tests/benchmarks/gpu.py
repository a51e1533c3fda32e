"""What this suite does on a GPU, beside bare forward passes and other libraries, in one table.

    python -m cambench.tests.benchmarks.gpu                            # on a GPU, about five minutes
    python -m cambench.tests.benchmarks.gpu --device cpu --quick       # that the script works

Needs the project on Python's path, and PyTorch, torchvision, pandas, pyarrow, scipy, pydantic, filelock and rich; grad-cam and
torchcam for the rows beside them. The last column says what a figure should be on an H100 or H200 with images of 224 px. A
part that fails is a row of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision
from rich.console import Console
from rich.table import Table as RichTable
from torch import Tensor, nn

from cambench.bench.config import suite_file
from cambench.bench.core.errors import BenchError
from cambench.bench.core.plugins import METHOD, METRIC, find
from cambench.bench.core.profiling import Spans, record_spans
from cambench.bench.forward.cost import make_synchronise, time_call
from cambench.bench.forward.device import describe_device, find_device, use_exact_arithmetic
from cambench.bench.forward.precision import DTYPES, choose_precision, compile_net
from cambench.bench.nets import load
from cambench.bench.nets.net import Net
from cambench.bench.run.plan import Plan, make_plan
from cambench.bench.run.session import Session
from cambench.bench.scoring import score as scoring
from cambench.bench.scoring.case import Case
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.bench.store.parts import Unit

METHODS = [
    "cam", "grad_cam", "score_cam", "grad_cam_pp", "layer_cam", "xgrad_cam", "hires_cam", "eigen_cam", "opti_cam", "random",
    "centre", "uniform", "edge", "fake_cam",
]  # fmt: skip
METRICS = [
    "insertion", "deletion", "average_drop", "average_increase", "average_gain", "pointing", "energy", "road", "adcc",
]  # fmt: skip
SCORE_CAM_SECONDS = {"squeezenet1_1": 0.009, "resnet18": 0.011, "vgg16": 0.038}
PASSES = 57  # of insertion, deletion and drop of a map: two curves of 28 steps with common ends, and the masked image
FACTORY = """
import torch, torchvision

def make(name):
    torch.manual_seed(0)
    net = torchvision.models.get_model(name).eval()
    with torch.no_grad():  # spread the class scores, so that the probabilities are not all alike
        logits = net(torch.rand(8, 3, 224, 224) * 4 - 2)
        last = [part for part in net.modules() if isinstance(part, (torch.nn.Linear, torch.nn.Conv2d))][-1]
        last.weight /= (logits - logits.mean(1, keepdim=True)).std().clamp(min=1e-3) / 2
    return net

def squeezenet1_1(): return make("squeezenet1_1")
def resnet18(): return make("resnet18")
def vgg16(): return make("vgg16")
"""
FAULT = '''"""A method that reads beyond the end of a tensor: on a GPU the device is lost."""

import torch


def explain(net, images, targets):
    values = torch.zeros(1, device=images.device)
    if float(images.mean()) >= 0:
        values = values[torch.full((7,), 10**6, device=images.device)]
    return images.mean(1) + values.sum()
'''


@dataclass(frozen=True)
class Row:
    """A row of the table: a figure, and what it should be."""

    what: str
    figure: float | str
    unit: str = ""
    target: str = ""


@dataclass(frozen=True)
class Setup:
    """What all parts share: the device, the size of the work, and where the nets and runs are."""

    device: torch.device
    size: int
    quick: bool
    folder: Path

    def spec(self, name: str) -> str:
        return f"{self.folder}/gpu_nets.py:{name}"

    def load(self, name: str, precision: str) -> Net:
        return load.load(self.spec(name), self.device, precision)

    def make_images(self, count: int) -> Tensor:
        """Images in [0, 1] with coarse and fine structure."""
        generator = torch.Generator().manual_seed(0)
        coarse = torch.rand(count, 3, 7, 7, generator=generator)
        smooth = nn.functional.interpolate(coarse, (self.size, self.size), mode="bilinear")
        fine = torch.rand(count, 3, self.size, self.size, generator=generator)
        return (0.8 * smooth + 0.2 * fine).clamp(0, 1).to(self.device)

    def count(self, images: int) -> int:
        return max(12, images // 16) if self.quick else images

    def time(self, call: Callable[[], object], calls: int = 3) -> float:
        """The fewest seconds of some calls, after one that is not timed."""
        call()
        return min(time_call(call, self.device)[1] for _ in range(calls))


def measure_bare(setup: Setup, name: str, dtype: torch.dtype, *, compiled: bool = False) -> float:
    """The seconds of one image in the net's bare forward pass, at the best batch size and layout."""
    seconds = []
    for layout in (torch.contiguous_format, torch.channels_last):
        net = torchvision.models.get_model(name).eval().to(setup.device, dtype).to(memory_format=layout)
        for batch in (8,) if setup.quick else (64, 256):
            images = torch.rand(batch, 3, setup.size, setup.size, device=setup.device).to(dtype)
            run = compile_net(net) if compiled else net
            with torch.inference_mode(), use_exact_arithmetic():
                seconds.append(setup.time(partial(run, images.contiguous(memory_format=layout)), 5) / batch)
    return min(seconds)


def count_live(net: Net, image: Tensor) -> int:
    """The channels of the explained layer that are not constant: Score-CAM's passes."""
    activations = net.features(image)[0].flatten(1)
    return int((activations.amax(1) > activations.amin(1)).sum())


def compare_score_cam(setup: Setup, name: str) -> Iterator[Row]:
    """Score-CAM of one image beside its bare passes and beside the libraries'."""
    image = setup.make_images(1)
    auto, fp32 = setup.load(name, "auto"), setup.load(name, "fp32")
    target, seconds = auto(image).argmax(1), {}
    for net, label in ((auto, "auto"), (fp32, "fp32")):
        net.prepare(image)
        seconds[label] = setup.time(lambda net=net: find(METHOD, "score_cam")(net, image, target))  # type: ignore[misc]
    live = count_live(fp32, image)
    yield Row(f"Score-CAM, {name}, auto", seconds["auto"], "s", f"{SCORE_CAM_SECONDS[name]} at most")
    yield Row(f"Score-CAM, {name}, fp32", seconds["fp32"], "s")
    lower = DTYPES[choose_precision("auto", setup.device)]
    for label, dtype in (("auto", lower), ("fp32", torch.float32)):
        ratio = seconds[label] / (live * measure_bare(setup, name, dtype))
        yield Row(f"Score-CAM, {name}, {label}, over {live} bare eager passes", ratio, "", "1.10 of compiled at most")
    if setup.device.type != "cpu":
        ratio = seconds["auto"] / (live * measure_bare(setup, name, lower, compiled=True))
        yield Row(f"Score-CAM, {name}, auto, over {live} bare compiled passes", ratio, "", "1.10 at most")
    for library, least in (("torchcam", 5), ("pytorch_grad_cam", 10)):
        theirs = find(METHOD, f"{library}:ScoreCAM")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library_seconds = setup.time(lambda theirs=theirs: theirs(fp32, image, target), 1)  # type: ignore[misc]
        for label, bound in (("auto", least), ("fp32", 1)):
            ratio = library_seconds / seconds[label]
            yield Row(f"Score-CAM, {name}: {library}'s over ours in {label}", ratio, "", f"{bound} at least")


def make_cases(net: Net, images: Tensor) -> tuple[list[Case], Tensor]:
    """Cases of Grad-CAM's maps, one an image, and the maps on the device."""
    targets = net(images).argmax(1)
    raw = find(METHOD, "grad_cam")(net, images, targets)
    maps = stretch(fit(raw, (images.shape[2], images.shape[3])))
    on_host, raw_on_host = maps.cpu().numpy(), raw.cpu().numpy()
    cases = [
        Case(values, int(target), (), image, coarse)
        for values, target, image, coarse in zip(on_host, targets, images, raw_on_host, strict=True)
    ]
    return cases, maps


def compare_curves(setup: Setup, name: str) -> Iterator[Row]:
    """Insertion, deletion and drop of one map, and ROAD, an image of a group."""
    images = setup.make_images(4 if setup.quick else 16)
    count, metrics = len(images), [find(METRIC, metric) for metric in ("insertion", "deletion", "average_drop")]
    lower = DTYPES[choose_precision("auto", setup.device)]
    for precision, dtype in (("auto", lower), ("fp32", torch.float32)):
        net = setup.load(name, precision)
        net.prepare(images)
        cases, maps = make_cases(net, images)
        seconds = setup.time(partial(scoring.score, net, cases, metrics, maps=maps)) / count
        target = ".0018 at most" if (name, precision) == ("resnet18", "auto") else ""
        yield Row(
            f"insertion + deletion + drop, {name}, {precision}, {count} images at once", seconds, "s an image", target
        )
        bare = measure_bare(setup, name, dtype)
        yield Row(f"... over {PASSES} bare eager passes", seconds / (PASSES * bare))
        road = setup.time(partial(scoring.score, net, cases, [find(METRIC, "road")], maps=maps), 1) / count
        yield Row(f"ROAD, {name}, {precision}, {count} images at once", road, "s an image")


def run_suite(setup: Setup, images: int, **changes: Any) -> tuple[Plan, float, Spans, list[Unit]]:
    """The plan of a suite on one net, the seconds of its images after the first eight, the spans, and all units."""
    planned = {"dataset": f"scenes[size={setup.size}]", "target": "predicted", "images": images} | changes
    suite = suite_file.load("scenes", **planned)
    plan = make_plan(suite.model_copy(update={"timed": min(4, images // 2)}), str(setup.device))
    session = Session(plan, plan.suite.nets[0])
    first, rest = plan.indices[:8], plan.indices[8:]
    units = list(chain(*session.compute([[index] for index in first])))
    groups = [rest[start : start + plan.batch_size] for start in range(0, len(rest), plan.batch_size)]
    with record_spans(make_synchronise(str(setup.device))) as spans:
        computed, seconds = time_call(lambda: list(chain(*session.compute(groups))), setup.device)
    return plan, seconds / max(1, len(rest)), spans, units + computed


def describe_spans(spans: Spans) -> str:
    total = sum(spans.seconds.values())
    shares = sorted(spans.seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in shares)


def compare_suites(setup: Setup) -> Iterator[Row]:
    """The default suite over bare passes, and the comparison of 14 methods by 9 metrics, in seconds an image."""
    lower = DTYPES[choose_precision("auto", setup.device)]
    plan, seconds, spans, units = run_suite(setup, setup.count(108), nets=[setup.spec("resnet18")])
    passes = spans.images / (len(units) - 8)
    yield Row(f"the default suite, resnet18, {plan.precision}, batches of {plan.batch_size}", seconds, "s an image")
    yield Row(f"... over {passes:.0f} bare eager passes", seconds / (passes * measure_bare(setup, "resnet18", lower)))
    if setup.device.type != "cpu":
        compiled = measure_bare(setup, "resnet18", lower, compiled=True)
        yield Row(f"... over {passes:.0f} bare compiled passes", seconds / (passes * compiled), "", "1.2 at most")
    yield Row("... where the time goes", describe_spans(spans))
    net, images = [setup.spec("resnet18")], setup.count(72)
    plan, seconds, spans, _ = run_suite(setup, images, nets=net, methods=METHODS, metrics=METRICS)
    yield Row("14 methods by 9 metrics, resnet18", seconds, "s an image", ".1 at most")
    yield Row("... where the time goes", describe_spans(spans))
    own = {"methods": ["score_cam"], "metrics": ["insertion", "deletion", "average_drop", "average_increase"]}
    _, seconds, _, _ = run_suite(setup, setup.count(72), nets=[setup.spec("vgg16")], **own)
    yield Row("2000 images, VGG16, Score-CAM, four metrics, extrapolated", 2000 * seconds, "s", "100 at most")


def list_scores(units: Sequence[Unit]) -> dict[tuple[str, ...], float]:
    rows = chain.from_iterable(unit.rows.get("scores", []) for unit in units)
    return {(row["image"], row["method"], row["metric"]): row["value"] for row in rows if row["reason"] is None}


def measure_difference(units: Sequence[Unit], others: Sequence[Unit]) -> tuple[float, float, str]:
    """The largest and the median difference of two runs' scores, and the cell of the largest."""
    scores, other_scores = list_scores(units), list_scores(others)
    differences = {key: abs(scores[key] - other_scores[key]) for key in scores.keys() & other_scores.keys()}
    worst = max(differences, key=differences.__getitem__)
    return differences[worst], median(differences.values()), " ".join(worst)


def compare_numbers(setup: Setup) -> Iterator[Row]:
    """Scores in fp32 beside those of a CPU, and the drift of other precisions."""
    suite = {
        "nets": [setup.spec("resnet18")],
        "metrics": METRICS,
        "methods": [name for name in METHODS if name != "opti_cam"],
    }
    images = 16 if setup.quick else 24
    *_, exact = run_suite(setup, images, precision="fp32", **suite)
    if setup.device.type != "cpu":
        on_cpu = Setup(torch.device("cpu"), setup.size, setup.quick, setup.folder)
        *_, expected = run_suite(on_cpu, 8, precision="fp32", **suite)
        largest, middle, cell = measure_difference(exact, expected)
        yield Row(f"fp32 here and on a CPU: largest difference of a score ({cell})", largest, "", "1e-3 at most")
        yield Row("... median difference", middle)
    for precision in ("tf32", "fp16", "bf16"):
        try:
            *_, units = run_suite(setup, images, precision=precision, **suite)
        except BenchError as error:
            yield Row(f"{precision} beside fp32", str(error))
            continue
        largest, middle, cell = measure_difference(units, exact)
        yield Row(f"{precision} beside fp32: largest difference of a score ({cell})", largest)
        yield Row("... median difference", middle)


def check_memory(setup: Setup) -> Iterator[Row]:
    """A limit of a pass's memory is kept, and what does not fit is tried in halves, with the same scores."""
    if setup.device.type != "cuda":
        yield Row("memory", "is checked on a CUDA device")
        return
    net, images = setup.load("resnet18", "fp32"), setup.make_images(16)
    cases, maps = make_cases(net, images)
    metrics, limit = [find(METRIC, "insertion"), find(METRIC, "deletion")], 500e6
    net.configure(limit)
    net.prepare(images)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    expected = scoring.score(net, cases, metrics, maps=maps)
    peak = torch.cuda.max_memory_allocated() - before
    yield Row("peak memory of a scoring with --memory 500MB", peak / 1e6, "MB", "600 at most")
    small = setup.load("resnet18", "fp32")
    small.prepare(images)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(setup.device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_allocated() + 1.2e9) / total))
    try:
        found = scoring.score(small, cases, metrics, maps=maps)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    areas = [[score.area for score in row] for row in found], [[score.area for score in row] for row in expected]  # type: ignore[union-attr]
    difference = float((torch.tensor(areas[0]) - torch.tensor(areas[1])).abs().max())
    yield Row("with 1.2 GB on the device: largest difference of a score", difference, "", "1e-5 at most")


def check_lost_device(setup: Setup) -> Iterator[Row]:
    """A run whose device is lost ends in one sentence and can be resumed."""
    method = setup.folder / "fault.py"
    method.write_text(FAULT, encoding="utf-8")
    arguments = ["run", "--nets", setup.spec("resnet18"), "--methods", str(method), "--metrics", "average_drop"]
    arguments += ["--dataset", f"scenes[size={setup.size}]", "--target", "predicted", "--images", "8"]
    command = [
        sys.executable,
        "-m",
        "cambench",
        *arguments,
        "--device",
        str(setup.device),
        "--out",
        f"{setup.folder}/lost",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    yield Row(
        "a lost device",
        f"exit code {done.returncode}: {done.stderr.strip().splitlines()[-1][:160]}",
        "",
        "one sentence",
    )


def list_parts(names: Sequence[str]) -> Iterator[tuple[str, Callable[[Setup], Iterator[Row]]]]:
    """The parts in the order of their importance: a run that is stopped early has the first ones."""
    yield "suites", compare_suites
    for name in names:
        yield f"score_cam {name}", partial(compare_score_cam, name=name)
        yield f"curves {name}", partial(compare_curves, name=name)
    yield "numbers", compare_numbers
    yield "memory", check_memory
    yield "lost device", check_lost_device


def run_part(part: Callable[[Setup], Iterator[Row]], setup: Setup) -> Iterator[Row]:
    """The rows of a part; a last row says if it failed."""
    try:
        yield from part(setup)
    except (BenchError, RuntimeError, ImportError, OSError) as error:
        yield Row("failed", f"{type(error).__name__}: {str(error).splitlines()[0][:160]}")


def format_figure(row: Row) -> str:
    text = row.figure if isinstance(row.figure, str) else f"{row.figure:.3g}"
    return f"{text} {row.unit}".strip()


def make_table(title: str, rows: Sequence[Row]) -> RichTable:
    table = RichTable(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for head in ("", "figure", "should be"):
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(row.what, format_figure(row), row.target)
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--nets", default="resnet18,vgg16,squeezenet1_1")
    parser.add_argument("--parts", default="", help="only parts whose names begin so, separated by commas")
    parser.add_argument("--quick", action="store_true", help="little work, to see that the script works")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    return parser.parse_args()


def main() -> None:
    """Print the rows of each part as it ends, and then the table."""
    arguments, console, began, rows = parse_arguments(), Console(width=150), time.monotonic(), list[Row]()
    device = find_device(arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "gpu_nets.py").write_text(FACTORY, encoding="utf-8")
        setup = Setup(device, arguments.size, arguments.quick, Path(folder))
        for name, part in list_parts(arguments.nets.split(",")):
            if not name.startswith(tuple(arguments.parts.split(","))):
                continue
            for row in run_part(part, setup):
                rows.append(row)
                console.print(f"[{time.monotonic() - began:6.1f}] {row.what}: {format_figure(row)}", markup=False)
            if arguments.json:
                arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    model = "CPU" if device.type == "cpu" else describe_device(device)
    console.print(make_table(f"{model}, torch {torch.__version__}, {arguments.size} px", rows))


if __name__ == "__main__":
    main()
