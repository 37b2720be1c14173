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
from sequitur.pipeline.stage import Estimate, Run, Stage
from sequitur.stages.neighbors import by_cells, by_gpu, by_index, near_duplicates, subset
from sequitur.stages.neighbors.cell_assignment import ASSIGNED, TRUTH
from sequitur.stages.neighbors.lists import REBUILT_BELOW, ROUND, SEARCH, Round
from sequitur.stages.neighbors.near_duplicates import DUPLICATES
from sequitur.stages.neighbors.subset import UNSELECTED
from sequitur.stages.shared.columns.arrays import all_values, problems_beside


def work(run: Run) -> Mapping[str, Any]:
    count, k = run.manifest("vectors").rows, run.config.neighbors.k
    if k >= count:
        run.progress.say(f"neighbors  k is {k} and there are {count:,} documents; the lists end with none (-1)")
    searches = Searches(run)
    searches.next(np.arange(count, dtype=np.int64))
    _say(run, searches.statistics)
    duplicates, tried = _without_duplicates(run, searches)
    staying = subset.chosen(run, searches.last.target)
    if len(staying) < len(searches.last.members):
        searches.next(staying)
    near_duplicates.write(run, duplicates)
    _keep(run, searches.last.target)
    for directory in (SEARCH, ASSIGNED, TRUTH, *(ROUND.format(number) for number in range(searches.count))):
        run.root.remove(directory)
    return {
        **searches.statistics,
        "rounds": searches.count,
        "duplicates": int((duplicates.of >= 0).sum()),
        "duplicates_at_cosine": tried,
        "unselected": run.manifest(UNSELECTED).rows,
    }


class Searches:
    """One round after the other, each among the documents that are left; a round that was finished is not repeated.

    Attributes:
        last: the last round.
        count: how many there were.
        statistics: how the last one searched.
    """

    last: Round
    statistics: Mapping[str, Any]

    def __init__(self, run: Run) -> None:
        self._run, self.count = run, 0

    def next(self, members: np.ndarray) -> None:
        """Searches the members, int64 ordinals, for each other."""
        everyone = np.arange(self._run.manifest("vectors").rows, dtype=np.int64)
        base = members if len(members) < REBUILT_BELOW * len(everyone) else everyone
        # A document that was dropped may return when its duplicate goes; the first search has the lists of all.
        self.last = Round(ROUND.format(self.count), members, base, ROUND.format(0) if self.count else None)
        self.count += 1
        directory, fingerprint = self._run.artifact(self.last.target), self.last.fingerprint(self._run)
        if not artifacts.is_finished(directory, fingerprint):
            artifacts.begin(directory, fingerprint)
            artifacts.finish(directory, fingerprint, {}, {}, method_of(self._run).search(self._run, self.last))
        self.statistics = self._run.manifest(self.last.target).statistics


def method_of(run: Run) -> Any:
    """The module that searches."""
    method = run.config.neighbors.method
    if method == "cells" or (method == "auto" and not run.runner.is_local):
        return by_cells
    return by_gpu if method == "auto" and by_gpu.device(run) else by_index


def _without_duplicates(run: Run, searches: Searches) -> tuple[Duplicates, Mapping[str, int]]:
    """Drops near-duplicates and searches again until there are none, and says how many other thresholds would drop."""
    count, target = run.manifest("vectors").rows, searches.last.target
    close = near_duplicates.close_pairs(
        run, target, min(near_duplicates.TRIED[0], run.config.neighbors.duplicate_cosine)
    )
    tried = near_duplicates.would_drop(close)
    pairs = more = near_duplicates.duplicates_among(run, close)
    duplicates = keep_first(pairs, count)
    while len(more.edges):
        searches.next(np.flatnonzero(duplicates.of < 0))
        close = near_duplicates.close_pairs(run, searches.last.target, run.config.neighbors.duplicate_cosine)
        more = near_duplicates.duplicates_among(run, close)
        pairs = Pairs(np.concatenate([pairs.edges, more.edges]), np.concatenate([pairs.cosine, more.cosine]))
        duplicates = keep_first(pairs, count)
    return duplicates, tried


def _keep(run: Run, last: str) -> None:
    """Copies the lists of the last round into `neighbors`."""
    directory = run.artifact("neighbors")
    done = {part.name for part in artifacts.written_parts(directory)}
    for part in run.manifest(last).parts:
        if part.name not in done:
            artifacts.write_part(directory, part.name, artifacts.read_part(run.artifact(last), part), compress=False)


def _say(run: Run, statistics: Mapping[str, Any]) -> None:
    """Tells which search was chosen and why, and what part of the true neighbours it finds."""
    missed = ""
    if not statistics["recall_reached"]:
        more = "" if statistics["method"] == "cells" else "; allow more neighbors.memory"
        missed = f", less than neighbors.recall_target {run.config.neighbors.recall_target}{more}"
    run.progress.say(
        f"neighbors  {statistics['reason']}; recall {statistics['recall']:.3f} over "
        f"{statistics['recall_queries']:,} documents{missed}"
    )


def parameters(config: Config) -> Mapping[str, Any]:
    settings = config.neighbors.model_dump(mode="json")
    return {**settings, **subset.parameters(config), "seed": config.seed}


def estimate(run: Run) -> Estimate:
    vectors, k = run.manifest("vectors"), run.config.neighbors.k
    part = max((part.rows for part in vectors.parts), default=0)
    searching = method_of(run).estimate(run, part)
    lists = 3 * vectors.rows * (12 * k + 8)  # two rounds and the result
    # By ordinal: members, what each duplicates, and the pairs, of which there seldom are more than documents.
    memory = searching.memory + 100 * vectors.rows + subset.memory_bytes(run)
    return Estimate(memory=memory, disk=searching.disk + lists, each_worker=searching.each_worker)


def verify(run: Run) -> Iterable[str]:
    directory = run.artifact("neighbors")
    yield from artifacts.schema_problems(directory, schemas.neighbors(run.config.neighbors.k))
    damage = [
        *problems_beside(run.artifact(DUPLICATES), schemas.DUPLICATES, run.artifact("neighbors")),
        *subset.verify(run),
    ]
    if damage:
        yield from damage
        return
    everyone = [all_values(run.artifact(name), "ordinal") for name in ("neighbors", DUPLICATES, UNSELECTED)]
    if not np.array_equal(np.sort(np.concatenate(everyone)), np.arange(run.manifest("vectors").rows)):
        yield f"{directory.path()}: not every document is there, a duplicate or unselected; delete it and run again"


def _tokens(config: Config) -> tuple[str, ...]:
    return () if config.neighbors.duplicate_jaccard is None else ("tokens",)


STAGE = Stage(
    "neighbors",
    "neighbors",
    2,
    ("vectors",),
    parameters,
    estimate,
    work,
    verify,
    (DUPLICATES, UNSELECTED),
    also=_tokens,
)
