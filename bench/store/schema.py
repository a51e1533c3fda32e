"""The tables of a run, and the columns of each.

`seconds` is the time of one explanation, and in `predictions` that of one bare prediction, of an image alone: only the first
images have it. `batch_seconds` is the time of one explanation in a batch of `batch` images: only one batch has it.
`forwards` is the work of an explanation in units of one prediction. `shares` of pixels and `scores` are in [0, 1]. `value` has
the unit and the range of its metric. `predicted` is the net's likeliest class, and `note` says how an image was read where
that should be said. `values` are those of a map, row by row, as the method returned them.

A column that may be unknown is nullable; a number that is unknown may also be NaN.
"""

from typing import Any

import pyarrow as pa

NEEDED = ("predictions", "cost", "scores")  # each part has these tables, even if they are empty
NAMES = ("dataset", "image", "net", "method", "metric")  # columns whose values the header lists
ADDED = ("batch_seconds", "batch", "predicted", "note")  # columns that some runs of this format do not have


def _require(*columns: tuple[str, Any]) -> list[pa.Field]:
    return [pa.field(name, type_, nullable=False) for name, type_ in columns]


_IMAGE = _require(("dataset", pa.string()), ("image", pa.string()))
_KEYS = [*_IMAGE, *_require(("net", pa.string()))]
_METHOD = _require(("method", pa.string()))
_LAYER = _require(("layer", pa.string()))
_METRIC = _require(("metric", pa.string()))
_FLOATS = pa.list_(pa.float64())
_LABEL = [pa.field("label", pa.int64()), *_require(("target", pa.int64()))]
_MAP = _require(("height", pa.int64()), ("width", pa.int64()), ("values", pa.list_(pa.float32())))
_VALUE = pa.field("value", pa.float64())
SCHEMAS = {  # in the order in which a part is written
    name: pa.schema(fields)
    for name, fields in {
        "drift": [*_KEYS, *_METHOD, *_METRIC, _VALUE],
        "curves": [*_KEYS, *_METHOD, *_METRIC, *_require(("shares", _FLOATS), ("scores", _FLOATS))],
        "maps": [*_KEYS, *_METHOD, *_MAP],
        "strips": [*_KEYS, *_METHOD, *_METRIC, *_require(("share", pa.float64())), *_MAP],
        "images": [*_IMAGE, *_require(("jpeg", pa.binary()))],
        "predictions": [
            *_KEYS, *_LABEL, pa.field("label_name", pa.string()), *_require(("target_name", pa.string())),
            pa.field("predicted", pa.int64()), *_require(("probability", pa.float64())), pa.field("top1", pa.bool_()),
            *_require(("objects", pa.int64())), pa.field("top2", pa.bool_()), *_require(("sha256", pa.string())),
            pa.field("seconds", pa.float64()), pa.field("note", pa.string()),
        ],
        "cost": [
            *_KEYS, *_LAYER, *_METHOD, pa.field("seconds", pa.float64()), pa.field("batch_seconds", pa.float64()),
            pa.field("batch", pa.int64()), pa.field("forwards", pa.float64()), pa.field("peak_bytes", pa.float64()),
        ],
        "failures": [*_KEYS, *_require(("reason", pa.string()))],
        "scores": [
            *_KEYS, *_LAYER, *_METHOD, *_METRIC, *_require(("protocol", pa.string()), ("version", pa.int64())), *_LABEL,
            _VALUE, pa.field("reason", pa.string()), *_require(("constant_map", pa.bool_()), ("nan_map", pa.bool_())),
        ],
    }.items()
}  # fmt: skip
