"""What a metric or a method of a user's own file asks and returns is checked before anything is computed from it."""

import math
from collections.abc import Hashable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cambench.bench.core import plugins
from cambench.bench.core.errors import NotApplicable, PluginError
from cambench.bench.core.plugins import METHOD, METRIC
from cambench.bench.forward.forward import Stream
from cambench.bench.scoring import foreign
from cambench.bench.scoring import score as scoring
from cambench.bench.scoring.call_method import call_method
from cambench.bench.scoring.case import Case, Curve, Score
from cambench.bench.scoring.perturbations import Custom, Kept
from cambench.tests.support.nets import random_images

HEAD = """import numpy as np
import torch
from cambench import *; from cambench.bench.scoring.case import RandomisedMap
BETTER, UNIT, RANGE, SHORT = "higher", "share", (0, 1), "odd"


def score(case):
"""
ODD = "type('Odd', (), {'__str__': lambda self: 1 / 0, '__repr__': lambda self: 1 / 0})()"


class Net:
    """Three classes; the score of each is the image's mean colour."""

    def scores(self, stream: Stream) -> Tensor:
        return stream.make(0, stream.count).double().mean((2, 3))


def score_by(folder: Path, *lines: str) -> Score:
    """The score of a map of 4 x 4 by a metric whose function has these lines; `def` begins another function."""
    code = "".join(f"{line}\n" if line.startswith("def ") else f"    {line}\n" for line in lines)
    (folder / "odd.py").write_text(HEAD + code, encoding="utf-8")
    metric = plugins.find(METRIC, str(folder / "odd.py"))
    map_ = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    case = Case(map_, 0, (), torch.full((3, 4, 4), 0.25), map_)
    ((result,),) = scoring.score(Net(), [case], [metric])
    return result


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize(
    ("returned", "value"), [("7.0", "7"), ("np.float32(-2.5)", "-2.5"), ("Curve([0, 1], [3, 3])", "3")]
)
def test_a_score_is_within_the_range_that_its_metric_declares(
    tmp_path: Path, returned: str, value: str, asks: bool
) -> None:
    with pytest.raises(PluginError, match=rf"metric odd gives {value}: its RANGE is 0 to 1"):
        score_by(tmp_path, *(["yield [Clean()]"] if asks else []), f"return {returned}")


