"""The inner products and updates of skip-gram as explicit vector code, and the same in plain Numba.

Two source rows meet all targets of one centre in a pass, so that a target row is read and written once for both.
LLVM's own vectoriser gives up here: it cannot know that the rows do not overlap. GRAPHTUNE_PLAIN_KERNELS=1 takes the
plain functions instead; tests hold the two equal.

Targets go in tiles of 3. Per tile there are 8 numbers: those of the first source row with each target and one unused,
then the same of the second. With `apart`, the first target of all is of the first source row only; in its place the
second meets a row of its own.

Tables are float32, or bfloat16 as uint16 (see `kernels.lanes`); sums are float32 in both.

Axes: T tiles, D dim.
"""

import os
from itertools import chain
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
    WIDTH,
    Lanes,
    bytes_of,
    constant,
    fma,
    function,
    narrowed,
    shuffle,
    sigmoid_of_cells,
    spread,
    totals,
    widened,
)

TILE = 3  # with more, an update's multipliers and rows do not fit into 16 vector registers
LINE = 64  # bytes the processor fetches at once


class _Pass:
    """What both emitters read: (apart, source, target, first, second, offset, tiles, ...), `apart` known by now."""

    def __init__(self, context, builder, signature, arguments):
        self.context, self.builder, self.kinds, self.arguments = context, builder, signature.args, arguments
        self.apart = self.kinds[0].literal_value
        rows, shape = self.array(1)
        self.keys, self.offsets = self.array(2)[0], self.array(5)[0]
        self.dim, self.tiles = shape[1], arguments[6]
        self.sources = [builder.gep(rows, [builder.mul(row, self.dim)]) for row in arguments[3:5]]

    def array(self, i):
        """(data, shape) of argument i."""
        array = self.context.make_array(self.kinds[i])(self.context, self.builder, self.arguments[i])
        return array.data, cgutils.unpack_tuple(self.builder, array.shape)

    def targets(self, tile):
        """For each place of a tile the target rows that meet the first and the second source row."""
        first = self.builder.mul(tile, INT(TILE))
        rows = [(row, row) for row in (self._target(self.builder.add(first, INT(i))) for i in range(TILE))]
        if self.apart and isinstance(tile, ir.Constant) and tile.constant == 0:
            rows[0] = rows[0][0], self._target(self.builder.mul(self.tiles, INT(TILE)))
        return rows

    def _target(self, place):
        return self.builder.gep(self.keys, [self.builder.load(self.builder.gep(self.offsets, [place]))])

    def cells(self, i, tile):
        """Pointer to the tile's 8 numbers in argument i."""
        return self.builder.gep(self.array(i)[0], [self.builder.mul(tile, INT(CELLS))])

    def for_each_tile(self, body, finish=lambda: None):
        """`body([0, 1])` for two tiles, to keep the multipliers busy; else `body([tile])` of each and `finish()`."""
        builder = self.builder
        with builder.if_else(builder.icmp_signed("==", self.tiles, INT(2)), likely=True) as (usual, any_number):
            with usual:
                body([INT(0), INT(1)])
            with any_number:
                body([INT(0)])
                with cgutils.for_range_slice(builder, INT(1), self.tiles, INT(1)) as (tile, _):
                    body([tile])
                finish()

    def along(self, body):
        """`body(lanes, d)` for each vector of a row."""
        builder, whole = self.builder, self.builder.and_(self.dim, INT(-WIDTH))
        with cgutils.for_range_slice(builder, INT(0), whole, INT(WIDTH)) as (d, _):
            body(Lanes(builder), d)
        rest = builder.sub(self.dim, whole)
        with builder.if_then(builder.icmp_signed(">", rest, INT(0)), likely=False):
            count = builder.insert_element(ir.Constant(ir.VectorType(INT, WIDTH), [0] * WIDTH), rest, I32(0))
            lane = ir.Constant(ir.VectorType(INT, WIDTH), list(range(WIDTH)))
            mask = builder.icmp_signed("<", lane, shuffle(builder, count, count, [0] * WIDTH))
            body(Lanes(builder, mask), whole)


@intrinsic(prefer_literal=True)
def vector_pulls(typing, apart, source, target, first, second, offset, tiles, label, rate, out):
    """Emit `plain_pulls`; called without a function's frame, which would push dozens of numbers about the arrays."""

    def emit(context, builder, signature, arguments):
        step = _Pass(context, builder, signature, arguments)
        step.for_each_tile(lambda tiles: _emit_pulls(step, tiles))
        return context.get_dummy_value()

    return types.void(apart, source, target, types.int64, types.int64, offset, types.int64, label, rate, out), emit


