"""The largest number of a row as explicit vector code: LLVM's vectoriser leaves a maximum to one number at a time."""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from graphtune.kernels.lanes import INT, cells_of, function

AT_ONCE = 16
_FLOATS = ir.VectorType(ir.FloatType(), AT_ONCE)


def _raiser(sizes):
    """An intrinsic: tops [16] become the larger of themselves and row[at : at + 16], or its absolute values."""

    def emit(context, builder, signature, arguments):
        given = context, builder, signature, arguments
        new, old = cells_of(*given, 0, arguments[1], _FLOATS), cells_of(*given, 2, INT(0), _FLOATS)
        a, b = builder.load(new, align=4), builder.load(old, align=4)
        if sizes:
            a = builder.call(function(builder, f"llvm.fabs.v{AT_ONCE}f32", _FLOATS, [_FLOATS]), [a])
        builder.store(builder.select(builder.fcmp_ordered(">", a, b), a, b), old, align=4)
        return context.get_dummy_value()

    def raise_to(typing, row, at, tops):
        return types.void(row, types.int64, tops), emit

    return intrinsic(raise_to)


_raise_to, _raise_to_sizes = _raiser(sizes=False), _raiser(sizes=True)


@njit(cache=True, nogil=True)
def largest(row):
    """The largest number of a row [n >= 1] of float32; none of them is NaN."""
    whole = len(row) // AT_ONCE * AT_ONCE
    tops = np.full(AT_ONCE, row[0])
    for at in range(0, whole, AT_ONCE):
        _raise_to(row, at, tops)
    for j in range(whole, len(row)):
        tops[0] = max(tops[0], row[j])
    return tops.max()


@njit(cache=True, nogil=True)
def largest_size(row):
    """The largest absolute value of a row [n] of float32, 0 for none."""
    whole = len(row) // AT_ONCE * AT_ONCE
    tops = np.zeros(AT_ONCE, np.float32)
    for at in range(0, whole, AT_ONCE):
        _raise_to_sizes(row, at, tops)
    for j in range(whole, len(row)):
        tops[0] = max(tops[0], abs(row[j]))
    return tops.max()
