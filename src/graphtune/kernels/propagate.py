"""Products of a sparse symmetric matrix with rows of float32, and of the part of it that some rows need.

The sums of a row stay in registers while its entries are gone through, and the rows that are read next are asked for
ahead. Each row has one owner and its entries one order, so threads change no bit. GRAPHTUNE_PLAIN_KERNELS=1 takes plain
Numba instead of vector code.

Axes: N nodes, M entries of the matrix, R rows of a part, E their entries, D dim.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from graphtune.kernels.lanes import FLOATS, I32, INT, WIDTH, Lanes, constant, fma, function, shuffle, spread
from graphtune.kernels.parallel import in_blocks, thread_count
from graphtune.kernels.vector import LINE, PLAIN

AHEAD = 16  # entries whose rows are asked for before they are read
BLOCKS = 8  # of a product for each thread, all with as many entries


class Part(NamedTuple):
    """Some rows of a matrix [N, N] in CSR form.

    Attributes:
        rows: [R] int64, ascending.
        indptr: [R + 1] int64.
        indices: [E + AHEAD] int32 columns; those behind the end are only asked for.
        values: [E] float32.
    """

    rows: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray

    @property
    def size(self) -> int:
        """E."""
        return int(self.indptr[-1])

    def size_of(self, rows: np.ndarray) -> int:
        """Entries of some rows of a whole matrix."""
        return int((self.indptr[rows + 1] - self.indptr[rows]).sum())


@intrinsic(prefer_literal=True)
def _vector_gather(typing, count, indices, values, begin, end, x, plus, above, scale, out, row, column):
    """Emit `_plain_gather` for a `count` of vectors known by now; 0 for what is left of a row, less than a vector."""

    def emit(context, builder, signature, arguments):
        def table(i):
            array = context.make_array(signature.args[i])(context, builder, arguments[i])
            return array.data, cgutils.unpack_tuple(builder, array.shape)

        (columns, _), (weights, _), (rows, shape) = table(1), table(2), table(5)
        begin, end, above, scale, row, column = (arguments[i] for i in (3, 4, 7, 8, 10, 11))
        dim, vectors = shape[1], signature.args[0].literal_value
        lanes = Lanes(builder, None if vectors else _mask(builder, builder.sub(dim, column)))
        places = [INT(i * WIDTH) for i in range(max(1, vectors))]

        def start(numbers, at):
            return builder.gep(numbers, [builder.add(builder.mul(at, dim), column)])

        def row_of(entry):
            return start(rows, builder.sext(builder.load(builder.gep(columns, [entry])), INT))

        sums = [cgutils.alloca_once(builder, FLOATS) for _ in places]
        first = start(table(6)[0], above)
        for part, place in zip(sums, places):
            builder.store(lanes.load(first, place), part)
        with cgutils.for_range_slice(builder, begin, end, INT(1)) as (entry, _):
            _ask(builder, row_of(builder.add(entry, INT(AHEAD))), 4 * WIDTH * len(places))
            weight, found = spread(builder, builder.load(builder.gep(weights, [entry]))), row_of(entry)
            for part, place in zip(sums, places):
                builder.store(fma(builder, weight, lanes.load(found, place), builder.load(part)), part)
        factor, to = spread(builder, scale), start(table(9)[0], row)
        for part, place in zip(sums, places):
            lanes.store(builder.fmul(factor, builder.load(part)), to, place, factor)
        return context.get_dummy_value()

    whole = types.int64
    kinds = count, indices, values, whole, whole, x, plus, whole, types.float32, out, whole, whole
    return types.void(*kinds), emit


def _mask(builder, count):
    """The first `count` lanes."""
    kind = ir.VectorType(INT, WIDTH)
    alone = builder.insert_element(ir.Constant(kind, [0] * WIDTH), count, I32(0))
    lane = ir.Constant(kind, list(range(WIDTH)))
    return builder.icmp_signed("<", lane, shuffle(builder, alone, alone, [0] * WIDTH))


def _ask(builder, start, size):
    """Ask for `size` bytes to come into the cache."""
    byte = builder.bitcast(start, ir.IntType(8).as_pointer())
    ask = function(builder, "llvm.prefetch.p0i8", ir.VoidType(), [byte.type, I32, I32, I32])
    for at in range(0, size, LINE):
        builder.call(ask, [builder.gep(byte, [INT(at)]), constant(I32, 0), constant(I32, 3), constant(I32, 1)])


@njit(cache=True, nogil=True)
def _plain_gather(count, indices, values, begin, end, x, plus, above, scale, out, row, column):
    """out[row] = scale (plus[above] + the sum over entries of value times x[index]), in columns from `column` on."""
    last = column + WIDTH * count if count else out.shape[1]
    out[row, column:last] = plus[above, column:last]
    for entry in range(begin, end):
        value, at = values[entry], indices[entry]
        for d in range(column, last):
            out[row, d] += value * x[at, d]
    for d in range(column, last):
        out[row, d] *= scale


_gather: Any = _plain_gather if PLAIN else _vector_gather


@njit(cache=True, nogil=True)
def _product(begin, end, bounds, rows, indptr, indices, values, x, plus, scale, out):
    dim, each = x.shape[1], len(plus) > 1
    for i in range(bounds[begin], bounds[end]):
        row, a, b = rows[i], indptr[i], indptr[i + 1]
        above, column = row if each else 0, 0
        while dim - column >= 8 * WIDTH:
            _gather(8, indices, values, a, b, x, plus, above, scale, out, row, column)
            column += 8 * WIDTH
        if dim - column >= 4 * WIDTH:
            _gather(4, indices, values, a, b, x, plus, above, scale, out, row, column)
            column += 4 * WIDTH
        if dim - column >= 2 * WIDTH:
            _gather(2, indices, values, a, b, x, plus, above, scale, out, row, column)
            column += 2 * WIDTH
        if dim - column >= WIDTH:
            _gather(1, indices, values, a, b, x, plus, above, scale, out, row, column)
            column += WIDTH
        if dim > column:
            _gather(0, indices, values, a, b, x, plus, above, scale, out, row, column)


def whole(indptr: np.ndarray, indices: np.ndarray, values: np.ndarray) -> Part:
    """All of a CSR matrix; `indptr` [N + 1], `indices` [M], `values` [M] float32."""
    padded = np.zeros(len(indices) + AHEAD, dtype=np.int32)
    padded[: len(indices)] = indices
    return Part(np.arange(len(indptr) - 1), np.ascontiguousarray(indptr, dtype=np.int64), padded, values)


def product(part: Part, x: np.ndarray, out: np.ndarray, plus: np.ndarray | None = None, scale: float = 1.0) -> None:
    """out[r] = scale (plus[r] + sum over c of A[r, c] x[c]) in the part's rows r; other rows of `out` stay.

    Args:
        part: of A.
        x: [N, D] float32, C order.
        out: [N, D] float32, C order, none of the other arrays.
        plus: [N, D] float32, C order, or None for zeros.
        scale: of the sums.
    """
    if plus is None:
        plus = np.zeros((1, x.shape[1]), np.float32)
    count = BLOCKS * thread_count()
    bounds = np.searchsorted(part.indptr, np.arange(count + 1) * (part.size / count)).clip(0, len(part.rows))
    bounds[0], bounds[count] = 0, len(part.rows)
    in_blocks(_product, count, bounds, *part, x, plus, np.float32(scale), out, block=1)


@njit(cache=True, nogil=True)
def _chosen(rows, indptr, indices, values, begin, columns, weights, seen):
    at = 0
    for i, row in enumerate(rows):
        begin[i] = at
        seen[row] = 1
        for entry in range(indptr[row], indptr[row + 1]):
            columns[at] = indices[entry]
            weights[at] = values[entry]
            seen[indices[entry]] = 1
            at += 1
    begin[len(rows)] = at


def chosen(matrix: Part, rows: np.ndarray) -> tuple[Part, np.ndarray]:
    """Some rows of a whole matrix, and [N] uint8 which nodes are among them or are columns of their entries."""
    size = matrix.size_of(rows)
    part = Part(rows, np.empty(len(rows) + 1, np.int64), np.zeros(size + AHEAD, np.int32), np.empty(size, np.float32))
    seen = np.zeros(len(matrix.rows), np.uint8)
    _chosen(rows, matrix.indptr, matrix.indices, matrix.values, *part[1:], seen)
    return part, seen


@njit(cache=True, nogil=True)
def _transposed(rows, indptr, indices, values, begin, columns, weights):
    for entry in range(indptr[-1]):
        begin[indices[entry] + 2] += 1
    for node in range(2, len(begin)):
        begin[node] += begin[node - 1]
    for i, row in enumerate(rows):
        for entry in range(indptr[i], indptr[i + 1]):
            at = begin[indices[entry] + 1]
            begin[indices[entry] + 1] += 1
            columns[at] = row
            weights[at] = values[entry]


def transposed(part: Part, count: int) -> Part:
    """The transpose of the part of a matrix [N, N], all of its N rows; `count` is N."""
    begin = np.zeros(count + 2, np.int64)
    columns, weights = np.zeros(part.size + AHEAD, np.int32), np.empty(part.size, np.float32)
    _transposed(*part, begin, columns, weights)
    return Part(np.arange(count), begin[:-1], columns, weights)
