"""What Grain makes of a ContextDataset as its source: read_grain.py SHARDS."""

import json
import sys

import digests
import grain

from sequitur.shards import ContextDataset


def context_ids(examples: list) -> list[int]:
    return [int(example["context_id"]) for example in examples]


def resumed(dataset: grain.MapDataset, cuts: list[int]) -> list:
    """An epoch read by a new iterator after each of `cuts`, which takes over the last one's state."""
    examples, state = [], None
    for cut in [*cuts, len(dataset)]:
        iterator = iter(dataset.to_iter_dataset())
        if state is not None:
            iterator.set_state(json.loads(json.dumps(state)))
        examples += [next(iterator) for _ in range(cut - len(examples))]
        state = iterator.get_state()
    return examples


def elastic(root: str) -> list[int]:
    """Global batches of 6 read by 1, then 3, then 2 processes."""
    dataset = grain.MapDataset.source(ContextDataset(root)).seed(5).shuffle()
    numbered = grain.MapDataset.source(ContextDataset(root, return_provenance=True)).seed(5).shuffle()
    read, state = [], {"global_next_index": 0}
    for world_size, steps in ((1, 2), (3, 1), (2, 2)):
        ranks = []
        for rank in range(world_size):
            options = grain.sharding.ShardOptions(shard_index=rank, shard_count=world_size)
            iterator = iter(grain.experimental.ElasticIterator(dataset, 6, options))
            iterator.set_state(state)
            ranks.append([next(iterator)["input_ids"] for _ in range(steps)])
        state = iterator.get_state()
        for step in range(steps):
            rows = {row.tobytes() for rank in ranks for row in rank[step]}
            first = len(read)
            expected = [numbered[i] for i in range(first, first + 6)]
            assert rows == {example["input_ids"].numpy().tobytes() for example in expected}
            read += context_ids(expected)
    return read


def main(root: str) -> None:
    source = grain.MapDataset.source(ContextDataset(root, return_provenance=True))
    shuffled = source.seed(5).shuffle()
    epochs = shuffled.repeat(2)
    examples = list(shuffled)
    batches = shuffled.map(lambda example: {"input_ids": example["input_ids"]}).batch(4)
    workers = grain.MultiprocessingOptions(num_workers=2)
    rows = sum(len(batch["input_ids"]) for batch in batches.to_iter_dataset().mp_prefetch(workers))
    result = {
        "rows": len(examples),
        "digest": digests.of_examples(examples),
        "order": context_ids(examples),
        "source_order": context_ids(list(source)),
        "resumed": context_ids(resumed(shuffled, [3, 4, 11, 20])),
        "second_epoch": context_ids([epochs[i] for i in range(len(source), 2 * len(source))]),
        "elastic": elastic(root),
        "rows_of_workers": rows,
    }
    print(json.dumps(result))


if __name__ == "__main__":  # Grain's processes import this file again
    main(sys.argv[1])
