"""One loader of `benchmarks.loader`, in a process and, if need be, a Python of its own.

    python benchmarks/loader_reader.py write NAME ROWS SEQ_LEN OUT     make the peer's files from a file of uint32 rows
    python benchmarks/loader_reader.py read NAME OUT SEQ_LEN BATCH     read them; each line on stdin is a seed, and one
                                                                       pass over all rows in the order of that seed

It imports numpy, torch and the one library that it measures. Every loader gives int64 batches (B, S) as its users get
them, without worker processes: ours through ContextDataLoader; the peers' rows, by index, through torch's DataLoader
and its default collation.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

Batches = Callable[[int], Iterator[torch.Tensor]]
CHUNK_BYTES = 64 << 20  # of a file of MDS and LitData, as their users have them


class ByIndex(Dataset[Any]):
    """Rows by index, and nothing else: what torch's DataLoader needs for an order of our choosing."""

    def __init__(self, row: Callable[[int], Any], rows: int) -> None:
        self.row, self.rows = row, rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> Any:
        return self.row(index)


def orders(rows: int, batch: int, seed: int) -> list[list[int]]:
    order = np.random.Generator(np.random.PCG64(seed)).permutation(rows)
    return [part.tolist() for part in np.split(order[: rows // batch * batch], rows // batch)]


def by_index(dataset: Any, rows: int, batch: int) -> Callable[[int], DataLoader[Any]]:
    return lambda seed: DataLoader(dataset, batch_sampler=orders(rows, batch, seed))


def read_sequitur(out: Path, seq_len: int, batch: int) -> Batches:
    from sequitur.shards import ContextDataLoader, ContextDataset, ElasticBatchSampler

    dataset = ContextDataset(out, labels="none")
    sampler = ElasticBatchSampler.of(dataset, batch)
    loader = ContextDataLoader(dataset, sampler)

    def passes(seed: int) -> Iterator[torch.Tensor]:
        sampler.set_epoch(seed)
        return (found["input_ids"] for found in loader)

    return passes


def read_datasets(out: Path, seq_len: int, batch: int) -> Batches:
    import datasets

    dataset = datasets.load_from_disk(str(out / "train")).with_format("torch", columns=["input_ids"])
    batches = by_index(dataset, len(dataset), batch)
    return lambda seed: (found["input_ids"] for found in batches(seed))


def write_megatron(rows: np.ndarray, out: Path) -> None:
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(f"{out}/rows.bin", dtype=np.int32)
    for row in rows:
        builder.add_document(torch.from_numpy(row.astype(np.int32)), [len(row)])
    builder.finalize(f"{out}/rows.idx")


def read_megatron(out: Path, seq_len: int, batch: int) -> Batches:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    dataset = IndexedDataset(f"{out}/rows")
    # GPTDataset.__getitem__ makes its tokens so
    return by_index(ByIndex(lambda i: torch.from_numpy(dataset[i]).long(), len(dataset)), len(dataset), batch)


def write_streaming(rows: np.ndarray, out: Path) -> None:
    from streaming import MDSWriter

    columns = {"input_ids": f"ndarray:int32:{rows.shape[1]}"}
    with MDSWriter(out=str(out), columns=columns, size_limit=CHUNK_BYTES) as writer:
        for row in rows:
            writer.write({"input_ids": row.astype(np.int32)})


def read_streaming(out: Path, seq_len: int, batch: int) -> Batches:
    from streaming import StreamingDataset

    dataset = StreamingDataset(local=str(out), batch_size=batch)
    batches = by_index(ByIndex(dataset.__getitem__, dataset.size), dataset.size, batch)
    return lambda seed: (found["input_ids"].long() for found in batches(seed))


def write_litdata(rows: np.ndarray, out: Path) -> None:
    from litdata.streaming import TokensLoader
    from litdata.streaming.writer import BinaryWriter

    writer = BinaryWriter(str(out), chunk_bytes=CHUNK_BYTES, item_loader=TokensLoader(block_size=rows.shape[1]))
    for i, row in enumerate(rows):
        writer[i] = torch.from_numpy(row.astype(np.int32))
    writer.done()
    writer.merge()


def read_litdata(out: Path, seq_len: int, batch: int) -> Batches:
    from litdata import StreamingDataset
    from litdata.streaming import TokensLoader

    dataset = StreamingDataset(str(out), item_loader=TokensLoader(block_size=seq_len))
    batches = by_index(ByIndex(dataset.__getitem__, len(dataset)), len(dataset), batch)
    return lambda seed: (found.long() for found in batches(seed))


WRITERS = {"megatron": write_megatron, "streaming": write_streaming, "litdata": write_litdata}
READERS = {
    "sequitur": read_sequitur,
    "datasets": read_datasets,
    "megatron": read_megatron,
    "streaming": read_streaming,
    "litdata": read_litdata,
}


def anonymous_bytes() -> int:
    """Resident memory of this process that no file backs (RssAnon): the page cache of mapped files is left out."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise OSError("/proc/self/status has no RssAnon")


def one_pass(batches: Batches, seed: int, weights: torch.Tensor | None) -> dict[str, Any]:
    """Tokens, seconds of the processor (all threads of this process), the latency of each batch by the clock, memory,
    and, where `weights` are given, a checksum of the rows that does not depend on their order."""
    tokens = checksum = anonymous = 0
    latencies: list[float] = []
    processor = 0.0
    cpu, clock = time.process_time(), time.perf_counter()
    for batch in batches(seed):
        processor += time.process_time() - cpu
        latencies.append(time.perf_counter() - clock)
        if batch.dtype != torch.int64:
            raise TypeError(f"batches of {batch.dtype}")
        tokens += batch.numel()
        if weights is not None:
            checksum += int((batch * weights).sum())
        if len(latencies) % 64 == 1:
            anonymous = max(anonymous, anonymous_bytes())
        cpu, clock = time.process_time(), time.perf_counter()
    return {
        "tokens": tokens,
        "seconds": processor,
        "latencies": latencies,
        "anonymous_bytes": anonymous,
        "checksum": checksum % (1 << 64),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    verb, name, *rest = sys.argv[1:]
    if verb == "write":
        rows, seq_len, out = Path(rest[0]), int(rest[1]), Path(rest[2])
        WRITERS[name](np.memmap(rows, dtype=np.uint32, mode="r").reshape(-1, seq_len), out)
        return
    out, seq_len, batch = Path(rest[0]), int(rest[1]), int(rest[2])
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is not an answer
    batches = READERS[name](out, seq_len, batch)
    weights: torch.Tensor | None = torch.arange(1, seq_len + 1)
    for line in sys.stdin:
        print(json.dumps(one_pass(batches, int(line), weights)), file=answers, flush=True)
        weights = None  # the first pass, which also fills the page cache, has shown that the rows are the same


if __name__ == "__main__":
    main()
