"""What the rows of a table must be: the columns of its schema, names that the header lists, and values that fit together."""

from collections.abc import Callable, Container, Iterator, Mapping
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from ..core.errors import CONTROL
from .header import Header
from .schema import ADDED, NAMES, SCHEMAS

ROUNDING = 1e-3  # of a probability, in any precision
POSITIVE = (
    "seconds",
    "batch_seconds",
    "batch",
    "forwards",
    "peak_bytes",
    "height",
    "width",
    "objects",
    "label",
    "predicted",
)
Columns = Mapping[str, pa.ChunkedArray]  # by name
Known = Mapping[str, Container[str]]  # by column: the names that the header lists


def find_damage(table: str, rows: pa.Table, header: Header, known: Known) -> str | None:
    """Find the first fault of the rows of a table, in words; None if there is none. Names are dictionary-encoded."""
    columns = dict(zip(rows.column_names, rows.columns, strict=True))
    faults = chain(
        _check_columns(table, columns),
        _check_missing(table, columns),
        _check_names(columns, known),
        _check_numbers(columns),
        _check_texts(columns),
        RULES[table](columns, header) if table in RULES else (),
    )
    return next(faults, None)


def _check_columns(table: str, columns: Columns) -> Iterator[str]:
    schema = SCHEMAS[table]
    for name in columns:
        if name not in schema.names:
            yield f"it is not a table of {table}: it has a column {name!r}"
    for field in schema:
        if field.name not in columns:
            if field.name not in ADDED:
                yield f"it has no column {field.name!r}"
        elif (type_ := _get_type(columns[field.name])) != field.type:
            yield f"the type of its column {field.name!r} is {type_}, not {field.type}"


def _get_type(column: pa.ChunkedArray) -> pa.DataType:
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def _check_missing(table: str, columns: Columns) -> Iterator[str]:
    for field in SCHEMAS[table]:
        if not field.nullable and columns[field.name].null_count:
            yield f"its column {field.name!r} lacks values"


def _check_names(columns: Columns, known: Known) -> Iterator[str]:
    for column in NAMES:
        for chunk in columns[column].chunks if column in columns else ():
            for name in chunk.dictionary.to_pylist():
                if name not in known[column]:
                    yield f"run.json lists no {column} {name!r:.60}"


def _check_numbers(columns: Columns) -> Iterator[str]:
    """Find infinite and negative numbers. A number that is not known may be NaN; those of a list are all known."""
    for name, column in columns.items():
        if pa.types.is_list(column.type):
            if column.combine_chunks().flatten().null_count or not _all(pc.is_finite(pc.list_flatten(column))):
                yield f"its column {name!r} has a number that is not finite"
        elif pa.types.is_floating(column.type) and _any(pc.is_inf(column)):
            yield f"its column {name!r} has an infinite number"
        if name in POSITIVE and _any(pc.less(column, 0)):
            yield f"its column {name!r} has a negative number"


def _check_texts(columns: Columns) -> Iterator[str]:
    """Find control characters, which a terminal would obey. Names were checked with the header that lists them."""
    for name, column in columns.items():
        if pa.types.is_string(column.type) and _any(pc.match_substring_regex(column, CONTROL.pattern)):
            yield f"its column {name!r} has a control character"


def _check_scores(columns: Columns, _: Header) -> Iterator[str]:
    if not _all(pc.not_equal(_is_known(columns["value"]), columns["reason"].is_valid())):
        yield "a row has neither a value nor a reason, or both"


def _check_curves(columns: Columns, _: Header) -> Iterator[str]:
    lengths = [pc.list_value_length(columns[name]) for name in ("shares", "scores")]
    if not _all(pc.and_(pc.equal(*lengths), pc.greater(lengths[0], 0))):
        yield "a curve does not have one score for each share"


def _check_maps(columns: Columns, _: Header) -> Iterator[str]:
    size = pc.multiply(columns["height"], columns["width"])
    if not _all(pc.and_(pc.equal(pc.list_value_length(columns["values"]), size), pc.greater(size, 0))):
        yield "a map does not have height x width values"


def _check_strips(columns: Columns, header: Header) -> Iterator[str]:
    yield from _check_maps(columns, header)
    if not _all(_is_known(columns["share"])):
        yield "its column 'share' lacks values"


def _check_cost(columns: Columns, _: Header) -> Iterator[str]:
    batch = [columns[name] for name in ("batch_seconds", "batch") if name in columns]
    if len(batch) == 1 or (batch and not _all(pc.equal(*map(_is_known, batch)))):
        yield "a row has seconds of a batch without its size, or a size without seconds"


def _check_predictions(columns: Columns, header: Header) -> Iterator[str]:
    probability = columns["probability"]
    if not _all(pc.and_(pc.greater_equal(probability, 0), pc.less_equal(probability, 1 + ROUNDING))):
        yield "a probability is not in [0, 1]"
    if not _all(pc.equal(columns["label"].is_valid(), columns["top1"].is_valid())):
        yield "a row has a label and no top-1 answer, or an answer without a label"
    for column in ("target", "label"):
        yield from _check_class_names(columns, column, header)
    if "predicted" in columns:
        for net, index in set(zip(*(columns[name].to_pylist() for name in ("net", "predicted")), strict=True)):
            if index is not None and index >= len(header.nets[net].classes):
                yield f"the predicted class {index} is none of {net}"


def _check_class_names(columns: Columns, column: str, header: Header) -> Iterator[str]:
    """Check that each class index has the name that the header gives it on the row's net."""
    rows = zip(*(columns[name].to_pylist() for name in ("net", column, f"{column}_name")), strict=True)
    for net, index, name in set(rows):
        classes = header.nets[net].classes
        if (None if index is None else classes[index] if 0 <= index < len(classes) else "") != name:
            yield f"the {column} {index} is not the class {name!r:.60} of {net}"


RULES: dict[str, Callable[[Columns, Header], Iterator[str]]] = {
    "scores": _check_scores, "curves": _check_curves, "maps": _check_maps, "strips": _check_strips, "cost": _check_cost,
    "predictions": _check_predictions,
}  # fmt: skip


def _is_known(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell which numbers are neither null nor NaN."""
    return pc.invert(column.is_null(nan_is_null=True))


def _all(condition: pa.ChunkedArray) -> bool:
    return pc.all(condition, min_count=0, skip_nulls=False).as_py() is True


def _any(condition: pa.ChunkedArray) -> bool:
    return pc.any(condition, min_count=0).as_py() is True
