"""Source code of plug-ins that declare, return, yield or raise anything."""

from textwrap import indent

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cambench.bench.core.declarations import DECLARATIONS

HEAD = """import io, os, random, sys, warnings
import numpy as np
import torch
from cambench import *


class Odd:
    def __str__(self):
        raise SystemExit(3)

    __repr__ = __eq__ = __len__ = __iter__ = __bool__ = __float__ = __str__
    __hash__ = None


"""
VALUES = [
    "None", "True", "0", "1", "-1", "0.5", "float('nan')", "-float('inf')", "10**400", "1j", "''", "'x'", "'a\\nb'",
    "'\\udc80'", "'x' * 10**5", "b'x'", "[]", "()", "{}", "set()", "object()", "print", "int", "range(3)",
    "(x for x in [1.0])", "lambda: 1", "Odd()", "Odd", "sys", "NotApplicable('no')", "NotApplicable()", "NotApplicable(Odd())",
    "ValueError", "...",
    "NotImplemented", "'higher'", "'lower'", "(0, 1)", "(1, 0)", "'share'", "'yes or no'", "2**31", "2**63", "'object'",
    "np.zeros(())", "np.float16('nan')", "np.ones((2, 2), object)", "np.ones((32, 32, 3), np.uint8)", "np.ones((32, 32), bool)",
    "np.array(['a'])", "np.datetime64('now')", "torch.zeros(())", "torch.zeros(1, 2, 2)", "torch.ones(2, 2, 2)",
    "torch.full((1, 2, 2), float('nan'))", "torch.full((1, 2, 2), 3e38)", "torch.zeros(1, 0, 2)",
    "torch.zeros(1, 2, 2, device='meta')", "torch.zeros(1, 2, 2).to_sparse()", "torch.zeros(1, 2, 2, dtype=torch.complex64)",
    "torch.zeros(1, 2, 2, requires_grad=True)", "Clean()", "Masked('black')", "Custom(torch.ones(3, 32, 32))",
    "Kept(0, 9, 'mean')", "KeptSeries(((0, 9),), 'blur')",
]  # fmt: skip
CALLS = ["[{}]", "({}, {})", "[{}, {}]", "{{{}: {}}}", "Curve({}, {})", "Curve([0, 1], [{}, {}])", "IsTop1({})", "Custom({})",
         "MapValue({})", "MapValue({}, {})", "KeptSeries(({}, {}), 'mean')", "Masked({})", "InsideSeries({}, {})", "str({})",
         "{} + {}"]  # fmt: skip
CHANGES = [
    "pass", "os.chdir('/')", "sys.stdout.close()", "sys.stdout = sys.stderr = None", "torch.set_grad_enabled(False)",
    "torch.set_default_dtype(torch.float64)", "np.seterr(all='raise')", "random.seed(0)", "torch.set_num_threads(3)", "1 / 0",
    "raise SystemExit(0)", "raise GeneratorExit", "raise StopIteration", "raise MemoryError",
    "raise RecursionError", "raise Exception(Odd())", "raise NotApplicable('not here')", "raise BaseException('x')",
    "raise UnicodeDecodeError('utf-8', b'x', 0, 1, 'odd')", "raise ExceptionGroup('many', [ValueError()])", "assert False",
    "warnings.warn('odd')", "def f(): f()\n    f()", "os.remove(__file__)", "raise OSError(28, 'No space left on device')",
    "raise torch.OutOfMemoryError('much')", "raise KeyError", "raise ImageError('dark')",
]  # fmt: skip
values: SearchStrategy[str] = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: st.tuples(st.sampled_from(CALLS), inner, inner).map(lambda parts: parts[0].format(*parts[1:])),
    max_leaves=4,
)
changes = st.sampled_from(["pass"] * 9 + CHANGES)
METRIC = {"BETTER": "'higher'", "UNIT": "'share'", "RANGE": "(0, 1)", "SHORT": "'odd'"}


def declare(kind: str, right: dict[str, str]) -> SearchStrategy[str]:
    """Declarations that are right, but for one in a third of the cases."""
    names = st.sampled_from([*DECLARATIONS["any"], *DECLARATIONS[kind], "__doc__", "__name__"])
    odd = st.lists(st.tuples(names, values), max_size=1).map(dict)
    return (st.just(right) | st.just(right) | odd.map(lambda own: right | own)).map(
        lambda own: "".join(f"{name} = {value}\n" for name, value in own.items())
    )


def define(signature: str, *bodies: str) -> SearchStrategy[str]:
    """A function with one of these bodies, in which values take the places of the braces."""
    default = st.just("") | st.just("") | values.map(lambda value: f", *, power={value}")
    filled = st.tuples(st.sampled_from(bodies), values, values).map(lambda parts: parts[0].format(*parts[1:]))
    return st.tuples(default, changes, filled).map(
        lambda parts: f"\ndef {signature[:-1]}{parts[0]}):\n    {parts[1]}\n    {parts[2]}\n"
    )


METRICS = st.tuples(
    declare("metric", METRIC),
    define("score(case)", "return {}", "yield {}; return {}", "yield [{}]; return {}", "(answer,) = yield [Clean()]; return {}",
           "case.map[:] = 0; return 0.5", "return case.{}", "case.image.fill_(float('nan')); return 1",
           "(a,) = yield [Custom(case.image * {})]; return a", "while True: yield [Clean()]"),
).map("".join)  # fmt: skip
METHODS = st.tuples(
    declare("method", {}),
    define("explain(net, images, targets)", "return {}", "return {}", "yield {}",
           "images.mul_({}); return images.mean(1)", "targets.fill_(99); return images.mean(1)",
           "return net.features(images).mean(1) * {}", "net.classes = {}; return {}",
           "return net.features(images).sum() * images.mean(1)", "return images.mean(1).expand(2, 32, 32)"),
).map("".join)  # fmt: skip
DATASETS = st.tuples(
    values, changes, declare("dataset", {}),
    st.sampled_from(["name", "classes", "notes", "len", "image", "pixels", "label", "mask", "note", "none"]),
).map(lambda parts: make_dataset(*parts))  # fmt: skip


def make_dataset(*parts: str) -> str:
    """A data set of two images, one of whose members is odd."""
    own, change, declarations, member = parts
    right = {"name": "str(index)", "classes": "('a', 'b', 'c')", "notes": "()", "len": "2", "pixels": "self.draw(index)",
             "label": "1", "mask": "np.ones((32, 32), bool)", "note": "''"}  # fmt: skip
    right |= {"image": "Image(self.name(index), {pixels}, {label}, (Object(1, {mask}),), {note})"}
    if member in right:
        right[member] = own
    image = right["image"].format(**right) if member != "image" else own
    return f"""{declarations}
class Images:
    classes, notes = {right["classes"]}, {right["notes"]}
    def __len__(self): return {right["len"]}
    def name(self, index): return {right["name"]}
    def draw(self, index): return np.full((32, 32, 3), 90 * index + 9, np.uint8)
    def __getitem__(self, index):
        {indent(change, "    " * 2).strip()}
        return {image}


def load():
    return Images()
"""


REPORTS = st.tuples(
    declare("report", {}), define("render(run)", "return {}", "return {}", "return run.{}", "yield {}")
).map("".join)
