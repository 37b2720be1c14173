"""Errors say where, and survive the way from a loader's worker to its trainer."""

import inspect
import pickle

import pytest

from sequitur.shards import errors
from sequitur.shards.errors import ShardCorrupt, ShardError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ShardError)]


@pytest.mark.parametrize("kind", KINDS)
def test_survives_pickling_and_torchs_rebuilding(kind: type[ShardError]) -> None:
    error = kind("its CRC-32 is wrong", shard="train/data.arrow", batch=3, offset=4096)
    assert str(error) == "train/data.arrow, batch 3 at byte 4096: its CRC-32 is wrong"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again), again.batch, again.offset) == (kind, str(error), 3, 4096)
    assert str(kind(f"Caught in worker 0: {error}")) == f"Caught in worker 0: {error}"  # with the message alone


def test_described_for_programs() -> None:
    error = ShardCorrupt("unreadable", shard="x", batch=0, offset=8).within("web")
    message = "web/x, batch 0 at byte 8: unreadable"
    assert error.described() == {
        "kind": "ShardCorrupt",
        "shard": "web/x",
        "batch": 0,
        "offset": 8,
        "message": message,
    }


def test_place_is_optional() -> None:
    assert str(ShardCorrupt("unreadable")) == "unreadable"
    assert str(ShardCorrupt("unreadable", shard="x")) == "x: unreadable"
