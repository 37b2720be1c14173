"""The orders that `order.strategy` may name: those of graph_sort, and modules of the user's own by import path."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from sequitur.graph_sort import orders
from sequitur.graph_sort.documents import Documents, MissingField
from sequitur.graph_sort.orders import Order, OrderFunction
from sequitur.pipeline import own_modules
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.own_modules import OwnModule

SETTING = "order.strategy"


class Strategy(NamedTuple):
    """An order by its name."""

    name: str
    order: OrderFunction


def strategy(name: str) -> Strategy:
    """The order of this name; a name with a dot is imported.

    Raises:
        ConfigError: there is none; the message names the nearest. Or the user's own cannot be imported.
    """
    own = _own(name)
    return Strategy(name, orders.find(name) if own is None else _checked(own))


def digest_of(name: str) -> str | None:
    """sha256 of the source of an order of the user's own; None of one of ours, which is not imported for that.

    Raises:
        ConfigError: as `strategy`.
    """
    own = _own(name)
    return None if own is None else own.digest


def _own(name: str) -> OwnModule | None:
    """The user's own order of this name; None where it is one of ours."""
    if own_modules.is_own(name):
        return own_modules.load(SETTING, name, "order", ("documents", "seed"))
    names = orders.names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise ConfigError(f"{SETTING}: no order is called {name}; {remedy}")
    return None


def _checked(own: OwnModule) -> OrderFunction:
    """The user's own order. It raises OwnModuleFailed where it fails, or returns what is no order of its documents."""

    def order(documents: Documents, seed: int) -> Order:
        try:
            found = own.function(documents, seed)
        except MissingField:  # said as of any order
            raise
        except Exception as error:
            raise own.failed(error) from error
        if fault := orders.fault(found, documents.lengths.size):
            raise own.failed(fault)
        checked: Order = found
        return checked

    return order
