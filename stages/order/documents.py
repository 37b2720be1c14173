"""What an order may go by, read from a run's artifacts when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from sequitur.graph_sort.documents import BY_LIKENESS, MissingField, StringSets, Terms
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.orders import Order, contexts
from sequitur.graph_sort.part import each_on_threads
from sequitur.graph_sort.vectors import Vectors
from sequitur.pipeline import artifacts, memory, scratch
from sequitur.pipeline.config import Config
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import NEIGHBORS, ORDER, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.sections import Ordering
from sequitur.pipeline.storage import Directory
from sequitur.stages.order.strings import Strings
from sequitur.stages.shared.columns.arrays import read_graph
from sequitur.stages.shared.columns.groups import group_codes, kept_column
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.columns.token_ranges import document_lengths
from sequitur.stages.shared.columns.token_store import TokenStore

CELLS = f"{ORDER}/_cells"  # what workers made of each, until the order is whole


def rows_filled(config: Config) -> bool:
    """Whether the policy of a run fills rows by what its order says."""
    return config.pack.policy in BY_LIKENESS


def on_workers(runner: Runner, documents: int) -> bool:
    """Whether workers arrange cells: where jobs run elsewhere, and there are more documents than a cell has."""
    return not runner.is_local and documents > contexts.CELL


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
        jobs: Jobs | None = None,
    ) -> None:
        """`jobs`: what has workers arrange cells; else threads do."""
        self._root, self._settings, self._context_length, self._progress = root, settings, context_length, progress
        self.rows_filled, self.threads, self._jobs = rows_filled, threads, jobs

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
        return stored.gathered(self.ordinals, scratch.beside(self._root), self.threads)

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
        """Several threads may ask at a time."""
        read, ordinals = self._tokens.heads if self.rows_filled else self._tokens.tails, self.ordinals[members]
        return self._strings.of(self.lengths[members], every, lambda some, shared: read(ordinals[some], shared))

    def each(self, parts: Sequence[np.ndarray], arrange: Callable[..., Order], *settings: bool) -> Iterator[Order]:
        memory.give_back()  # what making the parts took
        if self._jobs is None:
            with threadpool_limits(1):  # each of our threads has a part; BLAS's own would wait for each other
                yield from each_on_threads(self, parts, arrange, *settings)
        else:
            from sequitur.stages.order import cells  # which loads Beam

            yield from cells.each(
                self._root, self._jobs, [self.ordinals[part] for part in parts], self, arrange, *settings
            )

    @cached_property
    def _tokens(self) -> TokenStore:
        return TokenStore(self._root / TOKENS, check=False)

    @cached_property
    def _strings(self) -> Strings:
        tokenizer = artifacts.require_manifest(self._root / TOKENS).statistics["tokenizer"]
        return Strings(tokenizer["vocab_size"], self._context_length)
