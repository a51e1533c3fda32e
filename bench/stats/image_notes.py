"""Notes on a run's images: how they were read, and how the numbering of their labels agrees with a net's predictions."""

from collections import Counter

import pandas as pd

from ..core.choices import LABEL_ORDERS
from ..core.formatting import format_count
from ..data.labels import describe_order, has_two_orders, map_names
from ..store.header import Header

SHOWN = 3  # the most frequent notes on how images were read


def describe_images(header: Header, net: str, predictions: pd.DataFrame) -> list[str]:
    """Describe what should be said of the images that a net has predicted, from its rows of predictions."""
    return [
        *describe_copies(predictions),
        *describe_label_orders(header, net, predictions),
        *describe_reading(predictions),
    ]


def describe_copies(predictions: pd.DataFrame) -> list[str]:
    """Say how many images are copies of others: they count as images of their own, which makes tests too sure."""
    hashes = predictions["sha256"].dropna()
    copies = int(hashes.duplicated().sum())
    if not copies:
        return []
    are_copies = "is a copy of another" if copies == 1 else "are copies of others"
    count = format_count(len(hashes), "image")
    return [f"{copies} of {count} {are_copies}, pixel by pixel: intervals and tests count each, and are too sure"]


def describe_reading(predictions: pd.DataFrame) -> list[str]:
    """Describe how images were read, if that should be said: the most frequent notes, with the first image of each."""
    first: dict[str, str] = {}  # by note
    counts: Counter[str] = Counter()
    for image, note in predictions[["image", "note"]].dropna().itertuples(index=False):
        first.setdefault(note, image)
        counts[note] += 1
    return [
        f"{format_count(count, 'image')} (the first: {first[note]}): {note}"
        for note, count in counts.most_common(SHOWN)
    ]


def describe_label_orders(header: Header, net: str, predictions: pd.DataFrame) -> list[str]:
    """Describe how many labels are the predicted class under each numbering, if the classes' names are other numbers."""
    names, classes, chosen = header.data.classes, header.nets[net].classes, header.suite.label_order
    rows = predictions[["label", "predicted"]]
    missing = int(rows["label"].isna().sum())  # their classes are not among the net's in the chosen order
    rows = rows.dropna().astype(int)
    if not has_two_orders(names, classes) or rows.empty:
        return []
    indices = {order: map_names(names, classes, order) for order in LABEL_ORDERS}
    labels = {index: label for label, index in indices[chosen].items()}
    agreeing = {
        order: sum(by_label.get(labels[index]) == predicted for index, predicted in rows.itertuples(index=False))
        for order, by_label in indices.items()
    }
    (other,) = set(LABEL_ORDERS) - {chosen}
    known = sum(labels[index] in indices[other] for index in rows["label"])  # the net may lack other classes then
    compared = f"these {known}" if known == len(rows) else f"the {known} of these that would have a label"
    unlabelled = f"; {format_count(missing, 'image')} {'has' if missing == 1 else 'have'} no label by {chosen}"
    return [
        f"the data set's classes are named by numbers, and {describe_order(chosen)}: {agreeing[chosen]} of "
        f"{format_count(len(rows), 'label')} agree with the prediction; with --label-order {other}, {agreeing[other]} of "
        f"{compared} would{unlabelled if missing else ''}"
    ]
