"""Notes on how the images of a run were read."""

import pandas as pd

from cambench.bench.stats.pictures import describe_reading


def test_the_most_frequent_notes_are_said_with_their_first_image() -> None:
    notes = ["dark", None, "bright", "bright", "grey", "grey", "grey", "dark", "red", "dark"]
    predictions = pd.DataFrame({"image": [f"{index}.png" for index in range(10)], "note": notes})
    assert describe_reading(predictions) == [
        "3 images (the first: 0.png): dark",
        "3 images (the first: 4.png): grey",
        "2 images (the first: 2.png): bright",
    ]


def test_images_without_a_note_are_not_spoken_of() -> None:
    assert describe_reading(pd.DataFrame({"image": ["a.png"], "note": [None]})) == []
    assert describe_reading(pd.DataFrame({"image": ["a.png"]})) == []  # of a run before notes were stored
