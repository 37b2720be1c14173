"""The orders by name. A new one is a file with the same `order` function, and a line here."""

from collections.abc import Callable

from graph_sort import iclm, path, random
from graph_sort.graph import Graph, Order
from graph_sort.vectors import Vectors

ORDERS: dict[str, Callable[[Graph, Vectors, int], Order]] = {
    "random": random.order,
    "iclm": iclm.order,
    "path": path.order,
}
"""(graph, unit vectors [n, d] float16 or float32, seed) → Order; n = 0, 1 and isolated nodes included."""
