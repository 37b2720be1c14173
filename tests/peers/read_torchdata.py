"""What torchdata's StatefulDataLoader makes of a ContextDataset: read_torchdata.py SHARDS."""

import json
import sys
from collections.abc import Callable, Sequence

import digests
import torch
from torchdata.stateful_dataloader import StatefulDataLoader

from sequitur.shards import ContextDataset
from sequitur.shards.sampler import ElasticBatchSampler

CUTS = [1, 2, 6, 9, 10, 15]
"""Batches after which the reader is stopped: soon after another, at the end of the first epoch, in the second."""

Loader = Callable[[], StatefulDataLoader]


def as_they_are(examples: Sequence[dict]) -> list[dict]:
    """Instead of stacking: provenance differs in length."""
    return list(examples)


def plain(dataset: ContextDataset, workers: int) -> StatefulDataLoader:
    """With torchdata's own shuffle. Resumed, it draws another second epoch than it would have without."""
    generator = torch.Generator().manual_seed(3)
    return StatefulDataLoader(
        dataset, batch_size=2, shuffle=True, generator=generator, num_workers=workers, collate_fn=as_they_are
    )


def elastic(dataset: ContextDataset, workers: int, rank: int = 0) -> StatefulDataLoader:
    sampler = ElasticBatchSampler.of(dataset, 4, dp_rank=rank, dp_world_size=2, seed=3, tail="wrap")
    return StatefulDataLoader(dataset, batch_sampler=sampler, num_workers=workers, collate_fn=as_they_are)


def read(make: Loader, cuts: list[int], epochs: int) -> list[list[dict]]:
    """The batches of some epochs, by a new loader after each of `cuts`, which takes over the last one's state; that is
    taken while workers have batches in flight."""
    batches: list[list[dict]] = []
    state = None
    end = epochs * len(make())
    for cut in [*(cut for cut in cuts if cut < end), end]:
        loader = make()
        if state is not None:
            loader.load_state_dict(state)
        while len(batches) < cut:
            for batch in loader:
                batches.append(batch)
                if len(batches) == cut:
                    break
        state = loader.state_dict()
    return batches


def context_ids(batches: list[list[dict]]) -> list[int]:
    return [int(example["context_id"]) for batch in batches for example in batch]


def main(root: str) -> None:
    dataset = ContextDataset(root, return_provenance=True)
    result = {}
    for make, epochs in ((plain, 1), (elastic, 2)):
        for workers in (0, 2):
            whole = read(lambda make=make, workers=workers: make(dataset, workers), [], epochs)
            resumed = read(lambda make=make, workers=workers: make(dataset, workers), CUTS, epochs)
            first = whole[: len(whole) // epochs]
            if make is elastic:  # the other rank's share of the epoch
                first = first + read(lambda: elastic(dataset, 0, rank=1), [], 1)
            result[f"{make.__name__}, {workers} workers"] = {
                "digest": digests.of_examples(example for batch in first for example in batch),
                "epoch": context_ids(first),
                "order": context_ids(whole),
                "resumed": context_ids(resumed),
            }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
