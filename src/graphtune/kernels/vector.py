"""The inner products and updates of skip-gram as explicit vector code, and the same in plain Numba.

Two source rows meet all targets in a pass, so that a target row is read and written once for both. LLVM's own
vectoriser gives up here: it cannot know that the rows do not overlap. GRAPHTUNE_PLAIN_KERNELS=1 takes the plain
functions instead; tests hold the two equal.

Targets go in tiles of at most 7, all of one width, with 8 numbers per tile and source row, the last of them unused. How
many they are is known to the compiler, from the length of a tuple. A source row has a kind, which says at what rate it
meets each target, 0 for not at all.

Tables are float32, or bfloat16 as uint16 (see `kernels.lanes`); sums are float32 in both.

Axes: T tiles of width W, D dim, R kinds.
"""

import os
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from graphtune.kernels.lanes import (
    ABOVE,
    BELOW,
    CELL_VECTOR,
    CELLS,
    FLOATS,
    I32,
    INT,
    LIMIT,
    along,
    bytes_of,
    constant,
    fma,
    function,
    narrowed,
    sigmoid_of_cells,
    spread,
    totals,
    widened,
)

MOST = 7  # two source rows' sums with so many targets fit into 16 vector registers
TOGETHER = 2  # tiles whose update goes along the rows once
LINE = 64  # bytes the processor fetches at once


@njit(cache=True)
def tiles_of(count):
    """(T, W): the fewest tiles for `count` targets, and how many targets each has."""
    tiles = (count + MOST - 1) // MOST
    return tiles, (count + tiles - 1) // tiles


class _Pass:
    """What both emitters read: (source, target, first, second, offset, slots, ...)."""

    def __init__(self, context, builder, signature, arguments):
        self.context, self.builder, self.kinds, self.arguments = context, builder, signature.args, arguments
        rows, shape = self.array(0)
        self.keys, self.offsets = self.array(1)[0], self.array(4)[0]
        self.dim = shape[1]
        self.tiles, self.width = tiles_of.py_func(self.kinds[5].count)
        self.sources = [builder.gep(rows, [builder.mul(row, self.dim)]) for row in arguments[2:4]]

    def array(self, i):
        """(data, shape) of argument i."""
        array = self.context.make_array(self.kinds[i])(self.context, self.builder, self.arguments[i])
        return array.data, cgutils.unpack_tuple(self.builder, array.shape)

    def targets(self, tile):
        """The target rows of a tile."""
        first = self.builder.mul(tile, INT(self.width))
        offsets = [self.builder.gep(self.offsets, [self.builder.add(first, INT(i))]) for i in range(self.width)]
        return [self.builder.gep(self.keys, [self.builder.load(offset)]) for offset in offsets]

    def cells(self, data, row, tile):
        """Pointer to the tile's 8 numbers in `row` of an array of 8 per tile."""
        place = self.builder.add(self.builder.mul(row, INT(self.tiles)), tile)
        return self.builder.gep(data, [self.builder.mul(place, INT(CELLS))])

    def for_each_tile(self, body):
        with cgutils.for_range_slice(self.builder, INT(0), INT(self.tiles), INT(1)) as (tile, _):
            body(tile)


@intrinsic
def vector_pulls(typing, source, target, first, second, offset, slots, label, rate, one, two, out):
    """Emit `plain_pulls`; called without a function's frame, which would push dozens of numbers about the arrays."""

    def emit(context, builder, signature, arguments):
        step = _Pass(context, builder, signature, arguments)
        step.for_each_tile(lambda tile: _emit_pulls(step, tile))
        return context.get_dummy_value()

    row = types.int64
    return types.void(source, target, row, row, offset, slots, label, rate, row, row, out), emit


