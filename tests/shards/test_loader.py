"""The same batches in the same order for any ranks and workers; kill -9 and resume lose and repeat nothing."""

import json
import random
import signal
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch
from example_dataset import SEQ_LEN, Dataset

from sequitur.shards import ContextCollator, ContextDataLoader, ContextDataset, ElasticBatchSampler
from sequitur.shards.manifest import fingerprint, manifest_json
from sequitur.shards.sampler import StateMismatch

pytestmark = pytest.mark.forks

BATCH = 24


def loader(root: Path, rank: int = 0, ranks: int = 1, batch: int = 12, **options) -> ContextDataLoader:
    of_dataset = {name: options.pop(name) for name in ("labels", "attention") if name in options}
    of_sampler = {name: options.pop(name) for name in ("seed", "tail", "shuffle") if name in options}
    reader = ContextDataset(root, return_provenance=True, **of_dataset)
    sampler = ElasticBatchSampler.of(reader, batch, dp_rank=rank, dp_world_size=ranks, **of_sampler)
    return ContextDataLoader(reader, sampler, **options)


def contexts_of(batch: dict) -> list[int]:
    return batch["context_id"].tolist()


def joined(lists: Iterable[list[int]]) -> list[int]:
    return list(chain.from_iterable(lists))


@pytest.fixture(scope="module")
def expected(dataset: Dataset) -> list[list[int]]:
    """The contexts of each global batch of two epochs."""
    one = loader(dataset.root, batch=BATCH, tail="wrap")
    return [contexts_of(batch) for _ in range(2) for batch in one]


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 6, 8])
def test_order_for_any_ranks_and_workers(dataset: Dataset, expected: list, ranks: int, workers: int) -> None:
    each = [loader(dataset.root, rank, ranks, BATCH, tail="wrap", num_workers=workers) for rank in range(ranks)]
    for epoch in range(2 if not workers else 1):
        batches = [list(map(contexts_of, one)) for one in each]
        together = [joined(shares) for shares in zip(*batches, strict=True)]
        assert together == expected[2 * epoch : 2 * epoch + 2]


def test_epochs_differ_and_miss_nothing(dataset: Dataset, expected: list) -> None:
    first, second = joined(expected[:2]), joined(expected[2:])
    assert first != second
    assert set(first) == set(second) == set(range(36))


def test_micro_batches_are_the_global_batch(dataset: Dataset, expected: list) -> None:
    each = [loader(dataset.root, rank, 2, BATCH, tail="wrap", micro_batch_size=4) for rank in range(2)]
    assert len(each[0]) == 6
    parts = [joined(map(contexts_of, pair)) for pair in zip(*each, strict=True)]
    assert [joined(parts[i : i + 3]) for i in (0, 3)] == expected[:2]


def train(pipe: Connection, root: Path, rank: int, ranks: int, state: dict | None) -> None:
    """A rank that trains for ever, a step each time that it is told to."""
    one = loader(root, rank, ranks, 6, seed=9, num_workers=int(rank == 0))
    if state:
        one.load_state_dict(state)
    while True:
        for batch in one:
            pipe.send((contexts_of(batch), json.dumps(one.state_dict())))
            pipe.recv()


