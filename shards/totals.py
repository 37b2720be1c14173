"""Counts over all datasets of a directory, a document in several of them counting once; without extensions."""

from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.documents import read_documents
from sequitur.shards.families import dataset_directories, dataset_entry, read_families
from sequitur.shards.manifest import Manifest, read_manifest
from sequitur.shards.parts import parts
from sequitur.shards.pieces import batches


@dataclass(frozen=True)
class Totals:
    """`contexts` by split; `datasets` as in families.json, with the pads of each, empty where there is no such file."""

    contexts: dict[str, int]
    tokens: int
    documents: int
    split_docs: int
    dropped_tokens: int
    padded_tokens: int
    repeated_tokens: int
    datasets: list[dict[str, Any]]


def totals(root: str | PathLike[str]) -> Totals:
    """The totals of what lies in `root`, without what extensions added.

    Where documents are in several datasets, as with row lengths, the columns of
    pieces are read and 16 bytes a document held."""
    base = Path(root)
    directories = dataset_directories(base)
    manifests = [parts(read_manifest(base / directory))[0] for directory in directories]
    contexts: dict[str, int] = {}
    for manifest in manifests:
        for split, entry in manifest.splits.items():
            contexts[split] = contexts.get(split, 0) + entry.rows
    packing = [manifest.packing for manifest in manifests]
    shared = any(one.elsewhere_tokens for one in packing)
    documents = sum(entry.docs for manifest in manifests for entry in manifest.splits.values())
    split_docs = sum(one.split_docs for one in packing)
    if shared:
        documents, split_docs = _distinct([base / directory for directory in directories], manifests)
    listed = []
    if directories != [""]:
        for one, manifest in zip(read_families(base), manifests, strict=True):
            dataset = dataset_entry(one.family, one.directory, manifest)
            listed.append(asdict(dataset) | {"padded_tokens": manifest.packing.padded_tokens})
    return Totals(
        contexts,
        sum(entry.tokens for manifest in manifests for entry in manifest.splits.values()),
        documents,
        split_docs,
        sum(one.dropped_tokens for one in packing),
        sum(one.padded_tokens for one in packing),
        sum(one.repeated_tokens for one in packing),
        listed,
    )


def _distinct(roots: list[Path], manifests: list[Manifest]) -> tuple[int, int]:
    """How many documents there are, and how many of them are in more than one piece."""
    everyone: list[NDArray[np.uint64]] = [np.empty(0, dtype=np.uint64)]
    cut: list[NDArray[np.uint64]] = [np.empty(0, dtype=np.uint64)]
    for root, manifest in zip(roots, manifests, strict=True):
        columns = [
            (batch.column("doc_key").to_numpy(), batch.column("n_tokens").to_numpy())
            for batch in read_documents(root, manifest, ("doc_key", "n_tokens"))
        ]
        if not columns:
            continue
        key, n_tokens = (np.concatenate(some) for some in zip(*columns, strict=True))
        everyone.append(key)
        for split in manifest.splits:
            for _, contexts in batches(root, manifest, split, check=False):
                whole = n_tokens[np.minimum(np.searchsorted(key, contexts.doc_ids), len(key) - 1)]
                cut.append(np.unique(contexts.doc_ids[contexts.doc_lens < whole]))
    return len(np.unique(np.concatenate(everyone))), len(np.unique(np.concatenate(cut)))
