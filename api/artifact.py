"""One artifact of a run: what its manifest says, and its rows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.errors import ColumnUnknown, NoTable
from sequitur.pipeline.names import CHANGES, REJECTS, REPORT, SHARDS, SPANS
from sequitur.pipeline.storage import Directory

# Artifacts whose parts are absent where they would hold no rows.
MAY_BE_EMPTY = {REJECTS: schemas.REJECTS, CHANGES: schemas.CHANGES, SPANS: schemas.SPANS}
INSTEAD = {
    SHARDS: "read it with sequitur.shards.ContextDataset",
    REPORT: "it is in metrics and ledger",
}


@dataclass(frozen=True)
class Artifact:
    """A finished artifact of a run, as it lies there.

    Attributes:
        name: of the directory in the run, as in `neighbors/duplicates`.
        path: of that directory.
        manifest: its `rows`, `bytes`, `fingerprint`, `parameters`, `parents`, `statistics` and `parts`.
    """

    name: str
    path: str
    manifest: Manifest

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, or some columns of them, part after part; compared with their checksums.

        Memory: those columns, decompressed; what is stored uncompressed is mapped where it is local.

        Raises:
            NoTable: the artifact has no rows: `shards`, `report`, `order/router`.
            ColumnUnknown: it has no such column; the message lists them.
            CorruptPart: a part is damaged.
        """
        directory, parts = Directory(self.path), self.manifest.parts
        if self.name in INSTEAD or not all(part.name.endswith(".arrow") for part in parts):
            raise NoTable(f"{self.path}: is no table; {INSTEAD.get(self.name, 'read its files')}")
        empty = MAY_BE_EMPTY.get(self.name)
        schema = artifacts.part_schema(directory, parts[0]) if parts else empty
        if schema is None:
            raise NoTable(f"{self.path}: has no parts, so it is no table; run again to rebuild it")
        for name in columns or ():
            if name not in schema.names:
                raise ColumnUnknown(f"{self.path}: no column {name}; there are {', '.join(schema.names)}")
        names = schema.names if columns is None else list(columns)
        batches = [artifacts.read_part(directory, part, names) for part in parts]
        schema = pa.schema([schema.field(name) for name in names])
        return pa.Table.from_batches(batches, schema).unify_dictionaries()