class Trainer:
    """`train` in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        context = get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=train, args=(theirs, *arguments))
        self.process.start()

    def step(self) -> tuple[list[int], str]:
        """The contexts of its batch and its state then; it goes on to the next."""
        found = self.pipe.recv()
        self.pipe.send(None)
        return found

    def kill(self) -> None:
        assert self.process.is_alive()
        self.process.kill()
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL


def test_three_kills_with_a_change_of_ranks_lose_and_repeat_nothing(dataset: Dataset) -> None:
    choose = random.Random(4)
    whole = loader(dataset.root, batch=6, seed=9)
    expected = [contexts_of(batch) for _ in range(4) for batch in whole]
    read: list[list[int]] = []
    state = None
    for ranks in (2, 3, 1, 2):
        trainers = [Trainer(dataset.root, rank, ranks, state) for rank in range(ranks)]
        for _ in range(choose.randint(2, 5)):
            contexts, states = zip(*(trainer.step() for trainer in trainers), strict=True)
            assert len(set(states)) == 1
            read.append(joined(contexts))
            state = json.loads(states[0])
        for trainer in trainers:
            trainer.kill()
    assert len(read) > 6  # of the second epoch too
    assert read == expected[: len(read)]


def test_state_counts_what_was_given_out_not_what_was_fetched(dataset: Dataset) -> None:
    one = loader(dataset.root, num_workers=1, prefetch_factor=3)
    next(iter(one))
    assert one.state_dict()["samples_seen"] == 12
    assert json.loads(json.dumps(one.state_dict())) == one.state_dict()


def test_iterating_again_goes_on(dataset: Dataset) -> None:
    one, other = loader(dataset.root), loader(dataset.root)
    first = contexts_of(next(iter(one)))
    assert [first, *map(contexts_of, one)] == list(map(contexts_of, other))
    assert one.state_dict()["epoch"] == 1


def test_labels_of_padding_rows_are_no_targets(dataset: Dataset) -> None:
    batches = list(loader(dataset.root, batch=BATCH, tail="pad"))
    assert [int((batch["labels"] != -100).any(dim=1).sum()) for batch in batches] == [24, 12]
    assert (batches[1]["labels"][12:] == -100).all()
    wrapped = list(loader(dataset.root, batch=BATCH, tail="wrap"))
    assert (wrapped[1]["labels"][12:] != -100).any(dim=1).all()


def test_document_attention(dataset: Dataset) -> None:
    batch = next(iter(loader(dataset.root, attention="document")))
    assert batch["cu_seqlens"][-1] == 12 * SEQ_LEN
    fixed = loader(
        dataset.root, attention="document", collate_fn=ContextCollator(attention="document", pad_cu_seqlens_to=99)
    )
    assert {len(batch["cu_seqlens"]) for batch in fixed} == {99}


def test_a_state_of_another_dataset_is_refused(dataset: Dataset) -> None:
    one = loader(dataset.root)
    for change in ({"fingerprint": "0" * 64}, {"seq_len": 32}, {"seed": 1}, {"shuffle": "none"}):
        with pytest.raises(StateMismatch, match=next(iter(change))):
            one.load_state_dict(one.state_dict() | change)
    with pytest.raises(StateMismatch):
        one.load_state_dict(None)


def test_a_sampler_made_of_numbers_serves_too(dataset: Dataset) -> None:
    reader = ContextDataset(dataset.root)
    one = ContextDataLoader(reader, ElasticBatchSampler(len(reader), 12))
    next(iter(one))
    state = one.state_dict()
    assert (state["fingerprint"], state["seq_len"]) == (reader.fingerprint, SEQ_LEN)
    again = ContextDataLoader(reader, ElasticBatchSampler(len(reader), 12))
    again.load_state_dict(state)
    assert torch.equal(next(iter(again))["input_ids"], next(iter(one))["input_ids"])


def test_sampler_and_dataset_belong_together(dataset: Dataset) -> None:
    reader, val = ContextDataset(dataset.root), ContextDataset(dataset.root, "val")
    with pytest.raises(ValueError, match="the sampler is of other data"):
        ContextDataLoader(val, ElasticBatchSampler.of(reader, 4))
    with pytest.raises(ValueError, match="the sampler is of other data"):
        ContextDataLoader(reader, ElasticBatchSampler(len(reader), 4, fingerprint="1"))
    with pytest.raises(ValueError, match="micro_batch_size 5"):
        ContextDataLoader(reader, ElasticBatchSampler.of(reader, 12), micro_batch_size=5)


def test_a_curriculum_is_read_as_it_lies(copy: Dataset) -> None:
    order = replace(copy.manifest.order, kind="as_ordered", algo="none", seed=0)
    changed = replace(copy.manifest, order=order, fingerprint=fingerprint(copy.manifest.header, copy.manifest.splits))
    (copy.root / "manifest.json").write_text(manifest_json(changed))
    reader = ContextDataset(copy.root)
    assert reader.as_ordered
    batches = [batch["input_ids"] for batch in ContextDataLoader(reader, ElasticBatchSampler.of(reader, 12))]
    assert torch.equal(torch.cat(batches), reader.__getitems__(range(36)).columns["input_ids"])
    with pytest.raises(ValueError, match="a curriculum, which a shuffle undoes"):
        ContextDataLoader(reader, ElasticBatchSampler(36, 12))
    ContextDataLoader(reader, ElasticBatchSampler.of(reader, 12, shuffle="global"))
