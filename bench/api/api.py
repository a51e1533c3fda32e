"""The functions of `from cambench import ...` that need torch, for notebooks and programs.

>>> from cambench import explain, load_dataset
>>> image = load_dataset("scenes[size=64]")[0]
>>> explanation = explain(image, "squeezenet1_1", method="cam", target="star", precision="fp32")
>>> explanation.target.name, explanation.map.shape, sorted(explanation.scores)
('star', (64, 64), ['average_drop', 'deletion', 'insertion'])
>>> explanation.overlay().shape
(64, 64, 3)
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from ..config import suite_file
from ..config.defaults import DEFAULTS
from ..config.protocol import find_protocol
from ..config.suite import RACE_IMAGES, RACE_SECONDS, Suite, find_dataset
from ..core import plugins, specs
from ..core.errors import INTERRUPTED, UsageError
from ..core.plugins import ENGINE, METHOD, Plugin
from ..core.process_state import keep_random_state
from ..data.checked import open_dataset
from ..data.photos import SIZE, Photo, to_image
from ..data.types import Images
from ..nets.net import Net
from ..run.plan import find_layer, make_plan
from ..store import run as store
from . import explain as explaining
from .choose import make_race_plan, make_rules, make_suite
from .execute import MakePlan, execute
from .explanation import Explanation
from .run import Run

Method = str | Callable[[Net, Tensor, Tensor], Tensor]
Target = str | int
NET = DEFAULTS.net


@keep_random_state()
def load_net(
    net: str | nn.Module = NET,
    *,
    layer: str | None = None,
    protocol: str = "default",
    device: str = "auto",
    precision: str = "auto",
    **settings: Any,
) -> Net:
    """Load a net once, to use it in several calls.

    `net` is a spec, `vgg16` or `net.py:make[weights=w.pth]`, or a torch.nn.Module, which is copied and stays unchanged. `layer`
    (`features.29` or `features[29]`) is where the net is explained; by default the protocol or the net decides. `protocol`
    is used for this layer alone; calls that use the net take their own. `device` is auto (the first CUDA device, else the CPU),
    cpu or cuda (`cuda:1` is the second). `precision` is that of the forward passes of perturbed images: auto, fp32, tf32, bf16
    or fp16.

    `settings` describe a module: its `name`, its `classes` (a list of names), and how images in [0, 1] are normalised, by
    `preprocess` ("imagenet", the default, "none" or "half") or by `mean` and `std`. `scores` ("softmax", "sigmoid" or
    "logits") says how its class scores are read, and `output` which output holds them, by name or index.

    Raise UsageError for a net, layer, protocol, device, precision or setting that does not exist, and for a net that cannot
    be loaded or split.

    >>> from torch import nn
    >>> from cambench import load_net
    >>> body = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU())
    >>> mine = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    >>> load_net(mine, layer="3", classes=["cat", "dog"], preprocess="none", device="cpu").classes
    ('cat', 'dog')
    """
    return explaining.load_net(net, layer, find_protocol(protocol), device, precision, **settings)


@keep_random_state()
def load_dataset(spec: str) -> Images:
    """Open a data set. Each image is made or read when it is indexed; it has a name, pixels (h, w, 3), a label and objects.

    `spec` is what `bench run --dataset` takes: `scenes[size=64]`, `./my_data.py` or a folder of photos. Raise UsageError for a
    data set or setting that does not exist.

    >>> from cambench import load_dataset
    >>> scenes = load_dataset("scenes[size=64]")
    >>> len(scenes), scenes[0].pixels.shape, scenes.classes[scenes[0].label]
    (10000, (64, 64, 3), 'star')
    """
    return open_dataset(find_dataset(spec))


def explain(
    image: Photo,
    net: str | nn.Module = NET,
    *,
    method: Method = DEFAULTS.method,
    target: Target = "top1",
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    size: int | None = None,
    **loading: Any,
) -> Explanation:
    """Explain why a net sees a class in an image: compute the map of a method and its scores.

    The scores are those of `bench run` under the same protocol, but for metrics of objects: no object is known here.

    `image` is a file or a PIL image, which is resized and cropped to `size` x `size` pixels (by default the net's size, or
    224); or an array (h, w, 3) of uint8 or an image of a data set, which is used as it is. `method` is a spec,
    `score_cam[fill=black]` or `./my_cam.py`, or a function of a net, images (n, 3, h, w) in [0, 1] and targets (n,) that
    returns maps (n, h', w'). `target` is the index or name of a class, or `top1` to `top5`. `metrics` are specs; by
    default, those of `bench explain` that the protocol defines, or else all of its metrics. Other arguments (layer, device,
    precision, ...) are passed to `load_net`.

    If the method does not apply to the net, the explanation has no map but a `reason`. Raise UsageError for an image, net,
    method, target, metric or protocol that does not exist or cannot be used.
    """
    return explain_all(
        image, net, methods=[method], targets=[target], metrics=metrics, protocol=protocol, size=size, **loading
    )[0]


@keep_random_state()
def explain_all(
    image: Photo,
    net: str | nn.Module = NET,
    *,
    methods: Sequence[Method] = (DEFAULTS.method,),
    targets: Sequence[Target] = ("top1",),
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    size: int | None = None,
    **loading: Any,
) -> list[Explanation]:
    """Explain several classes, each by several methods, and return the explanations in this order; `panel` draws them.

    The arguments and errors are those of `explain`.

    >>> from cambench import explain_all, load_dataset, panel
    >>> image = load_dataset("scenes[size=64]")[0]
    >>> explanations = explain_all(image, "vgg16", methods=["cam", "random"], metrics=["deletion"])
    >>> [explanation.method for explanation in explanations if explanation.applies], explanations[0].reason
    (['random'], 'no global pooling: three fully connected layers follow the last convolution')
    >>> panel(explanations, colours="viridis", opacity=0.4).save("one.png")
    """
    methods = specs.to_list(methods)
    targets = [targets] if isinstance(targets, str) else targets
    plugins_or_specs = [method if isinstance(method, str) else _make_plugin(method) for method in methods]
    setup = explaining.make_setup(plugins_or_specs, metrics, protocol)
    loaded = _load_or_check(net, protocol, loading)
    pixels = to_image(image, size or loaded.size or SIZE, setup.protocol.resize)
    return explaining.explain(pixels, loaded, [_name_target(target) for target in targets], setup)


@keep_random_state()
def score(
    map: NDArray[np.floating[Any]] | Explanation,
    image: Photo,
    net: str | nn.Module = NET,
    *,
    target: Target | None = None,
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    size: int | None = None,
    **loading: Any,
) -> dict[str, float]:
    """Score a map (h', w') of any size and range; higher values mark more important pixels.

    `map` may also be an `Explanation`: its map is scored for its class. An array needs `target`, the class that it explains.
    Return the score by metric. Metrics that need further maps of the method are left out. The other arguments and the errors
    are those of `explain`; UsageError is also raised for a map that is not an array of finite numbers.

    >>> import numpy as np
    >>> from cambench import load_dataset, score
    >>> score(np.zeros((7, 7)), load_dataset("scenes[size=64]")[0], "squeezenet1_1", target="top1", metrics=["gini"])
    {'gini': 0.0}
    """
    values = _check_map(map)
    if target is None and not isinstance(map, Explanation):
        raise UsageError("score() needs the class that the map explains: set target, or give the Explanation itself")
    label = map.target.index if target is None and isinstance(map, Explanation) else target
    setup = explaining.make_setup([], metrics, protocol)
    loaded = _load_or_check(net, protocol, loading)
    photo = to_image(image, size or loaded.size or SIZE, setup.protocol.resize)
    return explaining.score_map(torch.tensor(values, dtype=torch.float32), photo, loaded, _name_target(label), setup)


def _name_target(target: Target | None) -> str:
    """Name a target in a text: a number is the index of a class, whatever the classes' names."""
    return f"index{target}" if isinstance(target, int) else str(target)


