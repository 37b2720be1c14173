"""Groups of kept documents by something that is known of them: source, language, or a field of their metadata."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import artifacts
from pipeline.stage import Run


def group_codes(run: Run, by: str) -> tuple[np.ndarray, list[str]]:
    """The group of each kept document: int64 codes by ordinal, −1 where unknown, and the names, sorted.

    Args:
        run: `documents`, `selection`, and for languages `signals`, are read.
        by: `source`, `language` (the signal), or the name of a field of the records, if it is a string there.
    """
    values = pa.chunked_array([_values(run, by, index) for index in range(len(run.manifest("documents").parts))])
    names = sorted(name for name in pc.unique(values).to_pylist() if name is not None)
    codes = pc.fill_null(pc.index_in(values, pa.array(names, pa.string())), -1)
    return codes.to_numpy().astype(np.int64), names


def _values(run: Run, by: str, index: int) -> pa.Array:
    """The group names of the kept documents of a part, null where there is none."""
    selection = run.manifest("selection").parts[index]
    kept = artifacts.read_part(run.artifact("selection"), selection, ["kept"]).column("kept")
    artifact, column = {"source": ("documents", "source"), "language": ("signals", "language")}.get(
        by, ("documents", "metadata")
    )
    values = artifacts.read_part(run.artifact(artifact), run.manifest(artifact).parts[index], [column]).column(column)
    values = pc.cast(values.filter(kept), pa.string())
    return values if column == by else pa.array([_field(text, by) for text in values.to_pylist()], pa.string())


def _field(metadata: str, name: str) -> str | None:
    if f'"{name}"' not in metadata:
        return None
    value = json.loads(metadata).get(name)
    return value if isinstance(value, str) else None
