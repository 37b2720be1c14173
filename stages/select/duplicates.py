"""Dropping duplicates: what another run kept, equal texts, and fuzzy duplicates; of each group one document stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.config import Config
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import EXACT, EXACT_ELSEWHERE, FUZZY, FUZZY_ELSEWHERE, REPEATED_ID
from sequitur.pipeline.storage import Directory
from sequitur.stages.select import against, fuzzy_duplicates, other_run, star_rounds, survivors
from sequitur.stages.select.candidates import Likeness
from sequitur.stages.select.verdicts import KEPT, Documents, Verdicts
from sequitur.text_core.duplicates import components
from sequitur.text_core.duplicates.survivors import groups_of_equals, preferred
from sequitur.text_core.units.offsets import offsets_of


def drop_repeated_ids(documents: Documents, verdicts: Verdicts, reason: int) -> int:
    """Of documents with the same id only the first stays. Returns how many are lost whose text is another than its."""
    repeated, first = groups_of_equals(documents.doc_id, np.ones(len(documents.doc_id), dtype=bool))
    verdicts.drop(repeated, reason, first, first)
    return int(np.count_nonzero(documents.content_hash[repeated] != documents.content_hash[first]))


def drop_duplicates(
    jobs: Jobs,
    root: Directory,
    text: Directory,
    config: Config,
    documents: Documents,
    verdicts: Verdicts,
    reasons: Sequence[str],
) -> tuple[Documents, dict[str, Any]]:
    """Drops the duplicates among the documents that are kept so far, by `select`'s settings.

    Args:
        jobs: what runs the jobs.
        root: of the run, with finished `documents` and `signals`.
        text: the artifact with the text.
        config: its sections `select` and `annotate`.
        documents: of this run.
        verdicts: so far; changed here.
        reasons: names of all reasons, those of `SELECT_DUPLICATES` among them.

    Returns:
        `documents`, with the ids of another run's documents after those of this run where verdicts refer to them; and
        what was counted.
    """
    settings = config.select
    statistics: dict[str, Any] = {}
    if settings.against:
        documents, statistics = _drop_against(jobs, root, config, documents, verdicts, reasons)
    rank = survivors.ranks(root, settings, documents, jobs.progress.say)
    if settings.exact_duplicates:
        _drop_exact(documents, verdicts, reasons.index(EXACT), rank)
    if settings.fuzzy_duplicates:
        alive = (verdicts.reason == KEPT) & documents.has_words
        statistics |= fuzzy_duplicates.find_links(jobs, root, text, Likeness.of(config), alive)
        _drop_linked(jobs, root, settings.in_memory_links, verdicts, reasons.index(FUZZY), rank)
    return documents, statistics


def _drop_against(
    jobs: Jobs, root: Directory, config: Config, documents: Documents, verdicts: Verdicts, reasons: Sequence[str]
) -> tuple[Documents, dict[str, Any]]:
    """Drops what duplicates a document that another run kept, whatever its copies here: run by run."""
    settings, count = config.select, len(verdicts.reason)
    others = against.find_all(config)
    begins = count + offsets_of([other.selection.statistics["kept"] for other in others])  # of their rows behind ours
    statistics: Counter[str] = Counter()
    for number, (other, first) in enumerate(zip(others, begins.tolist(), strict=False)):
        for wanted, reason, equal, values in (
            (settings.against_ids, REPEATED_ID, other_run.equal_ids, documents.doc_id),
            (settings.exact_duplicates, EXACT_ELSEWHERE, other_run.equal_texts, documents.content_hash),
        ):
            if wanted:
                rows, ordinals = equal(other, values, verdicts.reason == KEPT)
                twins = ordinals + first
                verdicts.drop(rows, reasons.index(reason), twins, twins, 1.0 if reason == EXACT_ELSEWHERE else np.nan)
        if settings.fuzzy_duplicates:
            alive = (verdicts.reason == KEPT) & documents.has_words
            rows, ordinals, similarity = other_run.similar_texts(jobs, root, Likeness.of(config), other, number, alive)
            verdicts.drop(rows, reasons.index(FUZZY_ELSEWHERE), ordinals + first, ordinals + first, similarity)
            counts = artifacts.require_manifest(root / other_run.working(other_run.LINKS, number)).statistics
            statistics.update({f"{name}_elsewhere": value for name, value in counts.items()})
    foreign = distinct_values(verdicts.duplicate_of[verdicts.duplicate_of >= count])
    for rows_of in (verdicts.duplicate_of, verdicts.evidence):
        beyond = rows_of >= count
        rows_of[beyond] = count + np.searchsorted(foreign, rows_of[beyond])
    ids = scratch.beside(root)(count + len(foreign), "V16")
    ids[:count] = documents.doc_id
    for other, first, end in zip(others, begins, begins[1:], strict=False):
        here = slice(*np.searchsorted(foreign, (first, end)))
        ids[count:][here] = other_run.ids(other, foreign[here] - first)
    return documents._replace(doc_id=ids), dict(statistics)


def _drop_exact(documents: Documents, verdicts: Verdicts, reason: int, rank: np.ndarray) -> None:
    """Of documents with the same normalised text the preferred one stays."""
    others, survivor = groups_of_equals(documents.content_hash, verdicts.reason == KEPT, rank)
    verdicts.drop(others, reason, survivor, survivor, 1.0)


def _drop_linked(
    jobs: Jobs, root: Directory, in_memory: int, verdicts: Verdicts, reason: int, rank: np.ndarray
) -> None:
    """Of each group that verified pairs connect the preferred one stays; more than `in_memory` are joined by jobs.

    Memory: 48 bytes for each document that they connect; of up to `in_memory` links, 32 for each are mapped.
    """
    directory, empty = root / fuzzy_duplicates.LINKS, scratch.beside(root)
    links = Links(directory, np.flatnonzero(fuzzy_duplicates.involved(directory, len(rank))))
    nodes, count = links.nodes, artifacts.require_manifest(directory).rows
    if not count:
        return
    if count <= in_memory:
        edges, filled = empty((count, 2), np.int64), 0
        for some in links:
            edges[filled : filled + len(some)] = some
            filled += len(some)
        survivor = preferred(components.connected_components(edges, len(nodes)), rank[nodes])
        deciding = components.evidence(edges, survivor, empty)
    else:
        survivor = preferred(star_rounds.components(jobs, root, directory, nodes), rank[nodes])
        deciding = components.evidence_of_chunks(links, survivor)
    for lost, partner, similarity in links.across(deciding):
        verdicts.drop(nodes[lost], reason, nodes[survivor[lost]], nodes[partner], similarity)


@dataclass(frozen=True)
class Links:
    """The verified pairs, part by part, as edges int64 [e, 2] between positions in `nodes`, the rows that they join."""

    directory: Directory
    nodes: np.ndarray

    def __iter__(self) -> Iterator[np.ndarray]:
        for edges, _ in self._parts():
            yield edges

    def _parts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for part in artifacts.require_manifest(self.directory).parts:
            batch = artifacts.read_part(self.directory, part)
            pairs = np.column_stack([batch.column(side).to_numpy() for side in ("a", "b")])
            yield np.searchsorted(self.nodes, pairs), batch.column("similarity").to_numpy()

    def across(self, indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Some nodes at a time that have a deciding edge, the node at its other end, and its weight; `indices`, int64
        [nodes], tell which it is of all edges, −1 where there is none."""
        first = 0
        for edges, weights in self._parts():
            numbers = np.arange(first, first + len(edges))
            first += len(edges)
            for mine, other in ((0, 1), (1, 0)):
                here = indices[edges[:, mine]] == numbers
                yield edges[here, mine], edges[here, other], weights[here]