def _check_map(map: NDArray[np.floating[Any]] | Explanation) -> NDArray[np.floating[Any]]:
    """Return the values of a map (h', w'). Raise UsageError if they are no array of finite numbers."""
    if isinstance(map, Explanation):
        if map.raw is None:
            raise UsageError(f"there is no map to score: {map.method} does not apply to {map.net} ({map.reason})")
        return map.raw
    try:
        values = np.asarray(map.detach().cpu() if isinstance(map, torch.Tensor) else map)
    except ValueError:
        raise UsageError("a map is an array (h', w') of finite numbers, and these rows differ in length") from None
    numeric = values.dtype.kind in "biuf"
    if not numeric or values.ndim != 2 or not values.size or not np.isfinite(values.astype(np.float32)).all():
        raise UsageError(f"a map is an array (h', w') of finite numbers, not {values.dtype} of shape {values.shape}")
    return values


@keep_random_state()
def run(
    name: str = DEFAULTS.suite,
    *,
    out: Path | str | None = None,
    device: str = "auto",
    quiet: bool = False,
    **changes: Any,
) -> Run:
    """Run a suite, as `bench run` does, and return the run. A run that `out` already holds is resumed.

    `name` is a built-in suite or a TOML file. `changes` replace values of the suite: nets, methods, metrics, protocols (lists,
    or texts with commas), dataset, images, seed, target (predicted, label, or a class), precision. `out` is by default a folder
    in runs/, named after the suite.

    Raise UsageError for a value that does not exist, for a suite with parts, and if `out` holds another run; raise
    KeyboardInterrupt if the user interrupts the run; finished images are kept.

    >>> from cambench import run
    >>> few = dict(nets=["squeezenet1_1"], methods=["cam", "centre"], metrics=["gini"], images=2, precision="fp32")
    >>> results = run("scenes", dataset="scenes[size=64]", out="runs/few", quiet=True, **few)
    >>> results.summary()[["method", "metric", "n"]].values.tolist()
    [['cam', 'gini', 2], ['centre', 'gini', 2]]
    """
    _check_named(changes)
    suite = suite_file.load(name, **changes)
    if suite.parts:
        raise UsageError(
            f"the suite {name} has parts: run it with `bench run {name}`, then load a part of its directory"
        )
    return _execute(suite, out, partial(make_plan, device=device), quiet=quiet)


