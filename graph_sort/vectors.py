"""Unit vectors: row access, and the one dot product by which every cosine of this package is computed."""

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numpy.typing import NDArray

Vectors = NDArray[np.float32] | NDArray[np.float16]
"""[n, d], rows of unit length (or zero, where nothing is known of a document); may be a memory map."""


def rows_as_float32(vectors: Vectors, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
    """The given rows as a contiguous float32 array; only they are read and converted."""
    return np.ascontiguousarray(vectors[rows], dtype=np.float32)


@njit(cache=True, nogil=True)
def dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Dot product of two contiguous float32 vectors of one length, in float64, with the same bits on every machine.

    The product of two float32 is exact in float64, so fused multiply-add changes nothing, and the order
    of the additions is fixed: eight running sums, because one alone would wait for itself.
    """
    s0, s1, s2, s3, s4, s5, s6, s7 = _eight_sums(a, b)
    total: float = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
    for i in range(a.size - a.size % 8, a.size):
        total += np.float64(a[i]) * np.float64(b[i])
    return total


@intrinsic
def _eight_sums(typing_context: Any, a: Any, b: Any) -> Any:
    """Sum t of eight is a[t]·b[t] + a[t + 8]·b[t + 8] + …, as far as whole eights go; added in this order.

    Written as the machine's vectors of eight, because numba does not make such vectors of eight sums in a loop: that
    took 370 ns for d = 256 on one core, and this takes 43.
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
