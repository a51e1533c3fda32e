"""Notes on how the images of a run were read, and how their labels are numbered."""

from types import SimpleNamespace
from typing import Any

import pandas as pd

from cambench.bench.stats.image_notes import describe_copies, describe_label_orders, describe_reading


def test_the_most_frequent_notes_are_said_with_their_first_image() -> None:
    notes = ["dark", None, "bright", "bright", "grey", "grey", "grey", "dark", "red", "dark"]
    predictions = pd.DataFrame({"image": [f"{index}.png" for index in range(10)], "note": notes})
    assert describe_reading(predictions) == [
        "3 images (the first: 0.png): dark",
        "3 images (the first: 4.png): grey",
        "2 images (the first: 2.png): bright",
    ]


def test_copies_of_an_image_are_counted() -> None:
    hashes = ["a", "b", "a", None, "a", None]
    (note,) = describe_copies(pd.DataFrame({"sha256": hashes}))
    assert note.startswith("2 of 4 images are copies of others, pixel by pixel")
    assert describe_copies(pd.DataFrame({"sha256": ["a", "b", None, None]})) == []


def test_images_without_a_note_are_not_spoken_of() -> None:
    assert describe_reading(pd.DataFrame({"image": ["a.png"], "note": [None]})) == []


def test_labels_are_compared_where_both_orders_may_have_one() -> None:
    """Folders 1, 2 and 3 and a net of three classes: by name, the net lacks folder 3; by position, it has all."""
    header: Any = SimpleNamespace(
        data=SimpleNamespace(classes=["1", "2", "3"]),
        nets={"net": SimpleNamespace(classes=["0", "1", "2"])},
        suite=SimpleNamespace(label_order="name"),
    )
    predictions = pd.DataFrame({"label": [1, 2, None], "predicted": [0, 1, 2]})
    (note,) = describe_label_orders(header, "net", predictions)
    assert note.endswith(
        "index: 0 of 2 labels agree with the prediction; with --label-order position, 2 of these 2 would; "
        "1 image has no label by name"
    )
    predictions.loc[1, "label"] = None
    (note,) = describe_label_orders(header, "net", predictions)
    assert note.endswith("position, 1 of these 1 would; 2 images have no label by name")
    header.suite.label_order = "position"
    (note,) = describe_label_orders(header, "net", pd.DataFrame({"label": [0, 1, 2], "predicted": [0, 2, 2]}))
    assert "2 of 3 labels agree" in note
    assert note.endswith("with --label-order name, 1 of the 2 of these that would have a label would")
