"""Every piece of a document is found where it is, by whatever it is called."""

from pathlib import Path

import numpy as np
import pytest
from example_dataset import Dataset
from hypothesis import given
from hypothesis import strategies as st

from sequitur.shards.errors import DocumentUnknown
from sequitur.shards.find import Found, Query, find
from sequitur.shards.rows import SplitRows


def every_piece(dataset: Dataset) -> list[Found]:
    """All of them, from the arrays that were written."""
    found = []
    for split, contexts in dataset.contexts.items():
        shards = dataset.manifest.splits[split].shards
        shard_of = [shard.path for shard in shards for _ in range(shard.rows)]
        for row in range(len(contexts.num_tokens)):
            first, last = contexts.doc_offsets[row : row + 2].tolist()
            offset = 0
            for piece in range(first, last):
                key, length = int(contexts.doc_ids[piece]), int(contexts.doc_lens[piece])
                found.append(
                    Found(
                        directory="",
                        split=split,
                        row=row,
                        shard=shard_of[row],
                        context_id=int(contexts.context_id[row]),
                        piece=piece - first,
                        pieces=last - first,
                        offset=offset,
                        start=int(contexts.doc_starts[piece]),
                        length=length,
                        n_tokens=len(dataset.documents[key]),
                        doc_id=f"{key:032x}",
                    )
                )
                offset += length
    return found


@given(keys=st.sets(st.integers(0, 39)))
def test_every_piece_of_the_documents_and_no_other(dataset: Dataset, keys: set[int]) -> None:
    names = {f"{key:032x}" for key in keys}
    assert list(find(dataset.root, Query(tuple(names)))) == [p for p in every_piece(dataset) if p.doc_id in names]


def test_pieces_hold_the_tokens_of_the_document(dataset: Dataset) -> None:
    for piece in find(dataset.root, Query((f"{12:032X}",))):
        row = SplitRows(dataset.root, piece.split).row(piece.row)
        document = dataset.documents[12][piece.start : piece.start + piece.length]
        assert np.array_equal(row[piece.offset : piece.offset + piece.length], document)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        (Query(sources=("random",)), lambda key: True),
        (Query(licenses=("MIT",)), lambda key: key % 5 > 0),
        (Query(urls=("https://example.org",)), lambda key: key % 2 == 1),
        (Query(licenses=("MIT",), urls=("https://example.org",)), lambda key: key % 5 > 0 or key % 2 == 1),
    ],
    ids=["source", "license", "url", "either"],
)
def test_names_other_than_ids(dataset: Dataset, query: Query, fits: object) -> None:
    found = {int(piece.doc_id, 16) for piece in find(dataset.root, query)}
    assert found == {key for key in dataset.documents if fits(key)}  # type: ignore[operator]


def test_names_that_fit_nothing(dataset: Dataset) -> None:
    query = Query(("nothing", f"{3:032x}"), sources=("random", "elsewhere"))
    with pytest.raises(DocumentUnknown) as error:
        next(find(dataset.root, query))
    told = "1 of 2 ids fit no document: nothing; 1 of 2 sources fit no document: elsewhere; correct them"
    assert str(error.value) == f"{told}, or add --missing-ok"
    assert len(list(find(dataset.root, query, missing_ok=True))) == len(every_piece(dataset))


def test_an_empty_query_finds_nothing(dataset: Dataset, tmp_path: Path) -> None:
    assert not Query()
    assert list(find(dataset.root, Query())) == []