@keep_random_state()
def choose(
    name: str = DEFAULTS.suite,
    *,
    by: str | Sequence[str] | None = None,
    seconds: float | None = RACE_SECONDS,
    confidence: float = 0.95,
    slack: float = 0.02,
    out: Path | str | None = None,
    device: str = "auto",
    quiet: bool = False,
    **changes: Any,
) -> Run:
    """Race the methods of a suite, as `bench choose` does, and return the run; its `answer()` says which method to take.

    `by` names the metrics that decide, by default a balanced choice of the suite's. The race ends undecided after `seconds`
    (None: never); one that `out` already holds is resumed. A method drops out once it is surely behind by a metric, or surely
    not better by the `slack`, a share of the metric's range, than a method that is no more expensive. All such claims on a net
    are right with a probability of at least `confidence`. `changes` replace values of the suite: nets, methods (lists),
    dataset, images (at most this many, 1,000 by default), seed, target, precision.

    Raise UsageError for a value that does not exist, for fewer than two methods, for a metric without a range, and if `out`
    holds another run; raise KeyboardInterrupt if the user interrupts the race; finished images are kept.

    >>> from cambench import choose
    >>> few = dict(nets=["squeezenet1_1"], methods=["cam", "centre"], images=16, precision="fp32")
    >>> race = choose(by="energy", dataset="scenes[size=64]", out="runs/race", quiet=True, **few)
    >>> race.answer()[0].state
    'open'
    """
    _check_named(changes)
    metrics = None if by is None else specs.to_list(by)
    suite = make_suite(name, make_rules(confidence, slack), metrics, **({"images": RACE_IMAGES} | changes))
    return _execute(suite, out, partial(make_race_plan, device=device, by=metrics), quiet=quiet, budget=seconds)


def _execute(suite: Suite, out: Path | str | None, plan: MakePlan, *, quiet: bool, budget: float | None = None) -> Run:
    """Run a suite in this process. Raise KeyboardInterrupt if the user interrupts it."""
    directory = Path(out or f"runs/{suite.make_directory_name()}")
    console = Console(highlight=False, emoji=False, quiet=quiet)
    engine = plugins.find(ENGINE, DEFAULTS.engine)
    if execute(suite, directory, plan, console, engine, budget=budget) == INTERRUPTED:
        raise KeyboardInterrupt
    return Run(directory, store.open_run(directory).header)


def _load_or_check(net: str | nn.Module, protocol: str, loading: Mapping[str, Any]) -> Net:
    """Load a net; return a loaded one, if the protocol explains it at the layer where it is split."""
    if not isinstance(net, Net):
        return load_net(net, protocol=protocol, **loading)
    if loading:
        raise UsageError(f"{', '.join(loading)}: this net is already loaded; pass such arguments to load_net")
    if (layer := find_layer(find_protocol(protocol), net.name)) not in (None, net.layer):
        raise UsageError(
            f"{net.name} is loaded at {net.layer}, but the protocol {protocol} explains it at {layer}: "
            f'load it with load_net(..., protocol="{protocol}")'
        )
    return net


def _check_named(changes: Mapping[str, Any]) -> None:
    """Raise UsageError for nets, methods and metrics that are no names: a run can be repeated, also by another process."""
    for key in ("nets", "methods", "metrics"):
        entries = changes.get(key)
        for entry in entries if isinstance(entries, list | tuple) else [entries]:
            if isinstance(entry, nn.Module) or callable(entry):
                example = "my.py:make" if key == "nets" else "./my_file.py"
                raise UsageError(
                    f"{key} are given by their names, not as {type(entry).__name__}: write the code in a file, {key}="
                    f'"{example}"'
                )


def _make_plugin(function: Callable[..., Any]) -> Plugin:
    if not callable(function):
        raise UsageError(f"a method is a spec, such as grad_cam, or a function, not {type(function).__name__}")
    name = getattr(function, "__name__", type(function).__name__)
    plugins.check_function(METHOD, name, function)
    return Plugin(name, name, inspect.getmodule(function) or ModuleType(name), function)
