"""The order is a function of fingerprint, seed and epoch; no restart or change of ranks loses or repeats a row."""

import json

import numpy as np
import pytest
from example_dataset import SEQ_LEN, Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.shards import ContextDataset, ElasticBatchSampler, ShardError
from sequitur.shards.sampler import GlobalBatchChanged, StateMismatch

SHUFFLES = ["global", "block", "none"]
TAILS = ["drop", "pad", "wrap"]
WORLDS = [1, 2, 3, 4, 6, 8]


def samplers(ranks: int, n: int, batch: int, **options) -> list[ElasticBatchSampler]:
    return [ElasticBatchSampler(n, batch, dp_rank=rank, dp_world_size=ranks, **options) for rank in range(ranks)]


def read_together(ranks: list[ElasticBatchSampler], batches: int | None = None) -> list[int]:
    """The rows that all ranks read, batch by batch, those of rank 0 first; to the epoch's end, or so many batches."""
    rows: list[int] = []
    iterators = [iter(sampler) for sampler in ranks]
    while batches is None or batches > 0:
        each = [next(iterator, None) for iterator in iterators]
        if each[0] is None:
            assert each == [None] * len(ranks)
            break
        rows += [row for share in each for row in share]
        batches = None if batches is None else batches - 1
    return rows


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("ranks", WORLDS)
def test_the_order_is_the_same_for_any_number_of_ranks(shuffle: str, ranks: int) -> None:
    alone = ElasticBatchSampler(1000, 24, seed=5, shuffle=shuffle)
    steps = np.concatenate([alone.global_indices(step) for step in range(len(alone))]).tolist()

    assert read_together(samplers(ranks, 1000, 24, seed=5, shuffle=shuffle)) == steps
    assert len(steps) == len(set(steps)) == 1000 - alone.tail_rows == 984


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("shuffle", SHUFFLES)
@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 300), per_rank=st.integers(1, 12), ranks=st.integers(1, 8), block=st.integers(1, 40))
def test_an_epoch_is_everything_but_the_counted_tail(
    shuffle: str, tail: str, n: int, per_rank: int, ranks: int, block: int
) -> None:
    batch = per_rank * ranks
    n += batch if tail == "drop" else 0
    options = {"block_size": block} if shuffle == "block" else {}
    rows = read_together(samplers(ranks, n, batch, shuffle=shuffle, tail=tail, **options))

    counted = ElasticBatchSampler(n, batch, shuffle=shuffle, tail=tail, **options)
    assert len(rows) == len(counted) * batch
    if tail == "drop":
        assert len(set(rows)) == len(rows) == n - counted.tail_rows
    else:
        assert sorted(rows[:n]) == list(range(n))
        repeated = rows[n:]
        assert len(repeated) == counted.tail_rows
        assert repeated == [rows[n - 1] if tail == "pad" else rows[i % n] for i in range(len(repeated))]


