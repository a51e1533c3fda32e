"""The pytest fixture in a user's project: it records, compares and fails, in a pytest process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cambench.bench.api import check
from cambench.bench.api.pytest_plugin import LINES, Faithfulness, pytest_configure
from cambench.bench.compare.compare import load_snapshot
from cambench.bench.store.run import open_run
from cambench.tests.support import runs
from cambench.tests.support.comparisons import ONE_NET

METHOD = '''"""A CAM of one's own."""
from cambench.methods._gradients import compute_gradients

def explain(net, images, targets):
    activations, slopes = compute_gradients(net, images, targets, "logit")
    return (slopes.mean((2, 3), keepdim=True) * activations).sum(1).relu()
'''
TEST = """def test_my_cam(faithfulness):
    faithfulness.check(
        method="./my_cam.py", net="squeezenet1_1", baseline="baselines/my_cam.txt",
        images=6, metrics=["insertion", "deletion", "energy"],
    )
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "my_cam.py").write_text(METHOD, encoding="utf-8")
    (tmp_path / "test_my_cam.py").write_text(TEST, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return tmp_path


def run(project: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    environment = {
        name: value for name, value in os.environ.items() if name != "CI"
    }  # with CI, pytest shortens no line
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, env={**environment, "COLUMNS": "80"})
    return result.returncode, result.stdout + result.stderr


def test_a_method_is_recorded_then_compared_and_fails_when_worse(project: Path) -> None:
    code, output = run(project, "--faithfulness-record")
    assert code == 0 and "recorded" in output
    baseline = project / "baselines" / "my_cam.txt"
    recorded = baseline.read_text(encoding="utf-8")
    assert str(project) not in recorded and '"slack": 0.01' in recorded
    code, output = run(project)
    assert code == 0, output
    assert baseline.read_text(encoding="utf-8") == recorded
    (project / "my_cam.py").write_text(METHOD.replace("return (slopes", "return (-slopes"), encoding="utf-8")
    code, output = run(project)
    assert code == 1
    assert "overall" in output and "3 of 3 worse" in output and "my_cam" in output
    assert "record the baseline again: pytest --faithfulness-record" in " ".join(output.split())
    assert "Traceback" not in output and max(len(line) for line in output.splitlines() if "worse" in line) <= 80


def test_two_checks_do_not_record_one_baseline(project: Path) -> None:
    test = TEST.replace("images=6", "images=1")
    (project / "test_my_cam.py").write_text(test + test.replace("test_my_cam(", "test_again("), encoding="utf-8")
    code, output = run(project, "--faithfulness-record")
    assert code == 1 and "another check of these tests records baselines/my_cam.txt too" in " ".join(output.split())


def test_a_missing_baseline_fails_with_the_command_that_records_it(project: Path) -> None:
    code, output = run(project)
    assert code == 1
    assert "there is no baseline baselines/my_cam.txt: pytest --faithfulness-record writes it" in output


class Config:
    """What the fixture asks of pytest's configuration."""

    def __init__(self, root: Path) -> None:
        self.rootpath, self.stash = root, pytest.Stash()
        pytest_configure(self)  # type: ignore[arg-type]

    def getoption(self, _: str) -> bool:
        return False


@pytest.mark.parametrize(("noise", "unclear"), [(0.3, 1), (0.0, 0)])
def test_unclear_results_pass_and_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: float, unclear: int
) -> None:
    base, new = (runs.write(tmp_path / name, nets=ONE_NET) for name in ("base", "new"))
    rows = open_run(new).table("scores")
    noisy = rows.index[(rows["method"] == "grad_cam") & (rows["metric"] == "deletion")]
    rows.loc[noisy, "value"] += noise * np.where(np.arange(len(noisy)) % 2, 1, -0.93)
    runs.rewrite(new, "scores", rows)
    check.write_baseline(load_snapshot(base), tmp_path / "my.baseline")
    monkeypatch.setattr(check, "run_check", lambda *_: load_snapshot(new))
    config = Config(tmp_path)
    fixture = Faithfulness(config, tmp_path)  # type: ignore[arg-type]
    fixture.check("grad_cam", "squeezenet1_1", "my.baseline")
    lines = config.stash[LINES]
    assert len(lines) == unclear
    for line in lines:
        assert "my.baseline: Passed, with unclear results: deletion of grad_cam on squeezenet1_1 is unclear" in line
        assert line.endswith("strict=True fails unclear results")
        with pytest.raises(pytest.fail.Exception, match="unclear"):
            fixture.check("grad_cam", "squeezenet1_1", "my.baseline", strict=True)


def test_a_wrong_argument_fails_with_one_sentence(project: Path) -> None:
    (project / "test_my_cam.py").write_text(TEST.replace("squeezenet1_1", "squeezenet9"), encoding="utf-8")
    code, output = run(project, "--faithfulness-record")
    assert code == 1
    assert "there is no net 'squeezenet9'" in output and "Traceback" not in output


def test_the_plugin_imports_neither_torch_nor_pandas(project: Path) -> None:
    code = "import sys, cambench.bench.api.pytest_plugin; print([name for name in ('torch', 'pandas') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
