"""An artifact as a table has all its rows, or some of its columns; what is no table says what to do instead."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sequitur
from sequitur.pipeline import schemas
from sequitur.pipeline.errors import ColumnUnknown, CorruptPart, NoTable
from sequitur.pipeline.stage import Run


@pytest.mark.parametrize("name", ["documents", "rejects", "selection", "tokens", "neighbors", "order"])
def test_all_rows_of_all_parts(finished: Run, rows: Callable[..., list[dict[str, Any]]], name: str) -> None:
    artifact = sequitur.open_run(finished.config.output).artifact(name)
    table = artifact.to_table()
    assert table.to_pylist() == rows(finished, name)
    assert (table.num_rows, artifact.path) == (artifact.manifest.rows, finished.artifact(name).path())
    some = [table.column_names[-1], table.column_names[0]]
    assert artifact.to_table(some).equals(table.select(some))
    assert len(artifact.manifest.parts) > (1 if name == "documents" else 0)


def test_what_is_no_table_says_what_to_do(finished: Run) -> None:
    run = sequitur.open_run(finished.config.output)
    with pytest.raises(NoTable, match=r"shards: is no table; read it with sequitur\.shards\.ContextDataset"):
        run.artifact("shards").to_table()
    for name in ("report", "order/router"):
        with pytest.raises(NoTable, match="is no table"):
            run.artifact(name).to_table()


def test_no_rows_are_a_table_too(execute: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "one"}\n')
    execute(tmp_path / "run", "ingest", ingest={"inputs": [str(tmp_path / "in.jsonl")]})
    table = sequitur.open_run(tmp_path / "run").artifact("rejects").to_table(["reason", "source"])
    assert (table.num_rows, table.schema.field(0)) == (0, schemas.REJECTS.field("reason"))


def test_unknown_columns_and_damage_are_named(finished: Run, branch: Callable[..., Run]) -> None:
    with pytest.raises(ColumnUnknown, match=r"selection: no column keep; there are kept, reason, "):
        sequitur.open_run(finished.config.output).artifact("selection").to_table(["keep"])
    job = branch("damaged")
    part = Path(job.artifact("order").path(job.manifest("order").parts[0].path))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(CorruptPart, match="its checksum differs"):
        sequitur.open_run(job.config.output).artifact("order").to_table()