def test_a_score_of_logits_has_no_range(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(f"{HEAD}    (clean,) = yield [Clean()]\n    return 40 * clean\n", encoding="utf-8")
    map_ = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    case, metric = Case(map_, 0, (), torch.full((3, 4, 4), 0.25), map_), plugins.find(METRIC, str(tmp_path / "odd.py"))
    net = Net()
    net.logits = net.scores  # type: ignore[attr-defined]
    assert scoring.score(net, [case], [metric], "logit") == [[10.0]]
    assert foreign.check_score(metric, Curve([0, 1], [9, 11]), bounded=False) == Curve([0.0, 1.0], [9.0, 11.0])
    with pytest.raises(PluginError, match="metric odd gives 10: its RANGE is 0 to 1"):
        scoring.score(net, [case], [metric])


def test_a_metric_that_writes_into_its_image_changes_no_other_metric(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(HEAD + "    case.image.zero_()\n    return 0.5\n", encoding="utf-8")
    map_ = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    case = Case(map_, 0, (), torch.full((3, 4, 4), 0.25), map_)
    scoring.score(Net(), [case], [plugins.find(METRIC, str(tmp_path / "odd.py"))])
    assert case.image.min() == 0.25


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize(
    ("returned", "expected"),
    [("np.float32(0.5)", 0.5), ("np.int64(1)", 1.0), ("True", 1.0), ("np.bool_(True)", 1.0), ("0", 0.0)],
)
def test_a_score_is_a_plain_number(tmp_path: Path, returned: str, expected: float, asks: bool) -> None:
    result = score_by(tmp_path, *(["yield [Clean()]"] if asks else []), f"return {returned}")
    assert type(result) is float and result == expected


def test_a_curve_is_of_plain_numbers(tmp_path: Path) -> None:
    returned = "Curve(np.array([0, 1]), (np.float32(1), True), None, (np.ones((2, 2)), case.map))"
    curve = score_by(tmp_path, f"return {returned}")
    assert isinstance(curve, Curve) and (curve.shares, curve.scores, curve.area) == ([0.0, 1.0], [1.0, 1.0], 1.0)
    assert [type(each) for each in curve.shares + curve.scores] == [float] * 4
    assert [picture.dtype for picture in curve.pictures] == [np.float32] * 2


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("None", "gives None: a score is a finite number"),
        ("'high'", "gives 'high': "),
        ("10**400", "gives 1000"),
        ("(x for x in [1.0])", "yields 1.0: yield a list of perturbed images"),
        ("iter([1.0])", "gives <list_iterator"),
        ("torch.tensor(0.5)", r"gives tensor\(0.5000\): "),
        ("1j", "gives 1j: "),
        (ODD, r"gives \(Odd cannot be printed\): "),
        ("Curve([0, 1], [1])", "a curve has as many scores as shares, and these are 1 and 2"),
        ("Curve([], [])", "these are 0 and 0"),
        ("Curve((x for x in [0, 1]), [0, 1])", "a curve is of lists of numbers, not of a generator"),
        ("Curve([0, 1], [0, 10**400])", "too large"),
        ("Curve([0, 1], ['a', 'b'])", "could not convert string"),
        ("Curve([0, 1], [0, float('nan')])", "a curve is of lists of finite numbers"),
        ("Curve([[0, 1]], [[0, 1]])", "a curve is of lists of finite numbers"),
        ("Curve([1, 0], [0, 1])", "the shares of a curve ascend from 0 to 1"),
        ("Curve([0, 2], [0, 1])", "the shares of a curve ascend from 0 to 1"),
        ("Curve([0, 1], [0, 1], 10**400)", "too large"),
        ("Curve([0, 1], [0, 1], None, (case.map,))", "a curve has as many pictures as shares, or none"),
        ("Curve([0, 1], [0, 1], None, (1, 2))", r"the pictures of a curve are maps \(h, w\)"),
    ],
)
def test_what_is_no_score_is_refused(tmp_path: Path, returned: str, message: str) -> None:
    with pytest.raises(PluginError, match=f"^metric odd .*{message}"):
        score_by(tmp_path, f"return {returned}")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("'too dark'", "too dark"), ("", "no reason is given"), ("'\\udc80\\x1b'", r"\udc80\x1b"),
     (ODD, "(NotApplicable cannot be printed)")],
)  # fmt: skip
@pytest.mark.parametrize("form", ["return NotApplicable({})", "raise NotApplicable({})"])
def test_a_reason_is_text_that_records_can_hold(tmp_path: Path, form: str, reason: str, expected: str) -> None:
    for lines in ([form.format(reason)], ["yield [Clean()]", form.format(reason)]):
        result = score_by(tmp_path, *lines)
        assert isinstance(result, NotApplicable) and str(result) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Clean()", 0.25), ("Custom(torch.ones(3, 4, 4))", 1.0), ("IsTop1(Clean())", 1.0),
        ("Kept(0, 0, 'black')", 0.0), ("Inside(np.zeros((4, 4), bool), 'black')", 0.0),
        ("Kept(np.int64(0), 8, 'black')", 0.125),
    ],
)  # fmt: skip
def test_sound_questions_are_answered(tmp_path: Path, question: str, expected: float) -> None:
    assert score_by(tmp_path, f"(answer,) = yield [{question}]", "return answer") == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("yielded", "message"),
    [
        ("None", "yields None: yield a list of perturbed images"),
        ("[]", r"yields \[\]: yield a list"),
        ("(Clean(),)", r"yields \(Clean\(\),\): yield a list"),
        ("(Clean() for _ in range(2))", "yields <generator object .*: yield a list"),
        ("[Clean]", "yields .*: yield a list"),
        (f"[{ODD}]", r"yields \(list cannot be printed\): yield a list"),
        ("[Kept('a', 1, 'mean')]", "its bounds are a tuple of pairs of whole numbers"),
        ("[Kept(0, 10**30, 'mean')]", "its bounds are a tuple"),
        ("[Kept(0, 1, 'purple')]", "a fill is one of mean, black, blur, box"),
        ("[Kept(0, 1, [])]", "a fill is one of"),
        ("[Kept(0, 1, 'mean', -1)]", "ties is reading, reverse or a seed"),
        ("[Kept(0, 1, 'mean', 'last')]", "ties is reading, reverse or a seed"),
        ("[KeptSeries([(0, 1)], 'mean')]", "its bounds are a tuple of pairs"),
        ("[KeptSeries((), 'mean')]", "its bounds are a tuple of pairs"),
        ("[Masked('mean', 'x')]", "top is None or a whole number"),
        ("[Inside(np.ones((3, 3), bool), 'mean')]", r"its mask is a boolean array \(4, 4\)"),
        ("[Inside(np.ones((4, 4)), 'mean')]", "its mask is a boolean array"),
        ("[InsideSeries(np.ones((0, 4, 4), bool), 'mean')]", r"its masks are a boolean array \(n, 4, 4\)"),
        ("[InsideSeries(7, 'mean')]", "its masks are a boolean array"),
        ("[Custom(torch.zeros(3, 2, 2))]", r"it is a tensor \(3, 4, 4\)"),
        ("[Custom(torch.zeros(3, 4, 4, device='meta'))]", "it is a dense tensor of floating-point numbers on cpu"),
        ("[Custom(torch.zeros(3, 4, 4, dtype=int))]", "it is a dense tensor"),
        ("[CustomSeries(torch.zeros(0, 3, 4, 4))]", r"it is a tensor \(3, 4, 4\), or several in a series"),
        ("[CustomSeries(5)]", "it is a tensor"),
        ("[IsTop1(5)]", "it holds no perturbed image"),
        ("[MapValue(5)]", "compute is a function of maps"),
        ("[MapValue(torch.sum, np.ones((3, 3), bool))]", r"its mask is a boolean array \(4, 4\)"),
        ("[MapValue(torch.sum, None, Clean())]", "other asks for no map"),
        ("[MapValue(torch.sum, None, RandomisedMap(2, 0))]", "share is a number from 0 to 1"),
    ],
)
def test_unsound_questions_are_refused(tmp_path: Path, yielded: str, message: str) -> None:
    with pytest.raises(PluginError, match=f"^metric odd .*{message}"):
        score_by(tmp_path, f"yield {yielded}", "return 0.5")


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        ("maps.amax((1, 2))", 1.0), ("maps.amax((1, 2)).int()", 1.0), ("maps[:, 0, 0] > 0", 0.0),
        ("maps.zero_().sum((1, 2))", 0.0),
    ],
)  # fmt: skip
def test_numbers_of_maps_are_plain_numbers(tmp_path: Path, compute: str, expected: float) -> None:
    """What a function writes into the maps that it receives changes no map."""
    lines = [
        "(value,) = yield [MapValue(_compute)]",
        "(top,) = yield [Masked('black')]",
        "return Curve([0, 1], [value, top])",
    ]
    curve = score_by(tmp_path, *lines, f"def _compute(maps): return {compute}")
    assert isinstance(curve, Curve) and curve.scores == [expected, pytest.approx(0.25 / 2)]


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        ("maps", r"metric odd computes \(1, 4, 4\) of 1 maps: compute returns a tensor \(1,\) of real numbers on cpu"),
        ("maps.sum()", r"metric odd computes \(\) of 1 maps"),
        ("maps.sum((1, 2)).numpy()", r"metric odd computes array\(.* of 1 maps"),
        ("None", "metric odd computes None of 1 maps"),
        (
            "torch.ones(1, dtype=torch.complex64)",
            r"metric odd computes \(1,\) of 1 maps: compute returns .* real numbers",
        ),
        ("torch.ones(1, device='meta')", "metric odd computes .* on cpu"),
        ("torch.ones(1).to_sparse()", "metric odd computes .* on cpu"),
        ("maps.log().sum((1, 2))", "metric odd computes -inf of a map: a number of a map is finite"),
        ("torch.full((1,), float('nan'))", "metric odd computes nan of a map"),
        ("maps / 0 * 'x'", r"odd\.py fails: line 10 raises TypeError"),
        ("exec('raise NotApplicable(5)')", r"metric odd refuses a map in compute: raise NotApplicable in score\(\)"),
    ],
)
def test_unsound_numbers_of_maps_are_refused(tmp_path: Path, compute: str, message: str) -> None:
    """Also if the metric does not return them."""
    lines = ["yield [Clean(), MapValue(_compute)]", "return 0.5"]
    with pytest.raises(PluginError, match=f"^{message}"):
        score_by(tmp_path, *lines, f"def _compute(maps): return {compute}")


