"""Lists of specs of a suite may be comma-separated texts."""

from cambench.bench.api.explain import make_setup
from cambench.bench.config import suite_file


def test_a_list_of_specs_may_be_a_text() -> None:
    listed = suite_file.load("scenes", nets=["vgg16"], methods=["cam", "occlusion[size=9,stride=3]"], metrics=["gini"])
    text = suite_file.load("scenes", nets="vgg16", methods="cam, occlusion[size=9,stride=3]", metrics="gini")
    assert (
        text == listed == suite_file.load("scenes", nets=("vgg16",), methods=tuple(listed.methods), metrics=("gini",))
    )


def test_the_metrics_of_an_explanation_may_be_a_text() -> None:
    measures = make_setup(["cam"], "insertion,gini").measures
    assert [measure.metric.name for measure in measures] == ["insertion", "gini"]
