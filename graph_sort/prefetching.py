"""Memory fetched before it is needed, for walks whose next step nobody can foretell."""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Begin to fetch the cache line of array[index], a one-dimensional array; where there is no such place, nothing.

    The processor goes on meanwhile; without it, a walk waits some 100 ns for each document that it comes to.
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
