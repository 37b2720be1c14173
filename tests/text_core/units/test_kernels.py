"""What a kernel must not do, since nothing would stop it: hand on an array whose references nobody counts."""

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import NumbaError

from sequitur.graph_sort import kernels as of_graphs
from sequitur.text_core.units import kernels as of_text
from sequitur.text_core.units.kernels import kernel

ROOMS = {Path(of_text.__file__).parent.parent: 50, Path(of_graphs.__file__).parent: 20}  # more kernels than so many


@kernel
def zeros(count: int) -> np.ndarray:
    return np.zeros(count)


@of_graphs.kernel
def ones(count: int) -> np.ndarray:
    return np.ones(count)


@pytest.mark.parametrize("made", [zeros, ones])
def test_a_kernel_can_make_no_array(made: Callable[[int], np.ndarray]) -> None:
    with pytest.raises(NumbaError, match=r"array passed into the function|NRT required"):
        made(1)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_no_kernel_returns_an_array(room: Path) -> None:
    found = {}
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(ast.unparse(one) == "kernel" for one in node.decorator_list):
                assert node.returns is not None
                found[f"{path.name} {node.name}"] = ast.unparse(node.returns)

    assert len(found) > ROOMS[room]
    numbers = {"int", "bool", "np.uint64", "np.int64"}
    returned = {
        name: [] if what == "None" else what.removeprefix("tuple[").removesuffix("]").split(", ")
        for name, what in found.items()
    }
    assert {name for name, parts in returned.items() if not numbers.issuperset(parts)} == set()
