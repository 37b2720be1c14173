"""What is exported is what the run's table tells, can be read by others, and gives the same documents when it is read
by this program."""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
import zstandard
from killing import Killed, kill_at
from removal_queries import tree

import sequitur
from sequitur.api.artifact_of_shards import renew_artifact
from sequitur.api.exports.documents import FORMATS, export_documents
from sequitur.pipeline.errors import ColumnUnknown, MissingArtifact, RemovalUnfinished
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.shards.exports import ExportRefused
from sequitur.shards.find import Query
from sequitur.shards.removal.intent import INTENT
from sequitur.shards.removal.removing import remove

PLAIN = ["id", "text", "source", "url", "timestamp"]


def read_lines(folder: Path, name: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob(f"{name}-*.jsonl.zst")):
        with zstandard.open(path, "rb") as file:
            found += [json.loads(line) for line in io.BytesIO(file.read())]
    return found


@pytest.fixture(scope="module")
def told(finished: Run) -> dict[int, dict[str, Any]]:
    """By the row in the input, for some records have the same id, what the run's table says."""
    names = ["source_row", "doc_id", "record_id", "text", "kept", "reason", "split", "position", "language", "tokens"]
    names += ["neighbors", "neighbor_cosines", "word_count", "duplicate_of"]
    return {row["source_row"]: row for row in sequitur.open_run(finished.config.output).documents(names).to_pylist()}


def test_neighbors_are_those_of_the_lists(
    finished: Run, rows: Callable[..., list[dict[str, Any]]], told: dict[int, dict[str, Any]]
) -> None:
    verdicts = zip(rows(finished), rows(finished, "selection"), strict=True)
    name = {verdict["ordinal"]: one["doc_id"].hex() for one, verdict in verdicts}
    expected = {
        name[row["ordinal"]]: [
            (name[other], cosine) for other, cosine in zip(row["neighbor"], row["cosine"], strict=True) if other >= 0
        ]
        for row in rows(finished, "neighbors")
    }
    found = {
        row["doc_id"]: list(zip(row["neighbors"], row["neighbor_cosines"], strict=True))
        for row in told.values()
        if row["neighbors"] is not None
    }
    assert found == expected
    assert all(row["neighbors"] is None for row in told.values() if not row["kept"])


@pytest.mark.parametrize("to", sorted(FORMATS))
def test_every_document_is_written_once_with_what_the_run_tells(
    finished: Run, told: dict[int, dict[str, Any]], tmp_path: Path, to: str
) -> None:
    done: list[tuple[int, int]] = []
    report = export_documents(
        finished.config, to, tmp_path, dropped=True, advance=lambda *progress: done.append(progress)
    )
    folder = tmp_path / "data" if to == "hf" else tmp_path
    if to == "jsonl":
        found = {name: read_lines(folder, name) for name in report.documents}
    else:
        found = {name: pq.read_table(sorted(folder.glob(f"{name}-*"))).to_pylist() for name in report.documents}
    assert {name: len(some) for name, some in found.items()} == report.documents
    assert found.keys() == {"train", "val", "dropped"}
    assert sorted(row["source_row"] for some in found.values() for row in some) == sorted(told)
    for name, some in found.items():
        for row in some:
            one = told[row["source_row"]]
            assert name == (one["split"] if one["kept"] else "dropped")
            assert row["id"] == one["record_id"]
            for column in one.keys() - {"neighbor_cosines"}:  # which JSON writes in fewer digits
                assert row[column] == one[column], column
    assert report.tokens == sum(row["tokens"] or 0 for row in told.values())
    assert report.left_out == {}
    assert done[0] == (0, done[-1][1])
    assert done[-1][0] == done[-1][1]


def test_dropped_documents_are_counted_and_left_out(
    finished: Run, told: dict[int, dict[str, Any]], tmp_path: Path
) -> None:
    report = export_documents(finished.config, "parquet", tmp_path / "out", columns=["id", "text", "title"])
    assert {path.name.split("-")[0] for path in (tmp_path / "out").glob("*.parquet")} == {"train", "val"}
    assert sum(report.left_out.values()) == sum(not row["kept"] for row in told.values())
    assert pq.read_schema(tmp_path / "out/train-00000.parquet").names == ["id", "text", "title"]
    assert json.loads((tmp_path / "out/sequitur-export.json").read_text()) == report.to_json()


def test_hugging_face_loads_it_by_its_splits(finished: Run, tmp_path: Path) -> None:
    report = export_documents(finished.config, "hf", tmp_path / "out", dropped=True)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in loaded.items()} == {
        name: count for name, count in report.documents.items() if name != "dropped"
    }
    lost = datasets.load_dataset(str(tmp_path / "out"), "dropped", cache_dir=str(tmp_path / "cache"))
    assert lost["dropped"].num_rows == report.documents["dropped"]
    assert None not in lost["dropped"]["reason"]


