"""Going over a split finds every piece where it lies."""

from contextlib import suppress

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset, take

from sequitur.shards.errors import ShardCorrupt, ShardError
from sequitur.shards.pieces import batches, placements


@pytest.mark.parametrize("check", [True, False])
def test_batches_are_the_rows_in_their_order(dataset: Dataset, check: bool) -> None:
    for split, contexts in dataset.contexts.items():
        row = 0
        for first_row, batch in batches(dataset.root, dataset.manifest, split, check=check):
            assert first_row == row
            row += len(batch.num_tokens)
            expected = take(contexts, np.arange(first_row, row))
            assert all(np.array_equal(one, other) for one, other in zip(batch, expected, strict=True))
        assert row == len(contexts.num_tokens)


def test_placements_are_those_of_the_documents(dataset: Dataset) -> None:
    contexts, done = dataset.contexts["train"], []
    keys = np.array([3, 17, 99], dtype=np.uint64)
    found = list(placements(dataset.root, dataset.manifest, "train", keys, done.append))
    assert done[-1] == len(contexts.num_tokens)
    assert [(one.row, one.piece) for one in found] == sorted((one.row, one.piece) for one in found)
    for key in (3, 17):
        pieces = sorted((one for one in found if one.doc_key == key), key=lambda one: one.start)
        tokens = [contexts.input_ids[one.row, one.offset : one.offset + one.length] for one in pieces]
        assert np.array_equal(np.concatenate(tokens), dataset.documents[key])
        for one in pieces:
            first, last = contexts.doc_offsets[one.row : one.row + 2]
            assert one.pieces == last - first
            assert contexts.doc_ids[first + one.piece] == key
            assert one.context_id == contexts.context_id[one.row]
    assert {one.doc_key for one in found} == {3, 17}


def test_damage_is_named(copy: Dataset) -> None:
    shard = copy.manifest.splits["val"].shards[0]
    path, entry = copy.root / shard.path, shard.batches[1]
    content = bytearray(path.read_bytes())
    content[entry.offset + entry.bytes - 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(ShardCorrupt) as raised:
        list(batches(copy.root, copy.manifest, "val", check=True))
    assert (raised.value.shard, raised.value.batch, raised.value.offset) == (shard.path, 1, entry.offset)


def test_flips_in_the_columns_of_pieces_do_no_harm(copy: Dataset) -> None:
    """Without a look at the checksum a flip may go unseen, but what is read keeps to the rules or has a name."""
    shard = copy.manifest.splits["val"].shards[0]
    path, entry = copy.root / shard.path, shard.batches[0]
    whole = path.read_bytes()
    for position in range(entry.offset, entry.offset + entry.bytes, 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x81]) + whole[position + 1 :])
        found = []
        with suppress(ShardError):
            found = list(placements(copy.root, copy.manifest, "val", np.arange(40, dtype=np.uint64)))
        assert all(one.offset >= 0 and one.offset + one.length <= SEQ_LEN for one in found)
