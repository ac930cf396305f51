"""Large pages for large tables: rows at random places cost a page lookup each, which 2 MiB pages make rare."""

from __future__ import annotations

import ctypes
import sys

PAGE = 1 << 21
HUGE = 14  # MADV_HUGEPAGE


def ask_for_large_pages(address: int, size: int) -> None:
    """Have the memory at `address` backed by large pages from its first use on; a wish, which may be ignored."""
    start, end = -(-address // PAGE) * PAGE, (address + size) // PAGE * PAGE
    if sys.platform == "linux" and end > start:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), HUGE)
