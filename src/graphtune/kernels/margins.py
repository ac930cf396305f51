"""How far a source row scores one target row above another, and the step on the three, as explicit vector code.

`gap` leaves the sums of a triplet unfolded, one row of eight; `pulls` folds and weighs all eight at once; `step` moves
the rows of a triplet. As in `kernels.vector` LLVM's own vectoriser gives up here, and GRAPHTUNE_PLAIN_KERNELS=1 takes
the plain functions, which tests hold equal. Tables are float32.

Axes: C = 8 triplets of a tile, W numbers of a vector, D dim.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from graphtune.kernels.lanes import (
    CELL_VECTOR,
    CELLS,
    FLOATS,
    INT,
    WIDTH,
    along,
    constant,
    fma,
    sigmoid_of_cells,
    spread,
    totals,
)
from graphtune.kernels.vector import PLAIN, sigmoid


class _Rows:
    """The three rows of a triplet: arguments are (source, target, user, positive, negative, ...)."""

    def __init__(self, context, builder, signature, arguments):
        self.context, self.builder, self.kinds, self.arguments = context, builder, signature.args, arguments
        source, target = self.array(0), self.array(1)
        self.dim = cgutils.unpack_tuple(builder, source.shape)[1]
        starts = zip((source, target, target), arguments[2:5])
        self.rows = [builder.gep(table.data, [builder.mul(row, self.dim)]) for table, row in starts]

    def array(self, i):
        return self.context.make_array(self.kinds[i])(self.context, self.builder, self.arguments[i])


@intrinsic
def vector_gap(typing, source, target, user, positive, negative, place, sums):
    """Emit `plain_gap`."""

    def emit(context, builder, signature, arguments):
        step = _Rows(context, builder, signature, arguments)
        total = cgutils.alloca_once_value(builder, constant(FLOATS, 0.0))

        def add(lanes, d):
            x, y, z = (lanes.load(row, d) for row in step.rows)
            builder.store(fma(builder, x, builder.fsub(y, z), builder.load(total)), total)

        along(step.builder, step.dim, add)
        at = builder.gep(step.array(6).data, [builder.mul(arguments[5], INT(WIDTH))])
        builder.store(builder.load(total), builder.bitcast(at, FLOATS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(source, target, user, positive, negative, place, sums), emit


@intrinsic
def vector_pulls(typing, sums, rate, pull):
    """Emit `plain_pulls`."""

    def emit(context, builder, signature, arguments):
        data = [context.make_array(k)(context, builder, a).data for k, a in zip(signature.args, arguments)]
        begins = [builder.gep(data[0], [INT(i * WIDTH)]) for i in range(CELLS)]
        vectors = [builder.load(builder.bitcast(begin, FLOATS.as_pointer()), align=4) for begin in begins]
        rates, pulls = (builder.bitcast(row, CELL_VECTOR.as_pointer()) for row in data[1:])
        missed = builder.fsub(constant(CELL_VECTOR, 1.0), sigmoid_of_cells(builder, totals(builder, vectors)))
        builder.store(builder.fmul(missed, builder.load(rates, align=4)), pulls, align=4)
        return context.get_dummy_value()

    return types.void(sums, rate, pull), emit


@intrinsic
def vector_step(typing, source, target, user, positive, negative, pull, decay):
    """Emit `plain_step`."""

    def emit(context, builder, signature, arguments):
        step = _Rows(context, builder, signature, arguments)
        pull = spread(builder, arguments[5])
        back = spread(builder, builder.fneg(arguments[5]))
        kept = spread(builder, builder.fsub(ir.Constant(ir.FloatType(), 1.0), arguments[6]))

        def move(lanes, d):
            x, y, z = (lanes.load(row, d) for row in step.rows)
            moved = (
                fma(builder, pull, builder.fsub(y, z), builder.fmul(kept, x)),
                fma(builder, pull, x, builder.fmul(kept, y)),
                fma(builder, back, x, z),
            )
            for value, row in zip(moved, step.rows):
                lanes.store(value, row, d, value)

        along(step.builder, step.dim, move)
        return context.get_dummy_value()

    return types.void(source, target, user, positive, negative, pull, decay), emit


@njit(cache=True, nogil=True, fastmath=True)
def plain_gap(source, target, user, positive, negative, place, sums):
    """Sums [C, W], row `place`: numbers whose sum is x . (y - z), x the source row, y and z the target rows."""
    sums[place] = 0.0
    for d in range(source.shape[1]):
        sums[place, d % WIDTH] += source[user, d] * (target[positive, d] - target[negative, d])


@njit(cache=True, nogil=True, fastmath=True)
def plain_pulls(sums, rate, pull):
    """pull [C] = rate [C] * sigmoid(-sum of each row of `sums` [C, W])."""
    for i in range(CELLS):
        pull[i] = (np.float32(1.0) - sigmoid(sums[i].sum())) * rate[i]


@njit(cache=True, nogil=True, fastmath=True)
def plain_step(source, target, user, positive, negative, pull, decay):
    """x += pull (y - z) - decay x, y += pull x - decay y, z -= pull x, with all three rows as they were.

    The three must be different rows.
    """
    for d in range(source.shape[1]):
        x, y, z = source[user, d], target[positive, d], target[negative, d]
        kept = np.float32(1.0) - decay
        source[user, d] = kept * x + pull * (y - z)
        target[positive, d] = kept * y + pull * x
        target[negative, d] = z - pull * x


gap: Any = plain_gap if PLAIN else vector_gap
pulls: Any = plain_pulls if PLAIN else vector_pulls
step: Any = plain_step if PLAIN else vector_step
