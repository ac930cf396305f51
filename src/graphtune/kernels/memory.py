"""The pages behind large arrays: large ones for tables, and mapped ones given back once they are read."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator

import numpy as np

PAGE = 1 << 21
HUGE = 14  # MADV_HUGEPAGE
NOT_NEEDED = 4  # MADV_DONTNEED
BLOCK = 1 << 18  # entries of an array that are read at once


def ask_for_large_pages(address: int, size: int) -> None:
    """Have the memory at `address` backed by large pages from its first use on; a wish, which may be ignored.

    Rows of a table at random places cost a page lookup each, which 2 MiB pages make rare.
    """
    _advise(address, size, PAGE, HUGE)


def blocks(*arrays: np.ndarray, size: int | None = None) -> Iterator[tuple[np.ndarray, ...]]:
    """Consecutive blocks of arrays of one length, to read once from end to end.

    Pages of a mapped file are given back behind each block, so that a file of any size takes the memory of one block.
    """
    size = size or BLOCK
    for begin in range(0, len(arrays[0]), size):
        part = tuple(array[begin : begin + size] for array in arrays)
        yield part
        for array in part:
            release(array)


def release(array: np.ndarray) -> None:
    """Give back the pages of an array that is mapped for reading; the next use reads the file again."""
    if is_mapped(array):
        _advise(array.ctypes.data, array.nbytes, mmap.PAGESIZE, NOT_NEEDED)


def is_mapped(array: object) -> bool:
    """Whether an array is a file that is mapped for reading alone."""
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None and array.mode == "r"


def _advise(address: int, size: int, page: int, advice: int) -> None:
    """Give the system advice on the whole pages between `address` and `address` + `size`."""
    start, end = -(-address // page) * page, (address + size) // page * page
    if sys.platform == "linux" and end > start:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)
