"""Documents of some contexts against a loop over all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.graph_sort import context_documents
from sequitur.graph_sort.context_documents import blocks, document_offsets, documents_of
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.packing import PackedContexts

CONTEXTS = st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=8)


def contexts_of(members: list[list[int]]) -> PackedContexts:
    document = np.array([one for context in members for one in context], np.int64)
    return PackedContexts(offsets_of([len(context) for context in members]), document, document, document)


@given(CONTEXTS, st.data())
def test_documents_once_each_by_first_appearance(members, data):
    chosen = data.draw(st.lists(st.integers(0, len(members) - 1), unique=True)) if members else []
    offsets, documents = documents_of(contexts_of(members), np.array(chosen, np.int64))
    assert offsets.size == len(chosen) + 1
    found = [part.tolist() for part in np.split(documents, offsets[1:-1])][: len(chosen)]
    assert found == [list(dict.fromkeys(members[context])) for context in chosen]


@pytest.mark.parametrize("block", [1, 5, 100])
@given(CONTEXTS)
def test_offsets_of_all(block, members):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context_documents, "_BLOCK", block)
        found = document_offsets(contexts_of(members))
    assert found.tolist() == offsets_of([len(set(context)) for context in members]).tolist()


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 30))
def test_blocks_hold_all_contexts_and_no_more_than_asked(counts, most):
    found = list(blocks(offsets_of(counts), most))
    assert [one for block in found for one in range(*block)] == list(range(len(counts)))
    assert all(last == first + 1 or sum(counts[first:last]) <= most for first, last in found)
    assert all(sum(counts[first : last + 1]) > most for first, last in found if last < len(counts))
