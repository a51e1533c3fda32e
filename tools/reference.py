"""Compute the results that ship with the package, and pack them: `python -m cambench.tools.reference`.

Each net is a run of its own in runs/reference, which begins with what is packed already, so that several processes can share
the work. A method whose VERSION was raised needs `--anew`. Another processor goes on with the scores, which are equal to
rounding in fp32, and measures no seconds: these are of the device on which a net was begun, and the environment names both.
`--images 20 --expensive 12 --ties 8` computes the first 20 images by cheap methods, the first 12 by expensive ones, and how
much the order of equal pixels moves curves on the first 8; with `--methods recipro_cam,ablation_cam`, by these methods alone;
with `--single`, by the metrics that need one explanation an image, which an expensive method on a large net can afford. What is
there is not computed again. What all of these runs hold is packed into bench/store/results. Scores that are packed are never
dropped, but for those of nets that are computed with `--anew`. With `--photos FOLDER`, these are the results of SqueezeNet with
ImageNet's weights on the photos of a folder, which begin anew if runs/ holds none of them; scores are packed, photos are not.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..bench.api.missing import list_missing
from ..bench.api.progress import Deadline, follow
from ..bench.config import suite_file
from ..bench.config.suite import Suite
from ..bench.core import plugins, specs
from ..bench.core.errors import BenchError, UsageError
from ..bench.core.files import describe_os_error
from ..bench.core.formatting import format_count
from ..bench.core.plugins import ENGINE, METRIC, Plugin
from ..bench.core.specs import split_protocol
from ..bench.forward.device import find_device
from ..bench.forward.process import tune_process
from ..bench.run.describe import make_header
from ..bench.run.plan import Plan, Round, make_plan
from ..bench.store.comparability import find_environment_difference, list_header_facts
from ..bench.store.header import FURTHER_DEVICE, Header
from ..bench.store.layout import FILE, LISTS
from ..bench.store.run import Run, open_run
from ..bench.store.schema import SCHEMAS
from ..bench.store.shipped import RESULTS
from ..bench.store.writer import Writer
from .records import hold, read_rows, restore, write_run

SUITE = "reference"
PHOTOS = "reference-photos"
PHOTO_NET, PHOTO_DATA, PHOTO_COUNT = "squeezenet1_1@imagenet", "imagenet-photos", 64
RUNS = Path("runs")
STAGE = 4  # images that are computed, and kept, together
SHOWN = ("maps", "images")  # tables of which few images are packed, and no photos
TIES = ("insertion_ties", "deletion_ties")  # which take several times as long as all other metrics together
DEVICE = "device"
PACKED = tuple(table for table in SCHEMAS if table not in ("strips", *SHOWN))
SHOWN_IMAGES = 2


@dataclass(frozen=True)
class Work:
    """What is computed on a net: so many of the run's first images by cheap methods, by expensive ones, and by metrics of ties.

    By the named methods alone, if any are named; with `single_map`, by the metrics that need no explanation but the map.
    """

    images: int
    expensive_images: int
    tie_images: int
    methods: tuple[str, ...] = ()
    single_map: bool = False

    def list_plans(self, plan: Plan, run: Run) -> Iterator[Plan]:
        """Yield plans of what the run lacks: by all metrics but those of ties, then by those of ties."""
        most = len(plan.indices)
        for limit, of_ties in ((most, False), (self.tie_images, True)):
            counts = min(self.images, limit), min(self.expensive_images, limit)
            measures = [measure for measure in plan.measures if self._includes(measure.metric, of_ties)]
            part = replace(plan, measures=measures, measures_seconds=plan.measures_seconds and not of_ties)
            if measures and any(self._list_rounds(part, run, *counts)):
                yield replace(part, schedule=partial(self._list_rounds, part, run, *counts))

    def _includes(self, metric: Plugin, of_ties: bool) -> bool:
        return bool(metric.ties_of) == of_ties and not (self.single_map and "method" in metric.needs)

    def _list_rounds(self, plan: Plan, run: Run, images: int, expensive_images: int) -> Iterator[Round]:
        """Yield what the run lacks, a few images at a time."""
        (net,) = plan.nets
        wanted = [method for method in plan.methods if not self.methods or method.spec in self.methods]
        for count, expensive in ((images, False), (expensive_images, True)):
            methods = [method.spec for method in wanted if method.expensive == expensive]
            for start in range(0, count, STAGE):
                positions = range(start, min(count, start + STAGE))
                yield from list_missing(plan, run, net, dict.fromkeys(methods, positions))


@click.command()
@click.option("--nets", default="", metavar="A,B", help="Compute only these nets; -: none.")
@click.option("--methods", default="", metavar="A,B", help="Compute only these methods.")
@click.option("--images", type=click.IntRange(0), default=10**6, metavar="N", help="Images by cheap methods.")
@click.option("--expensive", type=click.IntRange(0), default=10**6, metavar="N", help="Images by expensive methods.")
@click.option("--ties", type=click.IntRange(0), default=8, metavar="N", help="Images by metrics of ties.")
@click.option("--single", is_flag=True, help="Only the metrics that need one explanation an image.")
@click.option("--anew", is_flag=True, help="Take nothing of what is packed: a VERSION was raised.")
@click.option(
    "--photos",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False),
    help="Compute the results on these photos instead.",
)
@click.option("--device", default="auto", show_default=True, help="Where to compute.")
def main(
    *,
    nets: str,
    methods: str,
    images: int,
    expensive: int,
    ties: int,
    single: bool,
    anew: bool,
    photos: str | None,
    device: str,
) -> None:
    """Compute what the reference results lack, and pack what there is."""
    try:
        work = Work(images, expensive, ties, tuple(list_methods(methods)), single)
        update_results(list_nets(nets, photos), work, photos=photos, device=device, anew=anew)
    except BenchError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(describe_os_error(error)) from None


def list_nets(nets: str, photos: str | None) -> list[str]:
    """List the nets to compute. Raise UsageError for one that the results do not have."""
    return _choose("net", nets, _list_nets(photos)) if nets else _list_nets(photos)


def list_methods(methods: str) -> list[str]:
    """List the methods to compute, none for all. Raise UsageError for one that the results do not have."""
    chosen = _choose("method", methods, suite_file.load(SUITE).methods)
    if methods and not chosen:
        raise UsageError(f"--methods {methods} names no method")
    return chosen


def _choose(what: str, text: str, known: Sequence[str]) -> list[str]:
    """List the names of a text. Raise UsageError for one that is not known."""
    chosen = [name for name in specs.split(text) if name != "-"]
    if unknown := next((name for name in chosen if name not in known), None):
        raise UsageError(f"these results have no {what} {unknown!r}: take some of {', '.join(known)}")
    return chosen


def update_results(chosen: Sequence[str], work: "Work", *, photos: str | None, device: str, anew: bool) -> None:
    """Compute what the runs of the chosen nets lack, and pack the runs of all nets."""
    name, changes = (PHOTOS, {"dataset": photos, "images": PHOTO_COUNT}) if photos else (SUITE, {})
    begun_anew = set(chosen) if anew else set[str]()
    for directory in (RESULTS / name, *(RUNS / name / net for net in _list_nets(photos))):
        restore(directory)
    if not photos:
        unpack_missing(RESULTS / name, RUNS / name, begun_anew)
    for net in chosen:
        compute(load_suite([net], **changes), RUNS / name / net, work, device)
    directories = [RUNS / name / net for net in _list_nets(photos) if (RUNS / name / net / FILE).exists()]
    if not directories:
        raise UsageError("nothing is computed, and nothing is packed")
    with hold(RESULTS / name):  # another process may pack what this one does not know
        runs = [open_run(directory) for directory in directories]
        check_nothing_dropped(runs, RESULTS / name, begun_anew)
        pack(runs, RESULTS / name, photos=bool(photos))


def load_suite(nets: Sequence[str], **changes: Any) -> Suite:
    """Load the suite of the results on some nets: the suite that users run, and the metrics of ties."""
    return suite_file.load(SUITE, nets=list(nets), metrics=[*(suite_file.load(SUITE).metrics or ()), *TIES], **changes)


def _list_nets(photos: str | None) -> list[str]:
    return [PHOTO_NET] if photos else suite_file.load(SUITE).nets


def compute(suite: Suite, directory: Path, work: Work, device: str) -> None:
    """Compute what the run of one net in a directory lacks of the work."""
    tune_process(find_device(device))
    plan = make_plan(suite, device)
    engine = plugins.find(ENGINE, "local")
    header = make_header(plan)
    header.environment |= engine.environment
    add_metrics(directory, header)
    if (directory / FILE).exists() and not any(work.list_plans(plan, open_run(directory))):
        return
    first, here = find_first_device(directory), header.environment[DEVICE]
    if first not in (None, here):
        name_further_device(directory, here)
        header.environment[DEVICE] = first  # the run is resumed as that of its first device
        plan = replace(plan, measures_seconds=False)
    writer = Writer(directory, header)
    run, console = Run(writer.directory, writer.header), Console()
    try:
        for part in work.list_plans(plan, run):
            follow(engine, part, writer, console, describe=lambda net, image: (f"{net}: {image}", None),
                   deadline=Deadline.after(None))  # fmt: skip
    finally:
        writer.flush()
        writer.close()


def add_metrics(directory: Path, header: Header) -> None:
    """Add the metrics that a header has to the header of the run in a directory, if there is a run that lacks some."""
    if not (directory / FILE).exists() or not header.metrics.keys() - open_run(directory).header.metrics.keys():
        return
    known = open_run(directory).header
    suite = known.suite.model_copy(update={"metrics": header.suite.metrics})
    metrics, protocols = header.metrics | known.metrics, header.protocols | known.protocols
    _replace_header(directory, known.model_copy(update={"suite": suite, "metrics": metrics, "protocols": protocols}))


def find_first_device(directory: Path) -> str | None:
    """Find the device on which the run in a directory was begun; None if it holds no run."""
    return open_run(directory).header.environment[DEVICE] if (directory / FILE).exists() else None


def name_further_device(directory: Path, device: str) -> None:
    """Name another device in the environment of the run in a directory."""
    run = open_run(directory)
    known = run.header.environment.get(FURTHER_DEVICE, "")
    devices = _join_devices(known, device)
    if devices == known:
        return
    environment = run.header.environment | {FURTHER_DEVICE: devices}
    _replace_header(directory, run.header.model_copy(update={"environment": environment}))


def _replace_header(directory: Path, header: Header) -> None:
    """Replace the header of the run in a directory. The run is written anew: parts know their header."""
    run = open_run(directory)
    write_run(directory, header, {table: read_rows(run, table) for table in SCHEMAS})


def _join_devices(*lists: str) -> str:
    """Join lists of devices, each device once."""
    return "; ".join(dict.fromkeys(device for devices in lists for device in devices.split("; ") if device))


def check_nothing_dropped(runs: Sequence[Run], packed: Path, begun_anew: Collection[str] = ()) -> None:
    """Raise UsageError if packing these runs would drop scores that are packed, of nets that were not begun anew."""
    if (packed / FILE).exists():
        dropped = {cell for cell in _list_cells([open_run(packed)]) - _list_cells(runs) if cell[0] not in begun_anew}
        nets = sorted({net for net, *_ in dropped})
        if dropped:
            raise UsageError(
                f"packing would drop {format_count(len(dropped), 'score')} of {', '.join(nets)}: compute them too, or drop "
                f"them with --anew --nets {','.join(nets)}"
            )


def _list_cells(runs: Sequence[Run]) -> set[tuple[str, ...]]:
    columns = ["net", "image", "method", "metric"]
    return {cell for run in runs for cell in run.table("scores")[columns].itertuples(index=False, name=None)}


def pack(runs: Sequence[Run], directory: Path, *, photos: bool = False) -> None:
    """Write the records of runs of one net each as one run with one part, in place of what the directory holds.

    The folder of photos is not named, and no picture of them is packed. Raise UsageError for runs that differ in more than
    their nets.
    """
    header = merge_headers([run.header for run in runs])
    rows = {table: [*chain.from_iterable(read_rows(run, table) for run in runs)] for table in PACKED}
    header = _refresh_words(header)
    if photos:
        header = _rename_dataset(header)
        rows = {table: [row | {"dataset": PHOTO_DATA} for row in content] for table, content in rows.items()}
    else:
        rows |= {table: list(_read_first_images(runs, table, header)) for table in SHOWN}
    write_run(directory, header, rows)


def unpack_missing(packed: Path, directory: Path, left_out: Collection[str] = ()) -> None:
    """Unpack the records of each net, but for those left out, that has no run with a part yet in the directory."""
    if (packed / FILE).exists():
        run = open_run(packed)
        for net in run.header.nets:
            if net not in left_out and not any((directory / net / LISTS).glob("*.json")):
                unpack(run, net, directory / net)


def unpack(packed: Run, net: str, directory: Path) -> None:
    """Write the records of one net as a run that can be gone on with."""
    suite = packed.header.suite.model_copy(update={"nets": [net]})
    header = packed.header.model_copy(update={"suite": suite, "nets": {net: packed.header.nets[net]}})
    rows = {table: [row for row in read_rows(packed, table) if row.get("net", net) == net] for table in SCHEMAS}
    write_run(directory, header, rows)


def merge_headers(headers: Sequence[Header]) -> Header:
    """Merge the headers of runs of one net each into one with all nets, and with the metrics of the one that has the most.

    Raise UsageError if they differ in anything else.
    """
    first = max(headers, key=lambda header: len(header.metrics))
    for other in headers:
        facts, other_facts = (list_header_facts(_reduce(header, other.metrics)) for header in (first, other))
        for part in facts:
            if part not in ("nets", "environment") and facts[part] != other_facts[part]:
                raise UsageError(f"{', '.join(other.nets)} and {', '.join(first.nets)} have different {part}")
        if difference := find_environment_difference(first.environment, other.environment):
            raise UsageError(
                f"{', '.join(other.nets)} was computed elsewhere than {', '.join(first.nets)}: {difference}"
            )
    nets = dict(chain.from_iterable(header.nets.items() for header in headers))
    further = _join_devices(*(header.environment.get(FURTHER_DEVICE, "") for header in headers))
    environment = first.environment | ({FURTHER_DEVICE: further} if further else {})
    description = suite_file.load(SUITE).description
    suite = first.suite.model_copy(update={"nets": list(nets), "description": description})
    return first.model_copy(update={"nets": nets, "suite": suite, "environment": environment})


def _reduce(header: Header, metrics: Collection[str]) -> Header:
    """Return the header of a run with these metrics alone, without the names of its nets and the words of its suite."""
    suite = header.suite.model_copy(update={"nets": [], "description": "", "metrics": []})
    parts_of_metrics = {
        name: {spec: value for spec, value in getattr(header, name).items() if spec in metrics}
        for name in ("metrics", "protocols")
    }
    return header.model_copy(update={"suite": suite, **parts_of_metrics})


def _refresh_words(header: Header) -> Header:
    """Describe the metrics in the words of today, which change no number."""
    metrics = {}
    for spec, metric in header.metrics.items():
        plugin = plugins.find(METRIC, split_protocol(spec)[0])
        words = {"description": plugin.description, "caveat": plugin.caveat, "axes": plugin.axes}
        metrics[spec] = metric.model_copy(update={key: text for key, text in words.items() if text})
    return header.model_copy(update={"metrics": metrics})


def _rename_dataset(header: Header) -> Header:
    """Name the photos in place of the folder that held them."""
    description = "The reference results on photos of ImageNet, by SqueezeNet with ImageNet's weights."
    suite = header.suite.model_copy(update={"name": PHOTOS, "dataset": PHOTO_DATA, "description": description})
    settings = {key: value for key, value in header.data.settings.items() if key != "path"}
    return header.model_copy(update={"suite": suite, "data": header.data.model_copy(update={"settings": settings})})


def _read_first_images(runs: Sequence[Run], table: str, header: Header) -> Iterator[dict[str, Any]]:
    """Yield the rows of the first images; the images themselves once, though each run has them."""
    first, seen = header.data.images[:SHOWN_IMAGES], set()
    for run in runs:
        for row in read_rows(run, table):
            key = tuple(row.get(name) for name in ("image", "net", "method"))
            if row["image"] in first and key not in seen:
                seen.add(key)
                yield row


if __name__ == "__main__":
    main()