def test_a_metric_that_asks_for_ever_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_ROUNDS", 20)
    assert score_by(tmp_path, "for _ in range(20 - 1): yield [Clean()]", "return 0.5") == 0.5
    with pytest.raises(PluginError, match="metric odd has asked 20 times without an end: return its score"):
        score_by(tmp_path, "while True: yield [Clean()]")


RAISES = {
    "BaseException('x')": "BaseException: x",
    "GeneratorExit": "GeneratorExit",
    "StopIteration(5)": "(StopIteration: 5|RuntimeError: generator raised StopIteration)",
    "MemoryError": "MemoryError",
    "SystemExit(0)": "SystemExit: 0",
    f"Exception({ODD})": r"Exception: \(Exception cannot be printed\)",
    "Exception('\\udc80\\n\\x1b[31m')": r"Exception: \\udc80 \\x1b\[31m",
    "SyntaxError(5)": "SyntaxError: 5",
}


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("raised", RAISES)
def test_whatever_a_metric_raises_is_named_with_its_line(tmp_path: Path, raised: str, asks: bool) -> None:
    lines = ["yield [Clean()]" if asks else "pass", f"raise {raised}"]
    with pytest.raises(PluginError, match=rf"^odd\.py fails: line 9 raises {RAISES[raised]}$"):
        score_by(tmp_path, *lines)


