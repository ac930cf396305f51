"""The entries of neighbour lists in visits: a few consecutive ones of a row at a time. V visits, B entries."""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks


@njit(cache=True, nogil=True)
def _entries(begin, end, indices, row, first, offset, source, target):
    for v in range(begin, end):
        at = first[v]
        for b in range(offset[v], offset[v + 1]):
            source[b] = row[v]
            target[b] = indices[at]
            at += 1


def entries(indices: np.ndarray, row: np.ndarray, first: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(source, target), each [B] int64: the entries of each visit, one visit after another.

    Args:
        indices: of a CSR.
        row: [V] whose entries a visit has; first: [V] where they begin; size: [V] how many they are.
    """
    offset = np.zeros(len(row) + 1, dtype=np.int64)
    np.cumsum(size, out=offset[1:])
    source, target = np.empty((2, int(offset[-1])), dtype=np.int64)
    in_blocks(_entries, len(row), indices, row, first, offset, source, target, block=1024)
    return source, target
