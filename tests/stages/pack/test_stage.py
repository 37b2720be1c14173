"""The shards hold every token of every placed document once, in contexts that follow the order."""

import shutil
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_runs import made_by

from sequitur.pipeline import sections
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import ConfigError, StorageError
from sequitur.pipeline.stage import Run
from sequitur.shards import ContextDataset
from sequitur.shards.format import LONGEST_CONTEXT
from sequitur.shards.writer import write_docs
from sequitur.stages.order import stage as order
from sequitur.stages.pack import docs_table
from sequitur.stages.pack import stage as pack
from sequitur.stages.shared.columns.stored_vectors import StoredVectors

SPLITS = ("train", "val")
FINISHED_PACK = {"context_length": 1024, "validation_share": 0.1}


@pytest.fixture(scope="module")
def streamed(finished: Run, execute: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Short contexts cut from the stream of documents: several shards."""
    output = shutil.copytree(finished.config.output, tmp_path_factory.mktemp("streamed") / "run")
    section = {"context_length": 48, "policy": "stream", "validation_share": 0.2, "shard_bytes": 2**18}
    return execute(output, pack=section)


def contexts(run: Run, split: str) -> list[dict[str, Any]]:
    """The rows of a split, as written."""
    rows: list[dict[str, Any]] = []
    for path in sorted(Path(run.artifact("shards").path(split)).glob("*.arrow")):
        with pa.ipc.open_stream(path) as stream:
            rows += stream.read_all().to_pylist()
    return rows


def pieces(context: dict[str, Any]) -> list[tuple[int, int, list[int]]]:
    """(document, its first token here, tokens) of each piece of a context."""
    ends = np.cumsum(context["doc_lens"]).tolist()
    begins = [0, *ends[:-1]]
    return [
        (document, start, context["input_ids"][begin:end])
        for document, start, begin, end in zip(context["doc_ids"], context["doc_starts"], begins, ends, strict=True)
    ]


def table_rows(run: Run) -> list[dict[str, Any]]:
    return [row for path in tables(run) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(params=["finished", "streamed"])
def packed(request: pytest.FixtureRequest) -> Run:
    run: Run = request.getfixturevalue(request.param)
    return run


def test_the_order_is_a_permutation_of_those_that_stay(finished: Run, rows: Any) -> None:
    ordinals = [row["ordinal"] for row in rows(finished, "order")]
    assert sorted(ordinals) == [row["ordinal"] for row in rows(finished, "neighbors")]
    paths = [row["path"] for row in rows(finished, "order")]
    assert paths == sorted(paths)
    assert rows(finished, "order")[0]["cosine_to_previous"] is None
    assert list(order.verify(finished)) == []


def test_the_pieces_of_a_document_are_its_tokens(packed: Run, rows: Any) -> None:
    found: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
    for split in SPLITS:
        for context in contexts(packed, split):
            assert context["num_tokens"] == sum(context["doc_lens"]) <= packed.config.pack.context_length
            for document, start, tokens in pieces(context):
                found[document].append((start, tokens))
    stays = {row["ordinal"] for row in rows(packed, "order")}
    expected = {row["ordinal"]: row["input_ids"] for row in rows(packed, "tokens") if row["ordinal"] in stays}
    assert {
        document: [token for _, tokens in sorted(parts) for token in tokens] for document, parts in found.items()
    } == expected
    assert list(pack.verify(packed)) == []


def test_contexts_follow_the_order(streamed: Run, rows: Any) -> None:
    place = {row["ordinal"]: number for number, row in enumerate(rows(streamed, "order"))}
    for split in SPLITS:
        in_order = sorted(contexts(streamed, split), key=lambda context: context["context_id"])
        read = [(place[document], start) for context in in_order for document, start, _ in pieces(context)]
        assert read == sorted(read)
        assert [context["context_id"] for context in in_order] == list(range(len(in_order)))


def test_the_next_token_is_the_one_that_follows(streamed: Run) -> None:
    for split in SPLITS:
        in_order = sorted(contexts(streamed, split), key=lambda context: context["context_id"])
        following = [context["input_ids"][0] for context in in_order[1:]]
        assert [context["next_token"] for context in in_order] == [*following, None]


def test_contexts_are_written_in_a_permutation(streamed: Run) -> None:
    ids = [context["context_id"] for context in contexts(streamed, "train")]
    assert len(ids) > 1024  # more than one shard
    assert ids != sorted(ids)
    assert np.mean(np.abs(np.diff(ids)) == 1) < 0.01


def test_validation_is_apart_by_documents_and_paths(packed: Run, rows: Any) -> None:
    table = table_rows(packed)
    for column in ("doc_key", "doc_id", "path"):
        train, val = ({row[column] for row in table if row["split"] == split} for split in SPLITS)
        assert train
        assert val
        assert not train & val
    share = packed.config.pack.validation_share
    tokens = {split: sum(row["n_tokens"] for row in table if row["split"] == split) for split in SPLITS}
    assert 0.5 * share < tokens["val"] / sum(tokens.values()) <= share
    for split in SPLITS:
        placed = {document for context in contexts(packed, split) for document, _, _ in pieces(context)}
        assert placed == {row["doc_key"] for row in table if row["split"] == split}


def test_the_documents_table_tells_where_each_came_from(packed: Run, rows: Any) -> None:
    verdicts = rows(packed, "selection")
    by_ordinal = {
        verdict["ordinal"]: document
        for document, verdict in zip(rows(packed), verdicts, strict=True)
        if verdict["kept"]
    }
    lengths = {row["ordinal"]: len(row["input_ids"]) for row in rows(packed, "tokens")}
    for row in table_rows(packed):
        document = by_ordinal[row["doc_key"]]
        assert row["doc_id"] == document["doc_id"].hex()
        for name in ("record_id", "source", "url", "source_file", "source_row"):
            assert row[name] == document[name]
        assert row["n_tokens"] == lengths[row["doc_key"]]


def test_cosines_are_of_documents_that_meet_in_a_context(finished: Run, rows: Any) -> None:
    vector = {row["ordinal"]: np.array(row["vector"], dtype=np.float32) for row in rows(finished, "vectors")}
    told = {row["doc_key"]: row["cosine_to_previous"] for row in table_rows(finished)}
    for split in SPLITS:
        for context in contexts(finished, split):
            documents = context["doc_ids"]
            if context["doc_starts"][0] == 0:
                assert told[documents[0]] is None
            begins = zip(pairwise(documents), context["doc_starts"][1:], strict=True)
            for previous, document in (pair for pair, start in begins if start == 0):
                assert told[document] == pytest.approx(float(vector[previous] @ vector[document]), abs=1e-5)


def test_cosines_are_the_models_own_as_in_the_report(branch: Any, rows: Any) -> None:
    embed = {"lexical_weight": 0.5, "lexical_dimensions": 32}
    run = branch("run", embed=embed, pack={"context_length": 2048, "policy": "whole", "validation_share": 0})
    own = StoredVectors(run.artifact("vectors"), own=True).all().astype(np.float32)
    ordered = rows(run, "order")
    for previous, one in pairwise(ordered):
        expected = float(own[previous["ordinal"]] @ own[one["ordinal"]])
        assert one["cosine_to_previous"] == pytest.approx(expected, abs=1e-5)

    told = [row["cosine_to_previous"] for row in table_rows(run) if row["cosine_to_previous"] is not None]

    report = run.artifact("report").read_json("metrics.json")["order"]["contexts"]
    assert np.mean(told) == pytest.approx(report["adjacency"])  # of documents that are all whole
    assert np.mean(told) != pytest.approx(report["graph_adjacency"])


def test_a_lost_shard_is_written_again(streamed: Run, execute: Any) -> None:
    directory = Path(streamed.artifact("shards").path("train"))
    lost = sorted(directory.glob("*.arrow"))[1]
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    lost.unlink()
    execute(Path(streamed.config.output), pack=streamed.config.pack.model_dump(mode="json"))
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_documents_tables_are_gone_on_with(
    finished: Run, execute: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, asked = tmp_path / "run", list[str]()
    shutil.copytree(finished.config.output, output, ignore=shutil.ignore_patterns("shards", "report"))

    def some(sink: Any, path: str, table: pa.Table) -> Any:
        asked.append(path)
        if len(asked) == 3:
            raise StorageError("ends here")
        return write_docs(sink, path, table)

    monkeypatch.setattr(docs_table, "write_docs", some)
    with pytest.raises(StorageError, match="ends here"):
        execute(output, "pack", pack=FINISHED_PACK)
    run = execute(output, "pack", pack=FINISHED_PACK)
    files, before = ({path.name: path.read_bytes() for path in tables(one)} for one in (run, finished))
    assert files == before
    assert len(asked) == len(files) + 1
    assert set(asked[3:]).isdisjoint(asked[:2])


def tables(run: Run) -> list[Path]:
    return sorted(Path(run.artifact("shards").path("docs")).glob("*.parquet"))


def tokens_in_shards(run: Run) -> int:
    """Of all splits and lengths."""
    tokens = 0
    for path in Path(run.artifact("shards").path()).rglob("data-*.arrow"):
        with pa.ipc.open_stream(path) as stream:
            tokens += sum(stream.read_all().column("num_tokens").to_pylist())
    return tokens


def test_the_longest_context_is_packed(finished: Run, execute: Any, tmp_path: Path) -> None:
    output = shutil.copytree(finished.config.output, tmp_path / "run")
    run = execute(output, pack={"context_length": LONGEST_CONTEXT})

    assert tokens_in_shards(run) == tokens_in_shards(finished) > 0


def test_no_longer_context_is_configured_than_a_manifest_may_have(finished: Run) -> None:
    assert sections.LONGEST_CONTEXT == LONGEST_CONTEXT
    longest = finished.config.model_dump(mode="json")
    for policy in ("whole", "buckets"):
        longest["pack"] |= {"context_length": LONGEST_CONTEXT + 1, "policy": policy}
        with pytest.raises(ConfigError, match=r"pack\.context_length: .* 1048576"):
            validate(longest, "")


def test_torch_reads_the_rows(finished: Run) -> None:
    dataset = ContextDataset(finished.artifact("shards").path(), split="train")
    written = contexts(finished, "train")
    assert len(dataset) == len(written)
    for row in (0, len(written) - 1):
        assert dataset[row]["input_ids"].tolist() == written[row]["input_ids"]


@pytest.mark.parametrize("run", ["finished", "streamed"])
def test_more_threads_make_the_same_shards(run: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    done: Run = request.getfixturevalue(run)
    one, two, three = (made_by(workers, done, "pack", "shards", tmp_path / str(workers)) for workers in (1, 2, 3))
    assert one == two == three
    assert sum(name.endswith(".parquet") for name in one) > 2
