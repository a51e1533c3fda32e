"""`python -m cambench.tests.support.kills WHOLE KILLED KILLS SEED` runs a suite, and again with kills.

That happens so many times, each when some more files have come, and a moment later: wherever the run then is.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch  # here, so that what is forked need not load it each time  # noqa: F401

from cambench.bench.cli.main import main
from cambench.bench.store import writer

IMAGES = 60
SUITE = [
    "run", "--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--precision", "fp32", "--images", str(IMAGES),
    "--methods", "grad_cam,random,centre,uniform", "--metrics", "insertion,deletion,pointing",
]  # fmt: skip


def begun(out: Path) -> int:
    """The process of a run of its own, that writes a part an image."""
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        writer.HELD_MOST = 1
        main([*SUITE, "--out", str(out)])
    return child


def files(out: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(out))


def killed(out: Path, rng: random.Random) -> bool:
    """Whether a run was killed; else it came to its end before."""
    child, wanted = begun(out), files(out) + rng.randint(0, 16)
    while files(out) < wanted:
        time.sleep(0.001)
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
    time.sleep(rng.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def finished(out: Path) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(begun(out), 0)[1])


if __name__ == "__main__":
    whole, broken, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    rng = random.Random(seed)
    count = sum(killed(broken, rng) for _ in range(kills))
    print(f"{count} times killed")
    sys.exit(finished(broken) or finished(whole))
