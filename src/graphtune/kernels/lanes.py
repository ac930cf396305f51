"""How vector code is written here: LLVM instructions on vectors of numbers, tables of float32 or bfloat16.

A bfloat16 is the upper half of a float32, held as uint16. What goes back into such a row is rounded up or down by
chance, in proportion, as small steps would otherwise never arrive (Gupta et al., 2015); the chance comes from a hash
of the number and of its pull, so the same run gives the same bits.
"""

from llvmlite import binding, ir
from numba.core import cgutils

WIDTH = 16 if binding.get_host_cpu_features().get("avx512f") else 8
CELLS = 8
LIMIT = 4.97  # where the fraction below reaches 1
ABOVE, BELOW = (1.0, 378.0, 17325.0, 135135.0), (28.0, 3150.0, 62370.0, 135135.0)
HASH = 0x9E3779B1
FLOAT, INT, I32, _I16, _BIT = ir.FloatType(), ir.IntType(64), ir.IntType(32), ir.IntType(16), ir.IntType(1)
FLOATS, CELL_VECTOR = ir.VectorType(FLOAT, WIDTH), ir.VectorType(FLOAT, CELLS)
BITS = ir.VectorType(_BIT, WIDTH)


def function(builder, name, result, arguments):
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def cells_of(context, builder, signature, arguments, i, at, kind):
    """Pointer to a vector of `kind` that begins at number `at` of array argument i."""
    data = context.make_array(signature.args[i])(context, builder, arguments[i]).data
    return builder.bitcast(builder.gep(data, [at]), kind.as_pointer())


def fma(builder, a, b, c):
    kind = a.type
    call = function(builder, f"llvm.fmuladd.v{kind.count}f32", kind, [kind] * 3)
    return builder.call(call, [a, b, c])


def shuffle(builder, a, b, order):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(order)), order))


def constant(kind, number):
    return ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number)


def spread(builder, number, kind=FLOATS):
    """A vector of `kind` that has the number in each place."""
    alone = builder.insert_element(constant(kind, 0), number, I32(0))
    return shuffle(builder, alone, alone, [0] * kind.count)


def _cells(number):
    return constant(CELL_VECTOR, number)


def totals(builder, vectors):
    """The sums over the lanes of 8 vectors, in one vector of 8: folded in pairs, not one by one."""
    groups, lanes = 1, WIDTH
    while lanes > 1:
        if len(vectors) == 1:
            vectors = [*vectors, vectors[0]]
        lanes //= 2
        low = [vector + 2 * g * lanes + i for vector in (0, WIDTH) for g in range(groups) for i in range(lanes)]
        high = [i + lanes for i in low]
        pairs = zip(vectors[::2], vectors[1::2])
        vectors = [builder.fadd(shuffle(builder, a, b, low), shuffle(builder, a, b, high)) for a, b in pairs]
        groups *= 2
    return shuffle(builder, vectors[0], vectors[0], list(range(CELLS)))


def sigmoid_of_cells(builder, x):
    """1 / (1 + exp(-x)) of 8 numbers as in `sigmoid`."""

    def bound(x, order, number):
        """NaN stays NaN."""
        beyond = builder.fcmp_ordered(order, x, _cells(number))
        return builder.select(beyond, _cells(number), x)

    def polynomial(s, *coefficients):
        value = _cells(coefficients[0])
        for number in coefficients[1:]:
            value = fma(builder, value, s, _cells(number))
        return value

    x = bound(bound(builder.fmul(x, _cells(0.5)), ">", LIMIT), "<", -LIMIT)
    s = builder.fmul(x, x)
    tanh = builder.fdiv(builder.fmul(x, polynomial(s, *ABOVE)), polynomial(s, *BELOW))
    return fma(builder, tanh, _cells(0.5), _cells(0.5))


def _like(kind, number):
    """The integers `number` is as wide as."""
    return ir.VectorType(kind, number.type.count) if isinstance(number.type, ir.VectorType) else kind


def widened(builder, stored):
    """bfloat16 bits, one or a vector of them, as float32."""
    bits, floats = _like(I32, stored), _like(FLOAT, stored)
    return builder.bitcast(builder.shl(builder.zext(stored, bits), constant(bits, 16)), floats)


def narrowed(builder, value, salt):
    """float32 as bfloat16 bits, rounded by the chance that `value` and `salt` make."""
    bits = _like(I32, value)
    number = builder.bitcast(value, bits)
    mixed = builder.mul(builder.xor(number, builder.bitcast(salt, bits)), constant(bits, HASH))
    number = builder.add(number, builder.lshr(mixed, constant(bits, 16)))
    return builder.trunc(builder.lshr(number, constant(bits, 16)), _like(_I16, value))


class Lanes:
    """A vector of a row at a time, float32 whatever the row is; with a mask only the lanes that the row still has."""

    def __init__(self, builder, mask=None):
        self.builder, self.mask = builder, mask

    def load(self, row, d):
        at, cells = self._at(row, d)
        size = bytes_of(row)
        if self.mask is None:
            found = self.builder.load(at, align=size)
        else:
            name = f"llvm.masked.load.v{WIDTH}{_name(row)}.p0v{WIDTH}{_name(row)}"
            call = function(self.builder, name, cells, [at.type, I32, BITS, cells])
            found = self.builder.call(call, [at, I32(size), self.mask, constant(cells, 0)])
        return found if size == 4 else widened(self.builder, found)

    def store(self, value, row, d, salt):
        at, cells = self._at(row, d)
        size = bytes_of(row)
        if size == 2:
            value = narrowed(self.builder, value, salt)
        if self.mask is None:
            self.builder.store(value, at, align=size)
            return
        name = f"llvm.masked.store.v{WIDTH}{_name(row)}.p0v{WIDTH}{_name(row)}"
        call = function(self.builder, name, ir.VoidType(), [cells, at.type, I32, BITS])
        self.builder.call(call, [value, at, I32(size), self.mask])

    def _at(self, row, d):
        cells = ir.VectorType(row.type.pointee, WIDTH)
        return self.builder.bitcast(self.builder.gep(row, [d]), cells.as_pointer()), cells


def along(builder, dim, body):
    """`body(lanes, d)` for each vector of a row of `dim` numbers."""
    whole = builder.and_(dim, INT(-WIDTH))
    with cgutils.for_range_slice(builder, INT(0), whole, INT(WIDTH)) as (d, _):
        body(Lanes(builder), d)
    rest = builder.sub(dim, whole)
    with builder.if_then(builder.icmp_signed(">", rest, INT(0)), likely=False):
        count = builder.insert_element(ir.Constant(ir.VectorType(INT, WIDTH), [0] * WIDTH), rest, I32(0))
        lane = ir.Constant(ir.VectorType(INT, WIDTH), list(range(WIDTH)))
        mask = builder.icmp_signed("<", lane, shuffle(builder, count, count, [0] * WIDTH))
        body(Lanes(builder, mask), whole)


def bytes_of(row):
    return 4 if row.type.pointee == FLOAT else 2


def _name(row):
    return "f32" if row.type.pointee == FLOAT else "i16"
