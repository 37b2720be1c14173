"""neighbors: `vectors` → `neighbors`: of each document the k nearest others, near-duplicates put aside.

    input    `vectors`; text and `selection`, where words must confirm near-duplicates; `tokens`, where n-grams must
    output   one row per document that stays: its neighbours, best first; `neighbors/duplicates` and
             `neighbors/unselected` list the others
    dropped  documents that are close to one that stays by the model's own cosine, and a version of it by their words
             (`neighbors.duplicate_overlap`); the pair is recorded; then those that `select.subset` leaves out
    cost     n²·d multiplications over the workers up to a size, and beyond n·d for each vector in the cells that are
             probed: 39 of 825 for 145,000 documents; the vectors mapped, or shuffled where jobs run elsewhere and
             `neighbors.memory` is too small for that; or exact search on a GPU

Near-duplicates go before the graph is made, because a path through copies teaches nothing (In-Context Pretraining,
ablation: without their removal the whole gain vanishes). Dropping some brings others closer. So more are searched for
than are kept, and only documents whose list has become too short search again, until no two documents that stay are
duplicates in each other's lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from sequitur.graph_sort.near_duplicates import Duplicates, Pairs, around_dropped, keep_first
from sequitur.pipeline import artifacts, schemas, scratch
from sequitur.pipeline.artifacts import Manifest
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
from sequitur.stages.neighbors import by_cells, by_exact, by_index, near_duplicates, subset, words
from sequitur.stages.neighbors.cell_assignment import ASSIGNED, TRUTH
from sequitur.stages.neighbors.lists import ROUND, SEARCH, Method, Search
from sequitur.stages.neighbors.near_duplicates import TRIED, Judge
from sequitur.stages.neighbors.pair_file import PAIR, PairFile
from sequitur.stages.neighbors.rounds import Rounds
from sequitur.stages.neighbors.words import Words
from sequitur.stages.shared import alarms
from sequitur.stages.shared.columns.arrays import all_values, problems_beside
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.models import choices


def work(run: Run) -> Mapping[str, Any]:
    settings, vectors, progress = run.config.neighbors, run.manifest(VECTORS), run.progress
    count, k = vectors.rows, settings.k
    if k >= count:
        progress.say(f"neighbors  k is {k} and there are {count:,} documents; the lists end with none (-1)")
    gpu = _gpu(run) if settings.method == "exact" else None
    search = Search(run.root, settings, run.config.seed, run.jobs, gpu)
    rounds = Rounds(search, method_of(settings, vectors, run.runner.is_local), count)
    rounds.next(rounds.members)
    progress.say(_told(rounds.statistics, settings.recall_target))
    judge = near_duplicates.Judge(run.root, settings, _words(run), count)
    with scratch.file_beside(run.root) as file:
        near = PairFile(file, scratch.place_beside(run.root), count)
        duplicates = _without_duplicates(rounds, judge, near, count, run.config.embed.lexical_weight)
        tried = near_duplicates.would_drop(near.by_higher(), count)
    staying = subset.chosen(run.root, rounds, run.config, progress)
    if len(staying) < len(rounds.members):
        rounds.next(staying)
    judge.write(run.root, duplicates)
    fallen = {SEMANTIC: np.flatnonzero(duplicates.of >= 0), SUBSET: all_values(run.artifact(UNSELECTED), "ordinal")}
    asked = {SUBSET: run.config.select.subset.share}
    raised = alarms.after_selection(run.root, fallen, run.config.select.alarm_share, asked)
    alarms.tell(progress, raised)
    rounds.write(search.build)
    search.build.files.remove(SEARCH)
    numbered = [ROUND.format(number) for number in range(rounds.count)]
    for directory in (ASSIGNED, TRUTH, words.WORDS, subset.LISTS, *numbered):
        run.root.remove(directory)
    return {
        **rounds.statistics,
        "rounds": rounds.count,
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


def method_of(settings: NeighborSettings, vectors: Manifest, is_local: bool) -> Method:
    """The module that searches, where jobs run here or elsewhere. An index and cells give the same lists: which of them
    is a matter of how vectors reach the workers."""
    if settings.method == "exact":
        return by_exact
    if settings.method == "auto":
        return by_index if is_local or by_index.fits(settings, vectors) else by_cells
    return by_index if settings.method == "index" else by_cells


def _words(run: Run) -> Words | None:
    """The words of the documents, where they confirm near-duplicates."""
    settings = run.config.neighbors
    if not settings.words_confirm or settings.duplicate_overlap is None:
        return None
    words.read(run)
    return Words(run.root, settings.duplicate_overlap, run.config.seed, run.runner.threads)


def _without_duplicates(
    rounds: Rounds, judge: Judge, near: PairFile, documents: int, lexical_weight: float
) -> Duplicates:
    """Drops near-duplicates and searches again until there are none; pairs of the first search that are `near` each
    other, by any cosine that is tried, are put there."""
    least, own = rounds.search.settings.least_cosine, StoredVectors(rounds.search.vectors, own=True)
    threads, progress = rounds.search.jobs.runner.threads, rounds.search.jobs.progress
    empty = scratch.beside(rounds.search.root)

    def proposed() -> Iterator[Pairs]:
        progress.step("neighbors: near-duplicates", len(rounds.parts), "parts")
        found = near_duplicates.close_pairs(rounds.found, own, lexical_weight, min(TRIED[0], least), threads)
        for number, close in enumerate(found, start=1):
            near.add(near_duplicates.at_least(close, TRIED[0]))
            yield near_duplicates.at_least(close, least)
            progress.update(number)

    known = judge.all_duplicates(proposed())
    while True:
        duplicates = keep_first(known, documents, empty=empty)
        # Most of what another search would find are those that are left of a large group: they are tried at once.
        tried_at_once = around_dropped(known, duplicates)
        more = judge.duplicates(near_duplicates.with_own_cosine(own, tried_at_once, threads))
        if not len(more.edges):
            if not rounds.next(np.flatnonzero(duplicates.of < 0)):
                return duplicates
            more = judge.all_duplicates(near_duplicates.close_pairs(rounds.found, own, lexical_weight, least, threads))
            if not len(more.edges):
                return duplicates
        known = near_duplicates.joined([known, more])


def _told(statistics: Mapping[str, Any], recall_target: float) -> str:
    """Which search was chosen and why, and what part of the true neighbours it finds."""
    missed = ""
    if not statistics["recall_reached"]:
        missed = f", less than neighbors.recall_target {recall_target}; neighbors.method: exact misses none"
    return (
        f"neighbors  {statistics['reason']}; recall {statistics['recall']:.3f} over "
        f"{statistics['recall_queries']:,} documents{missed}"
    )


def estimate(run: Run) -> Estimate:
    vectors, settings = run.manifest(VECTORS), run.config.neighbors
    part = max((part.rows for part in vectors.parts), default=0)
    searching = method_of(settings, vectors, run.runner.is_local).estimate(settings, vectors, part, run.runner)
    lists = 3 * vectors.rows * (12 * settings.k + 8)  # two rounds and the result
    # By ordinal, who takes part, 16 bytes at most; and 100 for each pair of duplicates, of which there seldom are more
    # than one for three documents. All pairs that the lists of a part propose, and those that are judged together.
    memory = searching.memory + 48 * vectors.rows + subset.memory_bytes(run.config, vectors)
    memory += run.runner.threads * 50 * settings.k * part
    memory += 150 * min(near_duplicates.JUDGED_AT_ONCE + settings.k * part, settings.k * vectors.rows)
    lists += PAIR.itemsize * settings.k * vectors.rows  # those that are near each other
    # Members in two rounds and at first, what each duplicates before and after another search, populations, and where
    # the words of each are.
    mapped, each_worker = searching.mapped + 84 * vectors.rows, searching.each_worker
    disk = searching.disk + lists
    if settings.words_confirm:
        text_bytes = run.manifest(run.text).statistics["text_bytes"]
        memory += words.memory_bytes(run.runner.threads)
        mapped += words.mapped_bytes(text_bytes) + 48 * near_duplicates.REMEMBERED
        disk += words.disk_bytes(text_bytes)
        each_worker = max(each_worker, 12 * int(run.config.ingest.part_bytes))
    disk += mapped - searching.mapped
    return Estimate(memory, disk, each_worker, mapped=mapped, shuffled=searching.shuffled)


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
