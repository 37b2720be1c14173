"""What an order may go by, read from a run's artifacts when it is asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sequitur.graph_sort.documents import BY_LIKENESS, MissingField, StringSets, Terms
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.vectors import Vectors
from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import NEIGHBORS, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Ordering
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.arrays import read_graph
from sequitur.stages.shared.columns.groups import group_codes, kept_column
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.columns.token_ranges import document_lengths
from sequitur.stages.shared.columns.token_store import TokenStore
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.shingles import token_shingle_sets

STRING_TOKENS, STRING_BYTES = 2, 8  # in a string: tokens of several bytes, or of one
BYTES_ALONE = 512  # ids or more: tokens have several bytes
BLOCK_TOKENS = 2**22  # at a time
BLOCK_MEMORY = 40 * BLOCK_TOKENS  # bytes


def rows_filled(config: Config) -> bool:
    """Whether the policy of a run fills rows by what its order says."""
    return config.pack.policy in BY_LIKENESS


class RunDocuments:
    """The documents of a run that stay, as `graph_sort.documents.Documents`; document i has `ordinals[i]`."""

    def __init__(
        self,
        root: Directory,
        settings: Ordering,
        context_length: int,
        progress: Progress,
        *,
        rows_filled: bool = False,
        threads: int = 1,
    ) -> None:
        self._root, self._settings, self._context_length, self._progress = root, settings, context_length, progress
        self.rows_filled, self.threads = rows_filled, threads

    @cached_property
    def _members(self) -> tuple[np.ndarray, Graph]:
        self._progress.step("order: graph")
        return read_graph(self._root / NEIGHBORS, self.threads)

    @property
    def ordinals(self) -> np.ndarray:
        """int64 [n], ascending."""
        return self._members[0]

    @property
    def graph(self) -> Graph:
        return self._members[1]

    @property
    def context_length(self) -> int:
        return self._context_length

    @cached_property
    def vectors(self) -> Vectors:
        stored = StoredVectors(self._root / VECTORS, own=False)
        return stored.gathered(self.ordinals, scratch.beside(self._root))

    @cached_property
    def lengths(self) -> np.ndarray:
        lengths = scratch.beside(self._root)(len(self.ordinals), np.int64)
        return np.take(document_lengths(self._root / TOKENS), self.ordinals, out=lengths)

    @cached_property
    def source(self) -> np.ndarray:
        return group_codes(self._root, "source")[0][self.ordinals]

    @cached_property
    def structure(self) -> np.ndarray:
        field = self._settings.structure
        codes, names = group_codes(self._root, field)
        if not names:
            raise MissingField(f"no document has a field {field}, as order.structure says")
        return codes[self.ordinals]

    @cached_property
    def signal(self) -> np.ndarray:
        settings = self._settings
        try:
            values = kept_column(self._root, SIGNALS, settings.signal).to_numpy().astype(np.float64)
        except (KeyError, ValueError) as error:
            raise MissingField(f"{settings.signal}, as order.signal says, is no number among the signals") from error
        return (-values if settings.descending else values)[self.ordinals]

    @cached_property
    def terms(self) -> Terms:
        return Terms(*self._tokens.of(self.ordinals))

    @property
    def strings_weight(self) -> float:
        return self._settings.shared_strings

    def strings(self, members: np.ndarray, every: int) -> StringSets:
        """Pairs of tokens that follow each other; of tokens that are bytes, as many as are in a pair elsewhere.

        Several threads may ask at a time.

        Tokens are read BLOCK_TOKENS at a time, or as a document has. Memory: BLOCK_MEMORY, and 8 bytes a string kept.
        """
        lengths = self.lengths[members]
        shared = np.where(lengths > self._context_length, lengths % self._context_length, lengths)
        read = self._tokens.heads if self.rows_filled else self._tokens.tails
        of_block = np.cumsum(shared) // BLOCK_TOKENS
        counts, hashes = [np.empty(0, np.int64)], [np.empty(0, np.uint32)]
        for some in np.split(np.arange(len(members)), np.flatnonzero(np.diff(of_block)) + 1):
            offsets, ids = read(self.ordinals[members[some]], shared[some])
            found = token_shingle_sets(offsets, ids, self._string_tokens, every)
            counts.append(np.diff(found.offsets))
            hashes.append(found.hashes.astype(np.uint32))
        return StringSets(offsets_of(np.concatenate(counts)), np.concatenate(hashes))

    @cached_property
    def _tokens(self) -> TokenStore:
        return TokenStore(self._root / TOKENS, check=False)

    @cached_property
    def _string_tokens(self) -> int:
        about = artifacts.require_manifest(self._root / TOKENS).statistics["tokenizer"]
        return STRING_BYTES if about["vocab_size"] < BYTES_ALONE else STRING_TOKENS
