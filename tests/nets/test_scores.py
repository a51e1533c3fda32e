"""How class scores are read (softmax, sigmoid, one score), and which output holds them, compared with plain torch."""

import json
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from cambench import Explanation, explain, load_dataset, load_net
from cambench.bench.cli import options
from cambench.bench.conform import reference
from cambench.bench.core.errors import BenchError, NotApplicable, PluginError, UsageError
from cambench.bench.data.types import MEAN
from cambench.bench.forward.forward import Stream
from cambench.bench.nets import load, sources
from cambench.bench.nets.net import Net
from cambench.bench.run.plan import describe_net
from cambench.bench.scoring.rerun import randomise
from cambench.bench.store import run as store
from cambench.tests.support.cli import bench
from cambench.tests.support.nets import close, random_images
from cambench.tests.support.plain_torch import halves, of_two

IMAGES = (random_images(3, 48) * 255).round() / 255
TINY = torch.finfo(torch.float32).tiny
CLOSE = {"rtol": 0, "atol": 1e-4}
SOFTMAX_AS_SET = "its class scores are the softmax of the logits that it returns, as set by scores="
Transform = Callable[[Tensor], Any]


class Small(nn.Module):
    """Two convolutions, global average pooling and one linear layer, whose scores go through a last function."""

    def __init__(
        self, classes: int, last: Transform = lambda scores: scores, scale: float = 20, bias: float = 0
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 5, 3, 2), nn.ReLU())
        self.fc, self.last = nn.Linear(5, classes), last
        self.fc.weight.data *= scale
        self.fc.bias.data += bias

    def forward(self, images: Tensor) -> Any:
        return self.last(self.fc(self.body(images).mean((2, 3))))


class Untraceable(Small):
    """Looks into the values of its input."""

    def forward(self, images: Tensor) -> Any:
        maps = self.body(images)
        return self.last(self.fc(maps.mean((2, 3)) if float(maps.detach().sum()) > -1e9 else maps.amax((2, 3))))


def make(classes: int, last: Transform = lambda scores: scores, kind: type[Small] = Small, **settings: Any) -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return kind(classes, last, **settings).eval().requires_grad_(False)


def logistic(scores: Tensor) -> Tensor:
    """A sigmoid that is no operation of its own, so that it cannot be removed."""
    return 1 / (1 + (-scores).exp())


def as_they_are(outputs: Tensor) -> Tensor:
    return outputs


def saturate(scores: Tensor) -> Tensor:
    """A hard sigmoid that is exactly 0 for the third class and exactly 1 for the fourth."""
    return F.hardsigmoid(scores + scores.new_tensor([0.0, 0.0, -50.0, 50.0]))


def to_log_odds(p: Tensor) -> Tensor:
    return p.clamp(torch.finfo(p.dtype).tiny, 1 - torch.finfo(p.dtype).eps / 2).logit()


def log_softmax(scores: Tensor) -> Tensor:
    return scores.log_softmax(1)


# A net's classes and last function; from what it returns to probabilities, and from its last layer to logits; settings. If
# the softmax of an untraceable net stays, log-probabilities are its logits.
NETS: dict[str, tuple[int, Transform, Transform, Transform, dict[str, Any]]] = {
    "sigmoids": (4, torch.sigmoid, as_they_are, as_they_are, {}),
    "sigmoids that stay": (4, logistic, as_they_are, as_they_are, {}),
    "sure sigmoids that stay": (4, lambda s: logistic(s + 7.2), as_they_are, as_they_are, {"scale": 2}),
    "hard sigmoids": (4, F.hardsigmoid, as_they_are, lambda s: F.hardsigmoid(s).logit(), {"scale": 2}),
    "saturated hard sigmoids": (4, saturate, as_they_are, lambda s: to_log_odds(saturate(s)), {"scale": 2}),
    "sigmoids, as set": (4, torch.sigmoid, as_they_are, as_they_are, {"scores": "sigmoid"}),
    "logits of several labels": (4, as_they_are, torch.sigmoid, as_they_are, {"scores": "sigmoid"}),
    "softmax": (4, lambda s: s.softmax(1), as_they_are, as_they_are, {}),
    "logits": (4, as_they_are, lambda s: s.softmax(1), as_they_are, {}),
    "sigmoids, read as logits": (4, torch.sigmoid, lambda s: s.softmax(1), torch.sigmoid, {"scores": "logits"}),
    "one logit": (1, as_they_are, lambda s: of_two(s.sigmoid()), halves, {}),
    "one logit, flat": (1, lambda s: s[:, 0], lambda s: of_two(s.sigmoid()), halves, {}),
    "one logit, squeezed": (1, lambda s: s.squeeze(), lambda s: of_two(s.sigmoid()), halves, {}),
    "one probability": (1, torch.sigmoid, of_two, halves, {}),
    "one probability, squeezed": (1, lambda s: s.squeeze().sigmoid(), of_two, halves, {}),
    "one probability that stays": (1, logistic, of_two, halves, {}),
}  # fmt: skip


