"""The workflows, the action and the commands of docs/ci.md work when run locally as a CI system runs them."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from cambench import __version__
from cambench.tests.support.cli import bench

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / ".github/actions/bench/action.yml").read_text(encoding="utf-8"))
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
RELEASE = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
EXAMPLE = yaml.safe_load((ROOT / ".github/examples/faithfulness.yml").read_text(encoding="utf-8"))
DOCS = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
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
FAKE_BENCH = """#!/bin/bash
printf '%s\\t' "$@" >> "$HOME/commands"
echo >> "$HOME/commands"
"""
FAKE_PYTHON = """#!/bin/bash
echo "python $*" >> "$LOG"
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; printf '#!/bin/bash\\necho "bench $*" >> "$LOG"\\n' > "$3/bin/bench"
    chmod +x "$3/bin/bench" ;;
  "-c "*) echo VERSION ;;
esac
"""


def run_lines(lines: str, project: Path, **environment: str) -> Result:
    """Run lines with bench as a job's shell runs them; return the result of the first command that fails, or of the last.

    The shell runs in a clean environment. A script in the place of bench writes its arguments down, and the commands are
    run in this process, because each process loads torch.
    """
    (project / "commands").unlink(missing_ok=True)
    variables = {"PATH": f"{project}/bin:/usr/bin:/bin", "HOME": str(project)} | environment
    subprocess.run(["bash", "-eo", "pipefail", "-c", lines], cwd=project, env=variables, check=True)
    for command in (project / "commands").read_text(encoding="utf-8").splitlines():
        result = bench(*command.removesuffix("\t").split("\t"))
        if result.exit_code:
            break
    return result


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a job, with a method and a suite."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bench").write_text(FAKE_BENCH, encoding="utf-8")
    (tmp_path / "bin/bench").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_cam.py").write_text(METHOD, encoding="utf-8")
    (tmp_path / "tiny.toml").write_text(TINY, encoding="utf-8")
    return tmp_path


def steps() -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in ACTION["runs"]["steps"]}


def test_action_inputs_reach_the_shell_as_variables_only() -> None:
    for step in steps().values():
        assert "${{" not in step.get("run", "")
        assert "run" not in step or step["shell"] == "bash"
    used = set(re.findall(r"inputs\.([\w-]+)", str(ACTION["runs"])))
    assert used == set(ACTION["inputs"])


def test_the_action_passes_and_then_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "summary.md"))
    environment = {
        "SUITE": "tiny.toml",
        "OPTIONS": '--images 3\n--methods "./my_cam.py,random" --metrics insertion,deletion\n',
        "OUT": str(project / "out"),
        "BASELINE": "my.baseline",
    }
    lines = {name: str(step.get("run")) for name, step in steps().items()}
    assert set(environment) >= {key for name in ("Run", "Compare") for key in steps()[name]["env"]}
    result = run_lines(lines["Run"], project, **environment)
    assert result.exit_code == 0, result.output
    assert bench("baseline", "out/run", "--out", "my.baseline").exit_code == 0
    passed = run_lines(lines["Compare"], project, **environment | {"OPTIONS": ""})
    assert passed.exit_code == 0, passed.output
    assert "over 3 images" in passed.stdout
    uploaded = [Path(path.strip()).name for path in steps()["Upload"]["with"]["path"].splitlines()]
    assert [name for name in uploaded if not (project / "out" / name).exists() and name != "report.html"] == []
    assert (project / "out/run/report.html").exists()
    (project / "my_cam.py").write_text(
        METHOD.replace("return net", "net(images); net(images); return net"), encoding="utf-8"
    )
    environment["OUT"] = str(project / "later")
    assert run_lines(lines["Run"], project, **environment).exit_code == 0
    failed = run_lines(lines["Compare"], project, **environment | {"OPTIONS": "--strict"})
    assert failed.exit_code == 1 and "forwards" in failed.stdout
    summary = (project / "summary.md").read_text(encoding="utf-8")
    assert summary.count("### Passed") == summary.count("### Failed") == 1


def test_options_that_cannot_be_read_end_the_step(project: Path) -> None:
    """A quote that is not closed must not drop the options after it, such as --strict."""
    for name in ("Run", "Compare"):
        environment = {
            "SUITE": "tiny.toml",
            "OUT": str(project / "out"),
            "BASELINE": "b",
            "OPTIONS": "--name it's --strict",
        }
        with pytest.raises(subprocess.CalledProcessError):
            run_lines(str(steps()[name]["run"]), project, **environment)


def test_the_example_workflow_uses_inputs_of_the_action() -> None:
    (step,) = [step for job in EXAMPLE["jobs"].values() for step in job["steps"] if "cambench" in step.get("uses", "")]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert {name for name, declaration in ACTION["inputs"].items() if declaration.get("required")} <= set(step["with"])
    assert (ROOT / step["uses"].partition("cambench/")[2].partition("@")[0] / "action.yml").exists()


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_ci_workflow_runs_the_local_check_script() -> None:
    assert commands(CI["jobs"]["check"]) == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "bench compare --strict tests/data/smoke.baseline" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_reading_packages_are_tested_on_every_python_and_system() -> None:
    job = CI["jobs"]["reading"]
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert job["strategy"]["matrix"]["python"] == classifiers
    assert {system.partition("-")[0] for system in job["strategy"]["matrix"]["os"]} == {"ubuntu", "macos", "windows"}
    assert commands(job)[-1] == ".ci/reading"


def test_the_reading_script_selects_existing_tests() -> None:
    script = (ROOT / ".ci/reading").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci/reading", os.X_OK)
    paths = re.findall(r"tests/[\w/.]+", script)
    assert set(paths) >= {
        f"tests/{package}" for package in ("core", "config", "store", "stats", "compare", "published", "show", "cli")
    }
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflows_pin_actions_and_pass_names_to_the_shell_as_variables(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            assert "uses" not in step or re.search(r"@(v\d+|release/v\d+)$", step["uses"])


def test_a_release_publishes_what_was_built_and_checked() -> None:
    assert RELEASE["jobs"]["check"] == CI["jobs"]["check"]
    build, publish = RELEASE["jobs"]["build"], RELEASE["jobs"]["publish"]
    assert RELEASE[True]["push"] == {"tags": ["v*"]}  # YAML reads the key `on` as true
    assert commands(build)[-1] == '.ci/check-package dist "$TAG"'
    assert os.access(ROOT / ".ci/check-package", os.X_OK)
    assert publish["needs"] == ["check", "build"] and publish["permissions"] == {"id-token": "write"}
    (upload,) = [step for step in build["steps"] if "upload-artifact" in step.get("uses", "")]
    (download,) = [step for step in publish["steps"] if "download-artifact" in step.get("uses", "")]
    assert upload["with"] == download["with"]


@pytest.mark.parametrize(("tag", "code"), [("v9.9.9", 1), (f"v{__version__}", 0), ("", 0)])
def test_a_package_is_checked_in_an_empty_environment(tmp_path: Path, tag: str, code: int) -> None:
    """python and bench are replaced by scripts, because installing the wheel takes minutes."""
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "cambench-1-py3-none-any.whl").write_text("", encoding="utf-8")
    fake = tmp_path / "bin" / "python"
    fake.parent.mkdir()
    fake.write_text(FAKE_PYTHON.replace("VERSION", __version__), encoding="utf-8")
    fake.chmod(0o755)
    result = subprocess.run(
        [str(ROOT / ".ci/check-package"), str(tmp_path / "dist"), tag],
        env={"PATH": f"{fake.parent}:/usr/bin:/bin", "LOG": str(tmp_path / "log")}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == code, result.stderr
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "-m twine check --strict" in log and "pip install --quiet" in log
    assert ("bench list" in log) is (code == 0)


def test_pre_commit_hooks_run_the_checks_of_ci() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repository["hooks"]:
        assert hook["entry"].removeprefix("bash -c '").removesuffix("'") in script


@pytest.mark.parametrize("file", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda file: file.name)
def test_issue_templates_are_yaml(file: Path) -> None:
    template = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert file.name == "config.yml" or {"name", "description", "body"} <= set(template)


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == "Apache-2.0"


def test_paths_in_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:\.ci|\.github|tests|bench|docs|methods|datasets|reports|references)/[\w/.-]+)", text)
    assert paths
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []


def test_the_commands_for_gitlab_run(project: Path) -> None:
    (block,) = re.findall(r"```yaml\n(faithfulness:.*?)```", DOCS, re.DOTALL)
    job = yaml.safe_load(block)["faithfulness"]
    lines = [line for line in job["script"] if line.startswith("bench")]
    commands = [line.replace("--images 12", "--images 2").replace("scenes", "scenes[size=64]") for line in lines]
    (project / "baselines").mkdir()
    recorded = run_lines(f"{commands[0]}\nbench baseline now --out baselines/my_cam.baseline", project)
    assert recorded.exit_code == 0, recorded.output
    assert run_lines("\n".join(commands), project).exit_code == 0
    assert all((project / path).exists() for path in [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]])
