"""Settings of a process that works for a run alone, for the C library's allocator and for Python's garbage collector.

Thousands of chunks of perturbed images and activations are allocated and freed. By default glibc returns the larger ones to
the system at once, and each new chunk then pays for fresh pages, which on a CPU takes longer than filling them.

The garbage collector goes through all objects again and again, and most are those of the imported modules: without them a run
on a small net takes a tenth less time.
"""

import atexit
import ctypes
import gc
import sys

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
GARBAGE = 50_000  # new objects that start a collection: about those of a batch, which hold one another in no circles
KEPT_BYTES = 2**30  # freed blocks up to this size, and this much free memory in all, stay with the process


def tune_process(device: torch.device) -> None:
    """Set up this process for a run on a device; only for processes that we own, and after the imports."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 10, 10)
    atexit.register(gc.unfreeze)  # libraries complain at the end about objects that are never freed
    if device.type == "cpu":
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Make this process keep the memory that it frees. No effect without glibc."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "gnu_get_libc_version"):
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