@pytest.fixture(params=[(name, kind) for name in NETS for kind in (Small, Untraceable)], ids=str)
def case(request: pytest.FixtureRequest) -> tuple[Small, Net, Transform, Transform]:
    """A module; the net of it; from what it returns to probabilities; and from its last layer to logits."""
    name, kind = request.param
    classes, last, to_probabilities, to_logits, settings = NETS[name]
    scale = {"scale": settings["scale"]} if "scale" in settings else {}
    module = make(classes, last, kind, **scale)
    to_logits = log_softmax if name == "softmax" and kind is Untraceable else to_logits
    own = {key: value for key, value in settings.items() if key != "scale"}
    return module, load_module(module, **own), to_probabilities, to_logits


def load_module(module: nn.Module, **settings: Any) -> Net:
    return load.load_module(module, preprocess="none", layer="body", **settings)


def stretch(maps: Tensor) -> Tensor:
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low), 0)


def enlarge(maps: Tensor) -> Tensor:
    return stretch(F.interpolate(maps[None], IMAGES.shape[2:], mode="bilinear")[0])


def mask(image: Tensor, masks: Tensor) -> Tensor:
    mean = torch.tensor(MEAN).view(3, 1, 1)
    return masks[:, None] * image + (1 - masks[:, None]) * mean


def compute_grad_cam(module: Small, image: Tensor, target: int, score: Transform) -> Tensor:
    maps = module.body(image[None]).requires_grad_()
    (gradients,) = torch.autograd.grad(score(module.fc(maps.mean((2, 3))))[0, target], maps)
    return (gradients.mean((2, 3), keepdim=True) * maps).sum(1)[0].detach().relu()


def compute_score_cam(module: Small, image: Tensor, target: int, to_probabilities: Transform) -> Tensor:
    channels = module.body(image[None])[0]
    channels = channels[[bool(channel.max() > channel.min()) for channel in channels]]
    weights = to_probabilities(module(mask(image, enlarge(channels))))[:, target]
    return torch.einsum("k,khw->hw", weights, channels).relu()


def compare_maps(explanation: Explanation, plain: Tensor) -> None:
    """Assert that a map is one of plain torch, to 1e-4 of its highest value."""
    assert explanation.raw is not None
    torch.testing.assert_close(torch.from_numpy(explanation.raw), plain, rtol=0, atol=1e-4 * float(plain.max()))


def test_scores_and_maps_are_those_of_plain_torch(case: tuple[Small, Net, Transform, Transform]) -> None:
    module, net, to_probabilities, to_logits = case
    expected = to_probabilities(module(IMAGES))
    with torch.no_grad():
        torch.testing.assert_close(net.to_probabilities(net(IMAGES)), expected, **CLOSE)
        torch.testing.assert_close(
            net.to_log_probabilities(net(IMAGES)), expected.clamp(TINY).log(), rtol=1e-3, atol=1e-3
        )
        torch.testing.assert_close(net.scores(Stream(3, lambda i, j: IMAGES[i:j])).float(), expected, **CLOSE)
    highest = []
    for image, target in zip(IMAGES, (0, 1, 1), strict=True):
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        gradient = explain(pixels, net, method="grad_cam", target=target, metrics=["average_drop"])
        plain = compute_grad_cam(module, image, target, to_logits)
        compare_maps(gradient, plain)
        highest.append(plain.max())
        clean, masked = to_probabilities(module(torch.cat([image[None], mask(image, enlarge(plain[None]))])))[:, target]
        assert gradient.target.probability == pytest.approx(float(clean), abs=1e-4)
        assert gradient.scores["average_drop"] == pytest.approx(float((clean - masked).relu() / clean), abs=1e-4)
        scored = explain(pixels, net, method="score_cam", target=target, metrics=["average_drop"])
        plain = compute_score_cam(module, image, target, to_probabilities)
        compare_maps(scored, plain)
        assert plain.max() > 0
    assert max(highest) > 0