@settings(deadline=None, max_examples=40)
@given(data=st.data(), shuffle=st.sampled_from(SHUFFLES), tail=st.sampled_from(TAILS), n=st.integers(24, 400))
def test_chained_resumes_with_other_ranks_lose_and_repeat_nothing(data, shuffle: str, tail: str, n: int) -> None:
    two_epochs = samplers(1, n, 24, shuffle=shuffle, tail=tail, seed=3)
    expected = read_together(two_epochs) + read_together(two_epochs)

    rows, state = [], ElasticBatchSampler(n, 24, shuffle=shuffle, tail=tail, seed=3).state_dict()
    for _ in range(4):
        ranks = samplers(data.draw(st.sampled_from(WORLDS)), n, 24, shuffle=shuffle, tail=tail, seed=3)
        for sampler in ranks:
            sampler.load_state_dict(json.loads(json.dumps(state)))
        rows += read_together(ranks, data.draw(st.integers(0, 5)))
        states = [sampler.state_dict() for sampler in ranks]
        assert states == states[:1] * len(ranks)
        state = states[0]
    assert rows == expected[: len(rows)] or len(rows) > len(expected)
    last = ElasticBatchSampler(n, 24, shuffle=shuffle, tail=tail, seed=3)
    last.load_state_dict(state)
    while last.epoch < 2:
        rows += read_together([last])
    assert rows[: len(expected)] == expected


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(100, 300),
    before=st.integers(1, 60),
    steps=st.integers(0, 5),
    after=st.integers(1, 60),
    tail=st.sampled_from(TAILS),
)
def test_another_global_batch_goes_on_after_the_rows_seen(
    n: int, before: int, steps: int, after: int, tail: str
) -> None:
    first = ElasticBatchSampler(n, before, tail=tail)
    rows = read_together([first], min(steps, n // before - 1))
    second = ElasticBatchSampler(n, after, tail=tail)
    if before == after:
        second.load_state_dict(first.state_dict())
    else:
        with pytest.warns(GlobalBatchChanged, match=f"going on after row {len(rows)} of epoch 0"):
            second.load_state_dict(first.state_dict())
    if tail != "drop" or n - len(rows) >= after:  # else nothing is left of this epoch
        rows += read_together([second])

    order = ElasticBatchSampler(n, 1).order(np.arange(n)).tolist()
    real = min(len(rows), n)
    assert rows[:real] == order[:real]
    assert n - len(rows) < after
    if tail != "drop":
        assert len(rows) >= n


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize(("ranks", "rows"), [(1, 4), (2, 4), (3, 2), (4, 3)])
def test_a_state_within_a_global_batch_loses_and_repeats_nothing(tail: str, ranks: int, rows: int) -> None:
    """A loader of micro-batches may stop anywhere; ranks that can share what is left of the batch finish it."""
    n = 100
    whole = read_together(samplers(1, n, 24, tail=tail))
    for stop in range(8):
        begun = ElasticBatchSampler(n, 24, tail=tail, dp_world_size=2)
        done = begun.order(np.arange(stop * 12)).tolist()
        begun.samples_seen = len(done)
        resumed = samplers(ranks, n, 24, tail=tail)
        for sampler in resumed:
            sampler.load_state_dict(begun.state_dict())
        shares = list(zip(*(sampler.shares(rows) for sampler in resumed), strict=True))
        if resumed[0].epoch == 0:  # else too little was left to share evenly, and was dropped
            done += [row for together in shares for share in together for row in share.indices]
        real = min(n, len(done))
        assert done[:real] == ElasticBatchSampler(n, 1).order(np.arange(real)).tolist()
        assert n - real < 24
        if 12 % (ranks * rows) == 0:
            assert done == whole


@pytest.mark.filterwarnings("ignore::sequitur.shards.sampler.GlobalBatchChanged")
@settings(deadline=None, max_examples=100)
@given(data=st.data(), tail=st.sampled_from(TAILS), n=st.integers(24, 60))
def test_the_state_after_any_batch_is_taken_and_goes_on(data, tail: str, n: int) -> None:
    """Also where batch, ranks and micro-batch change again and again, within the padding too."""
    state = None
    for _ in range(4):
        ranks, rows = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
        batch = ranks * rows * data.draw(st.integers(1, 24 // (ranks * rows) * (1 if tail == "drop" else 4)))
        going = ElasticBatchSampler(n, batch, dp_world_size=ranks, tail=tail)
        if state is not None:
            going.load_state_dict(state)
        for _ in range(data.draw(st.integers(0, 6))):
            state = json.loads(json.dumps(going.state_dict()))
            again = ElasticBatchSampler(n, batch, dp_world_size=ranks, tail=tail)
            again.load_state_dict(state)
            first = next(going.shares(rows))
            assert next(again.shares(rows)) == first
            going.advance(first)
        state = going.state_dict()


def test_epochs_seeds_and_datasets_differ() -> None:
    def order(**options) -> list[int]:
        return read_together([ElasticBatchSampler(100, 10, **options)])

    orders = [order(), order(epoch=1), order(seed=1), order(fingerprint="a"), order(shuffle="block", block_size=7)]
    assert len({tuple(each) for each in orders}) == len(orders)
    assert order(seed=1) == order(seed=1)


def test_the_order_of_the_version_is_pinned() -> None:
    """Runs resume by it: another order takes another name."""
    sampler = ElasticBatchSampler(20, 10, seed=7, epoch=2, fingerprint="abc")
    assert sampler.global_indices(0).tolist() == [8, 0, 16, 18, 17, 12, 5, 2, 4, 19]
    block = ElasticBatchSampler(20, 10, seed=7, epoch=2, fingerprint="abc", shuffle="block", block_size=8)
    assert block.global_indices(1).tolist() == [8, 11, 7, 3, 6, 2, 1, 5, 0, 4]


def test_blocks_are_read_one_after_the_other() -> None:
    rows = np.array(read_together([ElasticBatchSampler(50, 10, shuffle="block", block_size=8, tail="pad")]))
    blocks = rows // 8
    assert np.count_nonzero(np.diff(blocks)) == 6
    assert not np.array_equal(blocks, np.sort(blocks))


def test_iterating_moves_on_to_the_next_epoch() -> None:
    sampler = ElasticBatchSampler(50, 10)
    assert read_together([sampler]) == [row for step in range(5) for row in of_epoch(0).global_indices(step)]
    assert (sampler.epoch, sampler.samples_seen) == (1, 0)
    assert read_together([sampler]) == [row for step in range(5) for row in of_epoch(1).global_indices(step)]


def of_epoch(epoch: int) -> ElasticBatchSampler:
    return ElasticBatchSampler(50, 10, epoch=epoch)


def test_setting_the_epoch_that_is_running_does_not_restart_it() -> None:
    sampler = ElasticBatchSampler(50, 10)
    read_together([sampler], 2)
    sampler.set_epoch(0)
    assert sampler.samples_seen == 20
    sampler.set_epoch(3)
    assert (sampler.epoch, sampler.samples_seen) == (3, 0)


def test_any_position_of_a_huge_split_costs_the_same() -> None:
    sampler = ElasticBatchSampler(10**12, 512, dp_rank=3, dp_world_size=8)
    sampler.samples_seen = 512 * 10**9
    assert len(next(iter(sampler))) == 64
    assert sampler.state_dict()["samples_seen"] == 512 * (10**9 + 1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fingerprint": "b"}, "fingerprint"),
        ({"seed": 2}, "seed"),
        ({"shuffle": "none"}, "shuffle"),
        ({"seq_len": 9}, "seq_len"),
        ({"num_samples": 51}, "num_samples"),
    ],
)
def test_a_state_of_other_data_or_another_order_is_refused(change: dict, named: str) -> None:
    options = {"seed": 1, "fingerprint": "a", "seq_len": 8}
    state = ElasticBatchSampler(50, 10, **options).state_dict()
    other = options | change
    sampler = ElasticBatchSampler(other.pop("num_samples", 50), 10, **other)
    with pytest.raises(StateMismatch, match=f"the state's {named} is"):
        sampler.load_state_dict(state)
    assert issubclass(StateMismatch, ShardError)


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"version": 2},
        {"epoch": -1},
        {"epoch": True},
        {"samples_seen": 1.5},
        {"samples_seen": 60},
        {"global_batch_size": 0},
    ],
)
def test_what_is_no_state_is_refused(state: dict | None) -> None:
    sampler = ElasticBatchSampler(50, 10)
    with pytest.raises(StateMismatch):
        sampler.load_state_dict(sampler.state_dict() | state if state else state)


