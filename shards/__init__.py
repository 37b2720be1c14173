"""The product: shards of in-context pretraining sequences, their writer, PyTorch reader, verification and
views.

Needs pyarrow and numpy, and torch for `ContextDataset` alone:

    from shards import ContextDataset
    dataset = ContextDataset("path/to/shards", split="train")
"""

from typing import TYPE_CHECKING, Any

from shards.errors import ShardError

if TYPE_CHECKING:
    from shards.reader import ContextDataset

__all__ = ["ContextDataset", "ShardError"]


def __getattr__(name: str) -> Any:
    """Import `ContextDataset` when first asked for: workers that write shards do without torch."""
    if name == "ContextDataset":
        from shards.reader import ContextDataset

        return ContextDataset
    raise AttributeError(f"module 'shards' has no attribute {name!r}")
