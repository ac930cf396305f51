"""Products of queries with keys, each summed in one and the same order, so that equal keys score equal to the bit.

BLAS sums otherwise at the edge of a block than within, which parts scores that ought to tie. Keys are packed once, in
panels whose numbers of one coordinate lie side by side; a tile of queries and keys stays in registers along all
coordinates. GRAPHTUNE_PLAIN_KERNELS=1 takes plain Numba instead of vector code.

Axes: n queries, m keys, D dim, G groups of queries, P panels of keys.
"""

from itertools import chain
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from graphtune.kernels.lanes import FLOATS, INT, WIDTH, constant, fma, spread
from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.vector import PLAIN

QUERIES, KEYS = 6, 2 * WIDTH  # of a tile: 12 sums, and what they are made of, fill 16 vector registers
GROUPS_A_BLOCK = 8  # that meet a panel while it is in the cache


def float_sums(builder, queries, dim, keys):
    """For each query of a group [D, 6] the vectors of its products with a panel of keys [D, KEYS], from pointers."""
    sums = [[cgutils.alloca_once(builder, FLOATS) for _ in range(KEYS // WIDTH)] for _ in range(QUERIES)]
    for part in chain(*sums):
        builder.store(constant(FLOATS, 0.0), part)
    with cgutils.for_range_slice(builder, INT(0), dim, INT(1)) as (d, _):
        numbers = [_lanes(builder, keys, builder.mul(d, INT(KEYS)), w) for w in range(KEYS // WIDTH)]
        numbers = [builder.load(number, align=4) for number in numbers]
        first = builder.mul(d, INT(QUERIES))
        for i, parts in enumerate(sums):
            x = spread(builder, builder.load(builder.gep(queries, [builder.add(first, INT(i))])))
            for part, number in zip(parts, numbers):
                builder.store(fma(builder, x, number, builder.load(part)), part)
    return [[builder.load(part) for part in parts] for parts in sums]


@intrinsic
def _vector_tile(typing, query, group, key, panel, out, row, column):
    """Emit `_plain_tile`."""

    def emit(context, builder, signature, arguments):
        def start(i, *place):
            """Pointer to `array[place, 0, ...]` of argument i, and the array's last axis."""
            array = context.make_array(signature.args[i])(context, builder, arguments[i])
            shape, at = cgutils.unpack_tuple(builder, array.shape), INT(0)
            for axis, size in enumerate(shape):
                at = builder.mul(at, size)
                at = builder.add(at, place[axis]) if axis < len(place) else at
            return builder.gep(array.data, [at]), shape

        (queries, shape), (keys, _) = start(0, arguments[1]), start(2, arguments[3])
        sums = float_sums(builder, queries, shape[1], keys)
        scores, (_, width) = start(4, arguments[5], arguments[6])
        for i, parts in enumerate(sums):
            for w, part in enumerate(parts):
                builder.store(part, _lanes(builder, scores, builder.mul(INT(i), width), w), align=4)
        return context.get_dummy_value()

    return types.void(query, types.int64, key, types.int64, out, types.int64, types.int64), emit


def _lanes(builder, numbers, at, vector):
    """Pointer to a vector of float32, the `vector`-th behind place `at`."""
    place = builder.gep(numbers, [builder.add(at, INT(vector * WIDTH))])
    return builder.bitcast(place, ir.PointerType(FLOATS))


@njit(cache=True, nogil=True)
def _plain_tile(query, group, key, panel, out, row, column):
    """out[row + i, column + j] = sum over d of query[group, d, i] * key[panel, d, j], for all of the tile."""
    for i in range(QUERIES):
        for j in range(KEYS):
            total = np.float32(0.0)
            for d in range(query.shape[1]):
                total += query[group, d, i] * key[panel, d, j]
            out[row + i, column + j] = total


_tile: Any = _plain_tile if PLAIN else _vector_tile


@njit(cache=True, nogil=True)
def _products(begin, end, query, key, out):
    edge = np.empty((QUERIES, KEYS), dtype=np.float32)
    columns = out.shape[1]
    for panel in range(key.shape[0]):
        column = panel * KEYS
        for group in range(begin, end):
            if column + KEYS <= columns:
                _tile(query, group, key, panel, out, group * QUERIES, column)
            else:
                _tile(query, group, key, panel, edge, 0, 0)
                for i in range(QUERIES):
                    for j in range(columns - column):
                        out[group * QUERIES + i, column + j] = edge[i, j]


def packed(rows: np.ndarray, together: int) -> np.ndarray:
    """[ceil(n / together), D, together] of rows [n, D], float32; what the last panel lacks is 0."""
    n, dim = rows.shape
    whole = np.zeros((-(-n // together) * together, dim), dtype=np.float32)
    whole[:n] = rows
    return np.ascontiguousarray(whole.reshape(-1, together, dim).transpose(0, 2, 1))


def pack_keys(key: np.ndarray) -> np.ndarray:
    """[P, D, KEYS] of keys [m, D], as `products` takes them."""
    return packed(key, KEYS)


def products(query: np.ndarray, keys: np.ndarray, count: int, out: np.ndarray | None = None) -> np.ndarray:
    """[n, count] float32 scores: the product of each query with each key.

    Args:
        query: [n, D] float32.
        keys: [P, D, KEYS] of `pack_keys`.
        count: m, how many keys were packed.
        out: [n + QUERIES - 1 or more, count] float32, C-contiguous, to write to; made where None. The scores are a
            view of it.
    """
    groups = packed(query, QUERIES)
    if out is None:
        out = np.empty((len(groups) * QUERIES, count), dtype=np.float32)
    in_blocks(_products, len(groups), groups, keys, out, block=GROUPS_A_BLOCK)
    return out[: len(query)]
