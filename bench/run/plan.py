"""Resolves and checks a suite's plug-ins, images, nets, device and precision."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch

from ..config.protocol import LABEL, PREDICTED, Protocol, override_settings
from ..config.suite import Suite
from ..config.suite_file import read_image_names
from ..core import plugins, specs
from ..core.errors import MissingWeights, PluginError, UsageError
from ..core.plugins import Plugin
from ..core.specs import DEFAULT
from ..data.checked import open_dataset
from ..data.labels import abbreviate, find_missing_classes, find_order_fault
from ..data.types import Images
from ..forward.device import find_device, measure_memory
from ..forward.precision import check_compiler, choose_precision
from ..nets import load
from ..nets.net import Net
from ..store.header import NetHeader
from ..store.parts import NetImage
from .loaded_nets import LoadedNets, NetKey
from .targets import TOP, find_target

PAIRS_PER_GROUP = 16  # (method, metric) pairs that keep a CPU busy: with fewer, images share batches
MAX_GROUP = 8  # images that share batches on a CPU
MAX_DEVICE_GROUP = 32  # images that share batches on any other device
DEVICE_BYTES_PER_IMAGE = 2 * 2**30  # of its memory: more than any shipped method takes for an image of 224 px on VGG16
COMPILED_IMAGES = 100  # from which on compiling a net saves more time than it takes

Timing = Literal["single", "batch"] | None  # whether seconds are measured, of each image alone or of a batch as a whole


Groups = list[list[int]]  # of image indices; a group shares batches


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Round:
    """What is computed before it is decided what to compute next."""

    groups: dict[str, Groups]  # by net
    methods: tuple[str, ...] | None = None  # the specs of the methods; None: all methods of the plan
    is_over: Callable[[], bool] = _never  # whether no further group is to be begun, asked after each


@dataclass(frozen=True)
class Measure:
    """A metric under a protocol."""

    metric: Plugin
    protocol: Protocol

    @cached_property
    def spec(self) -> str:
        protocol = specs.parse("protocol", self.protocol.name)
        # All measures of a run have the same target, which the header states.
        default = protocol.name == DEFAULT and protocol.settings.keys() <= {"target"}
        return self.metric.spec if default else f"{self.metric.spec}@{self.protocol.name}"


@dataclass(frozen=True)
class Plan:
    """All that a run needs, checked: `make_plan` refuses what cannot run."""

    suite: Suite  # nets are under their names in the tables
    specs: dict[str, str]  # of the nets, by their names
    methods: list[Plugin]
    measures: list[Measure]  # in the order of their protocols
    protocol: Protocol  # the first; all protocols explain the same target, layers and images
    dataset: Plugin
    images: Images
    indices: list[int]  # of the chosen images in the data set
    nets: dict[str, NetHeader]  # by name
    missing: dict[str, str]  # why nets of the suite are left out, by name
    device: torch.device
    precision: str  # of perturbed images: fp32, tf32, bf16 or fp16
    compiled: bool = False  # whether the forward passes of perturbed images are compiled: if asked, in long runs
    memory: float | None = None  # bytes that such a forward pass may take
    loaded: LoadedNets = field(default_factory=LoadedNets, repr=False)
    image_hashes: dict[str, str] = field(
        default_factory=dict, repr=False
    )  # of pixels, by name: of the images that are read
    measures_seconds: bool = True  # whether the first images are timed
    schedule: Callable[[], Iterator[Round]] | None = None  # None: all methods are scored on all images, in one round

    @property
    def groups(self) -> list[list[int]]:
        """The image indices in groups that share batches: more than one if an image alone would not fill a batch."""
        # A group ends after the images that are timed alone, so that the group that is timed as a whole is a full one.
        size = self.batch_size
        starts = [*range(0, self._single_count, size), *range(self._single_count, len(self.indices), size)]
        return [self.indices[start:stop] for start, stop in pairwise([*starts, len(self.indices)])]

    @cached_property
    def batch_size(self) -> int:
        """How many images share batches: on a CPU as many as keep it busy, on another device as many as fit."""
        if self.device.type == "cpu":
            # Of all methods of the suite: seconds are measured in the same way in a round of some of them.
            return max(1, min(MAX_GROUP, PAIRS_PER_GROUP // (len(self.suite.methods) * len(self.measures))))
        return max(1, min(MAX_DEVICE_GROUP, measure_memory(self.device)[1] // DEVICE_BYTES_PER_IMAGE))

    def find_timing(self, index: int) -> Timing:
        """Return how the seconds of an image are measured: alone, for the run's first images; in a batch, for those after.

        None: they are not measured.
        """
        if not self.measures_seconds:
            return None
        position = self._positions[index]
        if position < self._single_count:
            return "single"
        is_batch = self.batch_size > 1 and position < self._single_count + self.batch_size
        return "batch" if is_batch else None

    @property
    def _single_count(self) -> int:
        """How many images are timed alone."""
        return min(self.suite.timed, max(1, len(self.indices) // 2))

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {index: position for position, index in enumerate(self.indices)}

    @property
    def drift_indices(self) -> set[int]:
        """The images that are also scored in fp32, to measure the drift of another precision or of compiled passes."""
        exact = self.precision == "fp32" and not self.compiled
        return set() if exact else set(self.indices[: self.suite.drift])

    @property
    def cell_count(self) -> int:
        return len(self.suite.nets) * len(self.indices)

    def take_net(self, name: str) -> Net:
        """Return a net, ready to run. It is loaded, unless it was loaded to be checked.

        Raise UsageError if it is not the one that was checked.
        """
        net = self.loaded.take(self._find_key(name), self.device)
        _check_unchanged(name, self.nets[name], describe_net(net, self.precision))
        net.configure(self.memory, compiled=self.compiled)
        return net

    def find_loaded_net(self, name: str) -> Net | None:
        """Find a net among those that are loaded and that no session has taken."""
        return self.loaded.find(self._find_key(name))

    def drop_nets(self, names: Iterable[str] | None = None) -> None:
        """Free the memory of the nets that no session has taken, of all or of those named: each is loaded again when taken."""
        for name in self.nets if names is None else names:
            self.loaded.drop(self._find_key(name))

    def _find_key(self, name: str) -> NetKey:
        return self.specs[name], find_layer(self.protocol, name), self.suite.precision

    def list_rounds(
        self, done: Collection[NetImage], begun: Mapping[NetImage, Collection[str]] | None = None
    ) -> Iterator[Round]:
        """Yield what to compute; `begun` are the methods that are done on the nets and images of which some are not.

        What follows a round is decided when the round is on disk.
        """
        if self.schedule is not None:
            yield from self.schedule()
            return
        begun = begun or {}
        specs = [method.spec for method in self.methods]
        for methods in dict.fromkeys(frozenset(methods) for methods in begun.values()):
            others = {pair for net in self.suite.nets for pair in self._list_pairs(net) if begun.get(pair) != methods}
            yield Round(self.list_remaining(others), tuple(spec for spec in specs if spec not in methods))
        if remaining := self.list_remaining({*done, *begun}):
            yield Round(remaining)

    def _list_pairs(self, net: str) -> Iterator[NetImage]:
        return ((net, self.images.name(index)) for index in self.indices)

    def list_remaining(self, done: Collection[NetImage]) -> dict[str, Groups]:
        """Return the groups of image indices that are not done, by net. A net whose images are all done is left out."""
        remaining = {
            net: self.select_groups({index for index in self.indices if (net, self.images.name(index)) not in done})
            for net in self.suite.nets
        }
        return {net: groups for net, groups in remaining.items() if groups}

    def select_groups(self, indices: Collection[int]) -> Groups:
        """Return the groups of some images, by their indices, in the order of the run."""
        groups = [[index for index in group if index in indices] for group in self.groups]
        return [group for group in groups if group]


def make_plan(
    suite: Suite,
    device: str = "auto",
    memory: float | None = None,
    *,
    net_headers: dict[str, NetHeader] | None = None,
    loaded: LoadedNets | None = None,
    skip_missing: bool = False,
) -> Plan:
    """Make the plan of a suite on a device: auto, cpu, cuda or cuda:1.

    `memory` limits the bytes that a forward pass of perturbed images takes. `net_headers` describe the nets if another
    process has checked them: no net is loaded then until a session takes it. Plans that are given the same `loaded` share the
    nets that they have in common. `skip_missing` leaves out the nets whose weights are missing, unless all are. Raise
    UsageError for a suite that cannot run.
    """
    protocols = suite.load_protocols()
    protocol = _find_common_protocol(protocols, suite.find_dataset_plugin(None).settings.get("resize"))
    methods = [apply_protocol(protocol, method) for method in suite.find_method_plugins()]
    measures = [Measure(metric, metric_protocol) for metric, metric_protocol in suite.find_metric_plugins(protocols)]
    _check_tie_metrics([measure.metric for measure in measures])
    dataset = suite.find_dataset_plugin(protocol.resize)
    specs_by_name = load.name_specs(suite.nets)
    resolved_device = find_device(device)
    images = open_dataset(dataset)
    indices = _choose_images(suite, images)
    precision = choose_precision(suite.precision, resolved_device)
    compiled = _choose_compiled(suite, len(indices), resolved_device)
    loaded = LoadedNets() if loaded is None else loaded
    keys = {name: (spec, find_layer(protocol, name), suite.precision) for name, spec in specs_by_name.items()}
    headers, missing = net_headers or {}, dict[str, str]()
    if not headers:
        headers, missing = _describe_nets(keys, loaded, resolved_device, precision, skip_missing=skip_missing)
    plan = Plan(
        suite=suite.model_copy(update={"nets": list(headers)}), specs={name: specs_by_name[name] for name in headers},
        methods=methods, measures=measures, protocol=protocol, dataset=dataset, images=images, indices=indices,
        nets=headers, missing=missing, device=resolved_device,
        precision=precision, compiled=compiled, memory=memory, loaded=loaded,
    )  # fmt: skip
    _check_classes(plan)
    return plan


def _describe_nets(
    keys: Mapping[str, NetKey], loaded: LoadedNets, device: torch.device, precision: str, *, skip_missing: bool
) -> tuple[dict[str, NetHeader], dict[str, str]]:
    """Load and describe the nets of a plan, by name. Also return why nets are left out: their weights are missing.

    Raise MissingWeights for the first such net unless they may be skipped, and if no net is left.
    """
    headers, missing = dict[str, NetHeader](), dict[str, MissingWeights]()
    for name, key in keys.items():
        try:
            headers[name] = describe_net(loaded.load(key, device), precision)
        except MissingWeights as reason:
            missing[name] = reason
            if not skip_missing:
                raise
    if not headers:
        raise next(iter(missing.values()))
    return headers, {name: str(reason) for name, reason in missing.items()}


def _choose_compiled(suite: Suite, images: int, device: torch.device) -> bool:
    """Tell whether nets are compiled: if the suite asks for it and has enough images. Raise UsageError if they cannot be."""
    compiled = suite.compile and images >= COMPILED_IMAGES
    if compiled:
        check_compiler(device)
    return compiled


def describe_net(net: Net, precision: str) -> NetHeader:
    """Return what the header of a run in this precision says about a net."""
    chosen: dict[str, Any] = {
        "code": net.code,
        "output": net.output,
        "reading": net.reading,
    }  # a key without a value is left out of the file
    if net.link != "softmax":
        chosen["scores"] = net.link
    if net.precision != precision:
        chosen["precision"] = net.precision
    return NetHeader(
        layer=net.layer, classes=list(net.classes), fingerprint=net.fingerprint, notes=list(net.notes),
        **{key: value for key, value in chosen.items() if value},
    )  # fmt: skip


def _check_unchanged(name: str, checked: NetHeader, loaded: NetHeader) -> None:
    """Raise UsageError if a net differs from the one of this name that was checked. Notes change no number."""
    for key in ("layer", "classes", "fingerprint", "code", "scores", "output", "reading", "precision"):
        if getattr(checked, key) != getattr(loaded, key):
            raise UsageError(f"the net {name} is not the one of this run: it has another {key}")


def find_layer(protocol: Protocol, net: str) -> str | None:
    """Return the layer at which a protocol explains a net; None if the protocol leaves it to the net."""
    return protocol.layers.get(specs.parse("net", net, str).name.partition("@")[0])


def _find_common_protocol(protocols: Sequence[Protocol], resize: str | None) -> Protocol:
    """Return the first protocol. Raise UsageError if another protocol would need other maps.

    `resize` is how the data set resizes photos by default; None if it has no photos.
    """
    first = protocols[0]
    for other in protocols[1:]:
        for choice in ("target", "of", "layers", "resize"):
            choices = [getattr(protocol, choice) for protocol in (first, other)]
            if choice == "resize":
                choices = [resize and (own or resize) for own in choices]
            if choices[0] != choices[1]:
                raise UsageError(
                    f"protocols {first.name} and {other.name} explain different things "
                    f"({choice}: {choices[0]} and {choices[1]}): run them separately"
                )
    return first


def apply_protocol(protocol: Protocol, method: Plugin) -> Plugin:
    """Return a method with the protocol's choice of what gradients are of, unless its own spec chooses."""
    if protocol.of is None or "of" not in method.settings or "of" in specs.parse("method", method.spec).settings:
        return method
    return override_settings(method, {"of": protocol.of})


