"""How sure a recommendation is, in words: what is decided, what is not and how many images would, what to beware of."""

from collections.abc import Sequence

from ...bench.core.formatting import number, plural
from ...bench.show.terminal import brief
from ...bench.stats.agreement import RELIABLE, TENTATIVE
from ...bench.stats.estimate import span
from ...bench.stats.paired import Pair
from ...bench.stats.ranking import Place
from ...bench.stats.recommend import Recommendation
from ...bench.stats.summary import Cost
from .analysis import View

MANY = 5  # names in a sentence


def what(view: View, place: Place, cost: Cost | None) -> str:
    """A method's score and cost."""
    best, estimate = view.ranking.best, place.estimate
    interval = f" ({span(estimate)})" if estimate.n > 1 else ""
    said = f"{view.metric.spec} {number(estimate.mean)}{interval}"
    if best and place.method != best.method:
        said += f", {view.ranking.worth(place):.1%} of what {best.method} reaches"
    return f"{said}; {_price(cost)}."


def how_sure(view: View, place: Place) -> str:
    """Against which methods and controls a method is decided, image by image."""
    best = view.ranking.best
    if best is None:
        return ""
    said = _first(view) if place.method == best.method else _behind(view, best.method, place)
    return " ".join([*said, *_controls(view, place.method)])


def beware(view: View) -> list[str]:
    """What speaks against choosing by this metric at all."""
    return [
        *_gamed(view),
        *_unsteady(view),
        *([f"{view.metric.spec}: {view.metric.caveat}"] if view.metric.caveat else []),
    ]


def need(view: View, found: Recommendation) -> str:
    """What is recommended for a need, in one line."""
    if found.method is None or found.estimate is None:
        return f"none: {found.reason}"
    level = [method for method in view.ranking.level if method != found.method]
    open_ = f"; not told apart from {_names(level)}" if level and found.method in view.ranking.level else ""
    return f"{found.method}, {number(found.estimate.mean)}: {_price(found.cost)}{open_}"


def _price(cost: Cost | None) -> str:
    if cost is None:
        return "its cost is not measured"
    return f"{brief(cost.seconds)} s and {brief(cost.forwards)} forwards an image"


def _first(view: View) -> list[str]:
    """Of the best method."""
    others = [place for place in view.ranking.places if not place.control and place.best]
    if not others:
        return ["It is the only method with a score."]
    ahead = [place.method for place in others if place.best and place.best.verdict == "ahead"]
    open_ = [place for place in others if place.best and place.best.verdict != "ahead"]
    images = plural(view.ranking.n, "image")
    if not ahead:
        said = [f"The first place is not decided: {images} tell it from no other method."]
    elif not open_:
        said = [f"Sure: ahead of every other method ({_names(ahead)}), decided image by image on {images}."]
    else:
        said = [f"Ahead of {len(ahead)} of {len(others)} others ({_names(ahead)}), decided image by image on {images}."]
    if open_:
        said.append(f"Not told apart from {_names([place.method + _more(place.best) for place in open_])}.")
    return said


def _behind(view: View, best: str, place: Place) -> list[str]:
    """Of a method that is not the best."""
    pair, images = place.best, plural(view.ranking.n, "image")
    if pair is None:
        return []
    apart = f"{number(abs(pair.difference.mean))} on average"
    if pair.verdict == "ahead":
        return [f"{best} is ahead of it by {apart}, decided image by image on {images}."]
    return [f"{images} do not tell it from {best}, which is ahead by {apart}{_more(pair)}."]


def _more(pair: Pair | None) -> str:
    if pair and pair.settling:
        return f" ({pair.settling} would settle it)"
    return " (more images would not settle it)" if pair and pair.needed == "never" else ""


def _controls(view: View, method: str) -> list[str]:
    own = [contest for contest in view.contests if contest.method == method]
    if not own:
        return ["This run has no control, so whether it explains anything is not known."]
    won, lost, open_ = (
        [contest.control for contest in own if contest.verdict in verdicts]
        for verdicts in (("better",), ("worse",), ("unsettled", "unknown"))
    )
    if len(won) == len(own):
        return [f"It beats every control ({_names(won)})."]
    said = [f"It beats {_names(won)}."] if won else []
    said += [f"Beware: {_names(lost)}, {_control(lost, 'is')} better."] if lost else []
    return said + ([f"Beware: it is not told from {_names(open_)}, {_control(open_)}."] if open_ else [])


def _gamed(view: View) -> list[str]:
    """Controls that do as well as the best method."""
    best = view.ranking.best
    pairs = [(place.method, place.best) for place in view.ranking.places if place.control and place.best]
    beaten = [control for control, pair in pairs if pair.verdict == "behind"]
    level = [control for control, pair in pairs if pair.verdict == "undecided"]
    said = []
    if best and beaten:
        said.append(
            f"Do not choose by {view.metric.spec} here: {_names(beaten)}, {_control(beaten, 'scores')} better than the best "
            f"method, {best.method}; the metric is gamed, or these maps say nothing."
        )
    if best and level:
        said.append(
            f"By {view.metric.spec} these images do not tell even the best method from {_names(level)}, {_control(level)}."
        )
    return said


def _control(names: Sequence[str], verb: str = "") -> str:
    """What they are; with a verb, `is` or `scores`, what they do."""
    one = len(names) == 1
    several = {"is": "are", "scores": "score"}.get(verb, "")
    return ("a control" if one else "controls") + (f", {verb if one else several}" if verb else "")


def _unsteady(view: View) -> list[str]:
    alpha = view.steady.alpha.mean
    if view.steady.level == "unreliable":
        return [
            f"{view.metric.spec} is unreliable from image to image: Krippendorff's alpha is {number(alpha)} (1 is agreement, "
            f"below {TENTATIVE} unreliable), so the ranking holds on average and says little of a single image."
        ]
    if view.steady.level == "tentative":
        return [
            f"Images agree only roughly by {view.metric.spec}: Krippendorff's alpha is {number(alpha)}, below {RELIABLE}."
        ]
    return []


def _names(names: Sequence[str]) -> str:
    if len(names) <= MANY:
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{', '.join(names[:MANY])} and {len(names) - MANY} more"
