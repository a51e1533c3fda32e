"""A run on a Ray cluster gives the rows of a local run, even if workers or the driver are killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cambench.bench.cli.main import main
from cambench.bench.engines import ray
from cambench.bench.store import run as store
from cambench.tests.support import races
from cambench.tests.support.runs import assert_same, words

pytestmark = pytest.mark.usefixtures("one_thread")

pytest.importorskip("ray")

COUNT = 14
NETS = ["squeezenet1_1", "resnet18"]
METRICS = "insertion[steps=4],deletion[steps=4],average_drop"

# A user's method that records its process and kills it at two images, once each.
KILLER = '''"""Kills."""

import os
import signal
from pathlib import Path

HOME = Path({home!r})


def explain(net, images, targets):
    (HOME / f"pid-{{os.getpid()}}").touch()
    for level in (3, 9):
        died = HOME / f"died-{{level}}"
        if abs(float(images.mean()) - level * 17 / 255) < 0.01 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return images.mean(1)
'''


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a cluster with room for two workers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    started = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=started)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Uniform grey images, whose levels differ by 17."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(COUNT):
        Image.new("RGB", (64, 64), (number * 17,) * 3).save(folder / f"{number:02}.png")
    return folder


def run_command(tmp_path: Path, out: str, *options: str, nets: Sequence[str] = NETS) -> list[str]:
    (tmp_path / "kills.py").write_text(KILLER.format(home=str(tmp_path)), encoding="utf-8")
    dataset = f"image_folder[path={tmp_path / 'photos'},size=64]"
    chosen = ["--methods", f"grad_cam,random,{tmp_path / 'kills.py'}", "--metrics", METRICS]
    chosen += ["--nets", ",".join(nets), "--images", str(COUNT), "--precision", "fp32"]
    return ["run", "--dataset", dataset, *chosen, "--out", str(tmp_path / out), *options]


def bench(*arguments: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, arguments)


def mark_as_killed(home: Path) -> None:
    for level in (3, 9):
        (home / f"died-{level}").touch()


def test_a_run_with_two_killed_workers_equals_a_local_run(address: str, tmp_path: Path, photos: Path) -> None:
    """A damaged image fails in both runs."""
    (photos / "05.png").write_bytes(b"damaged")
    result = bench(*run_command(tmp_path, "ray", "--engine", "ray", "--address", address, "--workers", "2"))
    assert {file.name for file in tmp_path.glob("died-*")} == {"died-3", "died-9"}
    assert len(list(tmp_path.glob("pid-*"))) >= 3
    local = bench(*run_command(tmp_path, "local"))
    assert result.exit_code == local.exit_code == 3
    assert f"1 image of {COUNT} failed on 2 nets, the first 05.png on" in words(result.output)
    assert_same(tmp_path / "ray", tmp_path / "local")
    rows = pd.read_parquet(tmp_path / "ray" / "scores")
    assert len(rows) == len(NETS) * (COUNT - 1) * 9 == len(rows.drop_duplicates(["net", "image", "method", "metric"]))
    assert len(store.open_run(tmp_path / "ray").table("cost").dropna(subset="forwards")) == len(NETS) * 3
    assert store.open_run(tmp_path / "ray").header.environment["engine"] == "ray"


def test_a_run_resumes_after_its_driver_was_killed(address: str, tmp_path: Path, photos: Path) -> None:
    mark_as_killed(tmp_path)
    command = run_command(tmp_path, "ray", "--engine", "ray", "--address", address, "--workers", "1", nets=NETS[:1])
    driver = subprocess.Popen(
        [sys.executable, "-m", "cambench.bench.cli.main", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "ray" / "parts").glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert len(store.open_run(tmp_path / "ray").list_done()) < COUNT
    workers = [int(file.name.removeprefix("pid-")) for file in tmp_path.glob("pid-*")]
    result = bench(*command)
    assert result.exit_code == 0 and " done before" in result.output
    assert bench(*run_command(tmp_path, "local", nets=NETS[:1])).exit_code == 0
    assert_same(tmp_path / "ray", tmp_path / "local")
    assert workers and not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_a_race_equals_a_local_race(address: str, tmp_path: Path) -> None:
    """Rounds of the same methods are computed, although two workers share each of them."""
    command = ["choose", *races.write(tmp_path), "--by", str(tmp_path / "mean_of_map.py"), "--out"]
    result = bench(*command, str(tmp_path / "ray"), "--engine", "ray", "--address", address, "--workers", "2")
    assert result.exit_code == 0 and "net:make: poor drops out after " in result.output
    assert bench(*command, str(tmp_path / "local")).exit_code == 0
    assert_same(tmp_path / "ray", tmp_path / "local")


def test_an_error_in_a_worker_is_one_sentence(address: str, tmp_path: Path, photos: Path) -> None:
    """The working directory of the command is not on the import path of workers."""
    seen = tmp_path / "seen"
    file = tmp_path / "raises.py"
    file.write_text(
        '"""Raises."""\n\n\ndef explain(net, images, targets):\n    import sys\n    from pathlib import Path\n'
        f"    Path({str(seen)!r}).write_text(chr(10).join(sys.path))\n    raise ValueError('no')\n",
        encoding="utf-8",
    )
    command = run_command(tmp_path, "run", "--engine", "ray", "--address", address, "--workers", "1")
    result = bench(*command, "--methods", str(file))
    assert result.exit_code == 2
    assert result.stderr.strip() == "bench: 03.png: raises.py fails: line 8 raises ValueError: no"
    assert str(Path.cwd()) not in seen.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:6379", "127.0.0.1:99999"])
def test_an_address_where_nothing_answers_is_refused_at_once(address: str, tmp_path: Path, photos: Path) -> None:
    began = time.monotonic()
    result = bench(*run_command(tmp_path, "run", "--engine", "ray", "--address", address, nets=NETS[:1]))
    assert result.exit_code == 2 and f"there is no Ray cluster at {address}: " in result.stderr
    assert time.monotonic() - began < 60, "Ray tries for minutes"


@pytest.mark.parametrize(
    ("address", "host"),
    [("[::1]:6379", "::1"), ("ray://[fe80::1]:6379", "fe80::1"), ("head.local:6379", "head.local")],
)
def test_a_host_is_asked_without_its_brackets(address: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def connect(pair: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(pair)
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    ray._check_reachable(address)
    assert asked == [(host, 6379)]


def test_an_unknown_engine_and_a_setting_of_the_local_engine_are_refused() -> None:
    assert "there is no engine 'rey': did you mean 'ray'?" in bench("run", "--engine", "rey").stderr
    assert "engine 'local' has no setting 'workers'" in bench("run", "--workers", "2").stderr
