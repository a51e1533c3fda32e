"""`python -m cambench.tests.support.kills WHOLE KILLED KILLS SEED` runs a suite twice, once undisturbed and once with kills.

The second run is killed KILLS times, each time at a random moment after some more files were written.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch  # here, so that forked processes do not load it again  # noqa: F401

from cambench.bench.cli.main import main
from cambench.bench.store import writer

IMAGES = 40
SUITE = [
    "run", "--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--precision", "fp32", "--images", str(IMAGES),
    "--methods", "grad_cam,random,centre,uniform", "--metrics", "insertion,deletion,pointing",
]  # fmt: skip


def start(out: Path) -> int:
    """Start a run in a process of its own, with one image a part; return the process id."""
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        writer.MAX_HELD = 1
        main([*SUITE, "--out", str(out)])
    return child


def count_files(out: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(out))


def kill(out: Path, rng: random.Random) -> bool:
    """Kill a run at a random moment; return whether it was still running."""
    child, limit = start(out), count_files(out) + rng.randint(0, 16)
    while count_files(out) < limit:
        time.sleep(0.001)
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
    time.sleep(rng.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def finish(out: Path) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(start(out), 0)[1])


if __name__ == "__main__":
    whole, broken, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    rng = random.Random(seed)
    count = sum(kill(broken, rng) for _ in range(kills))
    print(f"{count} times killed")
    sys.exit(finish(broken) or finish(whole))
