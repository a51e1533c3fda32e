"""A suite made ready to run: its plug-ins found, its images chosen, its device there; and what the run will say of itself."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..config.protocol import DEFAULT, Protocol, laid
from ..config.suite import Suite
from ..config.suite_file import image_names
from ..core import specs
from ..core.errors import UsageError
from ..core.plugins import Plugin
from ..data.checked import opened
from ..data.labels import few, unknown
from ..data.types import Images
from ..forward.device import device_of
from ..forward.precision import check_compiler
from ..forward.precision import chosen as chosen_precision
from ..nets import load

GROUP_PAIRS = {"cpu": 16, "cuda": 256}  # of methods and metrics: fewer an image, and images share batches
GROUP_MOST = 8  # images


@dataclass(frozen=True)
class Measure:
    """A metric under a protocol: what a record's score is of."""

    metric: Plugin
    protocol: Protocol

    @property
    def spec(self) -> str:
        own = specs.parse("protocol", self.protocol.name)
        plain = own.name == DEFAULT and own.chosen.keys() <= {
            "target"
        }  # which is the same throughout a run, and said there
        return self.metric.spec if plain else f"{self.metric.spec}@{self.protocol.name}"


@dataclass(frozen=True)
class Plan:
    """What will run; nothing that was asked wrongly gets beyond it."""

    suite: Suite  # its nets under their names in records
    specs: dict[str, str]  # by which those nets were asked for
    methods: list[Plugin]
    measures: list[Measure]  # protocol by protocol
    protocol: Protocol  # whose choices of what is explained are those of all
    dataset: Plugin
    images: Images
    chosen: list[int]  # numbers of images
    nets: dict[str, dict[str, Any]]  # what the run says of each net
    device: torch.device
    precision: str  # of perturbed images: fp32, tf32, bf16 or fp16
    compiled: bool = False  # whether their forward passes are
    memory: float | None = None  # bytes that a forward pass of theirs may take

    @property
    def groups(self) -> list[list[int]]:
        """The images in groups that share batches: several where one image's maps and metrics make too small a batch."""
        pairs = len(self.methods) * len(self.measures)
        size = max(1, min(GROUP_MOST, GROUP_PAIRS[self.device.type] // pairs))
        return [self.chosen[start : start + size] for start in range(0, len(self.chosen), size)]

    @property
    def drifting(self) -> set[int]:
        """The images that are scored in fp32 as well, where the precision is another or the passes are compiled."""
        plain = self.precision == "fp32" and not self.compiled
        return set() if plain else set(self.chosen[: self.suite.drift])

    @property
    def cells(self) -> int:
        return len(self.suite.nets) * len(self.chosen)

    def open(self, done: Collection[tuple[str, str]]) -> dict[str, list[list[int]]]:
        """By net, in their order, the images that are not done, in their groups; a net that is done is left out."""
        left = {}
        for net in self.suite.nets:
            groups = [[n for n in group if (net, self.images.name(n)) not in done] for group in self.groups]
            left[net] = [group for group in groups if group]
        return {net: groups for net, groups in left.items() if groups}


def plan(suite: Suite, device: str = "auto", memory: float | None = None) -> Plan:
    """The plan of a suite on a device (auto, cpu, cuda, cuda:1), whose bytes a pass may take so many of.

    Raises UsageError for whatever cannot be had.
    """
    protocols = suite.followed()
    own = suite.images_of(None).settings.get("resize")  # how the data set cuts photos, if it has any
    first = _agreed(protocols, own)
    methods = [following(first, method) for method in suite.explained()]
    measures = [Measure(metric, protocol) for metric, protocol in suite.measured(protocols)]
    dataset = suite.images_of(first.resize)
    asked = load.named(suite.nets)
    place = device_of(device)
    images = opened(dataset)
    if not len(images):
        raise UsageError(f"data set {suite.dataset} holds no image")
    chosen = _chosen(suite, images)
    _named_apart([images.name(index) for index in chosen])
    described = {name: load.described(spec, layer_of(first, name)) for name, spec in asked.items()}
    suite = suite.model_copy(update={"nets": list(asked)})
    precision = chosen_precision(suite.precision, place)
    if suite.compile:
        check_compiler(place)
    planned = Plan(
        suite, asked, methods, measures, first, dataset, images, chosen, described, place, precision,
        suite.compile, memory,
    )  # fmt: skip
    _strange(planned)
    return planned


def layer_of(protocol: Protocol, net: str) -> str | None:
    """The layer at which a protocol explains a net; None for the net's own."""
    return protocol.layers.get(specs.parse("net", net, str).name.partition("@")[0])


def _agreed(protocols: Sequence[Protocol], cut: str | None) -> Protocol:
    """The first protocol. Raises UsageError where another explains other things, so that the maps would be others too.

    `cut` is how the data set cuts photos where a protocol does not say; None where it has none to cut.
    """
    first = protocols[0]
    for other in protocols[1:]:
        for choice in ("target", "of", "layers", "resize"):
            ours, theirs = getattr(first, choice), getattr(other, choice)
            if choice == "resize":
                ours, theirs = (cut and (ours or cut)), (cut and (theirs or cut))
            if ours != theirs:
                raise UsageError(
                    f"protocols {first.name} and {other.name} explain different things ({choice}: {ours} and {theirs}): "
                    "run them apart"
                )
    return first


def following(protocol: Protocol, method: Plugin) -> Plugin:
    """A method as a protocol has it: what gradients are of, where the spec itself does not say."""
    if protocol.of is None or "of" not in method.settings or "of" in specs.parse("method", method.spec).chosen:
        return method
    return laid(method, {"of": protocol.of})


def _strange(plan: Plan) -> None:
    """Raises UsageError where labels are to be explained that are no classes of a net."""
    for net, about in plan.nets.items():
        if plan.protocol.target == "label" and (names := unknown(plan.images, about["classes"])):
            raise UsageError(
                f"the data set's classes ({few(names)}) are not among the {len(about['classes'])} of {net} "
                f"({few(about['classes'])}): explain the predicted class (--target predicted)"
            )


def _chosen(suite: Suite, images: Images) -> list[int]:
    """The images that are taken: the first ones, or the first ones of a list of names, a line each."""
    if suite.subset is None:
        return list(range(min(suite.images, len(images))))
    numbers = {images.name(index): index for index in range(len(images))}
    listed = image_names(suite.subset)
    for name in listed:
        if name not in numbers:
            raise UsageError(
                f"{suite.subset}: the data set has no image {name!r}; its images are named as {images.name(0)!r} is"
            )
    return [numbers[name] for name in listed][: suite.images]


def _named_apart(names: Sequence[str]) -> None:
    """Raises UsageError for two images of one name, of which the scores would be taken for one's."""
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise UsageError(f"the data set names {times} images {name!r}: give each a name of its own")