def _emit_pulls(step, tile):
    builder, targets = step.builder, step.targets(tile)
    sums = [[cgutils.alloca_once(builder, FLOATS) for _ in range(step.width)] for _ in step.sources]
    for part in [*sums[0], *sums[1]]:
        builder.store(constant(FLOATS, 0.0), part)

    def add(lanes, d):
        x = [lanes.load(row, d) for row in step.sources]
        for i, row in enumerate(targets):
            y = lanes.load(row, d)
            for number, parts in zip(x, sums):
                builder.store(fma(builder, number, y, builder.load(parts[i])), parts[i])

    along(step.builder, step.dim, add)
    (label, _), (rate, _), (out, _) = (step.array(i) for i in (6, 7, 10))
    wanted = builder.load(_vector_at(builder, step.cells(label, INT(0), tile)), align=4)
    for s, parts in enumerate(sums):
        unused = [constant(FLOATS, 0.0)] * (CELLS - step.width)
        scores = totals(builder, [*map(builder.load, parts), *unused])
        error = builder.fsub(wanted, sigmoid_of_cells(builder, scores))
        rates = builder.load(_vector_at(builder, step.cells(rate, step.arguments[8 + s], tile)), align=4)
        builder.store(builder.fmul(error, rates), _vector_at(builder, step.cells(out, INT(s), tile)), align=4)


def _vector_at(builder, place):
    return builder.bitcast(place, CELL_VECTOR.as_pointer())


@intrinsic
def vector_update(typing, source, target, first, second, offset, slots, pull, move):
    """Emit `plain_update`."""

    def emit(context, builder, signature, arguments):
        step = _Pass(context, builder, signature, arguments)
        if step.tiles <= TOGETHER:
            _emit_update(step, [INT(tile) for tile in range(step.tiles)], None)
        else:
            moves, _ = step.array(7)
            moves = [moves, builder.gep(moves, [step.dim])]
            step.for_each_tile(lambda tile: _emit_update(step, [tile], moves))
            _emit_moves(step, moves)
        return context.get_dummy_value()

    return types.void(source, target, types.int64, types.int64, offset, slots, pull, move), emit


def _emit_update(step, tiles, moves):
    """Move the target rows of the tiles, and the source rows, or gather in `moves` what the sources are to move by."""
    builder, (pull, _) = step.builder, step.array(6)
    targets, places = [], []
    for tile in tiles:
        cells = [step.cells(pull, INT(s), tile) for s in (0, 1)]
        targets += step.targets(tile)
        places += [[builder.gep(some, [INT(i)]) for some in cells] for i in range(step.width)]

    def add(lanes, d):
        x = [lanes.load(row, d) for row in step.sources]
        sums = [lanes.load(row, d) for row in moves] if moves else [constant(FLOATS, 0.0)] * 2
        for place, row in zip(places, targets):
            y, g = lanes.load(row, d), [spread(builder, builder.load(some)) for some in place]
            moved = fma(builder, g[1], x[1], fma(builder, g[0], x[0], y))
            lanes.store(moved, row, d, g[1])
            sums = [fma(builder, g[s], y, sums[s]) for s in (0, 1)]
        for s, place in enumerate(moves or step.sources):
            lanes.store(sums[s] if moves else builder.fadd(lanes.load(place, d), sums[s]), place, d, sums[s])

    along(step.builder, step.dim, add)


def _emit_moves(step, moves):
    """Move the source rows by what was gathered, and empty that."""

    def add(lanes, d):
        for row, move in zip(step.sources, moves):
            gathered = lanes.load(move, d)
            lanes.store(step.builder.fadd(lanes.load(row, d), gathered), row, d, gathered)
            lanes.store(constant(FLOATS, 0.0), move, d, gathered)

    along(step.builder, step.dim, add)


