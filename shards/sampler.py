"""`ElasticBatchSampler`: an order of rows that no number of ranks, workers or restarts can change.

Order `elastic-v1`. An epoch of n rows is a function of (fingerprint, seed, epoch) alone: the key is the first 8 bytes,
little-endian, of the SHA-256 of the text "elastic-v1\\nFINGERPRINT\\nSEED\\nEPOCH", and position p of the epoch is row

- global: `permute(p, n, key)` (`feistel-v1`, `permutation`);
- block: rows lie in blocks of `block_size`, the last one short. The blocks come in the order `permute(·, blocks, key)`,
  and within block b the rows in the order `permute(·, its rows, key + 1 + b)`;
- none: p.

A dataset that was extended has its old rows first. An epoch that was begun before goes on as it was, to the last of the
rows there were; then come the new ones, in the order of an epoch of theirs alone, under the fingerprint of now. So it
has every row once, like any other. The next epochs are of all rows.

Of a dataset of several epochs, N of them, epoch e reads the rows of its epoch e mod N: n is their number, and the first
of them is added to the row.

A global batch is the next G positions; each rank takes a contiguous share of it. So there is no index file to build and
no barrier, any position costs the same, and resuming is setting a counter.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from sequitur.shards.errors import ShardError
from sequitur.shards.format import BATCH_ROWS
from sequitur.shards.shuffles import Shuffle, epoch_key, shuffled

Tail: TypeAlias = Literal["drop", "pad", "wrap"]

_STATE_VERSION = 1
_AHEAD = 4096  # positions permuted at once: a call of numpy costs as much as 1,000 of them
_U64 = (1 << 64) - 1


class StateMismatch(ShardError, ValueError):
    """The state of a sampler or loader belongs to other data, another order, or is no state at all."""


class GlobalBatchChanged(UserWarning):
    """A run goes on with another global batch size: no row is lost or repeated, but batches are cut elsewhere."""


class Sampled(Protocol):
    """What a sampler asks of a dataset."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def seq_len(self) -> int: ...
    @property
    def as_ordered(self) -> bool: ...
    @property
    def epoch_rows(self) -> tuple[int, ...]: ...
    @property
    def earlier(self) -> tuple[tuple[str, int], ...]: ...
    def __len__(self) -> int: ...


class Share(NamedTuple):
    """The rows that one rank reads at once: `indices`, of which the first `real` are no padding of the tail; once all
    ranks have read theirs, `samples_seen` positions of the epoch are done with."""

    indices: list[int]
    real: int
    samples_seen: int


