"""Functions by their import path: what a stage is, is asked at every start; what it does takes libraries that load for
seconds, and is imported when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Later:
    """A function of a module that is imported when it is called first.

    Attributes:
        module: import path.
        name: of the function in it.
    """

    module: str
    name: str

    def __call__(self, *given: Any) -> Any:
        return getattr(import_module(self.module), self.name)(*given)


def done_in(module: str) -> tuple[Later, Later, Later]:
    """`estimate`, `work` and `verify` of a module, as a `Stage` takes them."""
    return Later(module, "estimate"), Later(module, "work"), Later(module, "verify")
