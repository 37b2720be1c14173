"""The joined table says of each document what its artifacts say, row by row, whichever columns are asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import sequitur
from sequitur.api.documents import DEFAULT
from sequitur.pipeline.errors import ColumnUnknown, MissingArtifact
from sequitur.pipeline.stage import Run
from sequitur.shards import ContextDataset
from sequitur.shards.documents import read_documents
from sequitur.shards.manifest import read_manifest

Rows = Callable[..., list[dict[str, Any]]]


def expected(run: Run, rows: Rows) -> list[dict[str, Any]]:
    """The joined table, made document by document."""
    documents, verdicts, signals = rows(run), rows(run, "selection"), rows(run, "signals")
    lengths = {row["ordinal"]: len(row["input_ids"]) for row in rows(run, "tokens")}
    near = {row["ordinal"]: row for row in rows(run, "neighbors/duplicates")}
    left = {row["ordinal"] for row in rows(run, "neighbors/unselected")}
    places: dict[int, dict[str, Any]] = {}
    families = run.manifest("order").statistics["families"]
    for position, row in enumerate(rows(run, "order")):
        places.setdefault(row["ordinal"], row | {"position": position, "family": families[row["family"]] or None})
    ids = {verdict["ordinal"]: one["doc_id"] for one, verdict in zip(documents, verdicts, strict=True)}
    found = []
    for document, verdict, signal in zip(documents, verdicts, signals, strict=True):
        ordinal = verdict["ordinal"]
        one = document | signal | verdict | {"tokens": lengths.get(ordinal)}
        one |= dict.fromkeys(("position", "path", "family", "opens", "cosine_to_previous"))
        one |= places.get(ordinal, {})
        if ordinal in near:
            lost = near[ordinal]
            to = ids[lost["duplicate_of"]]
            one |= {"kept": False, "reason": "semantic_duplicate", "similarity": lost["cosine"]}
            one |= {"duplicate_of": to, "evidence": to}
        elif ordinal in left:
            one |= {"kept": False, "reason": "subset"}
        for name in ("doc_id", "duplicate_of", "evidence"):
            one[name] = one[name] and one[name].hex()
        found.append(one)
    return found


def columns_of(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]


NAMES = [
    *("position", "doc_id", "record_id", "source", "source_row", "kept", "reason", "duplicate_of", "evidence"),
    *("similarity", "ordinal", "tokens", "path", "family", "opens", "cosine_to_previous"),
    *("word_count", "language", "text", "metadata"),
]


def test_every_column_is_as_the_artifacts_have_it(finished: Run, rows: Rows) -> None:
    run = sequitur.open_run(finished.config.output)
    table = run.documents(NAMES)
    assert table.column_names == NAMES
    assert table.to_pylist() == columns_of(expected(finished, rows), NAMES)
    reasons = set(table["reason"].to_pylist())
    assert {None, "semantic_duplicate", "exact_duplicate", "fuzzy_duplicate", "repeated_id"} < reasons
    for name in NAMES:  # each by itself reads other artifacts
        assert run.documents([name]).to_pylist() == table.select([name]).to_pylist()


def test_families_subset_and_repeats(branch: Callable[..., Run], rows: Rows) -> None:
    job = branch(
        "families",
        families={"by": ["source"]},
        select={"subset": {"by": "coverage", "share": 0.5}},
        order={"strategy": "knn"},
    )
    table = sequitur.open_run(job.config.output).documents(NAMES)
    assert table.to_pylist() == columns_of(expected(job, rows), NAMES)
    assert {"subset", "semantic_duplicate"} < set(table["reason"].to_pylist())
    assert set(table["family"].to_pylist()) == {None, "web", "books"}
    assert job.manifest("order").statistics["repeats"] > 0


def test_split_title_and_vector(finished: Run, rows: Rows) -> None:
    run = sequitur.open_run(finished.config.output)
    table = run.documents(["ordinal", "split", "title", "text", "vector", "position"])
    shards = Path(finished.config.output) / "shards"
    listed = [
        row
        for batch in read_documents(shards, read_manifest(shards), ["doc_key", "split"])
        for row in batch.to_pylist()
    ]
    splits = {row["doc_key"]: row["split"] for row in listed}
    assert {*splits.values()} == {"train", "val"}
    vectors = {row["ordinal"]: row["vector"] for row in rows(finished, "vectors")}
    for row in table.to_pylist():
        assert row["split"] == splits.get(row["ordinal"])
        assert (row["split"] is None) == (row["position"] is None)
        assert row["vector"] == vectors.get(row["ordinal"])
        assert row["title"] == " ".join(row["text"].splitlines()[0].split())[:80]
    assert len(ContextDataset(shards, split="train")) == finished.manifest("shards").statistics["contexts"]["train"]


def test_titles_are_the_records_own(execute: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(
        '{"text": "# Heading\\nbody", "title": "My  own"}\n{"text": "# Heading\\nbody"}\n'
    )
    job = execute(tmp_path / "run", "ingest", ingest={"inputs": [str(tmp_path / "in.jsonl")]})
    run = sequitur.open_run(tmp_path / "run")
    assert run.documents(["title"])["title"].to_pylist() == ["My own", "Heading"]
    assert run.documents().column_names == ["doc_id", "record_id", "source"]
    assert job.manifest("documents").rows == 2


def test_only_what_goes_together_is_joined(branch: Callable[..., Run]) -> None:
    stricter = branch("stricter", "select", select={"thresholds": {"gopher_too_few_words": 100}})
    run = sequitur.open_run(stricter.config.output)
    assert run.documents().column_names == [*DEFAULT[:7]]
    for name, artifact in (("tokens", "tokens"), ("path", "order"), ("split", "shards"), ("vector", "vectors")):
        with pytest.raises(MissingArtifact, match=f"column {name} is told by {artifact}, which is absent or out of d"):
            run.documents(["doc_id", name])
    assert set(run.documents(["reason"])["reason"].to_pylist()).isdisjoint({"semantic_duplicate"})


def test_wrong_columns_are_named(finished: Run) -> None:
    with pytest.raises(ColumnUnknown, match=r"no column words of documents; there are doc_id, .*, word_count"):
        sequitur.open_run(finished.config.output).documents(["words"])


def test_defaults_are_small(finished: Run) -> None:
    table = sequitur.open_run(finished.config.output).documents()
    assert table.column_names == list(DEFAULT)
    assert table.num_rows == finished.manifest("documents").rows
    assert table.schema.field("source").type == pa.dictionary(pa.int32(), pa.string())
