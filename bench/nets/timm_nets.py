"""Nets of the library timm, with its own weights, the user's, or random ones."""

import importlib.util
from pathlib import Path
from typing import Any

from ..core.errors import MissingLibrary, MissingWeights, UsageError, list_known_names
from ..core.files import hash_file
from . import checkpoints, zoo
from .layers import suggest_names
from .loaded import LoadedModel, compute_fingerprint, fix_seed
from .preprocessing import Preprocess


def load_timm(name: str, weights: Path | None, prefix: str = "", *, pretrained: bool = True) -> LoadedModel:
    """Load a net of timm with the weights in a file, else with timm's from its cache or downloaded, else with random ones.

    `prefix` chooses among several sets of weights in the file. Raise UsageError for a name that timm does not have, and for
    weights in a file that cannot be loaded, MissingWeights if timm's cannot.
    """
    _check_name(name)
    net = _create(name, pretrained=pretrained and weights is None)
    config = net.pretrained_cfg
    size = (config.get("test_input_size") or config["input_size"])[-1]
    preprocess = Preprocess(tuple(config["mean"]), tuple(config["std"]))
    if weights is not None:
        selection = checkpoints.select_weights(checkpoints.read_weights(weights), net, weights, prefix)
        net.reset_classifier(zoo.count_classes(selection.state, net))
        checkpoints.load_weights(net, selection, f"timm:{name}")
        assumed = "its images are normalised as for timm's own weights of this net: --preprocess changes that"
        return LoadedModel(net, hash_file(weights), (), preprocess, size=size, notes=(*selection.notes, assumed))
    notes = () if pretrained else ("its weights are random: pretrained=false",)
    imagenet = zoo.list_imagenet_classes()
    classes = imagenet if pretrained and net.num_classes == len(imagenet) else ()
    return LoadedModel(net, compute_fingerprint(net), classes, preprocess, size=size, notes=notes)


def _check_name(name: str) -> None:
    """Raise MissingLibrary without timm, and UsageError for an architecture or weights that it does not have."""
    if importlib.util.find_spec("timm") is None:
        raise MissingLibrary("timm's nets need the library timm: pip install 'cambench[timm]'")
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise UsageError(f"timm has no net {name!r}: {suggest_names(name, timm.list_models())}")
    tags = [model.partition(".")[2] for model in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise UsageError(f"timm's {architecture} has no weights {tag!r}: {list_known_names(tag, tags)}")


def _create(name: str, *, pretrained: bool) -> Any:
    import timm

    try:
        with fix_seed():
            return timm.create_model(name, pretrained=pretrained)
    except (OSError, RuntimeError, ValueError) as error:
        raise MissingWeights(
            f"the weights of timm:{name} are not in timm's cache and cannot be downloaded ({type(error).__name__}): "
            f"timm:{name}[weights=FILE] takes a file, timm:{name}[pretrained=false] random ones"
        ) from None