@intrinsic
def _vector_prefetch(typing, table, row):
    """Emit `prefetch`."""

    def emit(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        dim = cgutils.unpack_tuple(builder, array.shape)[1]
        start = builder.gep(array.data, [builder.mul(arguments[1], dim)])
        byte = builder.bitcast(start, ir.IntType(8).as_pointer())
        ask = function(builder, "llvm.prefetch.p0i8", ir.VoidType(), [byte.type, I32, I32, I32])
        size = INT(bytes_of(start))
        with cgutils.for_range_slice(builder, INT(0), builder.mul(dim, size), INT(LINE)) as (at, _):
            builder.call(ask, [builder.gep(byte, [at]), I32(1), I32(3), I32(1)])
        return context.get_dummy_value()

    return types.void(table, types.int64), emit


@intrinsic
def _widen(typing, stored):
    """A cell of a table as float32."""

    def emit(context, builder, signature, arguments):
        return arguments[0] if signature.args[0] == types.float32 else widened(builder, arguments[0])

    return types.float32(stored), emit


@intrinsic
def _narrow(typing, value, salt, stored):
    """The float32 `value` as a cell of the kind of `stored`, rounded by the chance that it makes with `salt`."""

    def emit(context, builder, signature, arguments):
        return arguments[0] if signature.return_type == types.float32 else narrowed(builder, *arguments[:2])

    return stored(types.float32, types.float32, stored), emit


widen: Any = _widen
narrow: Any = _narrow


@njit(cache=True, nogil=True)
def prefetch(table, row):
    """Ask for `table[row]` to come into the cache."""
    _vector_prefetch(table, row)  # type: ignore[call-arg]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def sigmoid(x):
    """1 / (1 + exp(-x)) by Lambert's continued fraction of tanh(x / 2) to its seventh term; off by 1e-5 at most."""
    x = min(max(x * np.float32(0.5), np.float32(-LIMIT)), np.float32(LIMIT))
    s = x * x
    above = below = np.float32(0.0)
    for i in range(4):
        above = above * s + np.float32(ABOVE[i])
        below = below * s + np.float32(BELOW[i])
    return np.float32(0.5) + np.float32(0.5) * x * above / below


@njit(cache=True, nogil=True, fastmath=True)
def plain_pulls(source, target, first, second, offset, slots, label, rate, one, two, out):
    """out = (label - sigmoid(x . y)) * rate, x source row `first` or `second`, y the target row.

    slots: a tuple with an entry for each target; offset [T W] int64, where the target rows begin in the flat table;
    label [8 T]; rate [R, 8 T], of which the first source row reads row `one`, the second `two`; out [2, 8 T].
    """
    flat, (tiles, width) = target.reshape(-1), tiles_of(len(slots))
    for k in range(tiles * width):
        i = k // width * CELLS + k % width
        for s in range(2):
            row, kind = (first, one) if s == 0 else (second, two)
            total = np.float32(0.0)
            for d in range(source.shape[1]):
                total += widen(source[row, d]) * widen(flat[offset[k] + d])
            out[s, i] = (label[i] - sigmoid(total)) * rate[kind, i]


@njit(cache=True, nogil=True, fastmath=True)
def plain_update(source, target, first, second, offset, slots, pull, move):
    """Target rows += pull x source rows as they were; source rows += pull x target rows as they were.

    pull [2, 8 T]; move [2, D] is scratch that is 0 before and after. A row that stands twice is moved twice.
    """
    flat, (tiles, width) = target.reshape(-1), tiles_of(len(slots))
    for k in range(tiles * width):
        i = k // width * CELLS + k % width
        a, b = pull[0, i], pull[1, i]
        for d in range(source.shape[1]):
            at = offset[k] + d
            y = widen(flat[at])
            flat[at] = narrow(y + a * widen(source[first, d]) + b * widen(source[second, d]), b, flat[at])
            move[0, d] += a * y
            move[1, d] += b * y
    for s, row in enumerate((first, second)):
        for d in range(source.shape[1]):
            source[row, d] = narrow(widen(source[row, d]) + move[s, d], move[s, d], source[row, d])
            move[s, d] = 0.0


PLAIN = os.environ.get("GRAPHTUNE_PLAIN_KERNELS") == "1"
pulls: Any = plain_pulls if PLAIN else vector_pulls
update: Any = plain_update if PLAIN else vector_update
