"""The two instructions that numba does not make of Python, written as LLVM. Nowhere else does a line of ours speak it.

What they gain, measured on one core of an AMD EPYC (Zen 4):

* `eight_sums`: numba makes no vector of eight sums in a loop. A dot product of d = 256 took 370 ns so, and takes 43.
* `prefetch`: numba has no such function. A walk that waits some 100 ns for each document that it comes to asks for the
  next rows as it leaves one; `iclm` with a million documents took 0.50 s, and takes 0.14 (docs/decisions/0012).

What they need of numba: `extending.intrinsic`; that `make_array` gives an array's `data` (a typed pointer) and `shape`;
of `core.cgutils`, `for_range`, `alloca_once_value`, `unpack_tuple`, and llvmlite's `ir`. Where a release of numba
changes one of these, the tests of `dot` and of the orders fail as they compile; both have plain equivalents.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic


@intrinsic
def eight_sums(typing_context: Any, a: Any, b: Any) -> Any:
    """Sum t of eight is a[t]·b[t] + a[t + 8]·b[t + 8] + …, as far as whole eights go; added in this order.

    Raises:
        TypingError: as numba compiles the caller, where a row is not a contiguous array of float32.
    """
    if not all(row.layout == "C" and row.dtype == types.float32 for row in (a, b)):
        raise TypingError("dot wants contiguous vectors of float32")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        ir = cgutils.ir  # llvmlite's
        typed = zip(signature.args, arguments, strict=True)
        rows = [context.make_array(kind)(context, builder, row) for kind, row in typed]
        singles, doubles = ir.VectorType(ir.FloatType(), 8), ir.VectorType(ir.DoubleType(), 8)
        sums = cgutils.alloca_once_value(builder, ir.Constant(doubles, [0.0] * 8))
        size = cgutils.unpack_tuple(builder, rows[0].shape, 1)[0]
        eight = ir.Constant(size.type, 8)
        with cgutils.for_range(builder, builder.sdiv(size, eight)) as loop:
            at = [builder.gep(row.data, [builder.mul(loop.index, eight)]) for row in rows]
            terms = [builder.load(builder.bitcast(pointer, singles.as_pointer()), align=4) for pointer in at]
            product = builder.fmul(*(builder.fpext(term, doubles) for term in terms))
            builder.store(builder.fadd(builder.load(sums), product), sums)
        total = builder.load(sums)
        each = [builder.extract_element(total, ir.Constant(ir.IntType(32), t)) for t in range(8)]
        return context.make_tuple(builder, signature.return_type, each)

    return types.UniTuple(types.float64, 8)(a, b), generate


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Begin to fetch the cache line of array[index], a one-dimensional array; where there is no such place, nothing.

    The processor goes on meanwhile.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        ir = cgutils.ir  # llvmlite's
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [context.cast(builder, arguments[1], signature.args[1], types.int64)])
        pointer = ir.IntType(8).as_pointer()
        three = [ir.IntType(32)] * 3
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer, *three])
        )
        read, keep, data_cache = (ir.Constant(ir.IntType(32), value) for value in (0, 3, 1))
        builder.call(function, [builder.bitcast(place, pointer), read, keep, data_cache])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate
