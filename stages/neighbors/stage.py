"""neighbors: `vectors` → `neighbors`: of each document the k nearest others, near-duplicates put aside.

    input    `vectors`; text and `selection`, where words must confirm near-duplicates; `tokens`, where n-grams must
    output   one row per document that stays: its neighbours, best first; `neighbors/duplicates` and
             `neighbors/unselected` list the others
    dropped  documents that are close to one that stays by the model's own cosine, and a version of it by their words
             (`neighbors.duplicate_overlap`); the pair is recorded; then those that `select.subset` leaves out
    cost     exact search up to a size, n²·d multiplications over the workers; an inverted file beyond, within
             `neighbors.memory`; cells, on many machines, beyond that; or exact search on a GPU

Near-duplicates go before the graph is made, because a path through copies teaches nothing (In-Context Pretraining,
ablation: without their removal the whole gain vanishes). Dropping some brings others closer, so search and removal
take turns until no two documents that stay are duplicates in each other's lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sequitur.graph_sort.near_duplicates import Duplicates, keep_first
from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.names import (
    NEIGHBORS,
    SEMANTIC,
    SEMANTIC_DUPLICATES,
    SUBSET,
    UNSELECTED,
    VECTORS,
)
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.stage import Estimate, Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors import by_cells, by_exact, by_index, near_duplicates, subset, words
from sequitur.stages.neighbors.cell_assignment import ASSIGNED, TRUTH
from sequitur.stages.neighbors.lists import REBUILT_BELOW, ROUND, SEARCH, Method, Round, Search
from sequitur.stages.neighbors.near_duplicates import TRIED, Judge
from sequitur.stages.neighbors.words import Words
from sequitur.stages.shared import alarms
from sequitur.stages.shared.columns.arrays import all_values, problems_beside
from sequitur.stages.shared.models import choices


def work(run: Run) -> Mapping[str, Any]:
    settings, vectors, progress = run.config.neighbors, run.manifest(VECTORS), run.progress
    count, k = vectors.rows, settings.k
    if k >= count:
        progress.say(f"neighbors  k is {k} and there are {count:,} documents; the lists end with none (-1)")
    gpu = _gpu(run) if settings.method == "exact" else None
    search = Search(run.root, settings, run.config.seed, run.jobs, gpu)
    searches = Searches(search, method_of(settings, vectors), count)
    searches.next(np.arange(count, dtype=np.int64))
    progress.say(_told(searches.statistics, settings.recall_target))
    judge = near_duplicates.Judge(run.root, settings, _words(run), count)
    duplicates, tried = _without_duplicates(searches, judge, run.config.embed.lexical_weight)
    staying = subset.chosen(run.root, searches.found, run.config, progress)
    if len(staying) < len(searches.last.members):
        searches.next(staying)
    judge.write(run.root, duplicates)
    fallen = {SEMANTIC: np.flatnonzero(duplicates.of >= 0), SUBSET: all_values(run.artifact(UNSELECTED), "ordinal")}
    asked = {SUBSET: run.config.select.subset.share}
    raised = alarms.after_selection(run.root, fallen, run.config.select.alarm_share, asked)
    alarms.tell(progress, raised)
    _keep(searches.found, search.build)
    search.build.files.remove(SEARCH)
    for directory in (
        ASSIGNED,
        TRUTH,
        words.WORDS,
        *(ROUND.format(number) for number in range(searches.count)),
    ):
        run.root.remove(directory)
    return {
        **searches.statistics,
        "rounds": searches.count,
        "duplicates": int((duplicates.of >= 0).sum()),
        "duplicates_at_cosine": tried,
        "unselected": run.manifest(UNSELECTED).rows,
        "alarms": alarms.stored(raised),
    }


def _gpu(run: Run) -> str | None:
    """What exact search runs on, as it was decided; None for this process.

    Raises:
        ModelError: the run began on a GPU, and there is none here.
    """
    gpu = choices.gpu(run.config.embed.device)
    if gpu is None and run.parameters.get(NEIGHBORS, {}).get("device") == "cuda":
        raise ModelError("embed.device auto: the run began on a GPU, and there is none here; set it to cpu")
    return None if run.parameters.get(NEIGHBORS, {}).get("device") == "cpu" else gpu


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
        fingerprint = self.last.fingerprint(self.search.build.fingerprint)
        if not artifacts.is_finished(self.found, fingerprint):
            build = builds.begin(self.found, fingerprint)
            builds.finish(build, {}, {}, self._method.search(self.search, self.last, build))
        self.statistics = artifacts.require_manifest(self.found).statistics


def method_of(settings: NeighborSettings, vectors: Manifest) -> Method:
    """The module that searches: by the settings and the number of vectors alone, so that it is the same on every
    machine and runner."""
    if settings.method == "exact":
        return by_exact
    fits = settings.method == "index" or by_index.fits(settings, vectors)
    return by_cells if settings.method == "cells" or not fits else by_index


def _words(run: Run) -> Words | None:
    """The words of the documents, where they confirm near-duplicates."""
    settings = run.config.neighbors
    if not settings.words_confirm or settings.duplicate_overlap is None:
        return None
    words.read(run)
    return Words(run.root, settings.duplicate_overlap, run.config.seed)


def _without_duplicates(
    searches: Searches, judge: Judge, lexical_weight: float
) -> tuple[Duplicates, Mapping[str, int]]:
    """Drops near-duplicates and searches again until there are none, and says how many the cosine alone would drop."""
    vectors, least = searches.search.vectors, searches.search.settings.least_cosine
    near, pairs = [], []
    for close in near_duplicates.close_pairs(searches.found, vectors, lexical_weight, min(TRIED[0], least)):
        near.append(near_duplicates.at_least(close, TRIED[0]))
        pairs.append(judge.duplicates(close))
    tried = near_duplicates.would_drop(near_duplicates.joined(near))
    more = near_duplicates.joined(pairs)
    known = [more]
    while len(more.edges):
        duplicates = keep_first(near_duplicates.joined(known), searches.documents)
        searches.next(np.flatnonzero(duplicates.of < 0))
        found = near_duplicates.close_pairs(searches.found, vectors, lexical_weight, least)
        more = near_duplicates.joined(map(judge.duplicates, found))
        known.append(more)
    return keep_first(near_duplicates.joined(known), searches.documents), tried


def _keep(lists: Directory, neighbors: Build) -> None:
    """Copies the lists of the last round into `neighbors`."""
    done = {part.name for part in builds.written_parts(neighbors)}
    for part in artifacts.require_manifest(lists).parts:
        if part.name not in done:
            builds.write_part(neighbors, part.name, artifacts.read_part(lists, part), compress=False)


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


def estimate(run: Run) -> Estimate:
    vectors, settings, is_local = run.manifest(VECTORS), run.config.neighbors, run.runner.is_local
    part = max((part.rows for part in vectors.parts), default=0)
    searching = method_of(settings, vectors).estimate(settings, vectors, part, is_local)
    lists = 3 * vectors.rows * (12 * settings.k + 8)  # two rounds and the result
    # By ordinal: members, what each duplicates, and the pairs that are duplicates, of which there seldom are more than
    # documents; and all pairs that the lists of a part propose.
    memory = searching.memory + 100 * vectors.rows + 50 * settings.k * part + subset.memory_bytes(run.config, vectors)
    disk, each_worker = searching.disk + lists, searching.each_worker
    if settings.words_confirm:
        memory += words.memory_bytes(vectors.rows) + 24 * near_duplicates.REMEMBERED
        disk += words.disk_bytes(run.manifest(run.text).statistics["text_bytes"])
        each_worker = max(each_worker, 12 * int(run.config.ingest.part_bytes))
    return Estimate(memory=memory, disk=disk, each_worker=each_worker)


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
