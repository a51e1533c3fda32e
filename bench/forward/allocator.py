"""A setting of the C library's allocator: keep freed memory.

Thousands of chunks of perturbed images and activations are allocated and freed. By default glibc returns the larger ones to
the system at once, and each new chunk then pays for fresh pages, which on a CPU takes longer than filling them.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT_BYTES = 2**30  # freed blocks up to this size, and this much free memory in all, stay with the process


def keep_freed_memory() -> None:
    """Make this process keep the memory that it frees; only for processes that we own. No effect without glibc."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "gnu_get_libc_version"):
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
