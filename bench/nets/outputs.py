"""Finds the class scores in what a net returns: a tensor, or a dictionary, tuple or object that holds one or several."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..core.errors import PluginError, UsageError

NOT_FINITE = "the net returns class scores that are not finite: its weights may be damaged"
LOGITS = "logits"  # the name that libraries give to class scores beside other tensors
SCORE_NAMES = (LOGITS, "out", "output", "scores", "pred")  # of class scores in libraries' dictionaries and objects
SCORE_WORDS = ("logit", "out", "score", "pred", "prob", "class", "cls")  # in the names of outputs that are class scores
ScoreLocation = (
    int | str | None
)  # where the class scores are in what a net returns; None if it returns the tensor itself

Outputs = dict[int | str, Tensor]  # by name or index


class ScoresOnly(nn.Module):
    """A net reduced to its class scores (n, classes), whatever else it returns."""

    def __init__(self, net: nn.Module, key: ScoreLocation = None, classes: int | None = None) -> None:
        """`classes` is the number of scores an image of a net that returns them in another shape; None if it does not."""
        super().__init__()
        self.net, self.key, self.classes = net, key, classes

    def forward(self, inputs: Tensor) -> Tensor:
        """Return class scores (n, classes) of normalised inputs (n, channels, h, w)."""
        scores: Tensor = _select(self.net(inputs), self.key)
        return scores if self.classes is None else scores.reshape(-1, self.classes)


def wrap_scores(net: nn.Module, inputs: Tensor, output: str = "", classes: int = 0) -> tuple[ScoresOnly, Tensor]:
    """Return a net reduced to its class scores, and the scores (n, classes) of the inputs; of one score an image, (n, 1).

    `output` names the output that holds them, of a net that returns several; `classes` is their number if it is known. Raise
    PluginError for a net that does not classify, UsageError for one with several possible outputs, or without the named one.
    """
    returned = net(inputs.clone())  # nets may write to their input
    key = find_score_location(returned, len(inputs), output, classes)
    scores: Tensor = _select(returned, key)
    _check_scores(scores, len(inputs))
    count = scores.numel() // len(inputs)
    alone = _select(
        net(inputs[:1].clone()), key
    )  # a net that calls squeeze() drops the first dimension of a single image
    is_flat = scores.dim() == 2 and alone.dim() == 2
    return ScoresOnly(net, key, None if is_flat else count), scores.reshape(-1, count)


def find_score_location(returned: Any, count: int, output: str = "", classes: int = 0) -> ScoreLocation:
    """Return where the class scores of `count` images are in what a net returned; see `wrap_scores`."""
    if isinstance(returned, Tensor):
        if output:
            raise UsageError(f"the net returns one tensor, so it has no output {output!r} to choose: leave it out")
        return None
    outputs = _list_outputs(returned)
    if output:
        return _find_named(outputs, output)
    scores = {key: value for key, value in outputs.items() if _is_class_scores(value, count)}
    fitting = {key: value for key, value in scores.items() if classes and max(2, value.numel() // count) == classes}
    if not outputs:
        kind = type(returned).__name__
        raise PluginError(f"the net returns {kind} without class scores: return a tensor (n, classes)")
    return _choose_location(outputs, fitting or scores, is_counted=classes > 0)


def _choose_location(outputs: Outputs, scores: Outputs, *, is_counted: bool) -> int | str:
    """Return the only class scores among the outputs, or those that the usual names tell from the others."""
    named = [name for name in SCORE_NAMES if name in scores]
    for keys in ([*scores], named[:1] if LOGITS in scores else named, [*outputs]):
        if len(keys) == 1:
            return keys[0]
    if not scores:
        raise PluginError(f"none of the net's outputs ({_describe(outputs)}) is class scores (n, classes)")
    first, *others = sorted(scores, key=lambda key: not _sounds_like_scores(key))
    another = f"output={others[0]}" if len(others) == 1 else "another"
    counts = {value.numel() for value in scores.values()}
    by_count = ", or name its classes" if len(counts) == len(scores) and not is_counted else ""
    raise UsageError(
        f"the net returns several outputs that may be its class scores ({_describe(scores)}): set output={first} "
        f"(--output {first}), or {another}{by_count}"
    )


def _sounds_like_scores(key: int | str) -> bool:
    """Tell whether an output is called like class scores: cls_logits, preds, class_probs."""
    return any(word in str(key).lower() for word in SCORE_WORDS)


def _find_named(outputs: Outputs, name: str) -> int | str:
    """Return the key of the output of this name or index. Raise UsageError if there is none."""
    for key in outputs:
        if str(key) == name:
            return key
    raise UsageError(f"the net has no output {name!r}: it has {_describe(outputs) or 'none that is a tensor'}")


def _describe(outputs: Outputs) -> str:
    """List outputs with the shape of each for n images."""
    return ", ".join(f"{key}: ({', '.join(['n', *map(str, value.shape[1:])])})" for key, value in outputs.items())


def _list_outputs(returned: Any) -> Outputs:
    """List the tensors in a dictionary, tuple or object, by the name or index of each."""
    if isinstance(returned, Mapping):
        pairs = list(returned.items())
    elif hasattr(returned, "_fields"):  # a named tuple
        pairs = [(name, getattr(returned, name)) for name in returned._fields]
    elif isinstance(returned, tuple | list):
        pairs = list(enumerate(returned))
    else:
        pairs = list(getattr(returned, "__dict__", {}).items())
        pairs += [(name, getattr(returned, name, None)) for name in SCORE_NAMES if name not in dict(pairs)]
    return {key: value for key, value in pairs if isinstance(value, Tensor)}


def _is_class_scores(value: Tensor, count: int) -> bool:
    """Tell whether a tensor may be the class scores of so many images: (n, classes), (n,) or (n, classes, 1, 1)."""
    is_flat = value.dim() in (1, 2) or (value.dim() == 4 and value.shape[2:] == (1, 1))
    return is_flat and len(value) == count and value.numel() > 0 and value.is_floating_point()


def _check_scores(scores: Tensor, count: int) -> None:
    """Raise PluginError for what are not class scores of so many images."""
    if not scores.is_floating_point():
        raise PluginError(f"the net returns class scores as {scores.dtype}: return logits or probabilities")
    if not _is_class_scores(scores, count):
        raise PluginError(f"the net returns {tuple(scores.shape)} for {count} images: class scores are (n, classes)")
    if not scores.isfinite().all():
        raise PluginError(NOT_FINITE)


def _select(output: Any, key: ScoreLocation) -> Any:
    """Return what a net's output holds at a key; the output itself at None."""
    if key is None:
        return output
    return output[key] if isinstance(output, Mapping) or isinstance(key, int) else getattr(output, key)
