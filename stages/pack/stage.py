"""pack: `order` and `tokens` → `shards`: the order cut into contexts, permuted, and written for trainers.

    input    `order` and `tokens`; `vectors` for the cosines of documents that meet; `documents` for provenance;
             `neighbors` where rows are filled by what is alike
    output   shards as docs/shard-format.md describes them, in `train/` and, if asked for, `val/`; the `docs/` table.
             With families, or row lengths, one such dataset for each, and `families.json`, written last.
             With several epochs the split train has the contexts of one after the other
    dropped  nothing: contexts that are not full are padded
    cost     the plan takes up to 64 bytes per document here, and what it comes to, with the graph of `filled`, is
             mapped; a worker gathers 1,024 contexts at a time, on this machine a thread; elsewhere it gathers a shard

The contexts are written in a seeded permutation, so that those read one after the other are not related; but as they
are ordered, where the order sorts them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from sequitur import __version__
from sequitur.graph_sort.documents import BY_LIKENESS
from sequitur.graph_sort.packing import Likeness
from sequitur.pipeline import artifacts, builds, nearby, scratch
from sequitur.pipeline.builds import Build
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import DOCUMENTS, NEIGHBORS, ORDER, ROUTER, SELECTION, SHARDS, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.sections import Pack
from sequitur.pipeline.stage import Estimate, Run
from sequitur.pipeline.storage import Directory
from sequitur.shards.families import DatasetEntry, dataset_entry, families_json, router_file
from sequitur.shards.format import (
    BATCH_ROWS,
    FAMILIES_NAME,
    MANIFEST_NAME,
    TOKENIZER_NAME,
    Boundaries,
    Header,
    SpecialIds,
    TokenizerInfo,
    context_columns,
)
from sequitur.shards.manifest import (
    FileEntry,
    Manifest,
    ShardEntry,
    build_manifest,
    manifest_json,
    split_entry,
)
from sequitur.shards.verify import verify as shards_verify
from sequitur.shards.writer import hf_files
from sequitur.stages.pack.context_rows import SplitPlan
from sequitur.stages.pack.declaration import parameters
from sequitur.stages.pack.docs_table import write_docs_tables
from sequitur.stages.pack.shard_sets import (
    ROUTER_FOLDER,
    Cutting,
    ShardSet,
    order_entry,
    packing_entry,
    placed_in,
    plan_sets,
    split_in,
)
from sequitur.stages.pack.shard_writing import write_shards
from sequitur.stages.shared.columns import router
from sequitur.stages.shared.columns.arrays import graph_bytes, read_graph
from sequitur.stages.shared.columns.epochs import rows_of_epochs
from sequitur.stages.shared.columns.token_ranges import document_lengths
from sequitur.stages.shared.columns.token_store import TokenStore
from sequitur.text_core.units.offsets import offsets_of

GROUP_BYTES = 2**30  # of a shuffle, half of what a value of it may have in gRPC and in Java
HISTORY = (DOCUMENTS, SIGNALS, SELECTION, TOKENS, VECTORS, NEIGHBORS, ORDER)


def make_header(root: Directory, config: Config) -> Header:
    about = artifacts.require_manifest(root / TOKENS).statistics["tokenizer"]
    # What the content depends on, so not the whole configuration: where a run lies or on what device changes nothing.
    settings = {name: dict(artifacts.require_manifest(root / name).parameters) for name in HISTORY}
    settings["shards"] = dict(parameters(config))
    return Header(
        created_by=f"sequitur {__version__}",
        run_id=builds.current(root / SHARDS).fingerprint[:16],
        config_sha256=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        seq_len=config.pack.context_length,
        tokenizer=TokenizerInfo(about["name"], None, about["sha256"], about["vocab_size"]),
        special_ids=SpecialIds(bos=None, eos=about["end"], pad=about["end"]),
        boundaries=Boundaries(eos_after_doc=True, bos_at_doc_start=False),
    )


def work(run: Run) -> Mapping[str, Any]:
    run.progress.step("pack: planning")
    root, settings, build = run.root, run.config.pack, run.build(SHARDS)
    order = artifacts.read_columns(root / ORDER, ["ordinal", "path", "opens", "fills", "family"])
    mapped = maps_tokens(run.runner, settings)
    lengths = (
        TokenStore(root / TOKENS, check=True, threads=run.runner.threads).lengths()
        if mapped
        else document_lengths(root / TOKENS)
    )
    ordering = run.manifest(ORDER).statistics
    cutting = Cutting(settings, run.config.seed, ordering["sorted"], lengths, scratch.beside(root))
    epochs = offsets_of(rows_of_epochs(root / ORDER))
    orders = [order.slice(first, last - first) for first, last in pairwise(epochs.tolist())]
    sets = plan_sets(cutting, orders, ordering["families"], _likeness(run, cutting))
    header = make_header(root, run.config)
    shard_bytes = int(settings.shard_bytes)
    entries = write_shards(run.jobs, build, root / TOKENS, sets, header, shard_bytes, mapped=mapped)
    docs = write_docs_tables(run.jobs, root, build, sets, order, lengths)
    manifests = [
        finish_dataset(build, root / TOKENS, cutting, replace(header, seq_len=one.context_length), one, entries, files)
        for one, files in zip(sets, docs, strict=True)
    ]
    datasets = [
        dataset_entry(one.family, one.directory, manifest) for one, manifest in zip(sets, manifests, strict=True)
    ]
    if any(one.directory for one in sets):
        files = router.router_files(root / ROUTER) if run.config.families.by else {}
        copies = {f"{ROUTER_FOLDER}/{name}": content for name, content in files.items()}
        for path, content in copies.items():
            builds.write_file(build, path, content)
        listed = [router_file(path, content) for path, content in copies.items()]
        builds.write_file(build, FAMILIES_NAME, families_json(datasets, listed).encode())
    return _statistics(sets, datasets, manifests, cutting)


def maps_tokens(runner: Runner, settings: Pack) -> bool:
    """Whether the workers map all tokens: those of this machine do, for they share one map of the files, or of one copy
    of each. Workers elsewhere would have to fetch all of them each, and are sent what their shards hold; but a shard is
    a group of the shuffle, which no engine need take beyond GROUP_BYTES."""
    return runner.is_local or _largest_shard(settings) > GROUP_BYTES


def _largest_shard(settings: Pack) -> int:
    """Bytes of tokens."""
    return max(int(settings.shard_bytes), 4 * BATCH_ROWS * settings.context_length)


def _likeness(run: Run, cutting: Cutting) -> Likeness | None:
    """Of all documents, by ordinal; None where the policy does not go by it, or what is sorted is to stay so."""
    if cutting.settings.policy not in BY_LIKENESS or cutting.as_ordered:
        return None
    members, graph = read_graph(run.artifact(NEIGHBORS), run.runner.threads)
    node = cutting.empty(len(cutting.lengths), np.int64)
    node[:] = -1  # of those that no order places
    node[members] = np.arange(len(members))
    return Likeness(graph, node)


def finish_dataset(
    build: Build,
    tokens: Directory,
    cutting: Cutting,
    header: Header,
    shard_set: ShardSet,
    entries: Mapping[tuple[str, str], Sequence[ShardEntry]],
    docs: list[FileEntry],
) -> Manifest:
    """Writes what a dataset has beside its shards and documents table; its manifest last."""
    directory = shard_set.directory
    splits = {
        split: split_entry(entries[directory, split], _documents([plan], cutting))
        for split, plan in shard_set.plans.items()
    }
    packing, order = packing_entry(cutting, shard_set), order_entry(cutting, shard_set)
    manifest = build_manifest(header, packing, order, splits, docs)
    below = f"{directory}/" if directory else ""
    for split, entry in splits.items():
        names = [shard.path.rsplit("/", 1)[-1] for shard in entry.shards]
        for name, text in hf_files(split, names, manifest.fingerprint, context_columns(header.seq_len)).items():
            builds.write_file(build, f"{below}{split}/{name}", text.encode())
    if tokens.exists(TOKENIZER_NAME):
        builds.write_file(build, f"{below}{TOKENIZER_NAME}", tokens.read_bytes(TOKENIZER_NAME))
    builds.write_file(build, f"{below}{MANIFEST_NAME}", manifest_json(manifest).encode())
    return manifest


def _documents(plans: Iterable[SplitPlan], cutting: Cutting) -> int:
    """How many documents some plans hold anything of."""
    return int(np.count_nonzero(placed_in(plans, len(cutting.lengths))))


def _statistics(
    sets: list[ShardSet], datasets: list[DatasetEntry], manifests: list[Manifest], cutting: Cutting
) -> dict[str, Any]:
    """Over all datasets; a document of several counts once."""
    contexts: dict[str, int] = {}
    for manifest in manifests:
        for split, entry in manifest.splits.items():
            contexts[split] = contexts.get(split, 0) + entry.rows
    is_split = np.zeros(len(cutting.lengths), dtype=bool)
    for one in sets:
        is_split |= split_in(one, cutting.lengths)
    listed = [
        vars(entry) | {"padded_tokens": m.packing.padded_tokens} for entry, m in zip(datasets, manifests, strict=True)
    ]
    return {
        "contexts": contexts,
        "tokens": sum(entry.tokens for entry in datasets),
        "documents": _documents((plan for one in sets for plan in one.plans.values()), cutting),
        "policy": manifests[0].packing.policy,
        "split_docs": int(np.count_nonzero(is_split)),
        **{
            name: sum(getattr(manifest.packing, name) for manifest in manifests)
            for name in ("dropped_tokens", "padded_tokens", "repeated_tokens")
        },
        "datasets": listed if any(one.directory for one in sets) else [],
    }


def estimate(run: Run) -> Estimate:
    tokens = run.manifest(TOKENS)
    count = tokens.rows
    batch = 4 * BATCH_ROWS * run.config.pack.context_length
    epochs, threads = run.config.pack.epochs, run.runner.threads if run.runner.is_local else 1
    graph = graph_bytes(count, run.config.neighbors.k) if run.config.pack.policy in BY_LIKENESS else 0
    planned = 100 * count * epochs  # 24 bytes a piece, 56 a context, and what is known of each document
    maps = maps_tokens(run.runner, run.config.pack)
    shard = min(_largest_shard(run.config.pack), epochs * tokens.bytes)
    return Estimate(
        memory=64 * count * epochs,
        disk=int(1.1 * tokens.bytes) * epochs + 2 * batch // BATCH_ROWS + 250 * count * epochs + planned + graph,
        each_worker=threads * 4 * batch + (threads * shard // 4 if maps else 2 * shard),  # its pieces, or all of it
        mapped=run.manifest(VECTORS).bytes + planned + graph + (tokens.bytes if maps else 0),
        elements=1 if run.runner.is_local else 1 + epochs * tokens.bytes // batch,
        shuffled=0 if maps else epochs * tokens.bytes,
    )


def verify(run: Run) -> Iterable[str]:
    with nearby.copied(run.artifact(SHARDS), run.progress) as shards:
        yield from (str(problem) for problem in shards_verify(shards))
