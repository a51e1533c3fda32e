"""The fixture as a user's project has it: recorded, compared, failed, in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

METHOD = '''"""A CAM of one's own."""
from cambench.methods._gradients import gradients

def explain(net, images, targets):
    activations, slopes = gradients(net, images, targets, "logit")
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
    (tmp_path / "my_cam.py").write_text(METHOD)
    (tmp_path / "test_my_cam.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(project: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"})
    return done.returncode, done.stdout + done.stderr


def test_a_method_is_recorded_compared_and_failed(project: Path) -> None:
    code, said = run(project, "--faithfulness-record")
    assert code == 0 and "recorded" in said
    baseline = project / "baselines" / "my_cam.txt"
    kept = baseline.read_text()
    assert str(project) not in kept and '"slack": 0.01' in kept
    code, said = run(project)
    assert code == 0, said
    assert baseline.read_text() == kept
    (project / "my_cam.py").write_text(METHOD.replace("return (slopes", "return (-slopes"))
    code, said = run(project)
    assert code == 1
    assert "overall" in said and "3 of 3 worse" in said and "my_cam" in said
    assert "record the baseline anew: pytest --faithfulness-record" in " ".join(said.split())
    assert "Traceback" not in said and max(len(line) for line in said.splitlines() if "worse" in line) <= 80


def test_a_missing_baseline_says_how_to_record_it(project: Path) -> None:
    code, said = run(project)
    assert code == 1
    assert "there is no baseline baselines/my_cam.txt: pytest --faithfulness-record writes it" in said


def test_what_is_asked_wrongly_fails_in_a_sentence(project: Path) -> None:
    (project / "test_my_cam.py").write_text(TEST.replace("squeezenet1_1", "squeezenet9"))
    code, said = run(project, "--faithfulness-record")
    assert code == 1
    assert "there is no net 'squeezenet9'" in said and "Traceback" not in said


def test_pytest_starts_without_torch(project: Path) -> None:
    code = "import sys, cambench.bench.api.pytest_plugin; print([name for name in ('torch', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
