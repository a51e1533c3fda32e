"""bench show describes plug-ins with their settings; unknown options of other tools are understood with a hint."""

from pathlib import Path

import pytest

from cambench.bench.cli.listing import list_by_kind
from cambench.bench.core import plugins
from cambench.bench.core.plugins import METHOD, METRIC
from cambench.bench.core.settings import list_settings

from ..support.cli import bench, refused


def test_a_metric_has_its_direction_range_caveat_settings_and_example() -> None:
    text = " ".join(bench("show", "insertion").output.split())
    assert text.startswith("insertion (metric) Insertion: area under the class-score curve")
    assert "higher is better; mean probability, from 0 to 1; in tables: insert" in text
    assert "Caveat: It starts from a blurred image" in text
    assert "steps 28 a whole number from 1" in text and "fill blur mean, black, blur, box" in text
    assert text.endswith("example: bench run --metrics 'insertion[steps=56]'")


def test_a_metric_is_found_by_the_head_of_its_column() -> None:
    assert bench("show", "gain").output == bench("show", "average_gain").output


def test_a_name_of_several_kinds_shows_all_of_them() -> None:
    text = bench("show", "rise").output
    assert "rise (method)" in text and "rise (protocol)" in text and "'rise[count=4000]'" in text
    assert "insertion: steps 28, fill blur" in text
    text = bench("show", "scenes").output
    assert "scenes (dataset)" in text and "scenes (suite)" in text
    assert bench("show", "vgg16").output.startswith("vgg16 (net)\nVGG16 at features.29")


def test_a_users_file_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        '"""Mine."""\n\nfrom typing import Literal\n\n\ndef explain(net, images, targets, *, power: float = 2.0, '
        'kind: Literal["a", "b"] | None = None, plain=1):\n    """Return maps."""\n',
        encoding="utf-8",
    )
    text = " ".join(bench("show", file).output.split())
    assert "(method) Mine." in text and "power 2.0 a number" in text and "kind none a, b or none" in text
    assert "plain 1 a value" in text and "Return maps." in text
    assert f"bench run --methods '{file}[kind=a]'".replace(" ", "") in text.replace(" ", ""), "the file's path"
    (tmp_path / "broken.py").write_text("def explain(:", encoding="utf-8")
    chosen = "".join(bench("show", f"{file}[power=3]").output.split())
    assert f"bench run --methods '{file}[power=3]'".replace(" ", "") in chosen
    assert refused("show", tmp_path / "broken.py").startswith("bench: nothing is called")


def test_the_name_of_a_users_file_is_answered_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_cam.py").write_text("", encoding="utf-8")
    assert refused("show", "my_cam") == "bench: nothing is called 'my_cam': did you mean ./my_cam.py?"


def test_an_unknown_name_is_refused() -> None:
    assert (
        refused("show", "GradCam")
        == "bench: nothing is called 'GradCam': did you mean grad_cam or xgrad_cam or grad_cam_pp?"
    )
    assert refused("show", "zzzz") == "bench: nothing is called 'zzzz': bench list names everything"


@pytest.mark.parametrize("kind", [METHOD, METRIC])
def test_the_examples_of_all_methods_and_metrics_can_be_used(kind: plugins.Kind) -> None:
    for name, _ in list_by_kind()[f"{kind.word}s"]:
        plugin = plugins.find(kind, name if name not in ("torchcam", "pytorch_grad_cam") else f"{name}:GradCAM")
        for setting in list_settings(name, plugin.function):
            for value in setting.values:
                if value is not None:
                    text = str(value).lower() if isinstance(value, bool) else value
                    assert plugins.find(kind, f"{plugin.name}[{setting.name}={text}]").settings[setting.name] == value


def test_options_of_other_tools_are_named() -> None:
    for command, option, known in (("run", "--limit", "--images"), ("run", "--output_dir", "--out"),
                                   ("explain", "--alpha", "--opacity")):  # fmt: skip
        result = bench(command, option, "3")
        assert result.exit_code == 2 and f"No such option '{option}': use {known}." in result.stderr
    assert ": use" not in bench("list", "--limit", "3").stderr
