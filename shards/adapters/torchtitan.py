"""Contexts as the `dataloader` of a torchtitan `Trainer.Config` (torchtitan 0.3):

    from sequitur.shards.adapters.torchtitan import dataloader

    def llama3_8b_in_context() -> Trainer.Config:
        config = llama3_8b()
        config.dataloader = dataloader("path/to/shards", seed=1, num_workers=2)
        return config

torchtitan makes attention masks of the positions it is given: a document begins wherever they are 0. With the default
`attention="full"` they run from 0 to S−1, so that the whole context is one causal sequence.

torchtitan's own loaders keep a state for each rank, and refuse a checkpoint of another data-parallel degree. The state
of this one is the same on all ranks, and a count of samples: any degree takes it up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from os import PathLike, fspath
from typing import Any, Literal

import torch

from sequitur.shards.loader import ContextDataLoader
from sequitur.shards.reader import ContextDataset
from sequitur.shards.sampler import ElasticBatchSampler


def dataloader(root: str | PathLike[str], split: str = "train", **options: Any) -> Any:
    """A `BaseDataLoader.Config` that reads a split of the dataset in `root`. `options` are its other fields, which can
    also be set on torchtitan's command line (`--dataloader.seed 1`): `seed`, `attention`, `num_workers`, `infinite`
    (False: stop after an epoch, as validation does). `training.seq_len` must be the S of the dataset."""
    return _loader_class().Config(dataset_path=fspath(root), split=split, **options)


@cache
def _loader_class() -> Any:
    """Defined when first asked for: its base class needs torchtitan."""
    from torchtitan.components.dataloader import BaseDataLoader  # type: ignore[import-not-found]

    class ContextLoader(BaseDataLoader):  # type: ignore[misc]
        @dataclass(kw_only=True, slots=True)
        class Config(BaseDataLoader.Config):  # type: ignore[misc]
            split: str = "train"
            """Split of the dataset in dataset_path."""
            seed: int = 0
            """Of the order, which is another in each epoch."""
            attention: Literal["full", "document"] = "full"
            """Whether the documents of a context see each other."""
            num_workers: int = 0
            """Processes that read ahead; the order does not depend on them."""
            pin_memory: bool = False
            """Put batches into page-locked memory."""
            infinite: bool = True
            """Whether another epoch follows."""

        def __init__(
            self,
            config: Config,
            *,
            dp_world_size: int,
            dp_rank: int,
            seq_len: int,
            local_batch_size: int,
            **_unused: Any,  # tokenizer, snapshot_every_n_steps
        ) -> None:
            dataset = ContextDataset(config.dataset_path or "", config.split, attention=config.attention)
            if dataset.seq_len != seq_len:
                raise ValueError(
                    f"training.seq_len is {seq_len}, the contexts of {config.dataset_path} have "
                    f"{dataset.seq_len} tokens: set it to that"
                )
            sampler = ElasticBatchSampler.of(
                dataset,
                local_batch_size * dp_world_size,
                dp_rank=dp_rank,
                dp_world_size=dp_world_size,
                seed=config.seed,
            )
            self._loader = ContextDataLoader(
                dataset, sampler, num_workers=config.num_workers, pin_memory=config.pin_memory
            )
            self._infinite = config.infinite

        def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
            while True:
                for batch in self._loader:
                    ids = batch["input_ids"]
                    positions = batch.get("position_ids")
                    if positions is None:
                        positions = torch.arange(ids.shape[1]).repeat(len(ids), 1)
                    yield {"input": ids, "positions": positions}, batch["labels"]
                if not self._infinite:
                    return

        def state_dict(self) -> dict[str, Any]:
            return self._loader.state_dict()

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            if state_dict:  # torchtitan's loaders take an empty one for none
                self._loader.load_state_dict(state_dict)

    return ContextLoader
