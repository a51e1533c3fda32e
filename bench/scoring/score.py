"""Scores of maps: every metric of every map, their questions to the net answered together in full batches.

Images that several metrics or maps ask for are scored once.
"""

from collections.abc import Callable, Iterable, Sequence
from inspect import isgenerator
from itertools import chain
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor

from ..core.errors import NotApplicable
from ..core.plugins import Plugin
from ..forward.forward import Stream, joined
from .blend import blends, canonical
from .case import Asking, Case, Question, Score, Top1
from .perturbations import Perturbed

Read = Literal["softmax", "logit"]
Key = tuple[int, Perturbed]  # a case's number, and what of its image is to be scored
Known = dict[Key, tuple[float, float]]  # the target's score, and whether it is the highest


class Scorer(Protocol):
    """What scoring asks of a net."""

    def scores(self, stream: Stream) -> Tensor: ...

    def logits(self, stream: Stream) -> Tensor: ...


def score(net: Scorer, cases: Sequence[Case], metrics: Sequence[Plugin], read: Read = "softmax") -> list[list[Score]]:
    """The score of each case by each metric: as many lists as cases, of as many as metrics.

    Cases may be of several images, all of one size.
    """
    asked = _Asked(net, cases, read)
    played = [[_start(metric, case) for metric in metrics] for case in cases]
    while pending := [(n, play) for n, row in enumerate(played) for play in row if play.wanted]:
        keys = [[asked.key(n, question) for question in play.wanted] for n, play in pending]
        asked.answer([key for some in keys for key in some])
        for (_, play), some in zip(pending, keys, strict=True):
            found = zip((asked.known[key] for key in some), play.wanted, strict=True)
            play.answer([highest if isinstance(question, Top1) else value for (value, highest), question in found])
    return [[play.score for play in row] for row in played]


class _Asked:
    """What the net was asked of some cases, and what it answered."""

    def __init__(self, net: Scorer, cases: Sequence[Case], read: Read) -> None:
        self.known: Known = {}
        self._net, self._cases, self._read = net, cases, read
        self._maps = torch.stack([torch.from_numpy(case.map.copy()) for case in cases]).to(cases[0].image)
        firsts: dict[tuple[int, int], int] = {}
        self._first = [firsts.setdefault((case.image.data_ptr(), case.target), n) for n, case in enumerate(cases)]

    def key(self, number: int, question: Question) -> Key:
        """The perturbed image of a question, by its case; one that needs no map by the first case of the same image."""
        perturbed = question.image if isinstance(question, Top1) else question
        return canonical(number, perturbed, self._cases[number].pixels, self._first[number])

    def answer(self, keys: Sequence[Key]) -> None:
        """Asks the net what is not known, image by image in one stream."""
        new = [key for key in dict.fromkeys(keys) if key not in self.known]
        by_image = {first: [key for key in new if self._first[key[0]] == first] for first in dict.fromkeys(self._first)}
        by_image = {first: some for first, some in by_image.items() if some}
        if by_image:
            stream = joined([blends(self._cases[first].image, self._maps, some) for first, some in by_image.items()])
            self.known |= dict(
                zip(chain(*by_image.values()), self._answers(stream, chain(*by_image.values())), strict=True)
            )

    def _answers(self, stream: Stream, keys: Iterable[Key]) -> list[tuple[float, float]]:
        found = self._net.scores(stream) if self._read == "softmax" else self._net.logits(stream).double()
        targets = torch.tensor([self._cases[number].target for number, _ in keys], device=found.device)
        values = found.gather(1, targets[:, None])[:, 0]
        return list(zip(values.tolist(), (found.argmax(1) == targets).double().tolist(), strict=True))


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
