"""Contexts go into a record batch and come back unchanged, and arrays that disagree are refused."""

import numpy as np
import pyarrow as pa
import pytest
from example_dataset import SEQ_LEN, Dataset, take

from sequitur.shards.contexts import Contexts, batch_contexts, check_contexts, context_batch
from sequitur.shards.errors import ContextsInvalid, RowsInvalid
from sequitur.shards.format import context_columns

SCHEMA = context_columns(SEQ_LEN)


@pytest.fixture
def contexts(dataset: Dataset) -> Contexts:
    return dataset.contexts["train"]


def test_round_trip(contexts: Contexts) -> None:
    batch = context_batch(contexts, SCHEMA)
    batch.validate(full=True)
    assert batch.schema == SCHEMA
    for name, array, back in zip(Contexts._fields, contexts, batch_contexts(batch), strict=True):
        assert back.dtype == array.dtype, name
        np.testing.assert_array_equal(back, array)


def test_reading_copies_no_token(contexts: Contexts) -> None:
    batch = context_batch(contexts, SCHEMA)
    back = batch_contexts(batch)
    assert back.input_ids.ctypes.data == batch.column("input_ids").values.buffers()[1].address
    assert not back.input_ids.flags.writeable


def test_a_slice_of_a_batch_is_read_as_such(contexts: Contexts) -> None:
    back = batch_contexts(context_batch(contexts, SCHEMA).slice(5, 7))
    for name, array, expected in zip(Contexts._fields, back, take(contexts, np.arange(5, 12)), strict=True):
        np.testing.assert_array_equal(array, expected, err_msg=name)
    check_contexts(back, SEQ_LEN)


def test_what_lies_under_a_null_is_not_written(contexts: Contexts) -> None:
    hidden = contexts._replace(next_token=np.where(contexts.next_valid, contexts.next_token, np.uint32(7)))
    assert context_batch(hidden, SCHEMA).serialize() == context_batch(contexts, SCHEMA).serialize()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("input_ids", np.zeros((36, SEQ_LEN), np.int64), "input_ids should be uint32"),
        ("input_ids", np.zeros((36, SEQ_LEN + 1), np.uint32), r"input_ids should be uint32 \(36, 16\)"),
        ("doc_ids", np.zeros(3, np.uint64), "doc_ids should be"),
        ("num_tokens", np.full(36, SEQ_LEN + 1, np.uint32), "num_tokens is not 1"),
        ("num_tokens", np.full(36, 3, np.uint32), "do not add up to num_tokens"),
        ("doc_offsets", np.zeros(37, np.int32), "do not rise"),
        ("next_valid", np.ones(36, np.bool_), "a short row with a next_token"),
    ],
)
def test_refused(contexts: Contexts, name: str, value: np.ndarray, message: str) -> None:
    with pytest.raises(ContextsInvalid, match=message):
        context_batch(contexts._replace(**{name: value}), SCHEMA)


def test_nulls_are_refused(contexts: Contexts) -> None:
    batch = context_batch(contexts, SCHEMA)
    nulls = pa.nulls(batch.num_rows, pa.uint64())
    with pytest.raises(RowsInvalid, match="'group_id' holds nulls"):
        batch_contexts(batch.set_column(batch.schema.get_field_index("group_id"), "group_id", nulls))
