"""The graph of neighbours of a run, around a document or whole, as networkx has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.api.documents import JoinedDocuments
from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.errors import DocumentUnknown, MissingArtifact, OverMemory
from sequitur.pipeline.names import NEIGHBORS, SELECTION, SEMANTIC_DUPLICATES
from sequitur.pipeline.progress import Progress, human
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.lookup import find, row_of, standing

if TYPE_CHECKING:
    import networkx

MAX_DOCUMENTS = 20_000
DOCUMENT_BYTES, EDGE_BYTES = 600, 400  # of networkx, measured
ATTRIBUTES = ("ordinal", "record_id", "title", "source", "kept", "reason")
KINDS = ("neighbor", "duplicate")


class Edges(NamedTuple):
    """e edges between documents, by ordinal, int64 a < b; each pair once, ascending."""

    a: np.ndarray
    b: np.ndarray
    cosine: np.ndarray  # float32
    kind: np.ndarray  # int8, index into KINDS


class NeighborGraph:
    """The graph of a run: which documents are neighbours, and which near-duplicates were dropped for which.

    Args:
        root: the run directory.
        text: the artifact with the text.
        progress: told of what is looked for.
        max_documents: a graph of more is refused.

    Raises:
        MissingArtifact: `neighbors` are not finished, or out of date.
    """

    def __init__(self, root: Directory, text: str, progress: Progress, max_documents: int = MAX_DOCUMENTS) -> None:
        self._root, self._progress, self._max = root, progress, max_documents
        self._standing: Mapping[str, Manifest] = standing(root, text)
        if NEIGHBORS not in self._standing:
            raise MissingArtifact(f"{root.url}: neighbors are absent or out of date; run the job until neighbors first")
        self._documents = JoinedDocuments(root, text, self._standing)

    def whole(self) -> networkx.Graph:
        """All documents that stay, and the near-duplicates of them.

        Raises:
            OverMemory: they are more than `max_documents`.
        """
        duplicates = artifacts.require_manifest(self._root / SEMANTIC_DUPLICATES)
        self._check(self._standing[NEIGHBORS].rows + duplicates.rows)
        edges = self._edges(None)
        kept = artifacts.read_columns(self._root / NEIGHBORS, ["ordinal"])["ordinal"].to_numpy()
        return self._made(np.union1d(kept, np.concatenate([edges.a, edges.b])), edges)

    def around(self, name: str, hops: int) -> networkx.Graph:
        """A document, those that so many edges or fewer lead to, and all edges between these.

        Raises:
            DocumentUnknown: the name fits no document, or several, or one that `select` dropped.
            OverMemory: they are more than `max_documents`.
        """
        members = np.array([self._ordinal(name)], dtype=np.int64)
        for _ in range(hops):
            edges = self._edges(members, either=True)
            members = distinct_values(np.concatenate([members, edges.a, edges.b]))
            self._check(len(members))
        return self._made(members, self._edges(members))

    def _ordinal(self, name: str) -> int:
        found = find(self._root, name, self._progress)
        if found.place is None:
            raise DocumentUnknown(f"{name}: is a record that could not be read, and so has no neighbours")
        part = self._standing[SELECTION].parts[found.place.part]
        row = row_of(self._root / SELECTION, part, found.place.row, ["ordinal", "reason"])
        if row["ordinal"] is None:
            raise DocumentUnknown(
                f"{name}: was dropped by select ({row['reason']}), and so has no neighbours; `sequitur trace` tells "
                "what stayed for it"
            )
        ordinal: int = row["ordinal"]
        return ordinal

    def _check(self, count: int) -> None:
        k = self._standing[NEIGHBORS].parameters["k"]
        if count > self._max:
            size = human(count * (DOCUMENT_BYTES + k * EDGE_BYTES))
            raise OverMemory(
                f"{self._root.url}: a graph of {count:,} documents takes up to {size} of memory, {EDGE_BYTES} bytes an "
                f"edge, and {self._max:,} are allowed; ask around a document, for fewer hops, or for max-documents "
                f"{count}"
            )

    def _edges(self, members: np.ndarray | None, *, either: bool = False) -> Edges:
        """The edges between some documents (int64, ascending), or, with `either`, from them; None: all.

        One pass over the lists; memory, those of a part and what is found.
        """
        found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int8))]
        for ordinal, other, cosine, kind in self._lists():
            if members is not None:
                mine, its = np.isin(ordinal, members), np.isin(other, members)
                chosen = mine | its if either else mine & its
                ordinal, other, cosine = ordinal[chosen], other[chosen], cosine[chosen]
            low, high = np.minimum(ordinal, other), np.maximum(ordinal, other)
            found.append((low, high, cosine, np.full(len(low), kind, dtype=np.int8)))
        a, b, cosine, kinds = (np.concatenate(column) for column in zip(*found, strict=True))
        by_pair = np.lexsort((-cosine, b, a))  # the larger cosine first, where each names the other
        a, b = a[by_pair], b[by_pair]
        first = np.append(True, (a[1:] != a[:-1]) | (b[1:] != b[:-1]))[: len(a)]
        return Edges(a[first], b[first], cosine[by_pair][first], kinds[by_pair][first])

    def _lists(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, int]]:
        """Ordinals, ordinals that they name, cosines, and the kind of edge, part by part."""
        directory, parts = self._root / NEIGHBORS, self._standing[NEIGHBORS].parts
        self._progress.step("reading neighbours", len(parts))
        for number, part in enumerate(parts):
            batch = artifacts.map_part(directory, part)
            other = schemas.list_matrix(batch.column("neighbor"))
            ordinal = np.broadcast_to(batch.column("ordinal").to_numpy()[:, None], other.shape)
            there = other >= 0
            yield ordinal[there], other[there], schemas.list_matrix(batch.column("cosine"))[there], 0
            self._progress.update(number + 1)
        near = artifacts.read_columns(self._root / SEMANTIC_DUPLICATES, ["ordinal", "duplicate_of", "cosine"])
        ordinal, of, cosine = (near[name].to_numpy() for name in near.column_names)
        yield ordinal, of, cosine, 1

    def _made(self, members: np.ndarray, edges: Edges) -> networkx.Graph:
        import networkx

        table = self._documents.table(["doc_id", *ATTRIBUTES], members)
        ids = np.array(table["doc_id"].to_pylist(), dtype=object)
        graph = networkx.Graph()
        graph.add_nodes_from(zip(ids, _rows(table.select(ATTRIBUTES)), strict=True))
        ends = (ids[np.searchsorted(members, side)].tolist() for side in (edges.a, edges.b))
        cosines = np.round(edges.cosine.astype(np.float64), 6).tolist()
        about = (
            {"cosine": cosine, "kind": KINDS[kind]} for cosine, kind in zip(cosines, edges.kind.tolist(), strict=True)
        )
        graph.add_edges_from(zip(*ends, about, strict=True))
        return graph


def _rows(table: pa.Table) -> Iterator[dict[str, object]]:
    """Each row as a dict of what is known."""
    for row in table.to_pylist():
        yield {name: value for name, value in row.items() if value is not None}