def _emit_pulls(step, tiles):
    builder, targets = step.builder, [step.targets(tile) for tile in tiles]
    sums = [[cgutils.alloca_once(builder, FLOATS) for _ in range(CELLS)] for _ in tiles]
    for part in chain(*sums):
        builder.store(constant(FLOATS, 0.0), part)

    def add(lanes, d):
        x = [lanes.load(row, d) for row in step.sources]
        for rows, parts in zip(targets, sums):
            for i, (row, other) in enumerate(rows):
                y = lanes.load(row, d)
                z = y if other is row else lanes.load(other, d)
                for part, number, key in zip((parts[i], parts[CELLS // 2 + i]), x, (y, z)):
                    builder.store(fma(builder, number, key, builder.load(part)), part)

    step.along(add)
    for tile, parts in zip(tiles, sums):
        guess = sigmoid_of_cells(builder, totals(builder, [builder.load(part) for part in parts]))
        wanted, rates, pulls = (builder.bitcast(step.cells(i, tile), CELL_VECTOR.as_pointer()) for i in (7, 8, 9))
        error = builder.fsub(builder.load(wanted, align=4), guess)
        builder.store(builder.fmul(error, builder.load(rates, align=4)), pulls, align=4)


@intrinsic(prefer_literal=True)
def vector_update(typing, apart, source, target, first, second, offset, tiles, pull, move):
    """Emit `plain_update`."""

    def emit(context, builder, signature, arguments):
        step = _Pass(context, builder, signature, arguments)
        moves, _ = step.array(8)
        moves = [moves, builder.gep(moves, [step.dim])]
        step.for_each_tile(lambda tiles: _emit_update(step, tiles, moves), lambda: _emit_moves(step, moves))
        return context.get_dummy_value()

    return types.void(apart, source, target, types.int64, types.int64, offset, types.int64, pull, move), emit


def _emit_update(step, tiles, moves):
    """Move the target rows, and the source rows; with one tile of several, gather what the sources are to move by."""
    builder, alone = step.builder, len(tiles) == 1
    rows = [pair for tile in tiles for pair in step.targets(tile)]
    places = [builder.gep(step.cells(7, tile), [INT(i)]) for tile in tiles for i in range(CELLS)]
    numbers = [spread(builder, builder.load(place)) for place in places]
    g = [[numbers[t * CELLS + s * CELLS // 2 + i] for t in range(len(tiles)) for i in range(TILE)] for s in (0, 1)]

    def add(lanes, d):
        x = [lanes.load(row, d) for row in step.sources]
        sums = [lanes.load(row, d) for row in moves] if alone else [constant(FLOATS, 0.0)] * 2
        for i, (row, other) in enumerate(rows):
            y = z = lanes.load(row, d)
            moved = fma(builder, g[0][i], x[0], y)
            if other is not row:
                lanes.store(moved, row, d, g[0][i])
                moved = z = lanes.load(other, d)
            lanes.store(fma(builder, g[1][i], x[1], moved), other, d, g[1][i])
            sums = [fma(builder, g[s][i], key, sums[s]) for s, key in enumerate((y, z))]
        for s in (0, 1):
            place = moves[s] if alone else step.sources[s]
            lanes.store(sums[s] if alone else builder.fadd(lanes.load(place, d), sums[s]), place, d, sums[s])

    step.along(add)


def _emit_moves(step, moves):
    """Move the source rows by what was gathered, and empty that."""

    def add(lanes, d):
        for row, move in zip(step.sources, moves):
            gathered = lanes.load(move, d)
            lanes.store(step.builder.fadd(lanes.load(row, d), gathered), row, d, gathered)
            lanes.store(constant(FLOATS, 0.0), move, d, gathered)

    step.along(add)


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
def plain_pulls(apart, source, target, first, second, offset, tiles, label, rate, out):
    """out = (label - sigmoid(x . y)) * rate, x source row `first` or `second`, y the target row.

    offset [3 T] int64, where the target rows begin in the flat table; label, rate and out [8 T]. With `apart`, the
    first target is of the first source row only; in its place the second has another, offset[3 T].
    """
    flat = target.reshape(-1)
    for k in range(TILE * tiles):
        for s in range(2):
            row = first if s == 0 else second
            at = offset[TILE * tiles if apart and k == 0 and s == 1 else k]
            total = np.float32(0.0)
            for d in range(source.shape[1]):
                total += widen(source[row, d]) * widen(flat[at + d])
            i = k // TILE * CELLS + s * CELLS // 2 + k % TILE
            out[i] = (label[i] - sigmoid(total)) * rate[i]


@njit(cache=True, nogil=True, fastmath=True)
def plain_update(apart, source, target, first, second, offset, tiles, pull, move):
    """Target rows += pull x source rows as they were; source rows += pull x target rows as they were.

    pull [8 T]; move [2, D] is scratch that is 0 before and after. A row that stands twice is moved twice.
    """
    flat = target.reshape(-1)
    for k in range(TILE * tiles):
        i = k // TILE * CELLS + k % TILE
        a, b = pull[i], pull[i + CELLS // 2]
        for d in range(source.shape[1]):
            at = offset[k] + d
            y = z = moved = widen(flat[at])
            moved += a * widen(source[first, d])
            if apart and k == 0:
                flat[at] = narrow(moved, a, flat[at])
                at = offset[TILE * tiles] + d
                z = moved = widen(flat[at])
            flat[at] = narrow(moved + b * widen(source[second, d]), b, flat[at])
            move[0, d] += a * y
            move[1, d] += b * z
    for s, row in enumerate((first, second)):
        for d in range(source.shape[1]):
            source[row, d] = narrow(widen(source[row, d]) + move[s, d], move[s, d], source[row, d])
            move[s, d] = 0.0


PLAIN = os.environ.get("GRAPHTUNE_PLAIN_KERNELS") == "1"
pulls: Any = plain_pulls if PLAIN else vector_pulls
update: Any = plain_update if PLAIN else vector_update
