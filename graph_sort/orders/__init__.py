"""Reading orders, one file each: a file NAME.py here with a function `order` is the order NAME.

    def order(documents: Documents, seed: int) -> Order: ...

`documents` may be none, one, all alike, or without an edge between them. The same documents and seed give the same
order on every machine.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sequitur.graph_sort.documents import Documents


class Order(NamedTuple):
    """A reading order of n documents, and what the packing should know of it."""

    permutation: NDArray[np.int64]  # [m], the document read i-th; m = n, each once, unless the order says it repeats
    path: NDArray[np.int64]  # [m], fragment of permutation[i]: 0, 1, 2 … in reading order
    opens: NDArray[np.bool_]  # [m], whether permutation[i] is meant to begin a context
    sorted: bool = False  # whether contexts are to be read in this order, not shuffled


OrderFunction = Callable[[Documents, int], Order]


def names() -> list[str]:
    """The orders that there are, by name."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> OrderFunction:
    """The order of this name. Raises KeyError where there is none."""
    if name not in names():
        raise KeyError(name)
    function: OrderFunction = import_module(f"{__name__}.{name}").order
    return function


def uncut(permutation: NDArray[np.int64], path: NDArray[np.int64]) -> Order:
    """An order that leaves it to the packing where contexts begin."""
    return Order(permutation, path, np.zeros(permutation.size, np.bool_))


def first_of_runs(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool[m]: whether a value differs from the one before it; the first does."""
    first = np.ones(values.size, np.bool_)
    first[1:] = values[1:] != values[:-1]
    return first
