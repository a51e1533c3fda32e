"""Scores maps by metrics: the metrics' questions to the net are answered together, in full batches.

A perturbed image that several metrics or maps ask for is scored once. The answers come to the host once a round of questions.
"""

from collections.abc import Iterable, Iterator, Sequence
from inspect import isgenerator
from itertools import chain, islice
from typing import Any, Literal, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..data.seeds import derive_seed
from ..forward.device import widen
from ..forward.forward import Stream
from .blend import Canvas, Ranks, blend_all, blend_images, count_images, split_request
from .case import AskingMaps, Case, FloatMap, IsTop1, MapOf, MapQuestion, Question, RandomisedMap, Score
from .foreign import check_questions, check_score
from .perturbations import ImputedSeries, Masked, Perturbed, Series

ScoreType = Literal["softmax", "logit"]
Key = tuple[int, Perturbed | Series]  # a case's index, and perturbed images of its image
MapKey = tuple[int, MapQuestion]  # a case's index, and what is asked of its method
MAX_ROUNDS = 10_000  # in which a metric may ask about a case: no metric that ends needs as many
Answer = tuple[NDArray[np.float64], NDArray[np.float64]]  # by image: the target's score; 1 if it is the highest, else 0


class Scorer(Protocol):
    """What scoring needs of a net: class scores (count, classes) of a stream."""

    def scores(self, stream: Stream) -> Tensor: ...

    def logits(self, stream: Stream) -> Tensor: ...


def score(
    net: Scorer,
    cases: Sequence[Case],
    metrics: Sequence[Plugin],
    score_type: ScoreType = "softmax",
    maps: Tensor | None = None,
) -> list[list[Score]]:
    """Return the scores of each case by each metric: one list a case, one score a metric, in the order given.

    The cases' images must be of one size. `score_type`: metrics see the target's probability (softmax) or its logit.
    `maps` are the cases' maps (n, h, w) on the net's device, if they are there already.
    """
    answers = _Answers(net, cases, score_type, _stack_maps(cases) if maps is None else maps)
    dialogues = [[_start(metric, case) for metric in metrics] for case in cases]
    while pending := [(n, dialogue) for n, row in enumerate(dialogues) for dialogue in row if dialogue.questions]:
        found = answers.find([(n, question) for n, dialogue in pending for question in dialogue.questions])
        for _, dialogue in pending:
            dialogue.send(list(chain.from_iterable(islice(found, len(dialogue.questions)))))
    return [[dialogue.score for dialogue in row] for row in dialogues]


def _stack_maps(cases: Sequence[Case]) -> Tensor:
    return torch.from_numpy(np.stack([case.map for case in cases])).to(cases[0].image)


class _Answers:
    """The answers to the questions about some cases; each perturbed image is scored once, and each further map made once."""

    def __init__(self, net: Scorer, cases: Sequence[Case], score_type: ScoreType, maps: Tensor) -> None:
        self._net, self._cases, self._score_type = net, cases, score_type
        firsts: dict[tuple[int, int], int] = {}  # by image and target: the first such case
        self._first = [firsts.setdefault((case.image.data_ptr(), case.target), n) for n, case in enumerate(cases)]
        ranks = Ranks(maps)
        self._canvases = {first: Canvas(cases[first].image, maps, ranks) for first in firsts.values()}
        self._scores: dict[Key, Answer] = {}
        self._maps: dict[MapKey, Sequence[FloatMap]] = {}

    def find(self, questions: Sequence[tuple[int, Question | MapQuestion]]) -> Iterator[Iterable[Any]]:
        """Yield the answers to each question about a case, given by its index: one for each of the question's images."""
        keys = [self._make_keys(n, question) for n, question in questions]
        self._request_scores([key for key in dict.fromkeys(chain.from_iterable(keys)) if key not in self._scores])
        map_keys = [(n, question) for n, question in questions if isinstance(question, MapQuestion)]
        self._request_maps([key for key in dict.fromkeys(map_keys) if key not in self._maps])
        return map(self._find, questions, keys)

    def _find(self, asked: tuple[int, Question | MapQuestion], keys: Sequence[Key]) -> Iterable[Any]:
        case, question = asked
        if isinstance(question, MapQuestion):
            return self._maps[case, question]
        kind = 1 if isinstance(question, IsTop1) else 0
        return chain.from_iterable(self._scores[key][kind].tolist() for key in keys)

    def _make_keys(self, case: int, question: Question | MapQuestion) -> list[Key]:
        """Return the keys of a question's images. Cases of one image and target share what does not depend on the map."""
        if isinstance(question, MapQuestion):
            return []
        perturbed = question.image if isinstance(question, IsTop1) else question
        pieces = split_request(perturbed, self._cases[case].pixels)
        return [(case if of_map else self._first[case], piece) for of_map, piece in pieces]

    def _request_scores(self, keys: Sequence[Key]) -> None:
        """Score perturbed images, image by image in one stream."""
        if not keys:
            return
        by_image: dict[int, list[Key]] = {}
        for key in keys:
            by_image.setdefault(self._first[key[0]], []).append(key)
        groups = {first: sorted(group, key=_find_place) for first, group in by_image.items()}
        stream = blend_all([(self._canvases[first], group) for first, group in groups.items()])
        ordered = list(chain(*groups.values()))
        counts = [count_images(perturbed) for _, perturbed in ordered]
        targets = np.repeat([self._cases[case].target for case, _ in ordered], counts)
        scores, is_top = self._score(stream, targets)
        ends = np.cumsum(counts)[:-1]
        self._scores |= dict(
            zip(ordered, zip(np.split(scores, ends), np.split(is_top, ends), strict=True), strict=True)
        )

    def _score(self, stream: Stream, targets: NDArray[np.int64]) -> Answer:
        scores = self._net.scores(stream) if self._score_type == "softmax" else widen(self._net.logits(stream))
        indices = torch.from_numpy(targets).to(scores.device)
        answers = torch.stack(
            [scores.gather(1, indices[:, None])[:, 0], (scores.argmax(1) == indices).to(scores.dtype)]
        )
        target_scores, is_top = answers.cpu().numpy().astype(np.float64, copy=False)
        return target_scores, is_top

    def _request_maps(self, keys: Sequence[MapKey]) -> None:
        """Make further maps, those of one method and question in one call."""
        groups: dict[tuple[int, object], list[MapKey]] = {}
        for case, question in keys:
            kind = question if isinstance(question, RandomisedMap) else MapOf
            groups.setdefault((id(self._cases[case].rerun.explainer), kind), []).append((case, question))
        for group in groups.values():
            self._maps |= dict(zip(group, self._explain(group), strict=True))

    def _explain(self, group: Sequence[MapKey]) -> list[Sequence[FloatMap]]:
        """Return the maps of each question, all of one method, on the net or on one randomised net."""
        question = group[0][1]
        if isinstance(question, RandomisedMap):
            return [[map_] for map_ in _explain_randomised([self._cases[case] for case, _ in group], question)]
        return _explain_images([
            (self._cases[n], asked, blend_images(self._canvases[self._first[n]], [(n, asked.image)]))
            for n, asked in group if isinstance(asked, MapOf)
        ])  # fmt: skip