class ElasticBatchSampler(Sampler[list[int]]):
    """The indices of each batch of rank `dp_rank`, of a split of `num_samples` rows.

    Best made by `ElasticBatchSampler.of(dataset, …)`, which knows the fingerprint and whether rows may be shuffled.
    Ranks that read the same rows (tensor, context or pipeline parallel ones) get the same `dp_rank`.

    `tail` is what happens to an epoch's last rows if they fill no global batch: "drop" leaves them out, "pad" repeats
    the epoch's last row (`ContextDataLoader` then masks its labels), "wrap" repeats the epoch's first rows;
    `tail_rows` counts them.

    `epoch_rows` says how many of the rows are of each epoch, where the dataset has several; else an epoch has them all.
    `earlier` are the fingerprints and rows that a dataset had before it was extended: their states are taken up, too.

    Iterating gives the batches from where the epoch stands to its end, and moves on to the next epoch; it goes on
    where it was left. The state counts the rows of batches that were given out: under torch's own `DataLoader` with
    workers these are more than were seen, for it fetches ahead; `ContextDataLoader` counts rightly.

    Raises ValueError for arguments that cannot be, also where the ranks cannot share a global batch evenly.
    """

    def __init__(
        self,
        num_samples: int,
        global_batch_size: int,
        *,
        dp_rank: int = 0,
        dp_world_size: int = 1,
        seed: int = 0,
        epoch: int = 0,
        shuffle: Shuffle = "global",
        block_size: int | None = None,
        tail: Tail = "drop",
        fingerprint: str = "",
        seq_len: int | None = None,
        epoch_rows: Sequence[int] = (),
        earlier: Sequence[tuple[str, int]] = (),
    ) -> None:
        if shuffle not in ("global", "block", "none"):
            raise ValueError(f"shuffle is 'global', 'block' or 'none', not {shuffle!r}")
        if tail not in ("drop", "pad", "wrap"):
            raise ValueError(f"tail is 'drop', 'pad' or 'wrap', not {tail!r}")
        if not 0 <= dp_rank < dp_world_size:
            raise ValueError(f"dp_rank is 0 … dp_world_size - 1 = {dp_world_size - 1}, not {dp_rank}")
        if global_batch_size < 1 or global_batch_size % dp_world_size:
            raise ValueError(f"global_batch_size {global_batch_size} is not a multiple of {dp_world_size} ranks")
        fewest = min(epoch_rows, default=num_samples)
        if fewest < 1 or (tail == "drop" and fewest < global_batch_size):
            raise ValueError(
                f"{fewest} rows fill no global batch of {global_batch_size}: make it smaller, or set tail='wrap'"
            )
        if not (0 <= seed <= _U64 and 0 <= epoch <= _U64):
            raise ValueError(f"seed and epoch are 0 … 2^64-1, not {seed} and {epoch}")
        if block_size is not None and (block_size < 1 or shuffle != "block"):
            raise ValueError(f"block_size {block_size} goes with shuffle='block', and is 1 or more")
        if epoch_rows and sum(epoch_rows) != num_samples:
            raise ValueError(f"epochs of {list(epoch_rows)} rows are not the {num_samples} rows that there are")
        self.num_samples = num_samples
        self.epoch_rows = tuple(epoch_rows)
        self.earlier = tuple(earlier)
        self.began: tuple[tuple[str, int], ...] = ()  # those of `earlier` under which the current epoch was read
        self.global_batch_size = global_batch_size
        self.dp_rank = dp_rank
        self.dp_world_size = dp_world_size
        self.seed = seed
        self.epoch = epoch
        self.samples_seen = 0
        self.shuffle = shuffle
        self.block_size = (block_size or BATCH_ROWS) if shuffle == "block" else None
        self.tail = tail
        self.fingerprint = fingerprint
        self.seq_len = seq_len

    @classmethod
    def of(
        cls, dataset: Sampled, global_batch_size: int, *, shuffle: Shuffle | None = None, **options: Any
    ) -> "ElasticBatchSampler":
        """The sampler of a dataset. `shuffle` is "global" if not given, but "none" for a curriculum, whose rows are to
        be read as they lie. `options` are the constructor's."""
        return cls(
            len(dataset),
            global_batch_size,
            shuffle=shuffle or ("none" if dataset.as_ordered else "global"),
            fingerprint=dataset.fingerprint,
            seq_len=dataset.seq_len,
            epoch_rows=dataset.epoch_rows,
            earlier=dataset.earlier,
            **options,
        )

    @property
    def rows(self) -> int:
        """How many rows the current epoch has."""
        return self._rows_of(self.epoch)

    def _rows_of(self, epoch: int) -> int:
        return self.epoch_rows[epoch % len(self.epoch_rows)] if self.epoch_rows else self.num_samples

    @property
    def tail_rows(self) -> int:
        """How many rows an epoch leaves out (`tail` "drop") or repeats ("pad", "wrap")."""
        rest = self.rows % self.global_batch_size
        return rest if self.tail == "drop" or not rest else self.global_batch_size - rest

    def __len__(self) -> int:
        """Batches of the current epoch, if it is read from its start; the same on each rank."""
        full, rest = divmod(self.rows, self.global_batch_size)
        return full if self.tail == "drop" or not rest else full + 1

    def order(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows at these positions (n,) of the current epoch, each 0 … rows - 1. About 0.1 µs each, and 100 µs a
        call."""
        first, begin = sum(self.epoch_rows[: self.epoch % max(len(self.epoch_rows), 1)]), 0
        rows = np.empty_like(positions)
        for fingerprint, end in (*self.began, (self.fingerprint, self.rows)):
            here = (begin <= positions) & (positions < end)
            if here.any():
                key, among = epoch_key(fingerprint, self.seed, self.epoch), positions[here] - begin
                rows[here] = first + begin + shuffled(among, end - begin, key, self.shuffle, self.block_size)
            begin = end
        return rows

    def global_indices(self, step: int) -> NDArray[np.int64]:
        """The rows (G,) of global batch `step` of the current epoch, of all ranks: those of rank 0, then those of
        rank 1, … IndexError beyond the epoch."""
        if not 0 <= step < len(self):
            raise IndexError(f"step {step} of an epoch of {len(self)}")
        first = step * self.global_batch_size
        return self.order(self._rows_at(np.arange(first, first + self.global_batch_size)))

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; nothing if it is the current one, so that a resumed epoch is not restarted."""
        if not 0 <= epoch <= _U64:
            raise ValueError(f"epoch is 0 … 2^64-1, not {epoch}")
        if epoch != self.epoch:
            self._begin(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        for share in self.shares(self.global_batch_size // self.dp_world_size):
            self.advance(share)
            yield share.indices

    def shares(self, rows: int) -> Iterator[Share]:
        """What this rank is to read until the end of the epoch, `rows` at a time; of the next epoch, if nothing is left
        of this one. `advance` counts it as read.

        The ranks together read the next `rows` × ranks positions, so at any time a prefix of the epoch has been read.
        """
        together = rows * self.dp_world_size
        self._roll_over(together)
        start, end = self.samples_seen, self._end(together)
        span = max(1, _AHEAD // together) * together
        for first in range(start, end, span):
            positions = np.arange(first, min(first + span, end)).reshape(-1, self.dp_world_size, rows)[:, self.dp_rank]
            found = self.order(self._rows_at(positions.reshape(-1))).reshape(positions.shape)
            real = ((positions < self.rows) | (self.tail != "pad")).sum(axis=1)
            for i, rows_now in enumerate(found):
                yield Share(rows_now.tolist(), int(real[i]), first + (i + 1) * together)

    def advance(self, share: Share) -> None:
        """Count a share as read: on to the next epoch if it was the last."""
        self.samples_seen = share.samples_seen
        self._roll_over(len(share.indices) * self.dp_world_size)

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands: small, JSON, the same on each rank."""
        some: dict[str, Any] = {"epoch_rows": list(self.epoch_rows)} if self.epoch_rows else {}
        if self.began:
            some["began"] = [list(one) for one in self.began]
        return {
            "version": _STATE_VERSION,
            "epoch": self.epoch,
            "samples_seen": self.samples_seen,
            "seed": self.seed,
            "global_batch_size": self.global_batch_size,
            "shuffle": self.shuffle,
            "block_size": self.block_size,
            "fingerprint": self.fingerprint,
            "num_samples": self.num_samples,
            "seq_len": self.seq_len,
            **some,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, with whatever number of ranks and workers.

        A state of the dataset before it was extended goes on with what was left of its epoch, then come the new rows.

        Raises StateMismatch if it belongs to other data or another order. With another global batch size the next one
        begins at the first row not seen, and where all were, at the next epoch; that warns, with GlobalBatchChanged.
        """
        own = self.state_dict()
        if not isinstance(state, dict) or set(own) - {"began"} - set(state):
            raise StateMismatch(f"not the state of a sampler: it should have {', '.join(own)}")
        same = ("fingerprint", "num_samples", "epoch_rows", "version", "seq_len", "seed", "shuffle", "block_size")
        before = (state["fingerprint"], state["num_samples"])
        is_earlier = before in self.earlier
        for name in same[2:] if is_earlier else same:
            if state.get(name) != own.get(name):
                raise StateMismatch(
                    f"the state's {name} is {state.get(name)!r}, the sampler's {own.get(name)!r}: "
                    "resume with the data and the settings that the run began with"
                )
        for name, least in (("epoch", 0), ("samples_seen", 0), ("global_batch_size", 1)):
            if type(state[name]) is not int or not least <= state[name] <= _U64:
                raise StateMismatch(f"the state's {name} is {state[name]!r}, not an integer from {least}")
        began, rows = self._began(state), state["num_samples"] if is_earlier else self._rows_of(state["epoch"])
        if state["samples_seen"] >= rows + state["global_batch_size"]:
            raise StateMismatch(f"the state has seen {state['samples_seen']} rows of an epoch of {rows}")
        if state["global_batch_size"] != self.global_batch_size:
            warnings.warn(
                f"global batch size {self.global_batch_size} instead of {state['global_batch_size']}: "
                f"going on after row {state['samples_seen']} of epoch {state['epoch']}",
                GlobalBatchChanged,
                stacklevel=2,
            )
        self.epoch, self.samples_seen, self.began = state["epoch"], state["samples_seen"], began
        if is_earlier:
            self.samples_seen = min(self.samples_seen, rows)  # beyond them was padding
            self.began = (*began, before) if self.samples_seen else ()
            return
        if state["global_batch_size"] != self.global_batch_size and self.samples_seen >= rows:
            # Within the padding of another batch, which is longer than this one's may be: every row was seen.
            self._begin(self.epoch + 1)

    def _began(self, state: dict[str, Any]) -> tuple[tuple[str, int], ...]:
        """Under which earlier fingerprints its epoch was read, which must be some of this dataset's, in their order."""
        known = [list(one) for one in self.earlier]
        given = state.get("began", [])
        if not isinstance(given, list) or given != [one for one in known if one in given]:
            raise StateMismatch(f"the state began with {given!r}, which this dataset never was: resume with the data")
        return tuple((one[0], one[1]) for one in given)

    def _begin(self, epoch: int) -> None:
        self.epoch, self.samples_seen, self.began = epoch, 0, ()

    def _rows_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions themselves, but those beyond the epoch as the tail asks."""
        if self.tail == "wrap":
            return positions % self.rows
        return np.minimum(positions, self.rows - 1)

    def _end(self, together: int) -> int:
        """The position at which the epoch ends, a whole number of shares from here.

        Global batches count from the epoch's start; but where the ranks cannot share evenly what is left of one, since
        their number or the batch changed within it, from here.
        """
        size, seen = self.global_batch_size, self.samples_seen
        end = len(self) * size
        if seen < end and (end - seen) % together == 0:
            return end
        left = self.rows - seen
        return seen + (left // size if self.tail == "drop" else -(-left // size)) * size

    def _roll_over(self, together: int) -> None:
        if self.samples_seen >= self._end(together):
            self._begin(self.epoch + 1)
