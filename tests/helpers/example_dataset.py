"""A small dataset of two splits, built from random documents by the functions that the pack stage calls."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.shards.contexts import Contexts, context_batch
from sequitur.shards.format import (
    Boundaries,
    Header,
    SpecialIds,
    TokenizerInfo,
    context_columns,
    context_schema,
    docs_schema,
    shard_name,
)
from sequitur.shards.manifest import Manifest, Packing, RowOrder, ShardEntry, build_manifest, manifest_json, split_entry
from sequitur.shards.permutation import permute
from sequitur.shards.row_order import count_pairs
from sequitur.shards.writer import hf_files, write_docs, write_shard

SEQ_LEN = 16
BATCH_ROWS = 4
SHARD_ROWS = 10
END = 256  # of a document, in the `bytes` tokenizer
TEXTS = {3: "[bold]no markup[/bold]", 4: "one\x1b[31mred\u202e", 5: "\n  A title  \nBody."}

HEADER = Header(
    created_by="sequitur 0",
    run_id="run",
    config_sha256="0" * 64,
    seq_len=SEQ_LEN,
    tokenizer=TokenizerInfo(name="bytes", revision=None, sha256="", vocab_size=257),
    special_ids=SpecialIds(bos=None, eos=END, pad=END),
    boundaries=Boundaries(eos_after_doc=True, bos_at_doc_start=False),
)


class Dataset(NamedTuple):
    """A written dataset, and what was written: by split, the rows in their order; by doc_key, the tokens."""

    root: Path
    manifest: Manifest
    contexts: dict[str, Contexts]
    documents: dict[int, np.ndarray]


def make_documents(rng: np.random.Generator, keys: range) -> dict[int, np.ndarray]:
    documents = {}
    for key in keys:
        text = TEXTS.get(key, "").encode() or rng.integers(32, 127, rng.integers(1, 40)).astype(np.uint8).tobytes()
        documents[key] = np.array([*text, END], dtype=np.uint32)
    return documents


def make_contexts(documents: dict[int, np.ndarray]) -> Contexts:
    """The documents end to end, cut every SEQ_LEN tokens; the last row is padded."""
    stream = [(token, key, i) for key, doc in documents.items() for i, token in enumerate(doc.tolist())]
    rows = [stream[i : i + SEQ_LEN] for i in range(0, len(stream), SEQ_LEN)]
    pieces = []
    for row in rows:
        keys = [key for _, key, _ in row]
        firsts = [i for i in range(len(row)) if i == 0 or keys[i] != keys[i - 1]]
        ends = [*firsts[1:], len(row)]
        pieces.append([(end - i, keys[i], row[i][2]) for i, end in zip(firsts, ends, strict=True)])
    flat = [piece for row in pieces for piece in row]
    after = [rows[i + 1][0][0] if i + 1 < len(rows) else None for i in range(len(rows))]
    return Contexts(
        input_ids=np.array([[t for t, _, _ in row] + [END] * (SEQ_LEN - len(row)) for row in rows], np.uint32),
        next_token=np.array([token or 0 for token in after], np.uint32),
        next_valid=np.array([token is not None for token in after], np.bool_),
        num_tokens=np.array([len(row) for row in rows], np.uint32),
        doc_offsets=np.cumsum([0, *map(len, pieces)], dtype=np.int32),
        doc_lens=np.array([length for length, _, _ in flat], np.uint32),
        doc_ids=np.array([key for _, key, _ in flat], np.uint64),
        doc_starts=np.array([start for _, _, start in flat], np.uint32),
        context_id=np.arange(len(rows), dtype=np.uint64),
        group_id=np.arange(len(rows), dtype=np.uint64) // np.uint64(4),
    )


def take(contexts: Contexts, rows: np.ndarray) -> Contexts:
    """The rows at `rows`, in that order."""
    offsets = contexts.doc_offsets
    pieces = np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in rows])
    counts = np.diff(offsets)[rows]
    by_row = contexts._asdict()
    for name in ("doc_lens", "doc_ids", "doc_starts"):
        by_row[name] = by_row[name][pieces]
    by_row["doc_offsets"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    for name in ("input_ids", "next_token", "next_valid", "num_tokens", "context_id", "group_id"):
        by_row[name] = by_row[name][rows]
    return Contexts(**by_row)


def docs_table(splits: dict[str, dict[int, np.ndarray]]) -> pa.Table:
    rows = [
        {
            "doc_key": key,
            "doc_id": f"{key:032x}",
            "record_id": None,
            "source": "random",
            "url": "https://example.org" if key % 2 else None,
            "title": f"Title {key}" if key % 3 else None,
            "language": "en" if key % 2 else "de",
            "license": "MIT" if key % 5 else None,
            "source_file": "documents.jsonl",
            "source_row": key,
            "n_tokens": len(tokens),
            "path": 0,
            "cosine_to_previous": 0.5,
            "split": split,
        }
        for split, documents in splits.items()
        for key, tokens in documents.items()
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["doc_key"]), schema=docs_schema())


def write_shards(root: Path, split: str, contexts: Contexts, header: Header = HEADER) -> list[ShardEntry]:
    (root / split).mkdir(parents=True)
    n = len(contexts.num_tokens)
    starts = range(0, n, SHARD_ROWS)
    shards = []
    for number, first in enumerate(starts):
        schema = context_schema(header, split, number, len(starts))
        last = min(first + SHARD_ROWS, n)
        batches = [
            context_batch(take(contexts, np.arange(i, min(i + BATCH_ROWS, last))), schema)
            for i in range(first, last, BATCH_ROWS)
        ]
        path = f"{split}/{shard_name(number, len(starts))}"
        with (root / path).open("wb") as sink:
            shards.append(write_shard(sink, path, batches, schema))
    return shards


def write_dataset(
    root: Path, *, header: Header = HEADER, train_docs: int = 30, docs_files: int = 1, **changed: Contexts
) -> Dataset:
    """Write a dataset of the splits train and val. `changed` gives a split other contexts than its documents'."""
    rng = np.random.default_rng(7)
    last = train_docs + train_docs // 3
    documents = {"train": make_documents(rng, range(train_docs)), "val": make_documents(rng, range(train_docs, last))}
    contexts, entries = {}, {}
    for split, docs in documents.items():
        ordered = make_contexts(docs)
        shuffled = take(ordered, permute(np.arange(len(ordered.num_tokens)), len(ordered.num_tokens), seed=1))
        contexts[split] = changed.get(split, shuffled)
        entries[split] = split_entry(write_shards(root, split, contexts[split], header), docs=len(docs))
    (root / "docs").mkdir()
    table = docs_table(documents)
    each = -(-table.num_rows // docs_files)
    docs_entries = []
    for number in range(docs_files):
        path = f"docs/docs-{number:05}-of-{docs_files:05}.parquet"
        with (root / path).open("wb") as sink:
            docs_entries.append(write_docs(sink, path, table.slice(number * each, each)))
    padded = sum(entry.rows * SEQ_LEN - entry.tokens for entry in entries.values())
    lens = np.concatenate([contexts[split].doc_lens for split in documents])
    ids = np.concatenate([contexts[split].doc_ids for split in documents])
    n_tokens = {key: len(tokens) for docs in documents.values() for key, tokens in docs.items()}
    cut = {key for key, size in zip(ids.tolist(), lens.tolist(), strict=True) if size < n_tokens.get(key, 0)}
    packing = Packing("stream", dropped_tokens=0, padded_tokens=padded, split_docs=len(cut))
    pairs = count_pairs(contexts["train"].group_id)
    order = RowOrder("global_permutation", "feistel-v1", 1, pairs.share, pairs.chance)
    manifest = build_manifest(header, packing, order, entries, docs_entries)
    for split, entry in entries.items():
        names = [Path(shard.path).name for shard in entry.shards]
        for name, text in hf_files(split, names, manifest.fingerprint, context_columns(SEQ_LEN)).items():
            (root / split / name).write_text(text)
    (root / "manifest.json").write_text(manifest_json(manifest))
    return Dataset(root, manifest, contexts, documents["train"] | documents["val"])
