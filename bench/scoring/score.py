"""Scores maps by metrics: the questions of all metrics about all maps of a batch are answered together (answers.py)."""

from collections.abc import Sequence
from dataclasses import replace
from inspect import isgenerator
from itertools import chain, islice
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..data.seeds import derive_seed, seed_generators
from ..forward.device import move_to_device
from .answers import Answers, Asked, Scorer, ScoreType
from .case import AskingMaps, Case, MapQuestion, Question, Score, find_map_question
from .foreign import check_questions, check_score

MAX_ROUNDS = 10_000  # in which a metric may ask about a case: no metric that ends needs as many


def score(
    net: Scorer,
    cases: Sequence[Case],
    metrics: Sequence[Plugin],
    score_type: ScoreType = "softmax",
    maps: Tensor | None = None,
) -> list[list[Score]]:
    """Return for each case a list with one score per metric, in the order given.

    The cases' images must be of one size. `score_type`: metrics see the target's probability (softmax) or its logit.
    `maps` are the cases' maps (n, h, w) on the net's device, if they are there already.
    """
    answers = Answers(net, cases, score_type, _stack_maps(cases) if maps is None else maps)
    bounded = score_type == "softmax"
    dialogues = [[_start(metric, case, bounded=bounded) for metric in metrics] for case in cases]
    while pending := [(n, dialogue) for n, row in enumerate(dialogues) for dialogue in row if dialogue.questions]:
        found = answers.find(
            [Asked(n, asked, dialogue.metric) for n, dialogue in pending for asked in dialogue.questions]
        )
        for _, dialogue in pending:
            dialogue.send(list(chain.from_iterable(islice(found, len(dialogue.questions)))))
    return [[dialogue.score for dialogue in row] for row in dialogues]


def _stack_maps(cases: Sequence[Case]) -> Tensor:
    image = cases[0].image
    return move_to_device(torch.from_numpy(np.stack([case.map for case in cases])), image.device).to(image.dtype)


class _Dialogue:
    """A metric that is scoring a case: its open questions, and its score once it has none.

    `bounded`: the score has to be within the metric's range, which is that of scores of probabilities.
    """

    def __init__(self, metric: Plugin, case: Case, result: Any, *, bounded: bool) -> None:
        self.metric, self._case, self._bounded = metric, case, bounded
        self._asking = cast("AskingMaps[Score]", result) if isgenerator(result) else None
        self._rounds = 0
        self.questions: list[Question | MapQuestion] = []
        self.score: Score = float("nan")
        if self._asking:
            self._advance(None)
        else:
            self._finish(result)

    def send(self, answers: list[Any]) -> None:
        """Answer the open questions: an answer for each of their images, in their order."""
        self._advance(answers)

    def _advance(self, values: list[Any] | None) -> None:
        """Send the answers, None at the start, and take the next questions, or the score."""
        self._rounds += 1
        if self._rounds > MAX_ROUNDS:
            raise PluginError(
                f"metric {self.metric.spec} has asked {MAX_ROUNDS} times without an end: return its score"
            )
        if self.metric.foreign:
            _seed_generators(self._case, f"round {self._rounds}")
        try:
            with self.metric.blame():
                self._ask(values)
            if any(find_map_question(asked) for asked in self.questions):
                _ = self._case.rerun  # raises NotApplicable if only the map is known
        except NotApplicable as reason:
            self._finish(reason)

    def _ask(self, values: list[Any] | None) -> None:
        """Take the next questions; or the score, if there are none."""
        assert self._asking is not None
        try:
            questions = next(self._asking) if values is None else self._asking.send(values)
        except StopIteration as end:  # caught here, because blame() takes every exception of a user's file for an error
            self._finish(end.value)
            return
        self.questions = check_questions(self.metric, self._case, questions) if self.metric.foreign else questions

    def _finish(self, score: Any) -> None:
        self.questions = []
        self.score = check_score(self.metric, score, bounded=self._bounded) if self.metric.foreign else score


def _start(metric: Plugin, case: Case, *, bounded: bool) -> _Dialogue:
    """Start the dialogue of a metric with a case; the reason is its score if the metric does not apply.

    Foreign code gets a copy of the image, which it may write into, and random numbers that depend on the image alone.
    """
    given = case
    if metric.foreign:
        given = replace(case, image=case.image.clone())
        _seed_generators(case, "start")
    try:
        return _Dialogue(metric, case, metric(given), bounded=bounded)
    except NotApplicable as reason:
        return _Dialogue(metric, case, reason, bounded=bounded)


def _seed_generators(case: Case, purpose: str) -> None:
    seed_generators(derive_seed(case.seed, purpose), case.image.device)
