"""`ContextDataLoader`: batches of contexts in an order that survives restarts, other ranks and other workers."""

from collections.abc import Callable, Iterator, Sequence
from itertools import tee
from typing import Any

from torch.utils.data import DataLoader

from sequitur.shards.collator import Batch, ContextCollator
from sequitur.shards.reader import ContextDataset, Example
from sequitur.shards.sampler import ElasticBatchSampler, Share, StateMismatch


class ContextDataLoader:
    """The batches of this rank, as `collate_fn` makes them of examples (a `ContextCollator` if not given).

    Iterating gives the batches from where the epoch stands to its end; again, those of the next epoch. A batch has
    `micro_batch_size` rows, by default all that the rank has of a global batch, which must be a multiple of it.

    With `num_workers` or `pin_memory` torch's DataLoader fetches, each of its processes whole batches; they come in the
    sampler's order however many there are. `state_dict` counts the batches that were given out, not those fetched
    ahead; after the last one of an epoch it stands at the start of the next. Where `tail="pad"` the labels of padding
    rows are the dataset's `ignore_index`.

    Raises ValueError where sampler and dataset do not belong together.
    """

    def __init__(
        self,
        dataset: ContextDataset,
        sampler: ElasticBatchSampler,
        *,
        micro_batch_size: int | None = None,
        num_workers: int = 0,
        prefetch_factor: int = 2,
        pin_memory: bool = False,
        collate_fn: Callable[[Sequence[Example]], Any] | None = None,
    ) -> None:
        rows = sampler.global_batch_size // sampler.dp_world_size
        if micro_batch_size is not None and (micro_batch_size < 1 or rows % micro_batch_size):
            raise ValueError(f"micro_batch_size {micro_batch_size} does not divide the {rows} rows of a rank")
        if sampler.num_samples != len(dataset) or sampler.fingerprint not in ("", dataset.fingerprint):
            raise ValueError("the sampler is of other data: make it by ElasticBatchSampler.of(dataset, …)")
        if dataset.as_ordered and sampler.shuffle != "none" and not sampler.fingerprint:
            raise ValueError(
                "the dataset is a curriculum, which a shuffle undoes: make the sampler by ElasticBatchSampler.of, "
                "and name its shuffle to have it nevertheless"
            )
        self.dataset = dataset
        self.sampler = sampler
        self._rows = micro_batch_size or rows
        self._num_workers = num_workers
        self._prefetch_factor = prefetch_factor
        self._pin_memory = pin_memory
        self._collate = collate_fn or ContextCollator(attention=dataset.attention)

    def __len__(self) -> int:
        """Batches of an epoch that is read from its start."""
        sampler = self.sampler
        return len(sampler) * (sampler.global_batch_size // sampler.dp_world_size // self._rows)

    def __iter__(self) -> Iterator[Any]:
        for share, batch in self._fetch(self.sampler.shares(self._rows)):
            if share.real < len(share.indices):
                self._mask(batch, share.real)
            self.sampler.advance(share)
            yield batch

    def _fetch(self, shares: Iterator[Share]) -> Iterator[tuple[Share, Any]]:
        if not (self._num_workers or self._pin_memory):
            for share in shares:
                yield share, self._collate(self.dataset.__getitems__(share.indices))
            return
        ahead, given = tee(shares)
        fetched = DataLoader(
            self.dataset,
            batch_sampler=(share.indices for share in ahead),
            collate_fn=self._collate,
            num_workers=self._num_workers,
            prefetch_factor=self._prefetch_factor if self._num_workers else None,
            pin_memory=self._pin_memory,
        )
        for batch, share in zip(fetched, given, strict=False):
            yield share, batch

    def set_epoch(self, epoch: int) -> None:
        """As `ElasticBatchSampler.set_epoch`."""
        self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands: small, JSON, the same on each rank; save it with the model."""
        return self.sampler.state_dict() | {"fingerprint": self.dataset.fingerprint, "seq_len": self.dataset.seq_len}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, as `ElasticBatchSampler.load_state_dict`; StateMismatch also where the dataset
        is not the one of the state."""
        own = self.state_dict()
        if not isinstance(state, dict):
            raise StateMismatch(f"not the state of a loader: {type(state).__name__}")
        is_earlier = (state.get("fingerprint"), state.get("num_samples")) in self.sampler.earlier
        for name in ("fingerprint", "seq_len"):
            if state.get(name) != own[name] and not (is_earlier and name == "fingerprint"):
                raise StateMismatch(f"the state's {name} is {state.get(name)!r}, the dataset's {own[name]!r}")
        fingerprint = state["fingerprint"] if is_earlier else self.sampler.fingerprint
        self.sampler.load_state_dict(state | {"fingerprint": fingerprint, "seq_len": self.sampler.seq_len})

    def _mask(self, batch: Batch, real: int) -> None:
        if isinstance(batch, dict) and "labels" in batch:
            batch["labels"][real:] = self.dataset.ignore_index
