"""Scores maps by metrics: the metrics' questions to the net are answered together, in full batches.

A perturbed image that several metrics or maps ask for is scored once.
"""

from collections.abc import Iterable, Sequence
from inspect import isgenerator
from itertools import chain
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..forward.forward import Stream, join_streams
from .blend import blend_images, make_canonical_key
from .case import Asking, Case, IsTop1, Question, Score
from .perturbations import Perturbed

ScoreType = Literal["softmax", "logit"]
Key = tuple[int, Perturbed]  # a case's index, and the perturbed image of its image
Answer = tuple[float, float]  # the target's score, and 1 if it is the highest, else 0


class Scorer(Protocol):
    """What scoring needs of a net: class scores (count, classes) of a stream."""

    def scores(self, stream: Stream) -> Tensor:
        """Return softmax scores (count, classes) in [0, 1]."""

    def logits(self, stream: Stream) -> Tensor:
        """Return logits (count, classes)."""


def score(
    net: Scorer, cases: Sequence[Case], metrics: Sequence[Plugin], score_type: ScoreType = "softmax"
) -> list[list[Score]]:
    """Return the scores of each case by each metric: one list a case, one score a metric, in the order given.

    The cases' images must be of one size. `score_type` says whether metrics see the target's softmax score or its logit.
    """
    answers = _Answers(net, cases, score_type)
    dialogues = [[_start(metric, case) for metric in metrics] for case in cases]
    while pending := [(n, dialogue) for n, row in enumerate(dialogues) for dialogue in row if dialogue.questions]:
        keys = [[answers.make_key(n, question) for question in dialogue.questions] for n, dialogue in pending]
        answers.request([key for dialogue_keys in keys for key in dialogue_keys])
        for (_, dialogue), dialogue_keys in zip(pending, keys, strict=True):
            dialogue.send([answers.by_key[key] for key in dialogue_keys])
    return [[dialogue.score for dialogue in row] for row in dialogues]


class _Answers:
    """The net's answers to the questions about some cases; each perturbed image is scored once."""

    def __init__(self, net: Scorer, cases: Sequence[Case], score_type: ScoreType) -> None:
        self.by_key: dict[Key, Answer] = {}
        self._net, self._cases, self._score_type = net, cases, score_type
        self._maps = torch.stack([torch.from_numpy(case.map.copy()) for case in cases]).to(cases[0].image)
        firsts: dict[tuple[int, int], int] = {}  # by image and target: the first such case
        self._first = [firsts.setdefault((case.image.data_ptr(), case.target), n) for n, case in enumerate(cases)]

    def make_key(self, case: int, question: Question) -> Key:
        """Make the key of a question about a case; cases of one image and target share keys that do not depend on the map."""
        perturbed = question.image if isinstance(question, IsTop1) else question
        return make_canonical_key(case, perturbed, self._cases[case].pixels, self._first[case])

    def request(self, keys: Sequence[Key]) -> None:
        """Score the perturbed images that have no answer yet, image by image in one stream."""
        new = [key for key in dict.fromkeys(keys) if key not in self.by_key]
        by_image = {first: [key for key in new if self._first[key[0]] == first] for first in dict.fromkeys(self._first)}
        groups = {first: group for first, group in by_image.items() if group}
        if groups:
            streams = [blend_images(self._cases[first].image, self._maps, group) for first, group in groups.items()]
            ordered = list(chain(*groups.values()))
            self.by_key |= dict(zip(ordered, self._score(join_streams(streams), ordered), strict=True))

    def _score(self, stream: Stream, keys: Iterable[Key]) -> list[Answer]:
        scores = self._net.scores(stream) if self._score_type == "softmax" else self._net.logits(stream).double()
        targets = torch.tensor([self._cases[case].target for case, _ in keys], device=scores.device)
        target_scores = scores.gather(1, targets[:, None])[:, 0]
        return list(zip(target_scores.tolist(), (scores.argmax(1) == targets).double().tolist(), strict=True))


class _Dialogue:
    """A metric that is scoring a case: its open questions, and its score once it has none."""

    def __init__(self, metric: Plugin, result: Any) -> None:
        self._metric = metric
        self._asking: Asking[Score] | None = cast(Asking[Score], result) if isgenerator(result) else None
        self.questions: list[Question] = []
        self.score: Score = float("nan") if self._asking else result
        if self._asking:
            self._advance(None)

    def send(self, answers: Sequence[Answer]) -> None:
        """Answer the open questions, in their order."""
        values = [
            is_top if isinstance(question, IsTop1) else value
            for (value, is_top), question in zip(answers, self.questions, strict=True)
        ]
        self._advance(values)

    def _advance(self, values: list[float] | None) -> None:
        """Send the answers, None at the start, and take the next questions, or the score."""
        try:
            with self._metric.blame():
                self.questions, self.score = self._ask(values)
        except NotApplicable as reason:
            self.questions, self.score = [], reason
        if not isinstance(self.questions, list) or not all(
            isinstance(question, Question) for question in self.questions
        ):
            raise PluginError(f"metric {self._metric.spec} yields {self.questions!r}: yield a list of perturbed images")

    def _ask(self, values: list[float] | None) -> tuple[list[Question], Score]:
        """Return the next questions; or none, and the score."""
        assert self._asking is not None
        try:
            questions = next(self._asking) if values is None else self._asking.send(values)
            return questions, self.score
        except StopIteration as end:  # caught here, because blame() takes every exception of a user's file for an error
            return [], end.value


def _start(metric: Plugin, case: Case) -> _Dialogue:
    """Start the dialogue of a metric with a case; the reason is its score if the metric does not apply."""
    try:
        return _Dialogue(metric, metric(case))
    except NotApplicable as reason:
        return _Dialogue(metric, reason)
