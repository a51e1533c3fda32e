"""The workflow, the action and the lines of docs/ci.md do what they say, run as a CI system runs them but for its servers."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / ".github/actions/bench/action.yml").read_text())
EXAMPLE = yaml.safe_load((ROOT / ".github/examples/faithfulness.yml").read_text())
DOCS = (ROOT / "docs/ci.md").read_text()
TINY = """nets = ["squeezenet1_1"]
methods = ["./my_cam.py", "random"]
metrics = ["insertion", "energy"]
dataset = "scenes[size=64]"
images = 2
precision = "fp32"
"""
METHOD = '''"""A CAM of one's own."""
def explain(net, images, targets):
    return net.features(images).mean(1)
'''


def shell(lines: str, project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Lines in a clean environment, with bench on the path, as a job's shell runs them."""
    path = f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    return subprocess.run(
        ["/usr/bin/env", "-i", f"PATH={path}", f"HOME={project}", "OMP_NUM_THREADS=1",
         *(f"{key}={value}" for key, value in environment.items()), "bash", "-eo", "pipefail", "-c", lines],
        cwd=project, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "my_cam.py").write_text(METHOD)
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


def steps() -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in ACTION["runs"]["steps"]}


def test_inputs_reach_the_shell_as_variables_alone() -> None:
    for step in steps().values():
        assert "${{" not in step.get("run", "")
        assert "run" not in step or step["shell"] == "bash"
    asked = set(re.findall(r"inputs\.([\w-]+)", str(ACTION["runs"])))
    assert asked == set(ACTION["inputs"])


def test_the_action_passes_and_then_fails(project: Path) -> None:
    given = {"SUITE": "tiny.toml", "OPTIONS": "--images 3", "OUT": str(project / "out"), "BASELINE": "my.baseline"}
    given |= {"GITHUB_STEP_SUMMARY": str(project / "summary.md")}
    lines = {name: str(step.get("run")) for name, step in steps().items()}
    assert set(given) >= {key for name in ("Run", "Compare") for key in steps()[name]["env"]}
    ran = shell(lines["Run"], project, **given)
    assert ran.returncode == 0, ran.stderr
    assert shell("bench baseline out/run --out my.baseline", project).returncode == 0
    passed = shell(lines["Compare"], project, **given | {"OPTIONS": ""})
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "over 3 images" in passed.stdout
    made = [Path(path.strip()).name for path in steps()["Upload"]["with"]["path"].splitlines()]
    assert [name for name in made if not (project / "out" / name).exists() and name != "report.html"] == []
    assert (project / "out/run/report.html").exists()
    (project / "my_cam.py").write_text(METHOD.replace("return net", "net(images); net(images); return net"))
    given["OUT"] = str(project / "later")
    assert shell(lines["Run"], project, **given).returncode == 0
    failed = shell(lines["Compare"], project, **given | {"OPTIONS": "--strict"})
    assert failed.returncode == 1 and "forwards" in failed.stdout
    summary = (project / "summary.md").read_text()
    assert summary.count("### Passed") == summary.count("### Failed") == 1


def test_the_example_gives_what_the_action_takes() -> None:
    (step,) = [step for job in EXAMPLE["jobs"].values() for step in job["steps"] if "cambench" in step.get("uses", "")]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert {name for name, about in ACTION["inputs"].items() if about.get("required")} <= set(step["with"])
    assert (ROOT / step["uses"].partition("cambench/")[2].partition("@")[0] / "action.yml").exists()


def test_the_projects_own_workflow_runs_what_everyone_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "bench compare --strict tests/data/smoke.baseline" in (ROOT / ".ci/run").read_text()


def test_the_lines_for_gitlab_run(project: Path) -> None:
    (block,) = re.findall(r"```yaml\n(faithfulness:.*?)```", DOCS, re.DOTALL)
    job = yaml.safe_load(block)["faithfulness"]
    lines = [line for line in job["script"] if line.startswith("bench")]
    small = [line.replace("--images 12", "--images 2").replace("scenes", "scenes[size=64]") for line in lines]
    (project / "baselines").mkdir()
    recorded = shell(f"{small[0]}\nbench baseline now --out baselines/my_cam.baseline", project)
    assert recorded.returncode == 0, recorded.stderr
    assert shell("\n".join(small), project).returncode == 0
    assert all((project / path).exists() for path in [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]])
