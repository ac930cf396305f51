"""The inner products and updates of skip-gram as explicit vector code, and the same in plain Numba.

Two source rows meet all targets of one centre in a pass, so that a target row is read and written once for both.
LLVM's own vectoriser gives up here: it cannot know that the rows do not overlap. GRAPHTUNE_PLAIN_KERNELS=1 takes the
plain functions instead; tests hold the two equal.

Targets go in tiles of 3. Per tile there are 8 numbers: those of the first source row with each target and one unused,
then the same of the second.

Axes: T tiles, D dim.
"""

import os
from itertools import chain

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

WIDTH = 16 if binding.get_host_cpu_features().get("avx512f") else 8
TILE = 3  # with more, an update's multipliers and rows do not fit into 16 vector registers
CELLS = 8
LINE = 64  # bytes the processor fetches at once
LIMIT = 4.97  # where the fraction below reaches 1
ABOVE, BELOW = (1.0, 378.0, 17325.0, 135135.0), (28.0, 3150.0, 62370.0, 135135.0)
_FLOAT, _INT, _I32, _BIT = ir.FloatType(), ir.IntType(64), ir.IntType(32), ir.IntType(1)
_FLOATS, _CELLS = ir.VectorType(_FLOAT, WIDTH), ir.VectorType(_FLOAT, CELLS)
_BITS = ir.VectorType(_BIT, WIDTH)


def _function(builder, name, result, arguments):
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _fma(builder, a, b, c):
    kind = a.type
    call = _function(builder, f"llvm.fmuladd.v{kind.count}f32", kind, [kind] * 3)
    return builder.call(call, [a, b, c])


def _shuffle(builder, a, b, order):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(order)), order))


def _spread(builder, number):
    alone = builder.insert_element(ir.Constant(_FLOATS, [0.0] * WIDTH), number, _I32(0))
    return _shuffle(builder, alone, alone, [0] * WIDTH)


def _cells(number):
    return ir.Constant(_CELLS, [number] * CELLS)


def _totals(builder, vectors):
    """The sums over the lanes of 8 vectors, in one vector of 8: folded in pairs, not one by one."""
    groups, lanes = 1, WIDTH
    while lanes > 1:
        if len(vectors) == 1:
            vectors = [*vectors, vectors[0]]
        lanes //= 2
        low = [vector + 2 * g * lanes + i for vector in (0, WIDTH) for g in range(groups) for i in range(lanes)]
        high = [i + lanes for i in low]
        pairs = zip(vectors[::2], vectors[1::2])
        vectors = [builder.fadd(_shuffle(builder, a, b, low), _shuffle(builder, a, b, high)) for a, b in pairs]
        groups *= 2
    return _shuffle(builder, vectors[0], vectors[0], list(range(CELLS)))


def _sigmoid(builder, x):
    """1 / (1 + exp(-x)) of 8 numbers as in `sigmoid`."""

    def bound(x, order, number):
        """NaN stays NaN."""
        beyond = builder.fcmp_ordered(order, x, _cells(number))
        return builder.select(beyond, _cells(number), x)

    def polynomial(s, *coefficients):
        value = _cells(coefficients[0])
        for number in coefficients[1:]:
            value = _fma(builder, value, s, _cells(number))
        return value

    x = bound(bound(builder.fmul(x, _cells(0.5)), ">", LIMIT), "<", -LIMIT)
    s = builder.fmul(x, x)
    tanh = builder.fdiv(builder.fmul(x, polynomial(s, *ABOVE)), polynomial(s, *BELOW))
    return _fma(builder, tanh, _cells(0.5), _cells(0.5))


class _Lanes:
    """A vector of a row at a time; with a mask only the lanes that the row still has."""

    def __init__(self, builder, mask=None):
        self.builder, self.mask = builder, mask

    def load(self, row, d):
        at = self._at(row, d)
        if self.mask is None:
            return self.builder.load(at, align=4)
        name = f"llvm.masked.load.v{WIDTH}f32.p0v{WIDTH}f32"
        call = _function(self.builder, name, _FLOATS, [at.type, _I32, _BITS, _FLOATS])
        return self.builder.call(call, [at, _I32(4), self.mask, ir.Constant(_FLOATS, [0.0] * WIDTH)])

    def store(self, value, row, d):
        at = self._at(row, d)
        if self.mask is None:
            self.builder.store(value, at, align=4)
            return
        name = f"llvm.masked.store.v{WIDTH}f32.p0v{WIDTH}f32"
        call = _function(self.builder, name, ir.VoidType(), [_FLOATS, at.type, _I32, _BITS])
        self.builder.call(call, [value, at, _I32(4), self.mask])

    def _at(self, row, d):
        return self.builder.bitcast(self.builder.gep(row, [d]), _FLOATS.as_pointer())


