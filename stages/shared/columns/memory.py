"""Copying runs of tokens that lie in many memory maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.core.cgutils import get_or_insert_function, int32_t, ir, voidptr_t
from numba.extending import intrinsic

AHEAD = 1024  # bytes of the next run that are fetched while one is copied, measured: a tenth faster
LINE = 64  # bytes of a cache line


@intrinsic
def _tokens_at(typing_context: Any, address: Any) -> Any:  # numba's custom: the first argument is the typing context
    """An address as a pointer to uint32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.uint32)(types.int64), generate


@intrinsic
def _prefetch(typing_context: Any, address: Any) -> Any:
    """Asks for the cache line at an address, which need not be a valid one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [voidptr_t, int32_t, int32_t, int32_t])
        function = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        for_reading, keep, data = int32_t(0), int32_t(3), int32_t(1)
        builder.call(function, [builder.inttoptr(arguments[0], voidptr_t), for_reading, keep, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@njit(cache=True, nogil=True)
def copy_tokens(source: np.ndarray, length: np.ndarray, target: np.ndarray, out: np.ndarray) -> None:
    """Copies runs of `length` uint32 tokens from addresses `source` to positions `target` of `out`; int64 [p] each.

    Addresses, because numba reads no list of arrays without a cost for each access; nothing checks them. It pays to
    have `target` ascend: memory written in another order takes twice as long.
    """
    for run in range(source.size):
        if run + 1 < source.size:
            for byte in range(0, min(4 * length[run + 1], AHEAD), LINE):
                _prefetch(source[run + 1] + byte)
        # Views and a loop become vector instructions; assigning to a slice does not.
        tokens = carray(_tokens_at(source[run]), length[run])
        copy = out[target[run] : target[run] + length[run]]
        for token in range(tokens.size):
            copy[token] = tokens[token]