@pytest.mark.parametrize(
    ("of", "score"),
    [
        ("softmax", torch.sigmoid),
        ("log_softmax", lambda s: s.sigmoid().log()),
        ("rest", lambda s: s + s.sigmoid().log()),
    ],
)
@pytest.mark.parametrize("last", [torch.sigmoid, logistic])
def test_gradients_of_several_labels_are_of_the_class_alone(of: str, score: Transform, last: Transform) -> None:
    module = make(4, last)
    net = load_module(module)
    maps = reference.compute_maps(f"grad_cam[of={of}]", net, IMAGES, torch.tensor([0, 1, 2]))
    highest = []
    for image, target, found in zip(IMAGES, (0, 1, 2), maps, strict=True):
        plain = compute_grad_cam(module, image, target, score)
        torch.testing.assert_close(found, plain, rtol=0, atol=1e-4 * float(plain.max()))
        highest.append(plain.max())
    assert max(highest) > 0


def test_recipro_cam_scores_several_labels_by_their_sigmoids() -> None:
    module = make(4, torch.sigmoid)
    found = reference.compute_maps("recipro_cam", load_module(module), IMAGES[:1], torch.tensor([2]))[0]
    maps = module.body(IMAGES[:1])
    for y in (0, 4):
        alone = torch.zeros_like(maps)
        alone[:, :, y, 3] = maps[:, :, y, 3]
        close(found[y, 3], module.fc(alone.mean((2, 3))).sigmoid()[0, 2])


def test_both_classes_of_one_score_have_maps() -> None:
    """The logits are [-s/2, s/2]: with [0, s], every gradient map of the first class would be zero."""
    module = make(1)
    means = module.body(IMAGES[:1]).mean((0, 2, 3))
    module.fc.weight.data = torch.where(means > 0, torch.tensor([1.0, -1, 1, -1, 1]) / means, 0)[None]
    net = load_module(module)
    maps = [reference.compute_maps("grad_cam", net, IMAGES[:1], torch.tensor([target]))[0] for target in (0, 1)]
    total = torch.einsum("k,khw->hw", module.fc.weight[0] / 2, module.body(IMAGES[:1])[0]) / maps[0].numel()
    close(maps[0], (-total).relu())
    close(maps[1], total.relu())
    assert net.classes == ("0", "1") and load_module(module, classes=["no", "yes"]).classes == ("no", "yes")
    for target, sign in ((0, -0.5), (1, 0.5)):
        found = reference.compute_maps("cam[relu=false]", net, IMAGES[:1], torch.tensor([target]))[0]
        close(found, sign * torch.einsum("k,khw->hw", module.fc.weight[0], module.body(IMAGES[:1])[0]))


def test_copies_of_a_net_read_its_scores_as_it_does() -> None:
    net = load_module(make(4, torch.sigmoid))
    for copied in (net.to_precision("fp32"), randomise(net, 0.5, 0)):
        with torch.no_grad():
            close(copied.scores(Stream(3, lambda i, j: IMAGES[i:j])).float(), copied(IMAGES).sigmoid())


@pytest.mark.parametrize(
    ("last", "settings", "note"),
    [
        (torch.sigmoid, {}, "its class scores are the probabilities that it returns, each class by itself (they do not sum "
         "to 1); scores=logits reads them as logits"),
        (torch.sigmoid, {}, "methods explain the logits before its last sigmoid"),
        (logistic, {}, "methods explain the log-odds of its probabilities"),
        (torch.sigmoid, {"scores": "sigmoid"}, "its class scores are the probabilities that it returns, each class by "
         "itself, as set by scores="),
        (as_they_are, {"scores": "sigmoid"}, "its class scores are the sigmoids of its logits, each class by itself, "
         "as set by scores="),
        (torch.sigmoid, {"scores": "logits"}, SOFTMAX_AS_SET),
        (torch.sigmoid, {"scores": "softmax"}, SOFTMAX_AS_SET),
        (lambda s: s[:, :1], {}, "it returns one score s an image: explained as two classes with the logits [-s/2, s/2]"),
        (lambda s: s[:, 0].sigmoid(), {}, "it returns one probability p an image: explained as two classes with the "
         "probabilities [1 - p, p]"),
        (lambda s: s[:, :1].sigmoid(), {"scores": "logits"}, "it returns one score s an image: explained as two classes with "
         "the logits [-s/2, s/2], as set by scores="),
    ],
)  # fmt: skip
def test_the_notes_say_how_scores_are_read(last: Transform, settings: dict[str, str], note: str) -> None:
    net = load_module(make(4, last), **settings)
    assert note in net.notes
    assert describe_net(net, "fp32").reading == ("logits [-s/2, s/2]" if len(net.classes) == 2 else "")


