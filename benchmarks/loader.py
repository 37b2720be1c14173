"""How fast are contexts read in random order, beside the loaders of others?

    python -m benchmarks.loader [--megabytes N] [--batch B] [--passes N] [--peers DIR] [--scratch DIR]

Rows of random token ids, at S = 2,048 and S = 8,192, are written as shards, and in the form of each peer by its own
writer: Hugging Face `datasets` (which opens our shards), mosaicml-streaming (MDS), LitData (TokensLoader) and
Megatron's IndexedDataset. Each loader is a process of its own, one thread, no workers, and gives int64 `input_ids`
(B, S) as its users get them (`loader_reader`). They take turns, pass by pass over all rows, each pass in another order.
The first pass is not counted: it fills the page cache, checks the CRC-32 of our batches, and compares a checksum of all
rows between the loaders. `make test-peers` sets up the peers' Pythons.

`tokens_per_second_NAME_S` is the median over passes, in seconds of the processor, so that other programs count little;
`p99_batch_ms_NAME_S` is by the clock, over the batches of all passes. `memory_mb_NAME_S` is anonymous resident memory
(RssAnon of /proc/self/status, the most seen while reading): all that the process holds, interpreter and libraries
included, but not the page cache of mapped files, which belongs to all.

`loader_vs_NAME` is our tokens a second over the peer's in the same round, the median over rounds, at the S where it is
worse; `loader_vs_best_peer` is the least of them. `memory_vs_best_peer` is our memory over that of the leanest peer, at
the S where it is worse. `first_pass_…` is the rate of the first pass, with its CRC-32 and page faults. One JSON object
is the last line of stdout.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sequitur.shards.contexts import Contexts, context_batch
from sequitur.shards.format import (
    BATCH_ROWS,
    Boundaries,
    Header,
    SpecialIds,
    TokenizerInfo,
    context_columns,
    context_schema,
    shard_name,
)
from sequitur.shards.manifest import Packing, RowOrder, build_manifest, manifest_json, split_entry
from sequitur.shards.writer import hf_files, plan_shards, write_shard

CONTEXT_LENGTHS = (2048, 8192)
PEERS = {"datasets": "", "megatron": "common", "litdata": "common", "streaming": "streaming"}  # and whose Python
VOCABULARY = 50_000
ROOT = Path(__file__).parent.parent


def write_rows(path: Path, rows: int, seq_len: int) -> np.ndarray:
    """Random ids, (rows, S) uint32, in a plain file."""
    generator = np.random.Generator(np.random.PCG64(seq_len))
    with path.open("wb") as file:
        for _ in range(0, rows, BATCH_ROWS):
            file.write(generator.integers(0, VOCABULARY, (BATCH_ROWS, seq_len), dtype=np.uint32).tobytes())
    return np.memmap(path, dtype=np.uint32, mode="r").reshape(rows, seq_len)


def make_contexts(ids: np.ndarray, first: int) -> Contexts:
    """Full rows of one document each."""
    rows, seq_len = ids.shape
    numbers = np.arange(first, first + rows, dtype=np.uint64)
    full, zeros = np.full(rows, seq_len, dtype=np.uint32), np.zeros(rows, dtype=np.uint32)
    return Contexts(
        input_ids=np.asarray(ids),
        next_token=zeros,
        next_valid=np.ones(rows, dtype=np.bool_),
        num_tokens=full,
        doc_offsets=np.arange(rows + 1, dtype=np.int32),
        doc_lens=full,
        doc_ids=numbers,
        doc_starts=zeros,
        context_id=numbers,
        group_id=numbers,
    )


def write_dataset(root: Path, rows: np.ndarray) -> None:
    """The rows as `pack` writes them."""
    seq_len = rows.shape[1]
    info = TokenizerInfo("bytes", None, "", VOCABULARY)
    header = Header("benchmark", "run", "", seq_len, info, SpecialIds(None, 0, 0), Boundaries(True, False))
    (root / "train").mkdir(parents=True)
    plan = plan_shards(len(rows), seq_len)
    shards = []
    for number, (first, count) in enumerate(plan):
        schema = context_schema(header, "train", number, len(plan))
        path = f"train/{shard_name(number, len(plan))}"
        batches: list[pa.RecordBatch] = [
            context_batch(make_contexts(rows[i : i + BATCH_ROWS], i), schema)
            for i in range(first, first + count, BATCH_ROWS)
        ]
        with (root / path).open("wb") as sink:
            shards.append(write_shard(sink, path, batches, schema))
    packing, order = Packing("stream", 0, 0, 0), RowOrder("global_permutation", "feistel-v1", 1, 0.0, 0.0)
    manifest = build_manifest(header, packing, order, {"train": split_entry(shards, docs=len(rows))}, [])
    names = [Path(shard.path).name for shard in shards]
    for name, text in hf_files("train", names, manifest.fingerprint, context_columns(seq_len)).items():
        (root / "train" / name).write_text(text)
    (root / "manifest.json").write_text(manifest_json(manifest))


class Reader:
    """A loader in a process of its own, which waits until it is asked for a pass."""

    def __init__(self, name: str, python: Path, files: Path, seq_len: int, batch: int) -> None:
        self.name = name
        self.passes: list[dict[str, Any]] = []
        command = [python, ROOT / "benchmarks/loader_reader.py", "read", name, files, str(seq_len), str(batch)]
        pipe = subprocess.PIPE
        self.process: Any = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment())

    def read(self, seed: int) -> None:
        print(seed, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"error: {self.name}: its process ended; see above")
        self.passes.append(json.loads(answer))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def rates(self) -> np.ndarray:
        """Tokens a second of each pass after the first."""
        return np.array([found["tokens"] / found["seconds"] for found in self.passes[1:]])


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def pythons(peers: Path) -> dict[str, Path]:
    """Of each loader; the peers' own are in `peers`."""
    found = {"sequitur": Path(sys.executable)}
    for name, environment_name in PEERS.items():
        found[name] = peers / environment_name / "bin/python" if environment_name else Path(sys.executable)
        if not found[name].is_file():
            sys.exit(f"error: {found[name]}: not there, for the loader of {name}; run `make test-peers` first")
    return found


