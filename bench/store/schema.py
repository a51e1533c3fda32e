"""The tables of a run, and the columns of each.

`seconds` is the time of one explanation, and in `predictions` that of one bare prediction, of an image alone: only the first
images have it. `batch_seconds` is the time of one explanation in a batch of `batch` images: only one batch has it.
`forwards` is the work of an explanation in units of one prediction. `shares` of pixels and `scores` are in [0, 1]. `value` has
the unit and the range of its metric. `predicted` is the net's likeliest class, and `note` says how an image was read where
that should be said. `values` are those of a map, row by row, as the method returned them.
"""

import pyarrow as pa

NEEDED = ("predictions", "cost", "scores")  # a part that lacks one of these is computed again

_KEYS = [("dataset", pa.string()), ("image", pa.string()), ("net", pa.string())]
_METHOD = [("layer", pa.string()), ("method", pa.string())]
_FLOATS = pa.list_(pa.float64())
_TARGET = [("label", pa.int64()), ("target", pa.int64())]
SCHEMAS = {  # in the order in which a part is written
    name: pa.schema(fields)
    for name, fields in {
        "drift": [*_KEYS, ("method", pa.string()), ("metric", pa.string()), ("value", pa.float64())],
        "curves": [*_KEYS, ("method", pa.string()), ("metric", pa.string()), ("shares", _FLOATS), ("scores", _FLOATS)],
        "maps": [
            *_KEYS, ("method", pa.string()), ("height", pa.int64()), ("width", pa.int64()),
            ("values", pa.list_(pa.float32())),
        ],
        "strips": [
            *_KEYS, ("method", pa.string()), ("metric", pa.string()), ("share", pa.float64()), ("height", pa.int64()),
            ("width", pa.int64()), ("values", pa.list_(pa.float32())),
        ],
        "images": [*_KEYS[:2], ("jpeg", pa.binary())],
        "predictions": [
            *_KEYS, *_TARGET, ("label_name", pa.string()), ("target_name", pa.string()), ("predicted", pa.int64()),
            ("probability", pa.float64()), ("top1", pa.bool_()), ("objects", pa.int64()), ("top2", pa.bool_()),
            ("sha256", pa.string()), ("seconds", pa.float64()), ("note", pa.string()),
        ],
        "cost": [
            *_KEYS, *_METHOD, ("seconds", pa.float64()), ("batch_seconds", pa.float64()), ("batch", pa.int64()),
            ("forwards", pa.float64()), ("peak_bytes", pa.float64()),
        ],
        "failures": [*_KEYS, ("reason", pa.string())],
        "scores": [
            *_KEYS, *_METHOD, ("metric", pa.string()), ("protocol", pa.string()), ("version", pa.int64()), *_TARGET,
            ("value", pa.float64()), ("reason", pa.string()), ("constant_map", pa.bool_()), ("nan_map", pa.bool_()),
        ],
    }.items()
}  # fmt: skip
