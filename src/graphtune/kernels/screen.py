"""Which keys may be among the best of a query: products of blocks, compared with a floor while they are in registers.

A tile bounds the scores of 6 queries with a panel of keys from above and says which of them reach the floor of their
query; hardly any do, so no score is written to memory but those few. Two kinds of tile:

- whole numbers of 16 bits (`kernels.short`), where a bound is `key scale * (query scale * sum + margin)`;
- float32 (`kernels.products`), where the bound is the score itself, for processors without vectors of 16 bits.

Axes: G groups of 6 queries, P panels of W keys, D dim, H pairs of numbers.
"""

from itertools import chain
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from graphtune.kernels.lanes import I32, INT, fma, spread
from graphtune.kernels.products import KEYS, QUERIES, float_sums
from graphtune.kernels.short import PANEL, short_sums
from graphtune.kernels.vector import PLAIN


@intrinsic
def _vector_screen(typing, query, group, keys, panel, scale, margin, key_scale, floor, bound, reaches):
    """Emit `screen`."""
    is_short = query.dtype == types.int32

    def emit(context, builder, signature, arguments):
        def array(i):
            made = context.make_array(signature.args[i])(context, builder, arguments[i])
            return made.data, cgutils.unpack_tuple(builder, made.shape)

        (queries, shape), (panels, panel_shape) = array(0), array(2)
        first = builder.mul(arguments[1], INT(QUERIES))
        if is_short:
            rows = [builder.add(first, INT(i)) for i in range(QUERIES)]
            sums = short_sums(builder, queries, rows, shape[1], panels, arguments[3])
            places = [builder.add(builder.mul(arguments[3], INT(PANEL)), INT(i * 8)) for i in range(2)]
            key_scales = [_load(builder, array(6)[0], place, _floats(8)) for place in places]
            sums = [_bounds(builder, array, first, i, parts, key_scales) for i, parts in enumerate(sums)]
        else:
            width = builder.mul(shape[1], INT(QUERIES))
            group = builder.gep(queries, [builder.mul(arguments[1], width)])
            block = builder.mul(arguments[3], builder.mul(panel_shape[1], INT(KEYS)))
            sums = float_sums(builder, group, shape[1], builder.gep(panels, [block]))
        return _report(builder, sums, [array(i)[0] for i in (7, 8, 9)], first)

    i = types.int64
    return types.boolean(query, i, keys, i, scale, margin, key_scale, floor, bound, reaches), emit


def _bounds(builder, array, first, i, sums, key_scales):
    """The bounds of query i of a group from its sums of whole numbers."""
    at = builder.add(first, INT(i))
    scale, margin = (spread(builder, builder.load(builder.gep(array(k)[0], [at])), _floats(8)) for k in (4, 5))
    floats = [builder.sitofp(part, _floats(8)) for part in sums]
    return [builder.fmul(fma(builder, x, scale, margin), theirs) for x, theirs in zip(floats, key_scales)]


def _report(builder, bounds, pointers, first):
    """Whether a bound reaches its query's floor; if so, all bounds and a bit for each that does are written."""
    floor, bound, reaches = pointers
    kind = bounds[0][0].type
    tests = []
    for i, parts in enumerate(bounds):
        least = spread(builder, builder.load(builder.gep(floor, [builder.add(first, INT(i))])), kind)
        tests.append([builder.fcmp_ordered(">=", part, least) for part in parts])
    every = list(chain(*tests))
    while len(every) > 1:
        every = [builder.or_(*pair) for pair in zip(every[::2], every[1::2])] + every[len(every) & ~1 :]
    bits = builder.bitcast(every[0], ir.IntType(kind.count))
    found = builder.icmp_unsigned("!=", bits, bits.type(0))
    with builder.if_then(found, likely=False):
        for i, (parts, passed) in enumerate(zip(bounds, tests)):
            word = I32(0)
            for w, (part, test) in enumerate(zip(parts, passed)):
                place = builder.gep(bound, [INT((i * len(parts) + w) * kind.count)])
                builder.store(part, builder.bitcast(place, kind.as_pointer()), align=4)
                mask = builder.zext(builder.bitcast(test, bits.type), I32)
                word = builder.or_(word, builder.shl(mask, I32(w * kind.count)))
            builder.store(word, builder.gep(reaches, [INT(i)]))
    return found


def _floats(lanes):
    return ir.VectorType(ir.FloatType(), lanes)


def _load(builder, data, at, kind):
    return builder.load(builder.bitcast(builder.gep(data, [at]), kind.as_pointer()), align=4)


@njit(cache=True, nogil=True)
def _plain_screen(query, group, keys, panel, scale, margin, key_scale, floor, bound, reaches):
    """Whether a key of a panel may reach the floor of a query of a group.

    bound [6, W]: bounds of the scores from above, and reaches [6]: a bit for each that is at its floor or above; both
    are written only where the answer is yes. query [G, D, 6] float32 or rows of `short_rows`; keys as `pack_keys` or
    `short_keys` have them; scale, margin and floor by query, key_scale by key.
    """
    found = False
    for i in range(QUERIES):
        word = 0
        for j in range(KEYS):
            total = np.float32(0.0)
            for d in range(query.shape[1]):
                total += query[group, d, i] * keys[panel, d, j]
            bound[i, j] = total
            if total >= floor[group * QUERIES + i]:
                word |= 1 << j
        reaches[i] = word
        found = found or word != 0
    return found


@intrinsic
def _vector_fused(typing, a, b, c):
    """a * b + c as the products of `kernels.products` have it."""

    def emit(context, builder, signature, arguments):
        kind = ir.FloatType()
        call = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), "llvm.fmuladd.f32")
        return builder.call(call, arguments)

    return types.float32(types.float32, types.float32, types.float32), emit


@intrinsic
def _lowest_bit(typing, word):
    """The place of the lowest bit of a uint32 that is not 0."""

    def emit(context, builder, signature, arguments):
        return builder.zext(builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1)), INT)

    return types.int64(types.uint32), emit


@njit(cache=True, nogil=True)
def _plain_fused(a, b, c):
    return np.float32(a * b + c)


lowest_bit: Any = _lowest_bit
screen: Any = _plain_screen if PLAIN else _vector_screen
fused: Any = _plain_fused if PLAIN else _vector_fused