class _Pass:
    """What both emitters read: (source, target, first, second, offset, tiles, ...)."""

    def __init__(self, context, builder, signature, arguments):
        self.context, self.builder, self.kinds, self.arguments = context, builder, signature.args, arguments
        rows, shape = self.array(0)
        self.keys, self.offsets = self.array(1)[0], self.array(4)[0]
        self.dim, self.tiles = shape[1], arguments[5]
        self.sources = [builder.gep(rows, [builder.mul(row, self.dim)]) for row in arguments[2:4]]

    def array(self, i):
        """(data, shape) of argument i."""
        array = self.context.make_array(self.kinds[i])(self.context, self.builder, self.arguments[i])
        return array.data, cgutils.unpack_tuple(self.builder, array.shape)

    def targets(self, tile):
        first = self.builder.mul(tile, _INT(TILE))
        places = [self.builder.gep(self.offsets, [self.builder.add(first, _INT(i))]) for i in range(TILE)]
        return [self.builder.gep(self.keys, [self.builder.load(place)]) for place in places]

    def cells(self, i, tile):
        """Pointer to the tile's 8 numbers in argument i."""
        return self.builder.gep(self.array(i)[0], [self.builder.mul(tile, _INT(CELLS))])

    def along(self, body):
        """`body(lanes, d)` for each vector of a row."""
        builder, whole = self.builder, self.builder.and_(self.dim, _INT(-WIDTH))
        with cgutils.for_range_slice(builder, _INT(0), whole, _INT(WIDTH)) as (d, _):
            body(_Lanes(builder), d)
        rest = builder.sub(self.dim, whole)
        with builder.if_then(builder.icmp_signed(">", rest, _INT(0)), likely=False):
            count = builder.insert_element(ir.Constant(ir.VectorType(_INT, WIDTH), [0] * WIDTH), rest, _I32(0))
            lane = ir.Constant(ir.VectorType(_INT, WIDTH), list(range(WIDTH)))
            mask = builder.icmp_signed("<", lane, _shuffle(builder, count, count, [0] * WIDTH))
            body(_Lanes(builder, mask), whole)


