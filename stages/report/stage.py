"""report: everything before → `report/`: what became of every record, how good the order is, and a page to look at.

input    all artifacts; the contexts are read back from the shards, not from the plan that made them
output   `metrics.json`: the ledger, the waterfall per source, the metrics of the order beside those of a random one
         and of the published one, the packing; `page.json`: these, and what else a person wants to see, from bounded
         samples; `index.html`
dropped  nothing; the run fails here if the ledger does not balance
cost     the graph, twice, the vectors and four orders, mapped; one pass over the shards, and one over the text; of each
         of four orders compressing the text of all rows, or of some thousand, 170 MB a second of a core, and that of
         some hundred contexts of three; where words have a share in the graph and documents are few enough, searching
         the model's own neighbours exactly
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.graph_sort import orders
from sequitur.graph_sort.graph import Empty
from sequitur.graph_sort.packing import Likeness
from sequitur.pipeline import artifacts, builds, scratch
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.builds import Build
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import (
    DOCUMENTS,
    METRICS,
    NEIGHBORS,
    ORDER,
    REFINED,
    REJECTS,
    REPORT,
    SELECTION,
    SEMANTIC,
    SEMANTIC_DUPLICATES,
    SHARDS,
    SUBSET,
    TOKENS,
    UNSELECTED,
    VECTORS,
)
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Pack
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.stage import Estimate, Run, text_artifact
from sequitur.pipeline.storage import Directory
from sequitur.shards.epochs import TRAIN
from sequitur.stages.report import order_metrics, saved_bytes
from sequitur.stages.report.declaration import STAGE
from sequitur.stages.report.epochs import cuts_of_epochs, measure_epochs
from sequitur.stages.report.ledger import Characters, Ledger
from sequitur.stages.report.order_metrics import Cut, Yardstick
from sequitur.stages.report.page.page import INDEX, PAGE, render
from sequitur.stages.report.page_data import page_data
from sequitur.stages.report.removed import removed_documents
from sequitur.stages.report.saved_bytes import SavedBytes
from sequitur.stages.report.splits import Placed, read_splits
from sequitur.stages.shared.columns.arrays import all_values, by_blocks, distinct_ordinals, graph_bytes, read_graph
from sequitur.stages.shared.columns.epochs import rows_of_epochs
from sequitur.stages.shared.columns.token_ranges import document_lengths


def make_ledger(root: Directory, config: Config, splits: Mapping[str, Placed], lengths: np.ndarray) -> Ledger:
    """Counts every record by what became of it; `lengths` are int64 tokens by ordinal."""
    ledger, empty = Ledger(), scratch.beside(root)
    kept_sources: list[str] = []
    source_of, known = empty(len(lengths), np.int64), 0  # codes by ordinal, and of how many
    documents, selection, rejects, shards = (root / name for name in (DOCUMENTS, SELECTION, REJECTS, SHARDS))
    removed = removed_documents(shards)
    removed_ids = pa.array([name for name in sorted(removed) if len(name) == 16], pa.binary(16))
    was_removed = [np.empty(0, np.int64)]  # ordinals
    own: set[bytes] = set()  # of the removed, those that are of no extension
    for part in artifacts.require_manifest(rejects).parts:
        sources = _strings(artifacts.read_part(rejects, part, ["source"]).column("source"))
        ledger.rejected.update(_counts(sources))
    parts = (artifacts.require_manifest(directory).parts for directory in (documents, selection))
    for part, selection_part in zip(*parts, strict=True):
        batch = artifacts.read_part(documents, part, ["source", "doc_id"])
        sources = _strings(batch.column("source"))
        ledger.read.update(_counts(sources))
        verdict = artifacts.read_part(selection, selection_part, ["kept", "reason"])
        kept = verdict.column("kept")
        dropped = pa.table({"source": sources, "reason": _strings(verdict.column("reason"))}).filter(pc.invert(kept))
        for row in dropped.group_by(["source", "reason"]).aggregate([([], "count_all")]).to_pylist():
            ledger.drop(row["source"], row["reason"], row["count_all"])
        encoded = pc.dictionary_encode(sources.filter(kept))
        here = slice(known, known + len(encoded))
        source_of[here] = encoded.indices.to_numpy(zero_copy_only=False)
        source_of[here] += len(kept_sources)
        kept_sources += encoded.dictionary.to_pylist()
        ids = batch.column("doc_id").filter(kept)
        named = pc.is_in(ids, removed_ids)
        own.update(ids.filter(named).to_pylist())
        was_removed.append(known + np.flatnonzero(named.to_numpy(zero_copy_only=False)))
        known = here.stop
    ledger.read.update(ledger.rejected)
    lost = {SEMANTIC_DUPLICATES: SEMANTIC} | ({UNSELECTED: SUBSET} if config.select.subset.by else {})
    for artifact, reason in lost.items():
        for code, count in _counted(source_of[all_values(root / artifact, "ordinal")]):
            ledger.drop(kept_sources[code], reason, count)
    placed = distinct_ordinals((split.cut.contexts.document for split in splits.values()), len(lengths), empty)
    for code, count in _counted(source_of[placed]):
        ledger.placed[kept_sources[code]] += count
    gone = np.setdiff1d(np.concatenate(was_removed), placed, assume_unique=True)
    for code, count in _counted(source_of[gone]):
        ledger.removed[kept_sources[code]] += count
    packing = artifacts.require_manifest(shards).statistics
    counted = [tokens for name, tokens in removed.items() if name in own or "extensions" not in packing]
    ledger.tokens_of_removed, ledger.tokens_removed = int(lengths[gone].sum()), sum(counted)
    ledger.tokens_of_placed = int(lengths[placed].sum())
    ledger.tokens_in_shards = sum(split.num_tokens for split in splits.values())
    ledger.tokens_dropped, ledger.tokens_repeated = packing["dropped_tokens"], packing.get("repeated_tokens", 0)
    ledger.characters = None if text_artifact(config) == DOCUMENTS else characters_of(root / REFINED)
    return ledger


def characters_of(refined: Directory) -> Characters:
    """What refining took away and put in, by the list of changes."""
    statistics = artifacts.require_manifest(refined).statistics
    found = Characters(statistics["characters_read"], statistics["characters"])
    changes = refined / "changes"
    for part in artifacts.require_manifest(changes).parts:
        batch = artifacts.read_part(changes, part, ["operation", "characters_removed", "characters_added"])
        table = pa.table([_strings(batch.column(0)), *batch.columns[1:]], names=batch.schema.names)
        sums = [("characters_removed", "sum"), ("characters_added", "sum")]
        for row in table.group_by("operation").aggregate(sums).to_pylist():
            found.removed[row["operation"]] += row["characters_removed_sum"]
            found.added[row["operation"]] += row["characters_added_sum"]
    return found


def _strings(column: pa.Array) -> pa.Array:
    return pc.cast(column, pa.string())


def _counts(column: pa.Array) -> Counter[str]:
    return Counter({row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()})


def _counted(codes: np.ndarray) -> list[tuple[int, int]]:
    counts = np.bincount(codes)
    values = np.flatnonzero(counts)
    return list(zip(values.tolist(), counts[values].tolist(), strict=True))


def work(run: Run) -> Mapping[str, Any]:
    run.progress.step("report: ledger")
    root, config, build = run.root, run.config, run.build(REPORT)
    empty = scratch.beside(root)
    splits = read_splits(root / SHARDS, check=True)
    lengths = document_lengths(root / TOKENS)
    ledger = make_ledger(root, config, splits, lengths)
    by = order_metrics.yardstick(root, config)
    trains = cuts_of_epochs(splits[TRAIN].cut, splits[TRAIN].epoch, empty)
    report = {
        "ledger": ledger.to_json(),
        "alarms": [alarm for name in (SELECTION, NEIGHBORS) for alarm in run.manifest(name).statistics["alarms"]],
        **measure_order(root, config, trains, by, run.progress, empty),
        "packing": {**run.manifest(SHARDS).statistics, "context_length": config.pack.context_length},
        "distributions": distributions(splits, lengths, empty),
        "stages": {name: run.manifest(name).statistics for name in STAGE.parents_of(config)},
        "fingerprints": {name: run.manifest(name).fingerprint for name in STAGE.parents_of(config)},
    }
    _write(build, METRICS, report)
    cuts = {name: split.cut for name, split in splits.items()} | {TRAIN: trains[0]}
    _write(build, PAGE, page_data(root, config, report, cuts, by, run.progress))
    page = render(build.directory.read_json(PAGE))
    build.directory.write_bytes(INDEX, page.encode())  # no part: `compare` renews it
    ledger.check()
    return {"ledger_balances": True}


def _write(build: Build, name: str, value: Any) -> None:
    build.directory.write_json(name, value)
    content = build.directory.read_bytes(name)
    builds.record_part(build, Part(name, 0, len(content), artifacts.digest(content)))


def measure_order(
    root: Directory, config: Config, trains: Sequence[Cut], by: Yardstick, progress: Progress, empty: Empty
) -> dict[str, Any]:
    """`order`: the metrics of the order, from the contexts of the training split, of its first epoch, those of a random
    one and of the published; where there are several, `epochs`. What is made for them is in arrays from `empty`."""
    progress.step("report: metrics")
    train, strategy = trains[0], config.order.strategy
    placed = distinct_ordinals([train.contexts.document], len(by.lengths), empty)
    members, graph = read_graph(root / NEIGHBORS)
    nodes = by_blocks(lambda some: np.searchsorted(members, some), placed, np.int64, empty)
    peers = saved_bytes.peers(config, graph, nodes, placed, by, progress, empty=empty)
    random = random_cut(placed, by.lengths, config.pack, config.seed, Likeness(graph, nodes), empty)
    judge = SavedBytes(peers, by, progress, beside=[random, *trains], empty=empty)
    baseline, measured, published = (
        judge.of(cut) | order_metrics.measure(cut, by, progress) for cut in (random, train, peers.published)
    )
    permutation = all_values(root / ORDER, "ordinal")[: rows_of_epochs(root / ORDER)[0]]
    permutation = by_blocks(lambda some: np.searchsorted(members, some), permutation, np.int64, empty)
    for one in (measured, published):
        one |= order_metrics.excess_gain(one, baseline)
    measured |= order_metrics.path_weight(graph, members, permutation, by)
    about = judge.of_random | {"own_neighbors": peers.own_neighbors}
    order = {"strategy": strategy, strategy: measured, "random_baseline": baseline, "published": published | about}
    return {"order": order} | ({"epochs": measure_epochs(trains, judge, by, empty)} if len(trains) > 1 else {})


def random_cut(
    ordinals: np.ndarray, lengths: np.ndarray, settings: Pack, seed: int, alike: Likeness, empty: Empty
) -> Cut:
    """The same documents in a random order, packed by the same policy: the baseline."""
    generator = np.random.Generator(np.random.PCG64(derived_seed(seed, "report", "random")))
    permutation = generator.permutation(len(ordinals)).astype(np.int64, copy=False)
    order = order_metrics.unnumbered(orders.uncut(permutation, permutation[:0]), empty)
    del permutation  # while it is cut
    return order_metrics.cut(order, ordinals, lengths, settings, seed, alike, empty)


def distributions(splits: Mapping[str, Placed], lengths: np.ndarray, empty: Empty) -> dict[str, Any]:
    """Histograms over all splits, in bins that double: tokens of a placed document, and documents and tokens of a
    context."""
    all_contexts = [split.cut.contexts for split in splits.values()]
    placed = distinct_ordinals((contexts.document for contexts in all_contexts), len(lengths), empty)
    tokens = [np.add.reduceat(contexts.length, contexts.offsets[:-1]) for contexts in all_contexts]
    values = {
        "tokens_per_document": lengths[placed],
        "documents_per_context": np.concatenate([np.diff(contexts.offsets) for contexts in all_contexts]),
        "tokens_per_context": np.concatenate(tokens),
    }
    return {name: order_metrics.histogram(value) for name, value in values.items()}


def estimate(run: Run) -> Estimate:
    vectors, k = run.manifest(VECTORS), run.config.neighbors.k
    rows, apart = run.manifest(DOCUMENTS).rows, vectors.bytes + graph_bytes(vectors.rows, k)
    apart += 24 * vectors.rows * k  # the graph as it is weighed anew
    apart += 320 * rows + saved_bytes.mapped_bytes(run.manifest(run.text).statistics["text_bytes"])  # columns, texts
    return Estimate(memory=64 * rows + 2**28, disk=2**24 + apart, mapped=vectors.bytes + apart)


def verify(run: Run) -> Iterable[str]:
    root = run.root
    ledger = make_ledger(root, run.config, read_splits(root / SHARDS), document_lengths(root / TOKENS))
    yield from (f"{run.config.output}: the ledger does not balance: {problem}" for problem in ledger.problems())
    if run.artifact(REPORT).read_json(METRICS)["ledger"] != ledger.to_json():
        path = run.artifact(REPORT).path(METRICS)
        yield f"{path}: tells another ledger than the artifacts; delete it and run again"
