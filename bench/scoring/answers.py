"""Answers the questions of many metrics about many maps together: class scores, further maps, and numbers of maps.

A perturbed image that several metrics or maps ask for is scored once. The numbers come to the host once a round of questions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.plugins import Plugin
from ..forward.device import move_to_device, move_to_host, widen
from ..forward.forward import Stream
from .blend import Canvas, Ranks, blend_all, count_images, split_request
from .case import Case, IsTop1, MapQuestion, MapValue, Question, find_map_question
from .further_maps import FurtherMaps, MapKey
from .map_values import MapRequest, compute_values, group_requests, split_values
from .perturbations import ImputedSeries, Masked, Perturbed, Series

ScoreType = Literal["softmax", "logit"]
Key = tuple[int, Perturbed | Series]  # a case's index, and perturbed images of its image
Answer = tuple[list[float], list[float]]  # by image: the target's score; 1 if it is the highest, else 0


class Scorer(Protocol):
    """What scoring needs of a net: class scores (count, classes) of a stream."""

    def scores(self, stream: Stream) -> Tensor: ...

    def logits(self, stream: Stream) -> Tensor: ...


class Asked(NamedTuple):
    """A question about a case, given by its index, and the metric that asks."""

    case: int
    question: Question | MapQuestion
    metric: Plugin

    @property
    def map_key(self) -> MapKey | None:
        """What is asked of the method; None if nothing is."""
        asked = find_map_question(self.question)
        return None if asked is None else (self.case, asked)


class Answers:
    """The answers to the questions about some cases; each perturbed image is scored once, and each further map made once."""

    def __init__(self, net: Scorer, cases: Sequence[Case], score_type: ScoreType, maps: Tensor) -> None:
        self._net, self._cases, self._score_type = net, cases, score_type
        firsts: dict[tuple[int, int], int] = {}  # by image and target: the first such case
        self._first = [firsts.setdefault((case.image.data_ptr(), case.target), n) for n, case in enumerate(cases)]
        ranks = Ranks(maps)
        self._canvases = {first: Canvas(cases[first].image, maps, ranks) for first in firsts.values()}
        self._maps = maps.unbind()
        self._further_maps = FurtherMaps(cases, [self._canvases[first] for first in self._first])
        self._scores: dict[Key, Answer] = {}

    def find(self, asked: Sequence[Asked]) -> Iterator[Iterable[Any]]:
        """Yield the answers to each question: one for each of its images, or of its maps."""
        keys = [self._make_keys(each) for each in asked]
        new = self._order([key for key in dict.fromkeys(chain.from_iterable(keys)) if key not in self._scores])
        self._further_maps.make(key for each in asked if (key := each.map_key))
        requests = group_requests(self._make_request(each) for each in asked if isinstance(each.question, MapValue))
        scores, *values = move_to_host([self._score(new), *compute_values(requests)])
        self._keep(new, scores)
        maps = [(case, question) for case, question, _ in asked if isinstance(question, MapQuestion)]
        answers = self._further_maps.move_to_host(maps) | split_values(requests, values)
        return (self._find(each, of_each, answers) for each, of_each in zip(asked, keys, strict=True))

    def _find(self, asked: Asked, keys: Sequence[Key], answers: Mapping[Any, Iterable[Any]]) -> Iterable[Any]:
        if isinstance(asked.question, MapQuestion | MapValue):
            return answers[asked.case, asked.question]
        kind = 1 if isinstance(asked.question, IsTop1) else 0
        return chain.from_iterable(self._scores[key][kind] for key in keys)

    def _make_keys(self, asked: Asked) -> list[Key]:
        """Return the keys of a question's images. Cases of one image and target share what does not depend on the map."""
        case, question, _ = asked
        if isinstance(question, MapQuestion | MapValue):
            return []
        pieces = split_request(question.image if isinstance(question, IsTop1) else question, self._cases[case].pixels)
        return [(case if of_map else self._first[case], piece) for of_map, piece in pieces]

    def _order(self, keys: Sequence[Key]) -> list[Key]:
        """Return perturbed images image by image, and within an image so that those blended together are adjacent."""
        by_image: dict[int, list[Key]] = {}
        for key in keys:
            by_image.setdefault(self._first[key[0]], []).append(key)
        return [key for group in by_image.values() for key in sorted(group, key=_find_place)]

    def _score(self, keys: Sequence[Key]) -> Tensor:
        """Score perturbed images in one stream. Return the target's scores, and whether they are the highest: (2, images)."""
        if not keys:
            return self._maps[0].new_empty(2, 0)
        parts = [(self._canvases[n], list(group)) for n, group in groupby(keys, key=lambda key: self._first[key[0]])]
        stream = blend_all(parts)
        scores = self._net.scores(stream) if self._score_type == "softmax" else widen(self._net.logits(stream))
        targets = [self._cases[case].target for case, perturbed in keys for _ in range(count_images(perturbed))]
        indices = move_to_device(torch.tensor(targets), scores.device)
        return torch.stack([scores.gather(1, indices[:, None])[:, 0], (scores.argmax(1) == indices).to(scores.dtype)])

    def _keep(self, keys: Sequence[Key], scores: NDArray[np.float64]) -> None:
        """Keep the scores (2, images) of perturbed images."""
        target_scores, is_top = scores.tolist()
        start = 0
        for key in keys:
            stop = start + count_images(key[1])
            self._scores[key] = target_scores[start:stop], is_top[start:stop]
            start = stop

    def _make_request(self, asked: Asked) -> MapRequest:
        assert isinstance(asked.question, MapValue)
        others = self._further_maps.take(asked.map_key) if asked.map_key else None
        return MapRequest(asked.case, asked.question, asked.metric, self._maps[asked.case], others)


def _find_place(key: Key) -> tuple[int, str]:
    """Return where perturbed images stand in their image's stream: those that are made for several maps at once, together."""
    perturbed = key[1]
    if isinstance(perturbed, Masked):
        return 2, str(perturbed)
    return int(isinstance(perturbed, ImputedSeries)), ""
