"""Lists that are brought up to date as documents go, and come back, are those of a search among who is left."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from neighbor_runs import place, unit

from sequitur.graph_sort.neighbors import scan
from sequitur.pipeline import artifacts, builds
from sequitur.stages.neighbors import by_index
from sequitur.stages.neighbors.lists import Search, lists_of
from sequitur.stages.neighbors.rounds import Rounds


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_lists_of_those_who_are_left(job_of: Any, seed: int) -> None:
    vectors = unit(seed, 200, 5).astype(np.float16)
    job = place(job_of(k=4), vectors)
    builds.begin(job.artifact("neighbors"), "neighbors")
    rounds = Rounds(Search(job.root, job.config.neighbors, 0, job.jobs, None), by_index, 200)
    rng, asked = np.random.default_rng(seed), []
    assert rounds.next(np.arange(200))
    for step, share in enumerate((0.97, 0.7, 0.9, 0.4, 0.6, 0.99, 0.0)):  # they return, too, and all but none go
        members = np.flatnonzero(rng.random(200) < share)
        before = rounds.count
        asked.append(rounds.next(members))
        assert rounds.count == before + asked[-1]
        build = builds.begin(job.root / f"lists-{step}", "lists")
        rounds.write(build)
        builds.finish(build, {}, {}, {})
        parts = artifacts.require_manifest(build.directory).parts
        batches = [artifacts.read_part(build.directory, part) for part in parts]
        batch = pa.Table.from_batches(batches).combine_chunks().to_batches(max_chunksize=None)
        ordinals = np.concatenate([one.column("ordinal").to_numpy() for one in batches])
        assert ordinals.tolist() == members.tolist()
        expected = scan(vectors[members], vectors[members], np.arange(len(members)), 4)
        for found in (lists_of(one) for one in batch):
            named = np.where(expected.neighbor >= 0, members[np.maximum(expected.neighbor, 0)], -1)
            np.testing.assert_array_equal(found.neighbor, named)
    assert not all(asked)  # a list has room for some who go
