"""The C library's allocator, told to keep what it is given back.

Chunks of perturbed images and activations come and go by the thousand. glibc returns the larger ones to the system at once, and
then every chunk pays for fresh pages, on a CPU more than for the blend that fills them.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT = 2**30  # bytes: freed blocks up to this size, and so much of free memory, stay with the process


def keep_freed() -> None:
    """From now on this process keeps memory that is freed. Does nothing where the C library is not glibc."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "gnu_get_libc_version"):
        library.mallopt(M_TRIM_THRESHOLD, KEPT)
        library.mallopt(M_MMAP_THRESHOLD, KEPT)
