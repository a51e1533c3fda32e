"""`python -m cambench.tests.support.thread_kills FOLDER` kills runs while another thread reads an image or writes a part.

FOLDER/MOMENT-SIGNAL is a run that a signal ended at this moment and that was then resumed; FOLDER/whole is one that was not
killed. A line for each run says how it ended, and how it ended when it was resumed.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cambench.bench.api import execute
from cambench.bench.cli.main import main
from cambench.bench.data import prefetch
from cambench.bench.data.types import Image, Images
from cambench.bench.run import session
from cambench.bench.store import parts, writer

NET = """from torch import nn


def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""
IMAGES = 6
SUITE = ["run", "--nets", "net.py:make", "--dataset", "scenes[size=32]", "--precision", "fp32", "--images", str(IMAGES),
         "--methods", "random,centre", "--metrics", "gini,pointing"]  # fmt: skip
MOMENTS = (
    "reader",
    "table",
    "list",
)  # an image is read; a table of a part is written; the list of its files is written
KILLS = [*((moment, name) for moment in MOMENTS for name in ("SIGKILL", "SIGINT")), ("table", "SIGTERM")]
REACHED = Path("reached")  # a file that is there from the moment on
PAUSE = 0.2  # seconds in which the signal comes


def pause() -> None:
    """Wait for the signal, the first time."""
    if not REACHED.exists():
        REACHED.touch()
        time.sleep(PAUSE)


class PausedImages:
    """Images that pause where the third is read, by another thread."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def __getitem__(self, index: int) -> Image:
        if threading.current_thread().name.startswith("reader"):
            pause()
        return self._images[index]


def read_ahead(images: Images, indices: Sequence[int], device: torch.device, *, thread_safe: bool = False) -> Any:
    """Read images as for a GPU."""
    return prefetch._read_ahead(PausedImages(images), indices, 2)  # type: ignore[arg-type]


def write_in_halves(file: Path, content: bytes, suffix: str) -> None:
    """Write a file of a part. Pause when half of one with this suffix is written."""
    file.parent.mkdir(exist_ok=True)
    partial = file.with_name(f".{file.stem}.partial")
    with partial.open("wb") as stream:
        stream.write(content[: len(content) // 2])
        stream.flush()
        if file.suffix == suffix and threading.current_thread().name.startswith("writer"):
            pause()
        stream.write(content[len(content) // 2 :])
    partial.replace(file)


def set_moment(moment: str) -> None:
    """Make this process pause at a moment."""
    writer.MAX_HELD = 1  # images in a part
    if moment == "reader":
        vars(session)["prefetch"] = read_ahead
    elif moment:
        suffix = {"table": ".parquet", "list": ".json"}[moment]
        parts._write_bytes = lambda file, content: write_in_halves(file, content, suffix)


def start(out: str, moment: str = "") -> int:
    """Start a run in a process of its own, which pauses at a moment; return the process id."""
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(f"{out}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        set_moment(moment)
        try:
            main([*SUITE, "--out", out])
        except SystemExit as end:
            if not moment:
                os._exit(int(end.code or 0))  # Python takes four times as long to take torch down as the run takes
            raise
    return child


def finish(child: int) -> int:
    """Wait for a process; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill(out: str, moment: str, number: int) -> int:
    """Kill a run at a moment, and return how it ended."""
    REACHED.unlink(missing_ok=True)
    child = start(out, moment)
    while not REACHED.exists():
        time.sleep(0.005)
    os.kill(child, number)
    return finish(child)


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    Path("net.py").write_text(NET, encoding="utf-8")
    for name in ("_write_page", "_show_table", "_show_answers"):  # they take most of the time
        vars(execute)[name] = lambda *_: None
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    with contextlib.suppress(SystemExit):  # in this process, so that the others need not import what it needs
        main([*SUITE, "--out", "whole"])
    for moment, name in KILLS:
        run = f"{moment}-{name}"
        print(run, kill(run, moment, signal.Signals[name]), finish(start(run)), file=sys.stderr)
