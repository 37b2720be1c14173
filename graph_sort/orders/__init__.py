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
    fills: NDArray[np.bool_] | None = None  # [m], whether permutation[i] is to fill up the contexts that follow it


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


def fault(order: object, n: int) -> str | None:
    """What is wrong with a reading order of n documents, None where it is one. O(m)."""
    if not isinstance(order, Order):
        return f"returned {type(order).__name__}, not an Order of sequitur.graph_sort.orders"
    m = np.size(order.permutation)
    for name, kind in (("permutation", np.int64), ("path", np.int64), ("opens", np.bool_), ("fills", np.bool_)):
        column = getattr(order, name)
        if name == "fills" and column is None:
            continue
        if not isinstance(column, np.ndarray) or column.dtype != kind or column.shape != (m,):
            of = f"{column.dtype} {list(column.shape)}" if isinstance(column, np.ndarray) else type(column).__name__
            return f"returned as {name} {of}, not {np.dtype(kind).name} [{m}]"
    if m and (order.permutation.min() < 0 or order.permutation.max() >= n):
        return f"returned a permutation of other documents than 0 … {n - 1}"
    absent = np.flatnonzero(np.bincount(order.permutation, minlength=n) == 0)
    if absent.size:
        return f"left out {absent.size} of {n} documents, the first of them {absent[0]}"
    if m and (order.path[0] != 0 or not np.isin(np.diff(order.path), (0, 1)).all()):
        return "returned a path that does not number the fragments 0, 1, 2 … in reading order"
    return None


def uncut(permutation: NDArray[np.int64], path: NDArray[np.int64]) -> Order:
    """An order that leaves it to the packing where contexts begin."""
    return Order(permutation, path, np.zeros(permutation.size, np.bool_))


def first_of_runs(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool[m]: whether a value differs from the one before it; the first does."""
    first = np.ones(values.size, np.bool_)
    first[1:] = values[1:] != values[:-1]
    return first


def numbered(first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64[m]: the number of the run in which each stands, where the first of each is marked: bool[m]."""
    return np.cumsum(first, dtype=np.int64) - 1
