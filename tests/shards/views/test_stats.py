"""Statistics are what counting by hand gives, and print within 80 columns."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sequitur.shards.families import dataset_entry, families_json
from sequitur.shards.views.stats import Distribution, rows_of, statistics
from sequitur.shards.views.stats_view import render_statistics


def test_counts_are_those_of_the_rows(dataset: Dataset) -> None:
    rows: list[int] = []
    found = statistics(dataset.root, rows.append)
    contexts = list(dataset.contexts.values())
    tokens = np.concatenate([one.num_tokens for one in contexts])
    assert rows[-1] == rows_of(dataset.root) == len(tokens) == found["tokens_per_context"]["count"]
    assert found["tokens_per_context"]["sum"] == tokens.sum()
    assert found["tokens_per_context"]["min"] == tokens.min()
    assert found["documents_per_context"]["max"] == max(np.diff(one.doc_offsets).max() for one in contexts)
    assert found["tokens_per_document"]["sum"] == sum(map(len, dataset.documents.values()))
    assert found["tokens_per_document"]["median"] == np.quantile(
        [len(tokens) for tokens in dataset.documents.values()], 0.5, method="inverted_cdf"
    )
    assert found["splits"]["val"] == {
        "contexts": len(dataset.contexts["val"].num_tokens),
        "documents": 10,
        "tokens": int(dataset.contexts["val"].num_tokens.sum()),
        "pads": int((SEQ_LEN - dataset.contexts["val"].num_tokens).sum()),
        "shards": len(dataset.manifest.splits["val"].shards),
        "bytes": sum(path.stat().st_size for path in (dataset.root / "val").glob("*.arrow")),
    }
    assert found["cosine_to_previous"] == {"count": 40, "mean": 0.5, "histogram": [[0.5, 0.6, 40]]}


def test_shares_are_of_the_documents_tokens(dataset: Dataset) -> None:
    found = statistics(dataset.root)
    tokens: Counter[str | None] = Counter()
    for key, ids in dataset.documents.items():
        tokens["MIT" if key % 5 else None] += len(ids)
    assert {one["name"]: one["tokens"] for one in found["licenses"]} == tokens
    assert sum(one["share"] for one in found["languages"]) == pytest.approx(1)
    assert [one["name"] for one in found["sources"]] == ["random"]
    assert sum(one["documents"] for one in found["languages"]) == 40


@given(st.lists(st.integers(0, 2**21), min_size=1, max_size=40))
def test_a_distribution_is_that_of_its_values(values: list[int]) -> None:
    distribution = Distribution()
    for one in np.array_split(np.array(values, dtype=np.int64), 3):
        distribution.add(one)
    found = distribution.to_json()
    assert (found["count"], found["sum"], found["min"], found["max"]) == (
        len(values), sum(values), min(values), max(values),
    )  # fmt: skip
    clipped = np.minimum(values, 2**20)
    assert found["p90"] == np.quantile(clipped, 0.9, method="inverted_cdf")
    for low, high, count in found["histogram"]:
        assert count == sum(low <= value <= high for value in values)
    assert sum(count for _, _, count in found["histogram"]) == len(values)


def test_no_values() -> None:
    assert Distribution().to_json() == {"count": 0}


def test_of_several_datasets(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "web").symlink_to(dataset.root)
    (tmp_path / "families.json").write_text(families_json([dataset_entry("web", "web", dataset.manifest)]))
    assert statistics(tmp_path) == {"datasets": {"web": statistics(dataset.root)}}
    assert rows_of(tmp_path) == rows_of(dataset.root)


def test_prints_within_80_columns(dataset: Dataset) -> None:
    found = statistics(dataset.root)
    found["sources"] = [
        {"name": f"{number}\x1b" * 20, "documents": 1, "tokens": 1, "share": 0.05} for number in range(20)
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(render_statistics(found))
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    assert "(8 others)" in shown
    for name in ("languages (2)", "licenses (2)", "(none)", "documents per context", "cosine to the document before"):
        assert name in shown
