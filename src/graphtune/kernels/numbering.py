"""Numbers for the distinct keys of a stream, in order of first appearance."""

from __future__ import annotations

import numpy as np
from numba import njit

FIRST_CELLS = 1 << 16
AT_ONCE = 1 << 16


@njit(cache=True, nogil=True)
def _number(keys, cells, codes, known, out):
    """Open addressing: a key lies in the first free cell from its own on."""
    mask = np.uint64(len(cells) - 1)
    for i in range(len(keys)):
        cell = keys[i] & mask
        while codes[cell] >= 0 and cells[cell] != keys[i]:
            cell = (cell + np.uint64(1)) & mask
        if codes[cell] < 0:
            cells[cell], codes[cell] = keys[i], known
            known += 1
        out[i] = codes[cell]
    return known


class Numbering:
    """Keys seen so far, each with its number: 0, 1, ... in order of first appearance.

    Keys are 64-bit hashes: their low bits must be well spread. It takes 24 to 48 bytes a distinct key.

    Attributes:
        known: how many there are.
    """

    def __init__(self) -> None:
        self.known = 0
        self._cells = np.zeros(FIRST_CELLS, dtype=np.uint64)
        self._codes = np.full(FIRST_CELLS, -1, dtype=np.int32)

    def number(self, keys: np.ndarray) -> np.ndarray:
        """[n] int32 numbers of uint64 keys; new keys get the next ones."""
        out = np.empty(len(keys), dtype=np.int32)
        for begin in range(0, len(keys), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            while 2 * (self.known + AT_ONCE) > len(self._cells):
                self._grow()
            self.known = _number(keys[part], self._cells, self._codes, self.known, out[part])
        return out

    def _grow(self) -> None:
        used = np.flatnonzero(self._codes >= 0)
        keys = self._cells[used[np.argsort(self._codes[used])]]
        size = 2 * len(self._cells)
        self._cells, self._codes = np.zeros(size, dtype=np.uint64), np.full(size, -1, dtype=np.int32)
        _number(keys, self._cells, self._codes, 0, np.empty(len(keys), dtype=np.int32))
