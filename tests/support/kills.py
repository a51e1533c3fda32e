"""`python -m cambench.tests.support.kills WHOLE KILLED KILLS SEED` runs a suite twice, once undisturbed and once with kills.

The second run is killed KILLS times, each time at a random moment after some more files were written.
"""

import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from cambench.bench.api import execute
from cambench.bench.cli.main import main
from cambench.bench.store import writer

IMAGES = 40
SUITE = [
    "run", "--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--precision", "fp32", "--images", str(IMAGES),
    "--methods", "grad_cam,random,centre,uniform", "--metrics", "insertion[steps=4],deletion[steps=4],pointing",
]  # fmt: skip


def start(out: Path) -> int:
    """Start a run in a process of its own; return the process id."""
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        try:
            main([*SUITE, "--out", str(out)])
        except SystemExit as end:
            os._exit(int(end.code or 0))  # Python takes longer to take torch down than the run takes
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
    writer.MAX_HELD = 1  # images in a part
    for name in ("_write_page", "_show_table", "_show_answers"):  # they take most of the time
        vars(execute)[name] = lambda *_: None
    torch.set_num_threads(1)
    with contextlib.suppress(SystemExit):  # in this process, so that the others need not import what it needs
        main([*SUITE, "--out", str(whole)])
    count = sum(kill(broken, rng) for _ in range(kills))
    print(f"{count} times killed")
    sys.exit(finish(broken))
