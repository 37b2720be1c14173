"""Connected components by Beam jobs, where the links are too many for one machine: a large-star and a small-star a job.

The method is that of Kiveris et al. ("Connected Components in MapReduce and Beyond", SoCC 2014); its two operations are
`large_star` and `small_star` of `text_core.duplicates.components`. Edges are shuffled as packed arrays, grouped by
node, and never gathered: a group holds all edges of its nodes, and those of a component meet at its smallest member.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.beam import Rows, RowsOfParts, WritePart, by_group
from sequitur.pipeline.builds import Build
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import SELECTION
from sequitur.pipeline.storage import Directory
from sequitur.stages.select.candidates import GROUP_BYTES
from sequitur.text_core.duplicates.components import large_star, small_star

ROUND = "selection/_round"
JOINED_PER_SECOND = 1_000_000  # edges in one round on one core, measured


def components(jobs: Jobs, root: Directory, links: Directory, nodes: np.ndarray) -> np.ndarray:
    """The smallest member of each node's component, as a position in `nodes`: int64 [nodes].

    Args:
        jobs: what runs the rounds.
        root: of the run, under which they write.
        links: artifact with the edges, int64 `a` and `b`.
        nodes: int64, ascending; the ends of all edges.

    Cost: jobs until nothing changes, O(log² nodes) by the paper, about the logarithm of the longest chain in practice.
    """
    last = _converged(jobs, root, links)
    labels = np.arange(len(nodes), dtype=np.int64)
    for part in artifacts.require_manifest(last).parts:
        edges = artifacts.read_part(last, part, ["a", "b"])
        larger, smallest = (np.searchsorted(nodes, edges.column(side).to_numpy()) for side in ("b", "a"))
        labels[larger] = smallest
    return labels


def _converged(jobs: Jobs, root: Directory, links: Directory) -> Directory:
    """The artifact with the last round's edges: a star for each component. Rounds that are done are not repeated."""
    manifest = artifacts.require_manifest(links)
    groups = max(1, -(-manifest.rows * 32 // GROUP_BYTES))
    fingerprint = manifest.fingerprint
    number = max((n for n in _rounds(root) if artifacts.is_finished(root / f"{ROUND}-{n}", fingerprint)), default=0)
    while True:
        before = root / f"{ROUND}-{number}" if number else links
        number += 1
        after = root / f"{ROUND}-{number}"
        build = builds.begin(after, fingerprint)
        _round(jobs, before, build, groups, number)
        builds.finish(build, {}, {}, {})
        if artifacts.require_manifest(after).parts == artifacts.require_manifest(before).parts:  # checksums among them
            return after
        root.remove(f"{ROUND}-{number - 1}")


def _rounds(root: Directory) -> list[int]:
    prefix = ROUND.rsplit("/", 1)[1] + "-"
    names = (root / SELECTION).names()
    return [int(name.removeprefix(prefix)) for name in names if name.startswith(prefix)]


def _round(jobs: Jobs, before: Directory, after: Build, groups: int, number: int) -> None:
    edges = artifacts.require_manifest(before)

    def build(pipeline: beam.Pipeline) -> None:
        _ = (
            pipeline
            | "Parts" >> beam.Create(edges.names)
            | "Source" >> RowsOfParts({before: ("a", "b")})
            | "Directed" >> beam.ParDo(BothWays(groups))
            | "ByNode" >> group()
            | "LargeStar" >> beam.ParDo(LargeStar(groups))
            | "ByLarger" >> group()
            | "SmallStar" >> beam.ParDo(SmallStar())
            | "Write" >> beam.ParDo(WritePart(after, compress=False))
        )

    watching = jobs.watching(after, groups, f"select: joining links, round {number}", "groups")
    with watching, jobs.runner.grouping() as group:
        jobs.runner.run(build, len(edges.names), edges.rows / JOINED_PER_SECOND)


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(tuple[int, bytes])
class BothWays(beam.DoFn):
    """Edges → (group of a node, its packed edges), each edge from both of its ends."""

    def __init__(self, groups: int) -> None:
        self._groups = groups

    def process(self, part: Rows) -> Iterator[tuple[int, bytes]]:
        edges = np.column_stack([part[1].column(side).to_numpy() for side in ("a", "b")])
        directed = np.concatenate((edges, edges[:, ::-1]))
        yield from by_group(directed, directed[:, 0] % self._groups, self._groups)


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(tuple[int, bytes])
class LargeStar(beam.DoFn):
    """All edges of some nodes → the edges that large-star makes, packed by the group of their larger member."""

    def __init__(self, groups: int) -> None:
        self._groups = groups

    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, bytes]]:
        edges = large_star(_unpacked(group[1]))
        yield from by_group(edges, edges[:, 0] % self._groups, self._groups)


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(Rows)
class SmallStar(beam.DoFn):
    """The edges of some nodes to smaller ones → those that small-star makes of them."""

    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[Rows]:
        larger, smaller = np.ascontiguousarray(small_star(_unpacked(group[1])).T)
        yield f"part-{group[0]:05}-0000.arrow", pa.record_batch({"a": smaller, "b": larger})


def _unpacked(packed: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(packed), dtype=np.int64).reshape(-1, 2)