@pytest.mark.parametrize("to", ["jsonl", "parquet"])
def test_read_as_inputs_the_documents_are_the_same(
    finished: Run, execute: Callable[..., Run], rows: Callable[..., list[dict[str, Any]]], tmp_path: Path, to: str
) -> None:
    export_documents(finished.config, to, tmp_path / "out", columns=PLAIN)
    splits = [f"{tmp_path}/out/{name}-*" for name in ("train", "val")]
    again = execute(tmp_path / "again", "ingest", ingest={"inputs": splits})
    assert again.manifest("rejects").rows == 0
    names = ("doc_id", "record_id", "text", "source", "url", "timestamp")
    kept = zip(rows(finished), rows(finished, "selection"), strict=True)
    lost = {row["ordinal"] for row in rows(finished, "neighbors/duplicates")}
    wanted = [
        tuple(one[name] for name in names)
        for one, verdict in kept
        if verdict["kept"] and verdict["ordinal"] not in lost
    ]
    assert sorted(tuple(one[name] for name in names) for one in rows(again)) == sorted(wanted)
    assert len(wanted) > 200


def test_killed_anywhere_it_is_made_again_with_the_same_bytes(finished: Run, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    report = export_documents(finished.config, "hf", whole, columns=PLAIN)
    steps, ended = 0, False
    while not ended:
        steps += 3
        out = tmp_path / "out"
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, steps)
            with suppress(Killed):
                export_documents(finished.config, "hf", out, columns=PLAIN)
                ended = True
        assert export_documents(finished.config, "hf", out, columns=PLAIN) == report
        assert tree(out) == tree(whole)
        shutil.rmtree(out)
    assert steps > 6
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 1)  # what is there whole is not made again
        assert export_documents(finished.config, "hf", whole, columns=PLAIN) == report
    with pytest.raises(ExportRefused, match="is not empty"):
        export_documents(finished.config, "hf", whole, columns=["id", "text"])


def test_what_was_removed_and_its_copies_are_never_written(branch: Callable[..., Run], tmp_path: Path) -> None:
    run = branch("removed")
    before = sequitur.open_run(run.config.output).documents(["doc_id", "kept", "duplicate_of"]).to_pylist()
    original = next(one["duplicate_of"] for one in before if one["duplicate_of"])
    copies = {one["doc_id"] for one in before if one["duplicate_of"] == original}
    shards = Path(run.config.output) / "shards"
    remove(shards, Query(ids=(original,)))
    renew_artifact(Directory(str(shards)), shards)

    report = export_documents(run.config, "jsonl", tmp_path / "out", dropped=True, columns=["doc_id"])
    written = {row["doc_id"] for name in report.documents for row in read_lines(tmp_path / "out", name)}
    gone = {one["doc_id"] for one in before} - written
    assert {original, *copies} <= gone
    assert report.left_out == {"removed": len(gone)}
    (shards / INTENT).write_text("{}")
    with pytest.raises(RemovalUnfinished, match="repeat the same sequitur remove"):
        export_documents(run.config, "jsonl", tmp_path / "other")


def test_ids_are_the_documents_own_where_records_do_not_tell_them_apart(
    execute: Callable[..., Run], tmp_path: Path
) -> None:
    """And a run that has come as far as `select` can be exported."""
    run = execute(tmp_path / "run", "select", ingest={"ids": "file_and_row"})
    report = export_documents(run.config, "parquet", tmp_path / "out")
    assert report.documents.keys() == {"kept"}
    assert report.tokens is None
    found = pq.read_table(sorted((tmp_path / "out").glob("*.parquet"))).to_pylist()
    assert [row["id"] for row in found] == [row["doc_id"] for row in found]
    assert "position" not in found[0]


def test_mistakes_have_names_and_leave_nothing(execute: Callable[..., Run], finished: Run, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match=r"no target 'csv' of documents: the known ones are jsonl, parquet, hf"):
        export_documents(finished.config, "csv", tmp_path / "out")
    with pytest.raises(ColumnUnknown, match="no column words of documents"):
        export_documents(finished.config, "jsonl", tmp_path / "out", columns=["words"])
    early = execute(tmp_path / "early", "ingest")
    with pytest.raises(MissingArtifact, match="column kept is told by selection"):
        export_documents(early.config, "jsonl", tmp_path / "out")
    assert not (tmp_path / "out").exists()
