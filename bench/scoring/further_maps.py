"""Makes the maps that metrics ask of methods: of other images, and of the image on nets with random weights."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..data.seeds import derive_seed
from ..forward.device import move_to_device, move_to_host
from ..forward.forward import Stream
from .blend import Canvas, blend_images
from .case import Case, FloatMap, MapOf, MapQuestion, RandomisedMap

MapKey = tuple[int, MapQuestion]  # a case's index, and what is asked of its method


class FurtherMaps:
    """The maps that metrics have asked of the methods of some cases. Each is made once, and stays on the net's device."""

    def __init__(self, cases: Sequence[Case], canvases: Sequence[Canvas]) -> None:
        self._cases, self._canvases = cases, canvases  # a canvas for each case
        self._maps: dict[MapKey, Tensor] = {}

    def take(self, key: MapKey) -> Tensor:
        """Return the maps (n, h, w) that answer a question, which `make` has made."""
        return self._maps[key]

    def move_to_host(self, keys: Sequence[MapKey]) -> dict[MapKey, Sequence[FloatMap]]:
        """Return the maps that answer questions, as arrays (h, w); all come to the host in one copy."""
        arrays = move_to_host([self._maps[key] for key in keys])
        return {key: list(maps) for key, maps in zip(keys, arrays, strict=True)}

    def make(self, keys: Iterable[MapKey]) -> None:
        """Make the maps that are not there, those of one method and question in one call."""
        groups: dict[tuple[int, object], list[MapKey]] = {}
        for case, question in dict.fromkeys(key for key in keys if key not in self._maps):
            kind = question if isinstance(question, RandomisedMap) else MapOf
            groups.setdefault((id(self._cases[case].rerun.explainer), kind), []).append((case, question))
        for group in groups.values():
            self._maps |= dict(zip(group, self._explain(group), strict=True))

    def _explain(self, group: Sequence[MapKey]) -> Iterable[Tensor]:
        """Return the maps that answer each question, all of one method, on the net or on one randomised net."""
        question = group[0][1]
        if isinstance(question, RandomisedMap):
            return _explain_randomised([self._cases[case] for case, _ in group], question)
        return _explain_images([
            (self._cases[case], asked, blend_images(self._canvases[case], [(case, asked.image)]))
            for case, asked in group if isinstance(asked, MapOf)
        ])  # fmt: skip


def _explain_randomised(cases: Sequence[Case], question: RandomisedMap) -> Iterable[Tensor]:
    """Return the map (1, h, w) of each case, all of one method, on one randomised net."""
    explainer = cases[0].rerun.explainer
    if explainer is None:
        return [_to_tensor(case.rerun.randomised(question.share, question.seed)[None], case) for case in cases]
    images, targets = torch.stack([case.image for case in cases]), [case.target for case in cases]
    seeds = [case.seed for case in cases]
    return explainer.explain_randomised(question.share, question.seed, images, targets, seeds).split(1)


def _explain_images(asked: Sequence[tuple[Case, MapOf, Stream]]) -> Iterable[Tensor]:
    """Return the maps of each case's images, all of one method."""
    images = [stream.make(0, stream.count) for _, _, stream in asked]
    explainer = asked[0][0].rerun.explainer
    if explainer is None:
        return [_to_tensor(case.rerun.explain(part), case) for (case, _, _), part in zip(asked, images, strict=True)]
    targets, seeds = list[int](), list[int]()
    for case, question, stream in asked:
        kind = type(question.image).__name__
        targets += [case.target] * stream.count
        seeds += [derive_seed(case.seed, f"{kind} {number}") for number in range(stream.count)]
    return explainer.explain(torch.cat(images), targets, seeds).split([len(part) for part in images])


def _to_tensor(maps: FloatMap, case: Case) -> Tensor:
    return move_to_device(torch.from_numpy(maps), case.image.device)