def test_a_long_message_is_cut(tmp_path: Path) -> None:
    with pytest.raises(PluginError) as refusal:
        score_by(tmp_path, "raise ValueError('x' * 10**6)")
    assert len(str(refusal.value)) < 2100 and str(refusal.value).endswith("xxx...")


class _Device:
    """A net as far as calling a method takes one."""

    device = torch.device("cpu")
    classes = ("a", "b", "c")

    def __init__(self) -> None:
        self.mixing: dict[Hashable, bool] = {}


def call(folder: Path, returned: str) -> Any:
    (folder / "odd.py").write_text(
        f"import torch\n\n\ndef explain(net, images, targets):\n    targets += 1\n    return {returned}\n",
        encoding="utf-8",
    )
    method, images = plugins.find(METHOD, str(folder / "odd.py")), torch.zeros(1, 3, 4, 4)
    shared = torch.tensor([2])
    net = SimpleNamespace(device=torch.device("cpu"), once=lambda *_: shared)
    maps = call_method(method, net, images, [2], [0])
    assert shared.tolist() == [2], "the targets are shared with other methods"
    return maps


def test_a_method_may_fill_one_tensor_again_for_each_image(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        "import torch\n\nMAPS = torch.empty(1, 4, 4)\n\n\ndef explain(net, images, targets):\n"
        "    return MAPS.copy_(images.mean(1))\n",
        encoding="utf-8",
    )
    method = plugins.find(METHOD, str(tmp_path / "one.py"))
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 3, 4, 4).clone()
    net = _Device()
    for _ in range(2):  # the first batch is explained image by image
        maps = call_method(method, net, images, [0, 1, 2], [0, 0, 0])  # type: ignore[arg-type]
        assert maps.amax((1, 2)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "question", ["Custom(BUFFER)", "IsTop1(Custom(BUFFER))", "CustomSeries(BUFFER[None])", "Inside(MASK, 'black')"]
)
def test_a_metric_may_fill_one_array_again_for_each_map(tmp_path: Path, question: str) -> None:
    lines = [
        "BUFFER.zero_()[int(case.map.max())] = 0.5",
        "MASK[:] = case.map.max() > 0.5",
        f"(value,) = yield [{question}]",
        "return value",
    ]
    code = "".join(f"    {line}\n" for line in lines)
    head = HEAD.replace("BETTER,", "BUFFER, MASK = torch.zeros(3, 4, 4), np.zeros((4, 4), dtype=bool)\nBETTER,")
    (tmp_path / "odd.py").write_text(head + code, encoding="utf-8")
    maps = [np.zeros((4, 4), dtype=np.float32), np.ones((4, 4), dtype=np.float32)]
    cases = [Case(map_, 1, (), torch.full((3, 4, 4), 0.5), map_) for map_ in maps]
    scores = [each for (each,) in scoring.score(Net(), cases, [plugins.find(METRIC, str(tmp_path / "odd.py"))])]
    assert scores == [0, 1 if question.startswith("IsTop1") else 0.5]