@pytest.mark.parametrize("kind", [Small, Untraceable])
def test_logits_that_lie_in_the_unit_interval_are_no_probabilities(kind: type[Small]) -> None:
    module = make(4, kind=kind, scale=0.01, bias=0.5)
    assert bool(((module(IMAGES) > 0) & (module(IMAGES) < 1)).all())
    net = load_module(module)
    assert net.link == "softmax" and not any("probabilit" in note for note in net.notes)
    close(net(IMAGES).detach(), module(IMAGES))
    single = load_module(make(1, kind=kind, scale=0.01, bias=0.5))
    assert "it returns one score s an image: explained as two classes with the logits [-s/2, s/2]" in single.notes


def test_sigmoids_that_sum_to_1_on_some_images_are_no_softmax() -> None:
    """A sure net of several labels: one of them applies to noise."""
    module = make(4, lambda s: (s * 1e-3 + s.new_tensor([90.0, -90.0, -95.0, -99.0])).sigmoid())
    torch.testing.assert_close(module(IMAGES).sum(1), torch.ones(3))
    assert load_module(module).link == "sigmoid"


def test_a_net_whose_last_layer_scores_nothing_is_read_as_logits() -> None:
    """A head that starts at zero: no noise before it changes a score."""
    module = make(4, scale=0, bias=0.5)
    assert bool(((module(IMAGES) > 0) & (module(IMAGES) < 1)).all())
    assert load_module(module).link == "softmax"


class TwoHeads(Small):
    """The layer that runs last gives another output than the first."""

    def __init__(self, classes: int, last: Transform, **settings: float) -> None:
        super().__init__(classes, last, **settings)
        self.second = nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Any:
        pooled = self.body(images).mean((2, 3))
        return self.last(self.fc(pooled)), self.second(pooled)


def test_only_layers_that_change_the_chosen_output_tell_what_it_is() -> None:
    assert load_module(make(4, torch.sigmoid, TwoHeads), output=0).link == "sigmoid"
    assert load_module(make(4, as_they_are, TwoHeads, scale=0.01, bias=0.5), output=0).link == "softmax"


@pytest.mark.parametrize("last", [lambda s: s.clamp(0, 1), lambda s: torch.sigmoid(s - s.new_tensor([0, 0, 95, 120]))])
@pytest.mark.parametrize("kind", [Small, Untraceable])
def test_probabilities_may_be_0(kind: type[Small], last: Transform) -> None:
    module = make(4, last, kind, scale=2)
    net = load_module(module)
    assert (module(IMAGES) == 0).any() or (module(IMAGES) < TINY).any()
    assert net.link == "sigmoid"
    torch.testing.assert_close(net.to_probabilities(net(IMAGES)).detach(), module(IMAGES), **CLOSE)


@pytest.mark.parametrize("scores", ["sigmoid", "logits"])
def test_python_and_specs_take_the_same_settings(own: Path, scores: str) -> None:
    module = sources.parse_source("own.py:make").load().module
    live = load_net(module, preprocess="none", output=1, scores=scores, classes=list("abcd"), device="cpu")
    named = load_net(f"own.py:make[preprocess=none,output=1,scores={scores}]", device="cpu")
    assert live.link == named.link == ("sigmoid" if scores == "sigmoid" else "softmax")
    with torch.no_grad():
        close(live(IMAGES), named(IMAGES))


