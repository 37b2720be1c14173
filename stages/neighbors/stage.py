"""neighbors: `vectors` → `neighbors`: of each document the k nearest others, near-duplicates put aside.

    input    `vectors`; `tokens`, where near-duplicates must have n-grams in common, too
    output   one row per document that stays: its neighbours, best first; `neighbors/duplicates` and
             `neighbors/unselected` list the others
    dropped  documents whose cosine to one that stays is `neighbors.duplicate_cosine` or more; the pair is recorded;
             then those that `select.subset` leaves out
    cost     exact search up to a size, n²·d multiplications over the workers; an inverted file beyond, within
             `neighbors.memory`; or cells, on many machines

Near-duplicates go before the graph is made, because a path through copies teaches nothing (In-Context Pretraining,
ablation: without their removal the whole gain vanishes). Dropping some brings others closer, so search and removal
take turns until no two documents that stay are that close in each other's lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sequitur.graph_sort.near_duplicates import Duplicates, Pairs, keep_first
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import (
    DOCUMENTS,
    NEIGHBORS,
    SELECTION,
    SEMANTIC,
    SEMANTIC_DUPLICATES,
    SIGNALS,
    SUBSET,
    TOKENS,
    UNSELECTED,
    VECTORS,
)
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.stage import Estimate, Run, Stage
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors import by_cells, by_gpu, by_index, near_duplicates, subset
from sequitur.stages.neighbors.cell_assignment import ASSIGNED, TRUTH
from sequitur.stages.neighbors.lists import REBUILT_BELOW, ROUND, SEARCH, Method, Round, Search
from sequitur.stages.shared import alarms
from sequitur.stages.shared.columns.arrays import all_values, problems_beside


def work(run: Run) -> Mapping[str, Any]:
    settings, vectors, progress = run.config.neighbors, run.manifest(VECTORS), run.progress
    count, k = vectors.rows, settings.k
    if k >= count:
        progress.say(f"neighbors  k is {k} and there are {count:,} documents; the lists end with none (-1)")
    gpu = by_gpu.device(run.config.embed.device, run.runner.is_local) if settings.method == "auto" else None
    search = Search(run.root, settings, run.config.seed, run.jobs, gpu)
    searches = Searches(search, method_of(settings, run.runner.is_local, gpu), count)
    searches.next(np.arange(count, dtype=np.int64))
    progress.say(_told(searches.statistics, settings.recall_target))
    duplicates, tried = _without_duplicates(searches, run.config.embed.lexical_weight)
    staying = subset.chosen(run.root, searches.found, run.config, progress)
    if len(staying) < len(searches.last.members):
        searches.next(staying)
    near_duplicates.write(run.root, duplicates, settings)
    fallen = {SEMANTIC: np.flatnonzero(duplicates.of >= 0), SUBSET: all_values(run.artifact(UNSELECTED), "ordinal")}
    asked = {SUBSET: run.config.select.subset.share}
    raised = alarms.after_selection(run.root, fallen, run.config.select.alarm_share, asked)
    alarms.tell(progress, raised)
    _keep(searches.found, run.artifact(NEIGHBORS))
    for directory in (SEARCH, ASSIGNED, TRUTH, *(ROUND.format(number) for number in range(searches.count))):
        run.root.remove(directory)
    return {
        **searches.statistics,
        "rounds": searches.count,
        "duplicates": int((duplicates.of >= 0).sum()),
        "duplicates_at_cosine": tried,
        "unselected": run.manifest(UNSELECTED).rows,
        "alarms": alarms.stored(raised),
    }


class Searches:
    """One round after the other, each among the documents that are left; a round that was finished is not repeated.

    Attributes:
        search: what they are searched with.
        documents: how many there are.
        last: the last round.
        count: how many rounds there were.
        statistics: how the last one searched.
    """

    last: Round
    statistics: Mapping[str, Any]

    def __init__(self, search: Search, method: Method, documents: int) -> None:
        self.search, self._method, self.documents, self.count = search, method, documents, 0

    @property
    def found(self) -> Directory:
        """The lists of the last round."""
        return self.search.root / self.last.target

    def next(self, members: np.ndarray) -> None:
        """Searches the members, int64 ordinals, for each other."""
        everyone = np.arange(self.documents, dtype=np.int64)
        base = members if len(members) < REBUILT_BELOW * len(everyone) else everyone
        # A document that was dropped may return when its duplicate goes; the first search has the lists of all.
        self.last = Round(ROUND.format(self.count), members, base, ROUND.format(0) if self.count else None)
        self.count += 1
        fingerprint = self.last.fingerprint(self.search.building)
        if not artifacts.is_finished(self.found, fingerprint):
            artifacts.begin(self.found, fingerprint)
            artifacts.finish(self.found, fingerprint, {}, {}, self._method.search(self.search, self.last))
        self.statistics = artifacts.require_manifest(self.found).statistics


def method_of(settings: NeighborSettings, is_local: bool, gpu: str | None) -> Method:
    """The module that searches, where jobs run here or elsewhere, with a GPU or none."""
    if settings.method == "cells" or (settings.method == "auto" and not is_local):
        return by_cells
    return by_gpu if settings.method == "auto" and gpu else by_index


def _without_duplicates(searches: Searches, lexical_weight: float) -> tuple[Duplicates, Mapping[str, int]]:
    """Drops near-duplicates and searches again until there are none, and says how many other thresholds would drop."""
    search = searches.search
    settings, tokens = search.settings, search.root / TOKENS

    def close_pairs(least: float) -> Pairs:
        return near_duplicates.close_pairs(searches.found, search.vectors, lexical_weight, least)

    close = close_pairs(min(near_duplicates.TRIED[0], settings.duplicate_cosine))
    tried = near_duplicates.would_drop(close)
    pairs = more = near_duplicates.duplicates_among(tokens, close, settings)
    duplicates = keep_first(pairs, searches.documents)
    while len(more.edges):
        searches.next(np.flatnonzero(duplicates.of < 0))
        more = near_duplicates.duplicates_among(tokens, close_pairs(settings.duplicate_cosine), settings)
        pairs = Pairs(np.concatenate([pairs.edges, more.edges]), np.concatenate([pairs.cosine, more.cosine]))
        duplicates = keep_first(pairs, searches.documents)
    return duplicates, tried


def _keep(lists: Directory, neighbors: Directory) -> None:
    """Copies the lists of the last round into `neighbors`."""
    done = {part.name for part in artifacts.written_parts(neighbors)}
    for part in artifacts.require_manifest(lists).parts:
        if part.name not in done:
            artifacts.write_part(neighbors, part.name, artifacts.read_part(lists, part), compress=False)


def _told(statistics: Mapping[str, Any], recall_target: float) -> str:
    """Which search was chosen and why, and what part of the true neighbours it finds."""
    missed = ""
    if not statistics["recall_reached"]:
        more = "" if statistics["method"] == "cells" else "; allow more neighbors.memory"
        missed = f", less than neighbors.recall_target {recall_target}{more}"
    return (
        f"neighbors  {statistics['reason']}; recall {statistics['recall']:.3f} over "
        f"{statistics['recall_queries']:,} documents{missed}"
    )


def parameters(config: Config) -> Mapping[str, Any]:
    settings = config.neighbors.model_dump(mode="json")
    return {**settings, **subset.parameters(config), "seed": config.seed}


def estimate(run: Run) -> Estimate:
    vectors, settings, is_local = run.manifest(VECTORS), run.config.neighbors, run.runner.is_local
    gpu = by_gpu.device(run.config.embed.device, is_local) if settings.method == "auto" else None
    part = max((part.rows for part in vectors.parts), default=0)
    searching = method_of(settings, is_local, gpu).estimate(settings, vectors, part, is_local)
    lists = 3 * vectors.rows * (12 * settings.k + 8)  # two rounds and the result
    # By ordinal: members, what each duplicates, and the pairs, of which there seldom are more than documents.
    memory = searching.memory + 100 * vectors.rows + subset.memory_bytes(run.config, vectors)
    return Estimate(memory=memory, disk=searching.disk + lists, each_worker=searching.each_worker)


def verify(run: Run) -> Iterable[str]:
    directory = run.artifact(NEIGHBORS)
    yield from artifacts.schema_problems(directory, schemas.neighbors(run.config.neighbors.k))
    damage = [
        *problems_beside(run.artifact(SEMANTIC_DUPLICATES), schemas.DUPLICATES, run.artifact(NEIGHBORS)),
        *subset.verify(run.root),
    ]
    if damage:
        yield from damage
        return
    everyone = [all_values(run.artifact(name), "ordinal") for name in (NEIGHBORS, SEMANTIC_DUPLICATES, UNSELECTED)]
    if not np.array_equal(np.sort(np.concatenate(everyone)), np.arange(run.manifest(VECTORS).rows)):
        yield f"{directory.path()}: not every document is there, a duplicate or unselected; delete it and run again"


def _tokens(config: Config) -> tuple[str, ...]:
    return () if config.neighbors.duplicate_jaccard is None else ("tokens",)


STAGE = Stage(
    "neighbors",
    NEIGHBORS,
    3,
    (DOCUMENTS, SIGNALS, SELECTION, VECTORS),  # the first three for alarms
    parameters,
    estimate,
    work,
    verify,
    (SEMANTIC_DUPLICATES, UNSELECTED),
    also=_tokens,
)
