"""What the record of a run lacks, as rounds to compute."""

from collections.abc import Iterator, Mapping

from ..run.plan import Plan, Round
from ..store.run import Run


def list_missing(plan: Plan, run: Run, net: str, wanted: Mapping[str, range]) -> Iterator[Round]:
    """Yield a round for each set of methods that lack scores by a metric of the plan on the same images of a net.

    `wanted` holds, by method, the positions in the run of the images on which it should have been scored.
    """
    measures = [measure.spec for measure in plan.measures]
    scores = run.table("scores", columns=["image", "method", "metric"], net=net)
    counts = scores[scores["metric"].isin(measures)].groupby(["image", "method"], observed=True).size()
    done = set(counts.index[counts == len(measures)])
    by_methods: dict[tuple[str, ...], set[int]] = {}
    for position, index in enumerate(plan.indices):
        image = plan.images.name(index)
        methods = [method for method, positions in wanted.items() if position in positions]
        lacking = tuple(method for method in methods if (image, method) not in done)
        by_methods.setdefault(lacking, set()).add(index)
    for lacking, indices in by_methods.items():
        if lacking:
            yield Round({net: plan.select_groups(indices)}, lacking)
