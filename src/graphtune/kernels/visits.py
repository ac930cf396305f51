"""The entries of neighbour lists in visits: a few consecutive ones of a row at a time. V visits, B entries."""

from __future__ import annotations

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks


@njit(cache=True, nogil=True)
def _ends(which, source, target, sources, targets):
    for i in range(len(which)):
        sources[i], targets[i] = source[which[i]], target[which[i]]


def ends(which: np.ndarray, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """source[which] and target[which], each [B] int64, in one go.

    Args:
        which: [B] from 0 on.
        source, target: [E] integers.
    """
    found = np.empty((2, len(which)), dtype=np.int64)
    _ends(which, source, target, found[0], found[1])
    return found[0], found[1]


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