def measure(seq_len: int, known: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Each loader's passes at this S, in turns."""
    rows = (known.megabytes << 20) // (4 * seq_len) // BATCH_ROWS * BATCH_ROWS
    if not rows:
        sys.exit(f"error: --megabytes {known.megabytes}: fill no batch of {BATCH_ROWS} rows of {seq_len}; give more")
    plain = scratch / "rows.bin"
    write_dataset(scratch / "sequitur", write_rows(plain, rows, seq_len))
    readers = []
    for name, python in pythons(known.peers).items():
        files = scratch / ("sequitur" if name == "datasets" else name)
        if name not in ("sequitur", "datasets"):
            print(f"writing {rows} rows of {seq_len} for {name}", file=sys.stderr)
            files.mkdir()
            script = ROOT / "benchmarks/loader_reader.py"
            subprocess.run(
                [python, script, "write", name, plain, str(seq_len), files], check=True, env=environment(), stdout=2
            )
        readers.append(Reader(name, python, files, seq_len, known.batch))
    for seed in range(known.passes + 1):
        for reader in readers:
            reader.read(seed)
            print(f"S={seq_len} pass {seed} {reader.name}", file=sys.stderr)
    for reader in readers:
        reader.close()
    if len({(reader.passes[0]["checksum"], reader.passes[0]["tokens"]) for reader in readers}) != 1:
        sys.exit(f"error: S={seq_len}: the loaders do not give the same rows")
    return figures(readers, seq_len)


def figures(readers: list[Reader], seq_len: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    ours = readers[0]
    for reader in readers:
        where = f"{reader.name}_{seq_len}"
        latencies = np.concatenate([one["latencies"] for one in reader.passes[1:]])
        first = reader.passes[0]
        found[f"tokens_per_second_{where}"] = round(float(np.median(reader.rates())))
        found[f"first_pass_tokens_per_second_{where}"] = round(first["tokens"] / first["seconds"])
        found[f"p99_batch_ms_{where}"] = round(1000 * float(np.quantile(latencies, 0.99)), 3)
        found[f"memory_mb_{where}"] = round(max(one["anonymous_bytes"] for one in reader.passes) / 1e6, 1)
        if reader is not ours:
            found[f"loader_vs_{where}"] = round(float(np.median(ours.rates() / reader.rates())), 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=256, help="of token ids at each S")
    parser.add_argument("--batch", type=int, default=32, help="rows of a batch")
    parser.add_argument("--passes", type=int, default=3, help="over all rows, by each loader")
    parser.add_argument("--peers", type=Path, default=ROOT / ".peers", help="folder of the peers' Pythons")
    parser.add_argument("--scratch", help="where the rows go, nine times over; a temporary directory if not given")
    known = parser.parse_args()
    pythons(known.peers)
    found: dict[str, Any] = {"megabytes": known.megabytes, "batch": known.batch}
    for seq_len in CONTEXT_LENGTHS:
        with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-", dir=known.scratch) as scratch:
            found |= measure(seq_len, known, Path(scratch))
    for name in PEERS:
        found[f"loader_vs_{name}"] = min(found[f"loader_vs_{name}_{seq_len}"] for seq_len in CONTEXT_LENGTHS)
    found["loader_vs_best_peer"] = min(found[f"loader_vs_{name}"] for name in PEERS)
    found["memory_vs_best_peer"] = max(
        round(found[f"memory_mb_sequitur_{s}"] / min(found[f"memory_mb_{name}_{s}"] for name in PEERS), 3)
        for s in CONTEXT_LENGTHS
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
