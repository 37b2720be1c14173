"""Each epoch has every document of the training split once, in other contexts; readers go from one to the next."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from sequitur.inspection.summary_view import render
from sequitur.pipeline import artifacts
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.stage import Run
from sequitur.shards import ContextDataset, ElasticBatchSampler
from sequitur.shards.attribution import Attribution
from sequitur.shards.find import Query, find
from sequitur.shards.manifest import read_manifest
from sequitur.shards.removal.removing import remove
from sequitur.shards.verify import verify
from sequitur.shards.views.stats import statistics
from sequitur.shards.views.stats_view import render_statistics
from sequitur.stages.order import stage as order
from sequitur.stages.pack import stage as pack
from sequitur.stages.shared.columns.epochs import rows_of_epochs

EPOCHS = 3
PACK = {"context_length": 4096, "validation_share": 0.1, "shard_bytes": 2**18}


@pytest.fixture(scope="module")
def packed(finished: Run, execute: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Goes on from a copy of the finished run with other settings."""

    def run(name: str, until: str = "pack", **sections: Any) -> Run:
        output = shutil.copytree(finished.config.output, tmp_path_factory.mktemp(name) / "run")
        found: Run = execute(output, until, **sections)
        return found

    return run


@pytest.fixture(scope="module")
def single(packed: Any) -> Run:
    return packed("single", pack=PACK | {"policy": "whole"})


@pytest.fixture(scope="module")
def several(packed: Any) -> Run:
    """Documents are whole, so that each meets others in one context of an epoch."""
    return packed("several", "report", pack=PACK | {"epochs": EPOCHS, "policy": "whole"})


@pytest.fixture(scope="module")
def filled(packed: Any) -> Run:
    return packed(
        "filled", pack=PACK | {"epochs": 2, "policy": "filled", "validation_share": 0.3}, families={"by": "source"}
    )


@pytest.fixture(scope="module")
def sorted_run(packed: Any) -> Run:
    return packed("sorted", pack=PACK | {"epochs": 2}, order={"strategy": "curriculum"})


def roots(run: Run) -> list[Path]:
    shards = Path(run.artifact("shards").path())
    return [shards] if (shards / "manifest.json").exists() else [one.parent for one in shards.glob("*/manifest.json")]


def pieces(root: Path, split: str, rows: range) -> list[list[tuple[int, int, int]]]:
    """(document, start, length) of the pieces of each row."""
    dataset = ContextDataset(root, split, labels="none", return_provenance=True)
    columns = [[dataset[row][name].tolist() for name in ("doc_ids", "doc_starts", "doc_lens")] for row in rows]
    return [list(zip(*row, strict=True)) for row in columns]


def tokens(rows: list[list[tuple[int, int, int]]]) -> Counter[int]:
    found: Counter[int] = Counter()
    for row in rows:
        for document, _, length in row:
            found[document] += length
    return found


def by_epoch(root: Path) -> list[list[list[tuple[int, int, int]]]]:
    ends = np.cumsum([0, *ContextDataset(root).epoch_rows]).tolist()
    return [pieces(root, "train", range(*ends[at : at + 2])) for at in range(len(ends) - 1)]


