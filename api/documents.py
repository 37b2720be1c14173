"""The documents of a run as one table, joined over its artifacts by row and by ordinal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.api import by_ordinal
from sequitur.api.by_ordinal import Arrays
from sequitur.api.ids import hexadecimal
from sequitur.api.neighbor_lists import NeighborLists
from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.errors import ColumnUnknown, CorruptPart, MissingArtifact
from sequitur.pipeline.names import DOCUMENTS, NEIGHBORS, ORDER, SELECTION, SHARDS, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.stage import TEXT
from sequitur.pipeline.storage import Directory
from sequitur.shards.views.text import title_in
from sequitur.stages.shared.columns.groups import string_field
from sequitur.stages.shared.columns.lookup import title_line

COLUMNS: Mapping[str, tuple[str, ...]] = {
    DOCUMENTS: (
        *("doc_id", "record_id", "source", "url", "timestamp", "source_file", "source_row", "metadata"),
        "license",  # what `metadata` says of it
    ),
    TEXT: ("text", "title"),  # of the artifact with the text, `documents` or `refined`
    SELECTION: ("kept", "reason", "duplicate_of", "evidence", "similarity", "ordinal"),
    TOKENS: ("tokens",),
    VECTORS: ("vector",),
    NEIGHBORS: ("neighbors", "neighbor_cosines"),
    ORDER: ("position", "path", "family", "opens", "cosine_to_previous"),
    SHARDS: ("split",),
}
"""The columns by the artifact that tells them; any other is a signal."""
DEFAULT = (
    *("doc_id", "record_id", "source", "kept", "reason", "duplicate_of", "ordinal"),
    *("tokens", "position", "path", "cosine_to_previous", "split"),
)
ARTIFACT_OF = {name: artifact for artifact, names in COLUMNS.items() for name in names}
BY_ORDINAL = {*by_ordinal.BY_ARTIFACT, NEIGHBORS}
LOSSES = {"kept", "reason", "duplicate_of", "evidence", "similarity"}  # other where `neighbors` dropped a document
IDS = {"doc_id", "duplicate_of", "evidence"}


class JoinedDocuments:
    """The documents of a run, row by row.

    Args:
        root: the run directory.
        text: the artifact with the text.
        standing: the artifacts that are up to date, by name.
    """

    def __init__(self, root: Directory, text: str, standing: Mapping[str, Manifest]) -> None:
        self._root, self._text, self._standing = root, text, standing

    def table(self, columns: Sequence[str] | None = None, ordinals: np.ndarray | None = None) -> pa.Table:
        """Some columns of every document, or of those alone that have some `ordinals` (int64).

        Raises:
            ColumnUnknown: there is no such column.
            MissingArtifact: what tells it is not finished, or out of date.
            CorruptPart: what tells it is damaged.
        """
        names = self.known(DEFAULT) if columns is None else list(columns)
        return pa.Table.from_batches(list(self.batches(names, ordinals))).unify_dictionaries()

    def batches(self, columns: Sequence[str], ordinals: np.ndarray | None = None) -> Iterator[pa.RecordBatch]:
        """`table` part by part. Memory: a part, and a few bytes a document of what is told by ordinal."""
        for name in columns:
            self._check(name)
        told = self._told_by_ordinal(set(columns))
        for rows in self._parts(self._needed(columns, ordinals is not None), ordinals):
            yield pa.record_batch([self._column(name, rows, told) for name in columns], columns)

    def known(self, names: Sequence[str]) -> list[str]:
        """Those of some columns that are told by what is finished and up to date."""
        return [name for name in names if self._teller(name) in self._standing]

    @property
    def signals(self) -> pa.Schema:
        """The columns of the signals; none where these are not up to date."""
        if SIGNALS not in self._standing:
            return pa.schema([])
        return artifacts.part_schema(self._root / SIGNALS, self._standing[SIGNALS].parts[0])

    def _teller(self, name: str) -> str:
        artifact = ARTIFACT_OF.get(name, SIGNALS)
        return self._text if artifact == TEXT else artifact

    def _check(self, name: str) -> None:
        signals = self.signals.names
        if name not in ARTIFACT_OF and name not in signals:
            listed = ", ".join([*ARTIFACT_OF, *signals])
            raise ColumnUnknown(f"{self._root.url}: no column {name} of documents; there are {listed}")
        if self._teller(name) not in self._standing:
            raise MissingArtifact(
                f"{self._root.url}: the column {name} is told by {self._teller(name)}, which is absent or out of date; "
                "run the stage that makes it first"
            )

    def _needed(self, names: Sequence[str], some: bool) -> dict[str, set[str]]:
        """The columns that are read part by part, by artifact, `selection` first."""
        needed: dict[str, set[str]] = {SELECTION: {"ordinal"} if some else set()}
        for name in names:
            artifact = self._teller(name)
            if name == "title":
                needed.setdefault(DOCUMENTS, set()).add("metadata")
                needed.setdefault(self._text, set()).add("text")
            elif name == "license":
                needed.setdefault(DOCUMENTS, set()).add("metadata")
            elif artifact not in BY_ORDINAL:
                needed.setdefault(artifact, set()).add(name)
            if artifact in BY_ORDINAL or name in LOSSES:
                needed[SELECTION].add("ordinal")
        return {artifact: columns for artifact, columns in needed.items() if columns}

    def _parts(self, needed: Mapping[str, set[str]], ordinals: np.ndarray | None) -> Iterator[Arrays]:
        """Columns of the row-aligned artifacts, part by part; of no part without a wanted row anything but ordinals."""
        for number in range(len(self._standing[DOCUMENTS].parts)):
            rows: Arrays = {}
            chosen: pa.Array | None = None
            for artifact, columns in needed.items():
                batch = artifacts.read_part(
                    self._root / artifact, self._standing[artifact].parts[number], sorted(columns)
                )
                if ordinals is not None and chosen is None:
                    chosen = pc.fill_null(pc.is_in(batch.column("ordinal"), pa.array(ordinals)), False)
                batch = batch if chosen is None else batch.filter(chosen)
                if not batch.num_rows:
                    break
                rows |= dict(zip(batch.schema.names, batch.columns, strict=True))
            else:
                yield rows

    def _told_by_ordinal(self, names: set[str]) -> Arrays:
        """What is wanted of the artifacts that speak of ordinals; of `neighbors` its losses, under other names."""
        if SELECTION not in self._standing:
            return {}
        count = self._standing[SELECTION].statistics["kept"]
        found: Arrays = {}
        for artifact, read in by_ordinal.BY_ARTIFACT.items():
            if names & {*COLUMNS[artifact]}:
                found |= read(self._root, count)
        if names & {*COLUMNS[NEIGHBORS]}:
            lists = NeighborLists(self._root, self._kept_ids())
            found |= {"neighbors": lists.named, "neighbor_cosines": lists.cosines}
        if names & LOSSES and NEIGHBORS in self._standing:
            lost = by_ordinal.of_losses(self._root, count)
            found |= {f"lost_{name}": values for name, values in lost.items()}
            if names & IDS:
                found["lost_to"] = self._kept_ids().take(lost["to"])
        return found

    def _kept_ids(self) -> pa.FixedSizeBinaryArray:
        """The `doc_id` of each ordinal. Memory: 16 bytes each."""
        parts = self._parts({SELECTION: {"ordinal"}, DOCUMENTS: {"doc_id"}}, None)
        return pa.concat_arrays([rows["doc_id"].filter(rows["ordinal"].is_valid()) for rows in parts])

    def _column(self, name: str, rows: Arrays, told: Arrays) -> pa.Array:
        """A column of some rows, by what is read of them and what is told by ordinal."""
        if name in told:
            found = told[name]
            return found(rows["ordinal"]) if callable(found) else found.take(rows["ordinal"])
        if name == "title":
            return self._titles(rows)
        if name == "license":
            return self._licenses(rows)
        column = rows[name]
        if name in LOSSES and "lost_reason" in told:
            lost = told["lost_reason"].take(rows["ordinal"])
            if name == "kept":
                return pc.and_(column, lost.is_null())
            other = {"reason": "lost_reason", "similarity": "lost_similarity"}.get(name, "lost_to")
            column = column.cast(pa.string()) if name == "reason" else column
            column = pc.coalesce(column, told[other].take(rows["ordinal"]))
        if name == "reason":
            return column.cast(pa.string()).dictionary_encode()
        return hexadecimal(column) if name in IDS else column

    def _titles(self, rows: Arrays) -> pa.Array:
        """The records' titles, or else what the texts say first."""
        try:
            found = [
                title_line(string_field(metadata, "title") or title_in(text.as_py()))
                for metadata, text in zip(rows["metadata"].to_pylist(), rows["text"], strict=True)
            ]
        except json.JSONDecodeError as error:
            raise self._not_json() from error
        return pa.array(found, pa.string())

    def _licenses(self, rows: Arrays) -> pa.Array:
        """What the records say of their licence, where that is a string."""
        try:
            found = [string_field(metadata, "license") for metadata in rows["metadata"].to_pylist()]
        except json.JSONDecodeError as error:
            raise self._not_json() from error
        return pa.array(found, pa.string())

    def _not_json(self) -> CorruptPart:
        return CorruptPart(f"{(self._root / DOCUMENTS).path()}: metadata is not JSON; `sequitur verify` tells more")
