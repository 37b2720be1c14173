"""The product: shards of in-context pretraining sequences, their writer, PyTorch reader, verification and
views.

Needs pyarrow and numpy, and torch for what reads:

    from sequitur.shards import ContextDataLoader, ContextDataset, ElasticBatchSampler
    dataset = ContextDataset("path/to/shards", split="train")
    sampler = ElasticBatchSampler.of(dataset, global_batch_size=256, dp_rank=rank, dp_world_size=ranks)
    for batch in ContextDataLoader(dataset, sampler):
        ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sequitur.shards.errors import ShardError

if TYPE_CHECKING:
    from sequitur.shards.collator import ContextCollator
    from sequitur.shards.loader import ContextDataLoader
    from sequitur.shards.reader import ContextDataset
    from sequitur.shards.sampler import ElasticBatchSampler

__all__ = ["ContextCollator", "ContextDataLoader", "ContextDataset", "ElasticBatchSampler", "ShardError"]

_MODULE_OF = {
    "ContextCollator": "sequitur.shards.collator",
    "ContextDataLoader": "sequitur.shards.loader",
    "ContextDataset": "sequitur.shards.reader",
    "ElasticBatchSampler": "sequitur.shards.sampler",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when first asked for: workers that write shards do without it."""
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'shards' has no attribute {name!r}")