def _explain_randomised(cases: Sequence[Case], question: RandomisedMap) -> Sequence[FloatMap]:
    """Return the map of each case, all of one method, on one randomised net."""
    explainer = cases[0].rerun.explainer
    if explainer is None:
        return [case.rerun.randomised(question.share, question.seed) for case in cases]
    images, targets = torch.stack([case.image for case in cases]), [case.target for case in cases]
    seeds = [case.seed for case in cases]
    return list(explainer.explain_randomised(question.share, question.seed, images, targets, seeds))


def _explain_images(asked: Sequence[tuple[Case, MapOf, Stream]]) -> list[Sequence[FloatMap]]:
    """Return the maps of each case's images, all of one method."""
    images = [stream.make(0, stream.count) for _, _, stream in asked]
    explainer = asked[0][0].rerun.explainer
    if explainer is None:
        return [list(case.rerun.explain(part)) for (case, _, _), part in zip(asked, images, strict=True)]
    targets, seeds = list[int](), list[int]()
    for case, question, stream in asked:
        kind = type(question.image).__name__
        targets += [case.target] * stream.count
        seeds += [derive_seed(case.seed, f"{kind} {number}") for number in range(stream.count)]
    maps = explainer.explain(torch.cat(images), targets, seeds)
    return [list(part) for part in np.split(maps, np.cumsum([len(part) for part in images])[:-1])]


def _find_place(key: Key) -> tuple[int, str]:
    """Return where perturbed images stand in their image's stream: those that are made for several maps at once, together."""
    perturbed = key[1]
    if isinstance(perturbed, Masked):
        return 2, str(perturbed)
    return int(isinstance(perturbed, ImputedSeries)), ""


class _Dialogue:
    """A metric that is scoring a case: its open questions, and its score once it has none."""

    def __init__(self, metric: Plugin, case: Case, result: Any) -> None:
        self._metric, self._case = metric, case
        self._asking = cast(AskingMaps[Score], result) if isgenerator(result) else None
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
                f"metric {self._metric.spec} has asked {MAX_ROUNDS} times without an end: return its score"
            )
        try:
            with self._metric.blame():
                self._ask(values)
            if any(isinstance(asked, MapQuestion) for asked in self.questions):
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
        self.questions = check_questions(self._metric, self._case, questions) if self._metric.foreign else questions

    def _finish(self, score: Any) -> None:
        self.questions = []
        self.score = check_score(self._metric, score) if self._metric.foreign else score


def _start(metric: Plugin, case: Case) -> _Dialogue:
    """Start the dialogue of a metric with a case; the reason is its score if the metric does not apply."""
    try:
        return _Dialogue(metric, case, metric(case))
    except NotApplicable as reason:
        return _Dialogue(metric, case, reason)