@pytest.mark.parametrize("name", ["several", "filled", "sorted_run"])
def test_each_epoch_has_the_documents_of_the_training_split_once(name: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(name)
    lengths = {row["ordinal"]: len(row["input_ids"]) for row in rows_of(run, "tokens")}

    assert list(pack.verify(run)) == []
    for root in roots(run):
        manifest = read_manifest(root)
        held_out = tokens(pieces(root, "val", range(manifest.splits["val"].rows)))
        epochs = by_epoch(root)

        assert len(epochs) == run.config.pack.epochs
        for epoch in epochs:
            assert tokens(epoch) == tokens(epochs[0])
            assert all(lengths[document] == count for document, count in tokens(epoch).items())
        assert held_out
        assert not held_out.keys() & tokens(epochs[0]).keys()
        repeated = (len(epochs) - 1) * sum(tokens(epochs[0]).values())
        assert manifest.packing.repeated_tokens == repeated
        assert manifest.splits["train"].docs == len(tokens(epochs[0]))


def rows_of(run: Run, artifact: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = artifacts.read_columns(run.artifact(artifact), ["ordinal", "input_ids"]).to_pylist()
    return rows


def test_the_first_epoch_is_what_one_alone_is(single: Run, several: Run) -> None:
    (alone,), (root,) = roots(single), roots(several)
    one, first = ContextDataset(alone), ContextDataset(root)

    assert one.epoch_rows == ()
    assert pieces(alone, "train", range(len(one))) == by_epoch(root)[0]
    assert pieces(alone, "val", range(len(ContextDataset(alone, "val")))) == pieces(
        root, "val", range(len(ContextDataset(root, "val")))
    )
    assert "epochs" not in json.loads((alone / "manifest.json").read_text())["order"]
    assert "epochs" not in single.manifest("order").statistics
    assert {"epochs", "policy"}.isdisjoint(single.manifest("order").parameters)
    assert "epochs" not in single.manifest("shards").parameters
    assert first.fingerprint != one.fingerprint


def test_an_order_for_each_epoch(single: Run, several: Run, sorted_run: Run) -> None:
    documents = single.manifest("order").rows
    table = artifacts.read_columns(several.artifact("order"), ["ordinal", "path", "cosine_to_previous"])

    assert rows_of_epochs(single.artifact("order")) == [documents]
    assert rows_of_epochs(several.artifact("order")) == [documents] * EPOCHS
    assert list(order.verify(several)) == list(order.verify(sorted_run)) == []
    assert set(np.diff(table["path"].to_numpy()).tolist()) == {0, 1}
    assert np.flatnonzero(table["cosine_to_previous"].is_null()).tolist() == [documents * at for at in range(EPOCHS)]
    assert several.manifest("order").statistics["repeats"] == 0


def test_documents_meet_others_in_a_later_epoch(several: Run) -> None:
    (root,) = roots(several)
    pairs = [
        {frozenset((a, b)) for row in epoch for a, *_ in row for b, *_ in row if a < b} for epoch in by_epoch(root)
    ]
    measured = several.artifact("report").read_json("metrics.json")["epochs"]

    page = several.artifact("report").read_bytes("index.html").decode()
    assert page.count("Epochs</b>") == 1
    assert "met before" in render_text(several)
    assert [one["met_before"] is None for one in measured] == [True, False, False]
    for number, one in enumerate(measured[1:], 1):
        met = len(pairs[number] & set.union(*pairs[:number])) / len(pairs[number])
        assert met < 0.5
        assert one["met_before"] == pytest.approx(met, abs=0.02)  # but for documents in several contexts
        assert one["pairwise"] > 0.8 * measured[0]["pairwise"]


def render_text(run: Run) -> str:
    console = Console(width=120)
    with console.capture() as said:
        console.print(render(run.artifact("report").read_json("metrics.json")))
    return said.get()


def test_what_shards_say_of_themselves(single: Run, several: Run) -> None:
    (root,), (alone,) = roots(several), roots(single)
    console = Console(width=160)
    with console.capture() as said:
        console.print(render_statistics(statistics(root)))
    rows = ContextDataset(root).epoch_rows

    assert f"3 epochs of {', '.join(map(str, rows))} contexts; " in said.get()
    assert "epochs" not in json.dumps(statistics(alone))


def test_the_ledger_counts_what_is_read_again(several: Run) -> None:
    ledger = several.artifact("report").read_json("metrics.json")["ledger"]
    (root,) = roots(several)

    assert ledger["balances"]
    assert ledger["tokens"]["repeated"] == (EPOCHS - 1) * sum(tokens(by_epoch(root)[0]).values())
    assert ledger["records"]["placed"] == several.manifest("shards").statistics["documents"]


def test_a_trainer_reads_one_epoch_after_the_other(several: Run) -> None:
    (root,) = roots(several)
    dataset = ContextDataset(root)
    ends = np.cumsum([0, *dataset.epoch_rows]).tolist()
    sampler = ElasticBatchSampler.of(dataset, 1)
    for epoch in range(2 * EPOCHS):
        assert sampler.epoch == epoch
        at = epoch % EPOCHS
        rows = [row for batch in sampler for row in batch]
        assert sorted(rows) == list(range(*ends[at : at + 2]))
        assert rows != sorted(rows)


def test_contexts_are_found_by_their_number(several: Run) -> None:
    (root,) = roots(several)
    dataset = ContextDataset(root, return_provenance=True)
    attribution = Attribution(root)
    ids = [int(dataset[row]["context_id"]) for row in range(len(dataset))]

    assert sorted(ids) == list(range(len(ids)))
    assert [attribution.row_of(context) for context in ids] == list(range(len(ids)))


@pytest.mark.parametrize("contexts", ["repack", "drop"])
def test_a_removed_document_is_gone_from_every_epoch(several: Run, tmp_path: Path, contexts: Any) -> None:
    (source,) = roots(several)
    root = shutil.copytree(source, tmp_path / "shards")
    (document, *_), *_ = by_epoch(root)[0][5]
    name = next(one for one in docs(root) if one["doc_key"] == document)["doc_id"]
    places = [one.row for one in find(root, Query(ids=[name]))]
    bounds = np.cumsum([0, *ContextDataset(root).epoch_rows])

    assert set(np.searchsorted(bounds, places, side="right").tolist()) == {1, 2, 3}
    remove(root, Query(ids=[name]), contexts=contexts)
    assert verify(root) == []
    assert all(document not in tokens(epoch) for epoch in by_epoch(root))
    left = read_manifest(root).order.epochs
    assert (sum(one.rows for one in left) < sum(one.contexts for one in left)) == (contexts == "drop")


def docs(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(root / "docs", columns=["doc_key", "doc_id"]).to_pylist()
    return rows


def test_what_cannot_be_several_epochs_is_refused(packed: Any) -> None:
    with pytest.raises(ConfigError, match="leave it at 1"):
        validate({"output": "run", "ingest": {"inputs": ["a"]}, "pack": {"policy": "buckets", "epochs": 2}}, "test")
    with pytest.raises(ConfigError, match="repeats documents by itself"):
        packed("repeating", "order", pack=PACK | {"epochs": 2}, order={"strategy": "knn"})
