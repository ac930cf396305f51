"""Blocks of a loop on several threads.

Kernels release the GIL and take (begin, end, ...). Plain threads start in microseconds, compile nothing and leave the
thread pools of torch and OpenMP alone, which Numba's own parallel loops do not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any


def thread_count() -> int:
    """OMP_NUM_THREADS where that is set, else the processors this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else len(os.sched_getaffinity(0))


def in_blocks(
    kernel: Callable[..., Any], size: int, *arguments: Any, block: int = 256, threads: int | None = None
) -> list[Any]:
    """`kernel(begin, end, *arguments)` for consecutive blocks of 0..size-1, on all threads.

    Args:
        kernel: compiled with nogil.
        size: length of the loop.
        block: entries of a call; fixed, so that what a block computes does not depend on the number of threads.
        threads: how many; all where None.

    Returns:
        What the calls gave, in order.
    """
    bounds = [(begin, min(size, begin + block)) for begin in range(0, size, block)]
    return _calls(kernel, bounds, arguments, threads or thread_count())


def in_shares(
    kernel: Callable[..., Any], size: int, *arguments: Any, least: int, threads: int | None = None
) -> list[Any]:
    """`in_blocks` with few calls that become smaller, down to `least` entries, so that all threads end together. All
    begin at a multiple of `least`.

    What a call computes depends on the number of threads: for loops of which that holds anyway (Hogwild).
    """
    threads, bounds, begin = threads or thread_count(), [], 0
    while begin < size:
        share = size if threads == 1 else max(1, (size - begin) // (2 * threads * least)) * least
        bounds.append((begin, min(size, begin + share)))
        begin += share
    return _calls(kernel, bounds, arguments, threads)


def _calls(
    kernel: Callable[..., Any], bounds: list[tuple[int, int]], arguments: tuple[Any, ...], threads: int
) -> list[Any]:
    if len(bounds) < 2 or threads == 1:
        return [kernel(begin, end, *arguments) for begin, end in bounds]
    return list(_pool(threads).map(lambda b: kernel(*b, *arguments), bounds))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="graphtune")


os.register_at_fork(after_in_child=_pool.cache_clear)
