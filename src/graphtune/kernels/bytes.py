"""Products of matrices in 8 bits: half the time of 16 bits (`kernels.short`) on processors that multiply bytes (VNNI).

The largest number of a row becomes 127. A score is off by about a hundredth of how far scores of such a query spread
(a sum of D products, each off by up to 1/254 of the largest numbers): enough for gradients, not for ranks.

The processor multiplies bytes without a sign by bytes with one, so 128 is added to the numbers of queries, and sums
begin with -128 times the sum of a key. Keys stand in panels of 16, four numbers of a key side by side.

Axes: B queries, N keys, D dim, Q fours of numbers (ceil(D / 4)), P panels of keys (ceil(N / 16)).
"""

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.extending import intrinsic

from graphtune.kernels.lanes import I32, INT, constant, function
from graphtune.kernels.largest import largest_size
from graphtune.kernels.parallel import in_blocks
from graphtune.kernels.short import PANEL, PANELS_A_BLOCK, ROWS, emit_scores, nearest, tile_sums

LARGEST, MIDDLE = np.float32(127.0), 128
_LANES, _FEATURES = 8, binding.get_host_cpu_features()
IN_ONE = bool(_FEATURES.get("avx512vnni") and _FEATURES.get("avx512vl"))
"""Whether the processor multiplies bytes and adds up the products in one instruction."""
_SUMS = ir.VectorType(I32, _LANES)


def _add_products(builder, sums, x, y):
    """[8] sums plus those of four products each, of bytes without a sign in x and with one in y."""
    if IN_ONE:
        return builder.call(function(builder, "llvm.x86.avx512.vpdpbusd.256", _SUMS, [_SUMS] * 3), [sums, x, y])
    for k in range(4):
        up, down = constant(_SUMS, 24 - 8 * k), constant(_SUMS, 24)
        part = builder.mul(builder.lshr(builder.shl(x, up), down), builder.ashr(builder.shl(y, up), down))
        sums = builder.add(sums, part)
    return sums


@intrinsic
def _tile(typing, query, row, panels, panel, scale, key_scale, out, place, begin):
    """out[place + i, 16 panel + j] = query[row + i] . panels[panel, :, j], times both scales; i < 6, j < 16."""

    def emit(context, builder, signature, arguments):
        def sums_of(array, rows):
            (queries, shape), (keys, _), (begins, _) = array(0), array(2), array(8)
            places = [builder.add(builder.mul(arguments[3], INT(PANEL)), INT(k * _LANES)) for k in range(2)]
            pointers = [builder.bitcast(builder.gep(begins, [at]), _SUMS.as_pointer()) for at in places]
            start = [builder.load(pointer, align=4) for pointer in pointers]
            return tile_sums(builder, queries, rows, shape[1], keys, arguments[3], start, _add_products)

        return emit_scores(context, builder, signature, arguments, sums_of)

    i = types.int64
    return types.void(query, i, panels, i, scale, key_scale, out, i, begin), emit


@njit(cache=True, nogil=True)
def byte_scores(query, scale, begin, end, panels, key_scale, first, out):
    """Scores of queries begin..end-1, as `byte_rows` gives them with 6 rows or more to spare, into out [., 16 P]."""
    for p in range(panels.shape[0]):
        for row in range(begin, end, ROWS):
            _tile(query, row, panels, p, scale, key_scale, out, row - begin, first)  # type: ignore[call-arg]


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _is_finite(row):
    total = np.float32(0.0)
    for number in row:
        total += number - number
    return total == 0


@njit(cache=True, nogil=True)
def _unit(row):
    """What 1 stands for where the largest number is 127; NaN where a number is not finite."""
    return largest_size(row) / LARGEST if _is_finite(row) else np.float32(np.nan)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _pack(begin, end, key, panels, scale, first):
    n, dim = key.shape
    whole = np.zeros(4 * panels.shape[1], np.int8)
    words = whole.view(np.int32)
    for p in range(begin, end):
        panel = panels[p]
        for k in range(PANEL):
            at = p * PANEL + k
            if at >= n:
                scale[at], first[at] = np.float32(0.0), 0
                panel[:, k] = 0
                continue
            row = key[at]
            unit = _unit(row)
            scale[at] = unit
            inverse = np.float32(1.0) / unit if unit > 0 else np.float32(0.0)
            total = np.int32(0)
            for d in range(dim):
                number = nearest(row[d] * inverse)
                whole[d] = np.int8(number)
                total += number
            first[at] = -MIDDLE * total
            for h in range(len(words)):
                panel[h, k] = words[h]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _round(query, whole, scale):
    for b in range(len(query)):
        row, out = query[b], whole[b]
        unit = _unit(row)
        scale[b] = unit
        inverse = np.float32(1.0) / unit if unit > 0 else np.float32(0.0)
        for d in range(len(row)):
            out[d] = np.uint8(nearest(row[d] * inverse) + MIDDLE)


def byte_keys(key: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys [N, D] float32 as bytes.

    Returns:
        Panels [P, Q, 16] int32, each four bytes of a key; their scales [16 P] float32, 0 beyond the last key; and what
        sums of products begin with [16 P] int32.
    """
    count, words = -(-len(key) // PANEL), -(-key.shape[1] // 4)
    panels, scale = np.empty((count, words, PANEL), np.int32), np.empty(count * PANEL, np.float32)
    first = np.empty(count * PANEL, np.int32)
    in_blocks(_pack, count, key, panels, scale, first, block=PANELS_A_BLOCK)
    return panels, scale, first


def byte_rows(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Queries [B, D] float32 as bytes, [B + 6, Q] int32 with rows to spare in the end, and their scales."""
    rows, words = len(query) + ROWS, -(-query.shape[1] // 4)
    whole, scale = np.zeros((rows, 4 * words), np.uint8), np.zeros(rows, np.float32)
    _round(query, whole, scale)
    return whole.view(np.int32), scale