def test_what_a_metric_asks_again_is_scored_once(tmp_path: Path) -> None:
    """A question is copied once, so that `case.once` saves passes for foreign code as well."""
    question = Custom(torch.zeros(3, 4, 4))
    first, again = (foreign._copy_arrays(question) for _ in range(2))
    assert first is again and first.image is not question.image
    question.image[0] = 1
    assert foreign._copy_arrays(question).image[0].min() == 1, "what is asked with other values is another question"
    kept = Kept(0, 3, "black")
    assert foreign._copy_arrays(kept) is kept


def test_a_method_that_fails_on_a_batch_gets_each_image_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        "def explain(net, images, targets):\n    images += 1\n    return images.mean(1)[:1]\n", encoding="utf-8"
    )
    method, images = plugins.find(METHOD, str(tmp_path / "one.py")), torch.zeros(2, 3, 4, 4)
    maps = call_method(method, _Device(), images, [0, 1], [0, 0])  # type: ignore[arg-type]
    assert torch.equal(maps, torch.ones(2, 4, 4))


@pytest.mark.parametrize(
    ("returned", "mixes"),
    [
        ("maps / maps.max()", True),
        ("maps - maps.mean()", True),
        ("maps.flip(0)", True),
        ("maps * (1 + (torch.arange(len(maps)) == 1) * (len(maps) > 2))[:, None, None]", True),  # not at the ends
        ("maps.repeat(1, len(images), 1)", True),
        ("maps / maps.amax((1, 2), keepdim=True)", False),
        ("maps + 1e-6 * len(images)", False),  # rounding
        ("0 * maps + 1 + 1.2e-7 * (len(images) > 1)", False),  # rounding of maps without spread
        ("0 * maps + 1 + 1e-5 * (len(images) > 1)", True),
        ("1e-9 * (0 * maps + len(images))", True),  # maps without spread that are small
    ],
)
def test_a_method_that_mixes_the_images_of_a_batch_gets_each_alone(tmp_path: Path, returned: str, mixes: bool) -> None:
    (tmp_path / "odd.py").write_text(
        "import torch\n\nsizes = []\n\n\ndef explain(net, images, targets):\n    sizes.append(len(images))\n"
        f"    maps = images.mean(1)\n    return {returned}\n",
        encoding="utf-8",
    )
    method, net, images = plugins.find(METHOD, str(tmp_path / "odd.py")), _Device(), random_images(3, 4)
    sizes: list[int] = vars(method.module)["sizes"]
    targets, seeds = [0, 1, 2], [0, 1, 2]
    alone = [call_method(method, net, image[None], [0], [0]) for image in images]  # type: ignore[arg-type]
    for calls in [1, 1, 1, 3], [1, 1, 1] if mixes else [3]:
        sizes.clear()
        maps = call_method(method, net, images, targets, seeds)  # type: ignore[arg-type]
        torch.testing.assert_close(maps, torch.cat(alone), atol=1e-5, rtol=0)
        assert sizes == calls


def test_a_method_with_a_map_that_is_not_a_number_still_gets_batches(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "import torch\n\nsizes = []\n\n\ndef explain(net, images, targets):\n    sizes.append(len(images))\n"
        "    return torch.where(images.mean((1, 2, 3))[:, None, None] == 0, torch.nan, images.mean(1))\n",
        encoding="utf-8",
    )
    images = random_images(3, 4)
    images[1] = 0
    method, net = plugins.find(METHOD, str(tmp_path / "odd.py")), _Device()
    for _ in range(2):
        call_method(method, net, images, [0, 1, 2], [0, 1, 2])  # type: ignore[arg-type]
    assert vars(method.module)["sizes"][-1] == 3


