"""Negative targets that are not known positives."""

import numpy as np
from numba import njit

from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.random import advance, stream, uniform
from graphtune.kernels.walks import has_edge

_TRIES = 20


@njit(cache=True, nogil=True)
def _unknown(begin, end, indptr, indices, source, low, high, seed, out):
    for b in range(begin, end):
        state = stream(seed, b)
        for k in range(out.shape[1]):
            for tries in range(_TRIES + high - low):
                if tries < _TRIES:
                    state = advance(state)
                    out[b, k] = low + int(uniform(state) * (high - low))
                else:
                    out[b, k] = low + (out[b, k] - low + 1) % (high - low)
                if out[b, k] != source[b] and not has_edge(indptr, indices, source[b], out[b, k]):
                    break


def unknown_targets(
    indptr: np.ndarray,
    indices: np.ndarray,
    source: np.ndarray,
    count: int,
    low: int,
    high: int,
    seed: int,
) -> np.ndarray:
    """For each source, `count` uniform targets in [low, high) that are neither itself nor its neighbours.

    After 20 tries the next one upwards is taken; a source that knows everything gets any.

    Args:
        indptr, indices: CSR of known positives, rows ascending.
        source: [B] rows.

    Returns:
        [B, count] int64.
    """
    out = np.empty((len(source), count), dtype=np.int64)
    arguments = indptr, indices, source.astype(np.int64), low, high, np.uint64(seed), out
    in_blocks(_unknown, len(source), *arguments, block=1024)
    return out