@pytest.mark.parametrize(
    ("module", "settings", "message"),
    [
        (make(4), {"scores": "softmx"}, "scores='softmx' is not known: did you mean 'softmax'"),
        (
            make(1),
            {"scores": "softmax"},
            "scores=softmax, but the net returns one score an image: set scores=sigmoid, or",
        ),
        (make(4, lambda s: s.log_softmax(1)), {"scores": "sigmoid"}, "returns the logarithms of a softmax: leave"),
        (make(1), {"classes": ["a", "b", "c"]}, "3 class names, and the net has 2 classes"),
        (
            make(1),
            {"classes": ["a"]},
            "1 class name, and the net has 2 classes, as it returns one score an image: name the ",
        ),
        (make(4), {"classes": ["a"]}, "1 class name, and the net has 4 classes$"),
    ],
)
def test_what_scores_cannot_be_is_refused(module: nn.Module, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_module(module, **settings)


Named = namedtuple("Named", ["embedding", "scores"])


class Held:
    """An object that holds two outputs."""

    def __init__(self, coarse: Tensor, fine: Tensor) -> None:
        self.coarse, self.fine = coarse, fine


def wide(scores: Tensor) -> Tensor:
    return scores.repeat(1, 2)


OUTPUTS: list[tuple[Transform, dict[str, Any], str]] = [  # a last function, settings, and the output that is explained
    (lambda s: (wide(s), s), {"output": 1}, "1"),
    (lambda s: (wide(s), s), {"output": "0"}, "0"),
    (lambda s: [wide(s), s], {"classes": list("abcd")}, "1"),
    (lambda s: (s[:, :, None, None].expand(-1, -1, 3, 3), s), {}, "1"),
    (lambda s: (s.argmax(1), s), {}, "1"),
    (lambda s: {"coarse": wide(s), "fine": s}, {"output": "fine"}, "fine"),
    (lambda s: {"coarse": wide(s), "fine": s}, {"classes": list("abcd")}, "fine"),
    (lambda s: OrderedDict(features=wide(s), logits=s), {}, "logits"),
    (lambda s: OrderedDict(out=wide(s), logits=s), {}, "logits"),
    (lambda s: {"loss": None, "embedding": wide(s), "pred": s}, {}, "pred"),
    (lambda s: Named(wide(s), s), {}, "scores"),
    (lambda s: Named(wide(s), s), {"output": "embedding"}, "embedding"),
    (lambda s: Held(wide(s), s), {"output": "fine"}, "fine"),
    (lambda s: Held(wide(s), s), {"classes": list("abcd")}, "fine"),
]


@pytest.mark.parametrize("kind", [Small, Untraceable])
@pytest.mark.parametrize(("last", "settings", "output"), OUTPUTS)
def test_an_output_is_chosen(kind: type[Small], last: Transform, settings: dict[str, Any], output: str) -> None:
    net = load_module(make(4, last, kind), **settings)
    expected = make(4)(IMAGES)
    close(net(IMAGES).detach(), wide(expected) if output in ("0", "embedding") else expected)
    assert net.output == output == describe_net(net, net.precision).output
    assert any(note.startswith("its class scores are its output") and output in note for note in net.notes)


@pytest.mark.parametrize(
    ("last", "settings", "error", "message"),
    [
        (lambda s: (wide(s), s), {}, UsageError, r"the net returns several outputs that may be its class scores "
         r"\(0: \(n, 8\), 1: \(n, 4\)\): set output=0 \(--output 0\), or output=1, or name its classes$"),
        (lambda s: (s, s * 2), {}, UsageError, r"\(0: \(n, 4\), 1: \(n, 4\)\): set output=0 \(--output 0\), or output=1$"),
        (lambda s: (s, s * 2, s * 3), {}, UsageError, r"set output=0 \(--output 0\), or another$"),
        (lambda s: (s, s * 2, wide(s)), {"classes": list("abcd")}, UsageError, r"\(0: \(n, 4\), 1: \(n, 4\)\): .* output=1$"),
        (lambda s: (wide(s), s), {"classes": list("abc")}, UsageError, r"\(0: \(n, 8\), 1: \(n, 4\)\): .* or output=1$"),
        (lambda s: {"embedding": wide(s), "cls": s}, {}, UsageError, "set output=cls .--output cls., or output=embedding"),
        (lambda s: {"a": s, "b": s[:, 0]}, {}, UsageError, r"\(a: \(n, 4\), b: \(n\)\): set output=a"),
        (lambda s: (s, s), {"output": 2}, UsageError, r"the net has no output '2': it has 0: \(n, 4\), 1: \(n, 4\)"),
        (lambda s: s, {"output": 0}, UsageError, "the net returns one tensor, so it has no output '0' to choose"),
        (lambda s: (s[:, :, None], s[:, None]), {}, PluginError, r"none of the net's outputs \(0: .*\) is class scores"),
        (lambda s: {"a": s[:, :, None]}, {}, PluginError, r"the net returns \(2, 4, 1\) for 2 images"),
        (lambda _: {"a": None}, {}, PluginError, "the net returns dict without class scores"),
    ],
)  # fmt: skip
def test_outputs_that_cannot_be_told_apart_are_refused(
    last: Transform, settings: dict[str, Any], error: type[BenchError], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_module(make(4, last), **settings)


def test_a_net_that_squeezes_its_scores_takes_single_images() -> None:
    module = make(4, lambda s: s[:, :, None, None].squeeze())
    net = load_module(module)
    assert module(IMAGES[:1]).shape == (4,)
    close(net(IMAGES[:1]).detach(), module(IMAGES[:1])[None])


@pytest.mark.parametrize("last", [torch.sigmoid, as_they_are])
def test_a_net_of_several_labels_is_not_compared_with_libraries(last: Transform) -> None:
    with pytest.raises(
        UsageError,
        match="net: reference libraries would explain another output, as it does not return the logits of a softmax",
    ):
        reference.make_library_module(load_module(make(4, last), scores="sigmoid"))


def test_options_of_the_command_line_are_settings_of_the_spec() -> None:
    chosen = options.add_net_settings({"scores": "sigmoid", "output": "1"}, ["own.py:make"])
    assert chosen == ["own.py:make[output=1,scores=sigmoid]"]


FILE = """
import torch
from torch import nn

class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 4), nn.ReLU())
        self.first, self.second = nn.Linear(6, 3), nn.Linear(6, 4)

    def forward(self, images):
        pooled = self.body(images).mean((2, 3))
        return self.first(pooled).softmax(1), self.second(pooled).sigmoid()

def make():
    return Heads()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_records_and_shows_how_scores_are_read(own: Path) -> None:
    common = ["--dataset", "scenes[size=48]", "--images", 2, "--methods", "grad_cam", "--metrics", "average_drop"]
    chosen = ["--net", "own.py:make", "--output", 1, "--preprocess", "none", "--precision", "fp32"]
    assert bench("run", *chosen, *common, "--out", own / "run").exit_code == 0
    run = store.open_run(own / "run")
    (name,) = run.header.nets
    assert name == "own:make[output=1,preprocess=none]"
    assert (run.header.nets[name].scores, run.header.nets[name].output) == ("sigmoid", "1")
    page = (own / "run" / "report.html").read_text(encoding="utf-8")
    assert "each class by itself" in page and "its class scores are its output 1" in page
    scenes = load_dataset("scenes[size=48]")
    images = torch.from_numpy(np.stack([scenes[number].pixels for number in (0, 1)])).permute(0, 3, 1, 2) / 255
    expected = sources.parse_source("own.py:make").load().module(images)[1].amax(1)
    assert run.table("predictions")["probability"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_one_photo_is_explained_with_a_chosen_output(own: Path) -> None:
    Image.fromarray((IMAGES[0] * 255).byte().permute(1, 2, 0).numpy()).save("photo.png")
    result = bench("explain", "photo.png", "--net", "own.py:make", "--output", "1", "--scores", "logits",
                   "--preprocess", "none", "--size", 48, "--metrics", "average_drop", "--json")  # fmt: skip
    assert result.exit_code == 0
    (record,) = json.loads(result.stdout)
    assert SOFTMAX_AS_SET in record["notes"]
    assert sum(guess["probability"] for guess in record["top"]) == pytest.approx(1)


def test_the_record_has_no_key_for_what_is_usual() -> None:
    assert describe_net(load_module(make(4)), "fp32").model_dump(exclude_unset=True).keys() >= {"layer"}
    assert not {"scores", "output"} & describe_net(load_module(make(4)), "fp32").model_dump(exclude_unset=True).keys()


def test_plain_cam_of_several_labels_is_of_the_logits() -> None:
    module = make(4, torch.sigmoid)
    found = reference.compute_maps("cam[relu=false]", load_module(module), IMAGES, torch.tensor([0, 1, 2]))
    close(found, torch.einsum("nk,nkhw->nhw", module.fc.weight[:3], module.body(IMAGES)))
    with pytest.raises(NotApplicable):
        reference.compute_maps("cam", load_module(make(4, F.hardsigmoid)), IMAGES, torch.tensor([0, 1, 2]))