@pytest.mark.parametrize("target", ["targets", "targets[:1]"])
def test_a_method_that_takes_the_first_target_for_all_is_found_on_images_of_one_class(
    tmp_path: Path, target: str
) -> None:
    (tmp_path / "odd.py").write_text(
        f"def explain(net, images, targets):\n    return images.mean(1) * (1 + {target})[:, None, None]\n",
        encoding="utf-8",
    )
    method, net, images = plugins.find(METHOD, str(tmp_path / "odd.py")), _Device(), random_images(3, 4)
    call_method(method, net, images, [2, 2, 2], [0, 0, 0])  # type: ignore[arg-type]
    assert list(net.mixing.values()) == [target == "targets[:1]"]
    maps = call_method(method, net, images, [0, 1, 2], [0, 0, 0])  # type: ignore[arg-type]
    torch.testing.assert_close(maps, images.mean(1) * torch.tensor([1.0, 2.0, 3.0])[:, None, None])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
def test_a_map_of_any_real_type_is_accepted(tmp_path: Path, dtype: str) -> None:
    maps = call(tmp_path, f"torch.ones(1, 2, 2, dtype=torch.{dtype})")
    assert maps.dtype is torch.float32 and maps.tolist() == [[[1, 1], [1, 1]]]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("None", "gives NoneType for one image"),
        ("(each for each in images)", "gives generator for one image"),
        ("images.mean(1)[0]", r"gives \(4, 4\) for one image"),
        ("torch.zeros(1, 0, 3)", r"gives \(1, 0, 3\) for one image"),
        ("torch.zeros(1, 2, 2, device='meta')", r"gives \(1, 2, 2\) \(meta\) for one image"),
        ("torch.zeros(1, 2, 2).to_sparse()", r"gives \(1, 2, 2\) \(sparse\) for one image"),
        ("torch.zeros(1, 2, 2, dtype=torch.complex64)", r"gives \(1, 2, 2\) for one image"),
        (
            "torch.zeros(1, 1, 1).expand(1, 10**6, 10**6)",
            r"gives a map of \(1000000, 1000000\): it has at most 67108864",
        ),
    ],
)
def test_what_is_no_map_is_refused(tmp_path: Path, returned: str, message: str) -> None:
    with pytest.raises(PluginError, match=f"^method odd {message}"):
        call(tmp_path, returned)


def test_a_number_that_is_not_finite_is_kept_for_the_row_to_refuse(tmp_path: Path) -> None:
    assert math.isnan(score_by(tmp_path, "return float('nan')"))


DRAWS = {
    "python": "random.random()",
    "numpy": "float(np.random.random())",
    "torch": "float(torch.rand(()))",
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_method_that_ignores_its_seeds_gives_an_image_the_same_map_in_every_batch(tmp_path: Path, draw: str) -> None:
    (tmp_path / "odd.py").write_text(
        "import random\n\nimport numpy as np\nimport torch\n\n\ndef explain(net, images, targets):\n"
        f"    return torch.stack([image[0] + {draw} for image in images])\n",
        encoding="utf-8",
    )
    method, images = plugins.find(METHOD, str(tmp_path / "odd.py")), torch.zeros(3, 3, 4, 4)
    maps = call_method(method, _Device(), images, [0, 1, 2], [5, 6, 7])  # type: ignore[arg-type]
    assert len({float(value) for value in maps[:, 0, 0]}) == 3, "each image has numbers of its own"
    net = _Device()
    for _ in range(2):  # the first batch is explained image by image
        reverse = call_method(method, net, images, [2, 1, 0], [7, 6, 5])  # type: ignore[arg-type]
        assert torch.equal(reverse.flip(0), maps)


@pytest.mark.parametrize(
    "asks", ["", "    yield [Clean()]\n    first = DRAW()\n    yield [Clean()]\n    assert DRAW() != first\n"]
)
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_metric_that_ignores_its_seed_gives_a_case_the_same_score_in_every_batch(
    tmp_path: Path, draw: str, asks: str
) -> None:
    code = f"import random\n{HEAD.replace('BETTER,', f'DRAW = lambda: {draw}' + chr(10) + 'BETTER,')}{asks}    return DRAW()\n"
    (tmp_path / "odd.py").write_text(code, encoding="utf-8")
    metric, map_ = plugins.find(METRIC, str(tmp_path / "odd.py")), np.zeros((4, 4), dtype=np.float32)
    cases = [Case(map_, 1, (), torch.full((3, 4, 4), value), map_) for value in (0.25, 0.5)]
    first, second = (score for (score,) in scoring.score(Net(), cases, [metric]))
    assert first != second, "each image has numbers of its own"
    assert scoring.score(Net(), [cases[1]], [metric]) == [[second]]
