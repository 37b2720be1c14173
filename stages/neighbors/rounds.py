"""Searches of `neighbors` in rounds, as documents go: lists are made once, with room for what may fall.

The first round searches for all. Where near-duplicates, or a subset, take documents away, those that are left move up
in the lists, and only documents whose list has become too short ask again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sequitur.graph_sort.neighbors import Neighbors, among
from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline import artifacts, builds, scratch
from sequitur.pipeline.builds import Build
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.lists import ROUND, Method, Round, Search, as_batch, lists_of, mask
from sequitur.stages.shared.columns.arrays import held

REBUILT_BELOW = 0.5  # of those for whom cells were made; where fewer are left, cells are made for them alone


class Rounds:
    """One round after the other, each among the documents that are left; a round that was finished is not repeated.

    Attributes:
        search: what they are searched with.
        members: int64 ordinals of the documents that are left, ascending.
        statistics: how the last round searched.
        count: how many rounds there were.
    """

    statistics: Mapping[str, Any]

    def __init__(self, search: Search, method: Method, documents: int) -> None:
        self.search, self._method, self.count = search, method, 0
        self._empty = scratch.beside(search.root)
        self._base = self.members = held(self._empty, np.arange(documents, dtype=np.int64))
        self._current: list[str] = []  # targets of which the lists are made up: a later one goes before an earlier one

    @property
    def parts(self) -> list[str]:
        """Names of the parts of the lists."""
        return artifacts.require_manifest(self.search.vectors).names

    @property
    def found(self) -> Directory:
        """The lists of the last round: of those who asked in it."""
        return self.search.root / self._current[-1]

    def next(self, members: np.ndarray) -> bool:
        """Brings the lists up to date for the members that are left, int64 ordinals, and returns whether any had to be
        searched for. One that was left out may return: what it duplicated has gone itself."""
        returned = members[~mask(self.search.vectors, self.members)[members]]
        self.members = members = held(self._empty, members)
        if len(members) < REBUILT_BELOW * len(self._base) or not mask(self.search.vectors, self._base)[returned].all():
            self._base, self._current = members, []
        elif len(returned):  # a later round may have passed them over; the first has the lists of all
            self._current = self._current[:1]
        asking = self._short() if self._current else members
        if self._current and not len(asking):
            return False
        this = Round(ROUND.format(self.count), members, self._base, asking)
        self._current.append(this.target)
        self.count += 1
        fingerprint = this.fingerprint(self.search.build.fingerprint)
        if not artifacts.is_finished(self.found, fingerprint):
            build = builds.begin(self.found, fingerprint)
            builds.finish(build, {}, {}, self._method.search(self.search, this, build))
        self.statistics = artifacts.require_manifest(self.found).statistics
        return True

    def write(self, build: Build) -> None:
        """The k nearest of each member, in parts like those of `vectors`. Parts that are there stay."""
        done, k = {part.name for part in builds.written_parts(build)}, self.search.settings.k
        is_member, names = mask(self.search.vectors, self.members), self.parts

        def write_part(number: int) -> None:
            ordinals, found = self._lists(number)
            here = is_member[ordinals]
            left = among(Neighbors(found.neighbor[here], found.cosine[here]), is_member)
            lists = Neighbors(left.neighbor[:, :k], left.cosine[:, :k])
            builds.write_part(build, names[number], as_batch(ordinals[here], lists), compress=False)

        left = (number for number, name in enumerate(names) if name not in done)
        for _ in on_threads(self.search.jobs.runner.threads, write_part, left):
            pass

    def _short(self) -> np.ndarray:
        """int64 ordinals of the members whose lists name fewer than k of them, though there may be more."""
        is_member, k = mask(self.search.vectors, self.members), self.search.settings.k

        def of_part(number: int) -> np.ndarray:
            ordinals, found = self._lists(number)
            left = among(found, is_member).neighbor[:, k - 1] >= 0
            ended = found.neighbor[:, -1] < 0  # it named all that there are
            return ordinals[is_member[ordinals] & ~left & ~ended]

        return np.concatenate(list(on_threads(self.search.jobs.runner.threads, of_part, range(len(self.parts)))))

    def _lists(self, number: int) -> tuple[np.ndarray, Neighbors]:
        """(int64 ordinals, lists) of a part, as they were last searched."""
        (ordinals, found), *later = self._of_rounds(number)
        for asked, lists in later:
            at = np.searchsorted(ordinals, asked)
            found.neighbor[at], found.cosine[at] = lists
        return ordinals, found

    def _of_rounds(self, number: int) -> Iterator[tuple[np.ndarray, Neighbors]]:
        for target in self._current:
            directory = self.search.root / target
            batch = artifacts.read_part(directory, artifacts.require_manifest(directory).parts[number])
            found = lists_of(batch)
            yield batch.column("ordinal").to_numpy(), Neighbors(found.neighbor.copy(), found.cosine.copy())
