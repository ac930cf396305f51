"""Peace between the thread pools of Numba and torch."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit, prange


def keep_torch_threads() -> None:
    """Start Numba's threads now, and give torch its number of threads back.

    Numba's OpenMP layer sets the process-wide number of threads when it first runs, which undoes OMP_NUM_THREADS and
    torch.set_num_threads: torch on one thread would go on with all of them, up to 50 times slower on a busy machine.
    """
    before = torch.get_num_threads()
    _touch(np.zeros(1))
    torch.set_num_threads(before)


@njit(cache=True, parallel=True)
def _touch(values):  # type: ignore[no-untyped-def]
    for i in prange(len(values)):
        values[i] += 1
