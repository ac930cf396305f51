"""Numbers of a row rounded by chance to few, 64 at a time.

Each number has a chance, number / limit and 1 above it. Sixteen walks go along the row, walk l past numbers l, l + 16,
..., and each keeps a number whenever its sum of chances passes the next whole number (systematic sampling: Madow,
1949), from starts that are evenly spread. So one number of chance serves a row, every number is kept by exactly its
chance, and at most as many as the chances sum up to, and one a walk.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from graphtune.kernels.lanes import INT, cells_of, constant, function, spread

WALKS, AT_ONCE = 16, 64
_FLOATS = ir.VectorType(ir.FloatType(), WALKS)


@intrinsic
def _kept(typing, row, at, limit, unit, sums):
    """Bits that say which of row[at : at + 64] are kept; adds their chances, row * unit, to sums [16], modulo 1."""

    def emit(context, builder, signature, arguments):
        def place(i, at):
            return cells_of(context, builder, signature, arguments, i, at, _FLOATS)

        floor = function(builder, f"llvm.floor.v{WALKS}f32", _FLOATS, [_FLOATS])
        limit, unit = (spread(builder, arguments[i], _FLOATS) for i in (2, 3))
        total = builder.load(place(4, INT(0)), align=4)
        before, bits = builder.call(floor, [total]), INT(0)
        for part in range(AT_ONCE // WALKS):
            numbers = builder.load(place(0, builder.add(arguments[1], INT(part * WALKS))), align=4)
            sure = builder.fcmp_ordered(">=", numbers, limit)
            chance = builder.select(sure, constant(_FLOATS, 1.0), builder.fmul(numbers, unit))
            total = builder.fadd(total, chance)
            after = builder.call(floor, [total])
            kept = builder.bitcast(builder.fcmp_ordered(">", after, before), ir.IntType(WALKS))
            bits = builder.or_(bits, builder.shl(builder.zext(kept, INT), INT(part * WALKS)))
            before = after
        builder.store(builder.fsub(total, before), place(4, INT(0)), align=4)
        return bits

    return types.uint64(row, types.int64, types.float32, types.float32, sums), emit


@intrinsic
def _lowest(typing, bits):
    """The place of the lowest bit that is 1; there is one."""

    def emit(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), emit


@njit(cache=True, nogil=True, error_model="numpy")
def choose(row, limit, phase, scale, column, value):
    """Keeps numbers of a row.

    Args:
        row: [n] float32 >= 0, n a multiple of 64.
        limit: float32 above 0; a kept number below it counts as much.
        phase: float32 in [0, 1), the number of chance.
        scale: of the kept numbers.
        column: [M] int32 takes their places, ascending; value: [M] float32, max(number, limit) * scale.

    Returns:
        How many are kept; no more than M.
    """
    found, unit = 0, np.float32(1.0) / limit
    sums = np.empty(WALKS, np.float32)
    for walk in range(WALKS):
        start = phase + np.float32(walk) / np.float32(WALKS)
        sums[walk] = start - np.float32(1.0) if start >= np.float32(1.0) else start
    for begin in range(0, len(row), AT_ONCE):
        bits: Any = _kept(row, begin, limit, unit, sums)  # type: ignore[call-arg]
        while bits and found < len(column):
            at = begin + _lowest(bits)  # type: ignore[call-arg]
            column[found], value[found] = at, max(row[at], limit) * scale
            found += 1
            bits &= bits - np.uint64(1)
    return found