def _check_tie_metrics(metrics: Sequence[Plugin]) -> None:
    """Raise PluginError for a metric that declares to measure the ties of one that is neither known nor in the run."""
    own = [metric.name for metric in metrics]
    for metric in metrics:
        if metric.ties_of and specs.parse("metric", metric.ties_of).name not in own:
            try:
                plugins.find(plugins.METRIC, metric.ties_of)
            except UsageError as error:
                raise PluginError(f"metric {metric.name}: TIES_OF is {metric.ties_of!r}: {error}") from None


def _check_classes(plan: Plan) -> None:
    """Raise UsageError for an order of labels that does not fit, and for a target, or labels as targets, that a net lacks."""
    for net, entry in plan.nets.items():
        _check_target(plan.protocol.target, net, entry.classes)
        if fault := find_order_fault(plan.images.classes, entry.classes, plan.suite.label_order):
            raise UsageError(
                f"the data set's classes cannot be numbered by position on {net}: {fault}; leave --label-order out"
            )
        names = find_missing_classes(plan.images, entry.classes, plan.suite.label_order)
        if plan.protocol.target == LABEL and names:
            raise UsageError(
                f"the data set's classes ({abbreviate(names)}) are not among the {len(entry.classes)} of {net} "
                f"({abbreviate(entry.classes)}): explain the predicted class (--target predicted)"
            )


