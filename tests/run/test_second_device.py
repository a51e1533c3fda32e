"""Every method and metric on a device that is not the CPU: no tensor on the wrong one, the same scores, and few waits."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from cambench.bench.core import plugins
from cambench.bench.core.plugins import METHOD, METRIC
from cambench.tests.support import second_device
from cambench.tests.support.second_device import BATCH

FOREIGN = ("pytorch_grad_cam", "torchcam")  # methods of libraries, which need an extra
FEW: dict[str, str] = {
    "opti_cam": "iterations=2", "rise": "count=8", "smooth_grad_cam_pp": "samples=2", "ss_cam": "samples=2",
    "deletion_ties": "orders=2", "insertion_ties": "orders=2", "faithfulness_correlation": "runs=4", "infidelity": "samples=2",
    "max_sensitivity": "samples=2", "region_perturbation": "regions=8",
}  # fmt: skip
MOST_WAITS = (
    6  # of a batch for each method, by 31 metrics: some of these run the method again on other images or weights
)
MOST_COPIES = 20  # from the host to the device, for each image and method

pytestmark = [
    pytest.mark.skipif(not shutil.which("c++") or not shutil.which("ninja"), reason="no C++ compiler, or no ninja"),
]


def list_specs(kind: plugins.Kind) -> list[str]:
    names = [name for name in plugins.list_names(kind) if name not in FOREIGN]
    return [f"{name}[{FEW[name]}]" if name in FEW else name for name in names]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program prints: the scores on the device and on the CPU, and the waits of a batch."""
    folder = tmp_path_factory.mktemp("device")
    command = [sys.executable, "-m", second_device.__name__, str(folder)]
    finished = subprocess.run(
        [*command, " ".join(list_specs(METHOD)), " ".join(list_specs(METRIC))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    content: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return content


def test_scores_equal_those_of_the_cpu(results: dict[str, Any]) -> None:
    here, cpu = results["second"], results["cpu"]
    assert here.keys() == cpu.keys() and len(here) == 2 * BATCH * len(list_specs(METHOD)) * len(list_specs(METRIC))
    texts = {key for scores in (here, cpu) for key, value in scores.items() if isinstance(value, str)}
    assert {key: here[key] for key in texts} == {key: cpu[key] for key in texts}
    values = here.keys() - texts
    assert len(values) > 0.8 * len(here)
    assert {key: here[key] for key in values} == pytest.approx({key: cpu[key] for key in values}, abs=1e-6)


def test_a_batch_waits_seldom(results: dict[str, Any]) -> None:
    waits = results["waits"]
    copies = waits.pop("upload")
    assert 0 < sum(waits.values()) <= MOST_WAITS * len(list_specs(METHOD))
    assert copies <= MOST_COPIES * BATCH * len(list_specs(METHOD))