@intrinsic
def _vector_pulls(typing, source, target, first, second, offset, tiles, label, rate, out):
    """Emit `plain_pulls`."""

    def emit(context, builder, signature, arguments):
        step = _Pass(context, builder, signature, arguments)

        def group(tiles):
            targets = [step.targets(tile) for tile in tiles]
            sums = [[cgutils.alloca_once(builder, _FLOATS) for _ in range(CELLS)] for _ in tiles]
            for part in chain(*sums):
                builder.store(ir.Constant(_FLOATS, [0.0] * WIDTH), part)

            def add(lanes, d):
                x = [lanes.load(row, d) for row in step.sources]
                for rows, parts in zip(targets, sums):
                    for i, row in enumerate(rows):
                        y = lanes.load(row, d)
                        for part, number in zip((parts[i], parts[CELLS // 2 + i]), x):
                            builder.store(_fma(builder, number, y, builder.load(part)), part)

            step.along(add)
            for tile, parts in zip(tiles, sums):
                guess = _sigmoid(builder, _totals(builder, [builder.load(part) for part in parts]))
                wanted, rates, pulls = (builder.bitcast(step.cells(i, tile), _CELLS.as_pointer()) for i in (6, 7, 8))
                error = builder.fsub(builder.load(wanted, align=4), guess)
                builder.store(builder.fmul(error, builder.load(rates, align=4)), pulls, align=4)

        pairs = builder.and_(step.tiles, _INT(-2))  # two at a time keep the multipliers busy
        with cgutils.for_range_slice(builder, _INT(0), pairs, _INT(2)) as (tile, _):
            group([tile, builder.add(tile, _INT(1))])
        with builder.if_then(builder.icmp_signed("<", pairs, step.tiles)):
            group([pairs])
        return context.get_dummy_value()

    return types.void(source, target, types.int64, types.int64, offset, types.int64, label, rate, out), emit


@intrinsic
def _vector_update(typing, source, target, first, second, offset, tiles, pull, move):
    """Emit `plain_update`."""

    def emit(context, builder, signature, arguments):
        step = _Pass(context, builder, signature, arguments)
        moves, _ = step.array(7)
        moves = [moves, builder.gep(moves, [step.dim])]

        def group(tiles, gathered, is_last):
            """Move the targets of some tiles, and with the last of them the source rows by all that was `gathered`."""
            rows = [row for tile in tiles for row in step.targets(tile)]
            places = [builder.gep(step.cells(6, tile), [_INT(i)]) for tile in tiles for i in range(CELLS)]
            numbers = [_spread(builder, builder.load(place)) for place in places]
            g = [
                [numbers[t * CELLS + s * CELLS // 2 + i] for t in range(len(tiles)) for i in range(TILE)]
                for s in (0, 1)
            ]

            def add(lanes, d):
                x = [lanes.load(row, d) for row in step.sources]
                sums = [lanes.load(row, d) for row in moves] if gathered else [ir.Constant(_FLOATS, [0.0] * WIDTH)] * 2
                for i, row in enumerate(rows):
                    y = lanes.load(row, d)
                    moved = _fma(builder, g[0][i], x[0], y)
                    lanes.store(_fma(builder, g[1][i], x[1], moved), row, d)
                    sums = [_fma(builder, g[s][i], y, sums[s]) for s in (0, 1)]
                for s in (0, 1):
                    if is_last:
                        lanes.store(builder.fadd(lanes.load(step.sources[s], d), sums[s]), step.sources[s], d)
                        sums[s] = ir.Constant(_FLOATS, [0.0] * WIDTH)
                    if gathered:
                        lanes.store(sums[s], moves[s], d)

            step.along(add)

        with builder.if_else(builder.icmp_signed("==", step.tiles, _INT(2)), likely=True) as (usual, any_number):
            with usual:
                group([_INT(0), _INT(1)], gathered=False, is_last=True)
            with any_number:
                last = builder.sub(step.tiles, _INT(1))
                with cgutils.for_range(builder, last) as loop:
                    group([loop.index], gathered=True, is_last=False)
                group([last], gathered=True, is_last=True)
        return context.get_dummy_value()

    return types.void(source, target, types.int64, types.int64, offset, types.int64, pull, move), emit


@intrinsic
def _vector_prefetch(typing, table, row):
    """Emit `prefetch`."""

    def emit(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        dim = cgutils.unpack_tuple(builder, array.shape)[1]
        start = builder.gep(array.data, [builder.mul(arguments[1], dim)])
        byte = builder.bitcast(start, ir.IntType(8).as_pointer())
        ask = _function(builder, "llvm.prefetch.p0i8", ir.VoidType(), [byte.type, _I32, _I32, _I32])
        with cgutils.for_range_slice(builder, _INT(0), builder.mul(dim, _INT(4)), _INT(LINE)) as (at, _):
            builder.call(ask, [builder.gep(byte, [at]), _I32(1), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.void(table, types.int64), emit


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
def plain_pulls(source, target, first, second, offset, tiles, label, rate, out):
    """out = (label - sigmoid(x . y)) * rate, x source row `first` or `second`, y the target row.

    offset [3 T] int64, where the target rows begin in the flat table; label, rate and out [8 T].
    """
    flat = target.reshape(-1)
    for k in range(TILE * tiles):
        for s in range(2):
            row = first if s == 0 else second
            total = np.float32(0.0)
            for d in range(source.shape[1]):
                total += source[row, d] * flat[offset[k] + d]
            i = k // TILE * CELLS + s * CELLS // 2 + k % TILE
            out[i] = (label[i] - sigmoid(total)) * rate[i]


@njit(cache=True, nogil=True, fastmath=True)
def plain_update(source, target, first, second, offset, tiles, pull, move):
    """Target rows += pull x source rows as they were; source rows += pull x target rows as they were.

    pull [8 T]; move [2, D] is scratch that is 0 before and after. A row that stands twice is moved twice.
    """
    flat = target.reshape(-1)
    for tile in range(tiles):
        for d in range(source.shape[1]):
            x, z = source[first, d], source[second, d]
            for i in range(TILE):
                at = offset[tile * TILE + i] + d
                a, b, y = pull[tile * CELLS + i], pull[tile * CELLS + CELLS // 2 + i], flat[at]
                move[0, d] += a * y
                move[1, d] += b * y
                flat[at] = y + a * x + b * z
    for d in range(source.shape[1]):
        source[first, d] += move[0, d]
        source[second, d] += move[1, d]
        move[0, d] = move[1, d] = 0.0


@njit(inline="always")
def vector_pulls(source, target, first, second, offset, tiles, label, rate, out):
    """`plain_pulls` in vector code; inlined, as a call would push dozens of numbers that describe the arrays."""
    _vector_pulls(source, target, first, second, offset, tiles, label, rate, out)  # type: ignore[call-arg]


@njit(inline="always")
def vector_update(source, target, first, second, offset, tiles, pull, move):
    """`plain_update` in vector code."""
    _vector_update(source, target, first, second, offset, tiles, pull, move)  # type: ignore[call-arg]


PLAIN = os.environ.get("GRAPHTUNE_PLAIN_KERNELS") == "1"
pulls = plain_pulls if PLAIN else vector_pulls
update = plain_update if PLAIN else vector_update