@pytest.mark.parametrize(
    "options",
    [
        {"global_batch_size": 0},
        {"global_batch_size": 10, "dp_world_size": 3},
        {"global_batch_size": 10, "dp_rank": 2, "dp_world_size": 2},
        {"global_batch_size": 60},
        {"global_batch_size": 10, "seed": -1},
        {"global_batch_size": 10, "shuffle": "yes"},
        {"global_batch_size": 10, "tail": "keep"},
        {"global_batch_size": 10, "block_size": 4},
        {"global_batch_size": 10, "block_size": 0, "shuffle": "block"},
    ],
)
def test_wrong_options(options: dict) -> None:
    with pytest.raises(ValueError, match=r"rank|rows|batch|seed|shuffle|tail|block"):
        ElasticBatchSampler(50, **options)


def test_the_sampler_of_a_dataset_knows_it(dataset: Dataset) -> None:
    sampler = ElasticBatchSampler.of(ContextDataset(dataset.root), 12, seed=4)
    assert (sampler.num_samples, sampler.seq_len, sampler.shuffle) == (36, SEQ_LEN, "global")
    assert sampler.fingerprint == dataset.manifest.fingerprint
    with pytest.raises(IndexError, match="step 3 of an epoch of 3"):
        sampler.global_indices(3)
