"""Scores of an image's maps: every metric of every map, their questions to the net answered together in full batches.

Images that several metrics or maps ask for are scored once.
"""

from collections.abc import Callable, Sequence
from inspect import isgenerator
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor

from .case import Asking, Case, Question, Score, Top1
from .errors import NotApplicable
from .forward import Stream
from .perturb import Perturbed, blends, canonical
from .plugins import Plugin

Read = Literal["softmax", "logit"]
Known = dict[tuple[int, Perturbed], tuple[float, float]]  # the target's score, and whether it is the highest


class Scorer(Protocol):
    """What scoring asks of a net."""

    def scores(self, stream: Stream) -> Tensor: ...

    def logits(self, stream: Stream) -> Tensor: ...


def score(net: Scorer, cases: Sequence[Case], metrics: Sequence[Plugin], read: Read = "softmax") -> list[list[Score]]:
    """The score of each case of one image and target by each metric: as many lists as cases, of as many as metrics."""
    image, target = cases[0].image, cases[0].target
    maps = torch.stack([torch.from_numpy(case.map.copy()) for case in cases]).to(image)
    played = [[_start(metric, case) for metric in metrics] for case in cases]
    known: Known = {}
    while pending := [(n, play) for n, row in enumerate(played) for play in row if play.wanted]:
        keys = {_key(n, question, image): None for n, play in pending for question in play.wanted}
        if new := [key for key in keys if key not in known]:
            known |= dict(zip(new, _answers(net, blends(image, maps, new), target, read), strict=True))
        for n, play in pending:
            found = [(known[_key(n, question, image)], question) for question in play.wanted]
            play.answer([highest if isinstance(asked, Top1) else value for (value, highest), asked in found])
    return [[play.score for play in row] for row in played]


def _key(number: int, question: Question, image: Tensor) -> tuple[int, Perturbed]:
    perturbed = question.image if isinstance(question, Top1) else question
    return canonical(number, perturbed, image.shape[1] * image.shape[2])


def _answers(net: Scorer, stream: Stream, target: int, read: Read) -> list[tuple[float, float]]:
    found = net.scores(stream) if read == "softmax" else net.logits(stream).double()
    highest = (found.argmax(1) == target).double()
    return list(zip(found[:, target].tolist(), highest.tolist(), strict=True))


class _Play:
    """A metric in the course of scoring a case: what it wants now, and at the end its score."""

    def __init__(self, given: Any) -> None:
        self._asking: Asking[Score] | None = cast(Asking[Score], given) if isgenerator(given) else None
        self.wanted: list[Question] = []
        self.score: Score = float("nan") if self._asking else given
        if self._asking:
            self._go_on(lambda asking: next(asking))

    def answer(self, scores: list[float]) -> None:
        self._go_on(lambda asking: asking.send(scores))

    def _go_on(self, step: Callable[[Asking[Score]], list[Question]]) -> None:
        assert self._asking is not None
        try:
            self.wanted = step(self._asking)
        except StopIteration as end:
            self.wanted, self.score = [], end.value
        except NotApplicable as reason:
            self.wanted, self.score = [], reason


def _start(metric: Plugin, case: Case) -> _Play:
    try:
        return _Play(metric(case))
    except NotApplicable as reason:
        return _Play(reason)
