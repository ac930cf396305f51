"""Products of matrices in 16 bits: half the time of float32 on any processor with vectors of whole numbers.

A row becomes whole numbers of norm 32767 at most and a scale, so that sums of products fit into 32 bits by
Cauchy-Schwarz whatever the dim, and a score is off by about 1e-5 of the product of the two norms; bfloat16, whose
numbers have 8 bits, is off by a hundred times as much.

Keys stand in panels of 16, two numbers of a key side by side, as the processor multiplies pairs and adds them up.

Axes: B queries, N keys, D dim, H pairs of numbers (ceil(D / 2)), P panels of keys (ceil(N / 16)).
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from graphtune.kernels.lanes import I32, INT, constant, spread
from graphtune.kernels.parallel import in_blocks

ROWS, PANEL = 6, 16  # of a tile: 12 sums of 8 numbers, two vectors of keys, one query and one product fill 16 registers
NORM = np.float32(32767.0)
PANELS_A_BLOCK = 64
_LANES = 8
_SHORTS = ir.VectorType(ir.IntType(16), 2 * _LANES)
_SUMS = ir.VectorType(I32, _LANES)
_FLOATS = ir.VectorType(ir.FloatType(), _LANES)


def _pairs(builder, x, y):
    """[8] sums of neighbouring products of [16] int16; one instruction where the processor has it (pmaddwd)."""
    wide = ir.VectorType(I32, 2 * _LANES)
    products = builder.mul(builder.sext(x, wide), builder.sext(y, wide))
    order = ir.VectorType(I32, _LANES)
    halves = [ir.Constant(order, [2 * i + first for i in range(_LANES)]) for first in (0, 1)]
    return builder.add(*(builder.shuffle_vector(products, products, half) for half in halves))


def tile_sums(builder, queries, rows, words, keys, panel, start, add):
    """For each of 6 rows two vectors, together the 16 sums of its products with a panel of keys.

    Args:
        queries, keys: pointers to words of 32 bits, each several whole numbers side by side.
        rows: of the queries; words: how many a row has; panel: of the keys.
        start: the two vectors that sums begin with.
        add: (builder, sums [8], words of queries [8], words of keys [8]) -> sums.
    """
    starts = [builder.gep(queries, [builder.mul(row, words)]) for row in rows]
    first = builder.gep(keys, [builder.mul(panel, builder.mul(words, INT(PANEL)))])
    sums = [[cgutils.alloca_once(builder, _SUMS) for _ in range(2)] for _ in range(ROWS)]
    for pair in sums:
        for part, value in zip(pair, start):
            builder.store(value, part)
    with cgutils.for_range_slice(builder, INT(0), words, INT(1)) as (h, _):
        at = builder.gep(first, [builder.mul(h, INT(PANEL))])
        vectors = []
        for part in range(2):
            pointer = builder.bitcast(builder.gep(at, [INT(part * _LANES)]), _SUMS.as_pointer())
            vectors.append(builder.load(pointer, align=4))
        for begin, pair in zip(starts, sums):
            number = spread(builder, builder.load(builder.gep(begin, [h])), _SUMS)
            for vector, part in zip(vectors, pair):
                builder.store(add(builder, builder.load(part), number, vector), part)
    return [[builder.load(part) for part in pair] for pair in sums]


def short_sums(builder, queries, rows, half, keys, panel):
    """`tile_sums` of pairs of 16 bits."""

    def add(builder, sums, x, y):
        return builder.add(sums, _pairs(builder, *(builder.bitcast(v, _SHORTS) for v in (x, y))))

    return tile_sums(builder, queries, rows, half, keys, panel, [constant(_SUMS, 0)] * 2, add)


def emit_scores(context, builder, signature, arguments, sums_of):
    """out[place + i, 16 panel + j] = the sum of query row + i and key j of the panel, times both scales.

    Args:
        signature, arguments: query, row, panels, panel, scale, key_scale, out, place, and what else sums are of.
        sums_of: (array, rows) -> as `tile_sums` has them; `array` gives pointer and shape of an argument.
    """

    def array(i):
        made = context.make_array(signature.args[i])(context, builder, arguments[i])
        return made.data, cgutils.unpack_tuple(builder, made.shape)

    rows = [builder.add(arguments[1], INT(i)) for i in range(ROWS)]
    (scales, _), (key_scales, _), (scores, out_shape) = map(array, (4, 5, 6))
    column = builder.mul(arguments[3], INT(PANEL))
    for i, pair in enumerate(sums_of(array, rows)):
        own = spread(builder, builder.load(builder.gep(scales, [rows[i]])), _FLOATS)
        line = builder.mul(builder.add(arguments[7], INT(i)), out_shape[1])
        for k, part in enumerate(pair):
            here = builder.add(column, INT(k * _LANES))
            theirs = builder.bitcast(builder.gep(key_scales, [here]), _FLOATS.as_pointer())
            score = builder.fmul(builder.sitofp(part, _FLOATS), builder.fmul(own, builder.load(theirs, align=4)))
            to = builder.bitcast(builder.gep(scores, [builder.add(line, here)]), _FLOATS.as_pointer())
            builder.store(score, to, align=4)
    return context.get_dummy_value()


@intrinsic
def _tile(typing, query, row, panels, panel, scale, key_scale, out, place):
    """out[place + i, 16 panel + j] = query[row + i] . panels[panel, :, j], times both scales; i < 6, j < 16."""

    def emit(context, builder, signature, arguments):
        def sums_of(array, rows):
            (queries, shape), (keys, _) = array(0), array(2)
            return short_sums(builder, queries, rows, shape[1], keys, arguments[3])

        return emit_scores(context, builder, signature, arguments, sums_of)

    i = types.int64
    return types.void(query, i, panels, i, scale, key_scale, out, i), emit


@njit(cache=True, nogil=True)
def short_scores(query, scale, begin, end, panels, key_scale, out):
    """Scores of queries begin..end-1, as `short_rows` gives them with 6 rows or more to spare, into out [., 16 P]."""
    for p in range(panels.shape[0]):
        for row in range(begin, end, ROWS):
            _tile(query, row, panels, p, scale, key_scale, out, row - begin)  # type: ignore[call-arg]


@njit(cache=True, nogil=True, fastmath=True)
def _norm(row):
    total = np.float32(0.0)
    for d in range(len(row)):
        total += row[d] * row[d]
    return np.sqrt(total)


@njit(cache=True, nogil=True, fastmath=True)
def nearest(value):
    """The nearest whole number."""
    return np.int32(value + np.float32(65536.5)) - np.int32(65536)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _pack(begin, end, key, panels, scale):
    n, dim = key.shape
    whole = np.zeros(2 * panels.shape[1], np.int16)
    for p in range(begin, end):
        panel = panels[p]
        for k in range(PANEL):
            at = p * PANEL + k
            if at >= n:
                scale[at] = np.float32(0.0)
                panel[:, k] = 0
                continue
            row = key[at]
            unit = _norm(row) / NORM
            scale[at] = unit
            inverse = np.float32(1.0) / unit if unit > 0 else np.float32(0.0)
            for d in range(dim):
                whole[d] = np.int16(nearest(row[d] * inverse))
            pairs = whole.view(np.int32)
            for h in range(len(pairs)):
                panel[h, k] = pairs[h]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _round(begin, end, query, whole, scale):
    for b in range(begin, end):
        row, out = query[b], whole[b]
        unit = _norm(row) / NORM
        scale[b] = unit
        inverse = np.float32(1.0) / unit if unit > 0 else np.float32(0.0)
        for d in range(len(row)):
            out[d] = np.int16(nearest(row[d] * inverse))


def short_keys(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys [N, D] float32 in panels [P, H, 16] int32, each a pair of int16, and their scales [16 P] float32."""
    count, half = -(-len(key) // PANEL), -(-key.shape[1] // 2)
    panels, scale = np.empty((count, half, PANEL), np.int32), np.empty(count * PANEL, np.float32)
    in_blocks(_pack, count, key, panels, scale, block=PANELS_A_BLOCK)
    return panels, scale


def short_rows(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Queries [B, D] float32 as pairs of int16, [B + 6, H] int32 with rows of zeros in the end, and their scales."""
    rows, half = len(query) + ROWS, -(-query.shape[1] // 2)
    whole, scale = np.zeros((rows, 2 * half), np.int16), np.zeros(rows, np.float32)
    _round(0, len(query), query, whole, scale)
    return whole.view(np.int32), scale
