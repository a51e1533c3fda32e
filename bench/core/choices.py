"""Choices that several packages share, and that a run's header records."""

from typing import Literal, get_args

LabelOrder = Literal["name", "position"]  # how labels with names become class indices of a net
LABEL_ORDERS = get_args(LabelOrder)
Link = Literal["softmax", "sigmoid"]  # from logits to probabilities; a sigmoid for classes that each apply or not
