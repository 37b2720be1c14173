"""What an export is made from: the rows of a split, each checked, and the count of those taken and those left."""

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts, largest_token
from sequitur.shards.digest import add_digests, row_digest_sum
from sequitur.shards.errors import RowsInvalid, TotalsMismatch
from sequitur.shards.format import MANIFEST_NAME, shard_name
from sequitur.shards.manifest import read_manifest
from sequitur.shards.offsets import offsets_of
from sequitur.shards.pieces import shard_batches

Keep: TypeAlias = Literal["all", "full", "followed"]
"""Which rows a target can hold: all; those of S tokens; those of S tokens whose next token is known."""


class Source:
    """The rows of one split, shard by shard and batch by batch, each checked; and a tally of those taken.

    Holds one batch at a time, through a memory map. `advance` is told the rows seen and the rows in all.
    """

    def __init__(self, root: str | PathLike[str], split: str, advance: Callable[[int, int], None]) -> None:
        self.root = Path(root)
        self.split = split
        self.manifest = read_manifest(root)
        self.header = self.manifest.header
        self.seq_len = self.header.seq_len
        self.vocab_size = self.header.tokenizer.vocab_size
        self._entry = self.manifest.split(split)
        self.n_shards = len(self._entry.shards)
        self.rows = self.tokens = self.dropped_tokens = 0
        self.dropped_rows: dict[str, int] = {}
        self._digests: list[str] = []
        self._dropped_digests: list[str] = []
        self._seen = 0
        self._advance = advance

    @property
    def row_digest(self) -> str:
        """Of the rows taken so far, 32 hex digits."""
        return add_digests(self._digests)

    def file_name(self, shard: int, suffix: str) -> str:
        """Name for what is written of a shard, as `data-00003-of-00064.ds`."""
        return Path(shard_name(shard, self.n_shards)).with_suffix(suffix).name

    def batches(self, shard: int, keep: Keep) -> Iterator[Contexts]:
        """The rows of a shard that `keep` lets through, in blocks of one to 1,024; the others count as dropped.

        Raises a named error at the first damage: a size, a schema, a CRC-32, a length, a token id.
        """
        entry = self._entry.shards[shard]
        checked = shard_batches(self.root, self.manifest, self.split, shard, check=True)
        for number, contexts in enumerate(checked):
            self._advance(self._seen, self._entry.rows)
            for fault in self._token_faults(contexts):
                raise RowsInvalid(fault, shard=entry.path, batch=number, offset=entry.batches[number].offset)
            self._seen += len(contexts.num_tokens)
            kept = self._take(contexts, keep)
            if len(kept.num_tokens):
                yield kept
        self._advance(self._seen, self._entry.rows)

    def check_totals(self) -> None:
        """Raise TotalsMismatch unless every row of the split was seen once: taken, or counted as dropped."""
        seen = add_digests([*self._digests, *self._dropped_digests])
        if (self._seen, self.tokens + self.dropped_tokens, seen) != (
            self._entry.rows,
            self._entry.tokens,
            self._entry.row_digest,
        ):
            raise TotalsMismatch(f"the rows of split {self.split!r} are not those of {MANIFEST_NAME}: copy it again")

    def _token_faults(self, contexts: Contexts) -> list[str]:
        """An id beyond the vocabulary would wrap around in a narrower type. Pads may lie beyond: they are masked."""
        largest = largest_token(contexts)
        return [f"token id {largest} in a vocabulary of {self.vocab_size}"] if largest >= self.vocab_size else []

    def _take(self, contexts: Contexts, keep: Keep) -> Contexts:
        short = contexts.num_tokens < self.seq_len
        followed = contexts.next_valid if keep == "followed" else True
        kept = np.ones_like(short) if keep == "all" else ~short & followed
        self._count("short", int((~kept & short).sum()))
        self._count("no_next_token", int((~kept & ~short).sum()))
        if not kept.all():
            lost = ~kept
            self.dropped_tokens += int(contexts.num_tokens[lost].sum(dtype=np.int64))
            self._dropped_digests.append(row_digest_sum(contexts.input_ids[lost], contexts.num_tokens[lost]))
            contexts = select(contexts, np.flatnonzero(kept))
        self.rows += len(contexts.num_tokens)
        self.tokens += int(contexts.num_tokens.sum(dtype=np.int64))
        self._digests.append(row_digest_sum(contexts.input_ids, contexts.num_tokens))
        return contexts

    def _count(self, reason: str, rows: int) -> None:
        if rows:
            self.dropped_rows[reason] = self.dropped_rows.get(reason, 0) + rows


def ids_with_next(contexts: Contexts) -> NDArray[np.uint32]:
    """The S+1 tokens of rows whose next token is known, uint32 (rows, S+1); a copy."""
    return np.concatenate([contexts.input_ids, contexts.next_token[:, None]], axis=1)


def select(contexts: Contexts, rows: NDArray[np.int64]) -> Contexts:
    """Copies of the rows at `rows` (n,), in that order."""
    offsets = contexts.doc_offsets.astype(np.int64)
    counts = offsets[rows + 1] - offsets[rows]
    ends = offsets_of(counts)
    pieces = np.repeat(offsets[rows] - ends[:-1], counts) + np.arange(ends[-1])
    return Contexts(
        input_ids=contexts.input_ids[rows],
        next_token=contexts.next_token[rows],
        next_valid=contexts.next_valid[rows],
        num_tokens=contexts.num_tokens[rows],
        doc_offsets=ends.astype(np.int32),
        doc_lens=contexts.doc_lens[pieces],
        doc_ids=contexts.doc_ids[pieces],
        doc_starts=contexts.doc_starts[pieces],
        context_id=contexts.context_id[rows],
        group_id=contexts.group_id[rows],
    )