def _check_target(target: str, net: str, classes: Sequence[str]) -> None:
    """Raise UsageError for a class that a net lacks."""
    try:
        if target not in (PREDICTED, LABEL):
            find_target(target, range(len(classes))[:TOP], classes)
    except UsageError as error:
        raise UsageError(f"the target is {PREDICTED}, {LABEL} or a class of {net}: {error}") from None


def _choose_images(suite: Suite, images: Images) -> list[int]:
    """Return the indices of the first images of the data set, or of those that the suite's subset names; of a race, shuffled.

    Raise UsageError if there is no image, and if two images have one name.
    """
    if not len(images):
        raise UsageError(f"data set {suite.dataset} holds no image")
    indices = list(range(len(images))) if suite.subset is None else _find_images(suite.subset, images)
    if suite.race is not None:  # its evidence is valid for images in a random order
        indices = np.random.default_rng(suite.seed).permutation(indices).tolist()
    indices = indices[: suite.images]
    _check_names([images.name(index) for index in indices])
    return indices


def _find_images(subset: str, images: Images) -> list[int]:
    """Return the indices of the images that a file names, one name a line."""
    indices = {images.name(index): index for index in range(len(images))}
    names = read_image_names(subset)
    for name in names:
        if name not in indices:
            raise UsageError(
                f"{subset}: the data set has no image {name!r}; its images have names such as {images.name(0)!r}"
            )
    return [indices[name] for name in names]


def _check_names(names: Sequence[str]) -> None:
    """Raise UsageError if two images have one name: their rows could not be told apart."""
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise UsageError(f"{count} images of the data set have the name {name!r}: give each image a name of its own")
