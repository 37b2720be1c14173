"""What a kernel must not do, since nothing would stop it: hand on an array whose references nobody counts."""

import ast
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import NumbaError

from sequitur.text_core.units import kernels
from sequitur.text_core.units.kernels import kernel

TEXT_CORE = Path(kernels.__file__).parent.parent


@kernel
def zeros(count: int) -> np.ndarray:
    return np.zeros(count)


def test_a_kernel_can_make_no_array() -> None:
    with pytest.raises(NumbaError, match="array passed into the function"):
        zeros(1)


def test_no_kernel_returns_an_array() -> None:
    found = {}
    for path in TEXT_CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(ast.unparse(one) == "kernel" for one in node.decorator_list):
                assert node.returns is not None
                found[f"{path.name} {node.name}"] = ast.unparse(node.returns)

    assert len(found) > 50
    numbers = {"int", "bool", "np.uint64", "np.int64"}
    allowed = {"None", *numbers, *(f"tuple[{one}, {other}]" for one in numbers for other in numbers)}
    assert {name for name, returned in found.items() if returned not in allowed} == set()
