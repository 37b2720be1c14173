"""report: everything before → `report/metrics.json`: what became of every record, and how good the order is.

input    all artifacts; the contexts are read back from the shards, not from the plan that made them
output   the ledger, the waterfall per source, the metrics of the order beside those of a random one, the packing
dropped  nothing; the run fails here if the ledger does not balance
cost     the vectors, 2·n·d bytes, and one pass over the columns of the shards that are not tokens
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph_sort import metrics, packing
from graph_sort.packing import Contexts
from pipeline import artifacts
from pipeline.artifacts import Part
from pipeline.ledger import Characters, Ledger
from pipeline.stage import TEXT, Estimate, Run, Stage
from shards.contexts import batch_contexts
from stages.arrays import all_values, all_vectors, read_graph
from stages.context_rows import TokenStore
from stages.groups import group_codes

METRICS = "metrics.json"
SEMANTIC = "semantic_duplicate"


class Placed(NamedTuple):
    """What the shards of a split hold, in the order of contexts, not of rows."""

    contexts: Contexts  # documents by ordinal
    reading_order: np.ndarray  # int64 [c]; row r holds context reading_order[r]
    num_tokens: int


def read_split(run: Run, split: str) -> Placed:
    """Reads the contexts of a split back from its shards."""
    directory = run.artifact("shards")
    blocks = []
    for part in run.manifest("shards").parts:
        if part.name.startswith(f"{split}/") and part.name.endswith(".arrow"):
            with pa.ipc.open_stream(directory.buffer(part.name)) as stream:
                blocks += [batch_contexts(batch) for batch in stream]
    rows = np.concatenate([block.context_id.astype(np.int64) for block in blocks])
    counts = np.concatenate([np.diff(block.doc_offsets) for block in blocks]).astype(np.int64)
    columns = [
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("doc_ids", "doc_starts", "doc_lens")
    ]
    in_order = np.argsort(rows)
    starts = (np.cumsum(counts) - counts)[in_order]
    ordered_counts = counts[in_order]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(ordered_counts)])
    pieces = np.repeat(starts - offsets[:-1], ordered_counts) + np.arange(offsets[-1])
    document, start, length = (column[pieces].astype(np.int64) for column in columns)
    return Placed(
        Contexts(offsets, document, start, length),
        rows,
        sum(int(block.num_tokens.sum(dtype=np.int64)) for block in blocks),
    )


def splits_of(run: Run) -> list[str]:
    return list(run.manifest("shards").statistics["contexts"])


def token_lengths(run: Run) -> np.ndarray:
    return TokenStore(run.artifact("tokens"), check=False).lengths()


def make_ledger(run: Run, splits: Mapping[str, Placed], lengths: np.ndarray) -> Ledger:
    """Counts every record by what became of it; `lengths` are int64 tokens by ordinal."""
    ledger = Ledger()
    kept_sources: list[str] = []
    codes: list[np.ndarray] = []
    documents, selection, rejects = (run.artifact(name) for name in ("documents", "selection", "rejects"))
    for part in run.manifest("rejects").parts:
        sources = _strings(artifacts.read_part(rejects, part, ["source"]).column("source"))
        ledger.rejected.update(_counts(sources))
    for part, selection_part in zip(run.manifest("documents").parts, run.manifest("selection").parts, strict=True):
        sources = _strings(artifacts.read_part(documents, part, ["source"]).column("source"))
        ledger.read.update(_counts(sources))
        verdict = artifacts.read_part(selection, selection_part, ["kept", "reason"])
        kept = verdict.column("kept")
        dropped = pa.table({"source": sources, "reason": _strings(verdict.column("reason"))}).filter(pc.invert(kept))
        for row in dropped.group_by(["source", "reason"]).aggregate([([], "count_all")]).to_pylist():
            ledger.drop(row["source"], row["reason"], row["count_all"])
        encoded = pc.dictionary_encode(sources.filter(kept))
        codes.append(encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64) + len(kept_sources))
        kept_sources += encoded.dictionary.to_pylist()
    ledger.read.update(ledger.rejected)
    source_of = np.concatenate(codes)
    for code, count in _counted(source_of[all_values(run, "neighbors/duplicates", "ordinal")]):
        ledger.drop(kept_sources[code], SEMANTIC, count)
    placed = np.unique(np.concatenate([split.contexts.document for split in splits.values()]))
    for code, count in _counted(source_of[placed]):
        ledger.placed[kept_sources[code]] += count
    ledger.tokens_of_placed = int(lengths[placed].sum())
    ledger.tokens_in_shards = sum(split.num_tokens for split in splits.values())
    ledger.tokens_dropped = int(run.manifest("shards").statistics["dropped_tokens"])
    ledger.characters = characters_of(run)
    return ledger


def characters_of(run: Run) -> Characters | None:
    """What refining took away and put in, by the list of changes; None where nothing is refined."""
    if run.text == "documents":
        return None
    statistics = run.manifest(run.text).statistics
    found = Characters(statistics["characters_read"], statistics["characters"])
    changes = run.artifact("refined/changes")
    for part in run.manifest("refined/changes").parts:
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
    values, counts = np.unique(codes, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def groups_of(run: Run) -> dict[str, np.ndarray]:
    """By name, the group that each kept document belongs to, int64 by ordinal, −1 where unknown: its source, and its
    `section` (of that source) where the records have one."""
    source, _ = group_codes(run, "source")
    section, names = group_codes(run, "section")
    return {"source": source} | (
        {"section": np.where(section >= 0, source * len(names) + section, -1)} if names else {}
    )


def measure(
    run: Run, contexts: Contexts, reading_order: np.ndarray, vectors: np.ndarray, groups: Mapping[str, np.ndarray]
) -> dict[str, float | None]:
    """The metrics of some contexts, NaN as null; `groups` as `groups_of` gives them."""
    found: dict[str, float] = {
        **metrics.coherence(contexts, vectors, run.config.neighbors.duplicate_cosine)._asdict(),
        **{
            f"leakage_{name}": value
            for name, value in metrics.leakage(contexts, vectors, reading_order, run.seed("leakage"))._asdict().items()
        },
        **metrics.placement(contexts, run.config.pack.context_length)._asdict(),
        "documents_per_context": len(contexts.document) / max(len(contexts.offsets) - 1, 1),
    }
    for name, group in groups.items():
        found[f"same_{name}_share"] = metrics.same_group_share(contexts, group)
    return _finite(found)


def random_contexts(run: Run, ordinals: np.ndarray, lengths: np.ndarray) -> tuple[Contexts, np.ndarray]:
    """The same documents in a random order, packed by the same policy: the baseline."""
    generator = np.random.Generator(np.random.PCG64(run.seed("report", "random")))
    permutation = generator.permutation(len(ordinals)).astype(np.int64)
    contexts = packing.POLICIES[run.config.pack.policy](
        lengths[ordinals], permutation, run.config.pack.context_length, np.zeros(len(ordinals), dtype=bool)
    )
    reading_order = generator.permutation(len(contexts.offsets) - 1).astype(np.int64)
    return contexts._replace(document=ordinals[contexts.document]), reading_order


def work(run: Run) -> Mapping[str, Any]:
    run.progress.step("report: ledger")
    splits = {name: read_split(run, name) for name in splits_of(run)}
    lengths = token_lengths(run)
    ledger = make_ledger(run, splits, lengths)
    run.progress.step("report: metrics")
    vectors = all_vectors(run)
    train = splits["train"]
    ordinals = np.unique(train.contexts.document)
    members, graph = read_graph(run)
    order = artifacts.read_columns(run.artifact("order"), ["ordinal"])["ordinal"].to_numpy()
    permutation = np.searchsorted(members, order)
    shares = {
        "bound": metrics.bound(graph),
        "path_weight_share": metrics.path_weight_share(graph, vectors[members], permutation),
    }
    strategy, groups = run.config.order.strategy, groups_of(run)
    report = {
        "ledger": ledger.to_json(),
        "order": {
            "strategy": strategy,
            strategy: {**measure(run, train.contexts, train.reading_order, vectors, groups), **_finite(shares)},
            "random_baseline": measure(run, *random_contexts(run, ordinals, lengths), vectors, groups),
        },
        "packing": {
            **run.manifest("shards").statistics,
            "context_length": run.config.pack.context_length,
        },
        "stages": {name: run.manifest(name).statistics for name in STAGE.parents_of(run)},
        "fingerprints": {name: run.manifest(name).fingerprint for name in STAGE.parents_of(run)},
    }
    directory = run.artifact("report")
    directory.write_json(METRICS, report)
    content = directory.read_bytes(METRICS)
    artifacts.record_part(directory, Part(METRICS, 0, len(content), artifacts.digest(content)))
    ledger.check()
    return {"ledger_balances": True}


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if value != value else value for name, value in values.items()}


def parameters(run: Run) -> Mapping[str, Any]:
    return {"seed": run.config.seed}


def estimate(run: Run) -> Estimate:
    vectors = run.manifest("vectors")
    return Estimate(
        memory=4 * vectors.bytes + 50 * vectors.rows * run.config.neighbors.k + 200 * run.manifest("documents").rows,
        disk=2**20,
    )


def verify(run: Run) -> Iterable[str]:
    ledger = make_ledger(run, {name: read_split(run, name) for name in splits_of(run)}, token_lengths(run))
    yield from (f"{run.config.output}: the ledger does not balance: {problem}" for problem in ledger.problems())
    if run.artifact("report").read_json(METRICS)["ledger"] != ledger.to_json():
        path = run.artifact("report").path(METRICS)
        yield f"{path}: tells another ledger than the artifacts; delete it and run again"


STAGE = Stage(
    "report",
    "report",
    1,
    ("documents", TEXT, "signals", "selection", "tokens", "vectors", "neighbors", "order", "shards"),
    parameters,
    estimate,
    work,
    verify,
)
