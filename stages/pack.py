"""pack: `order` and `tokens` → `shards`: the order cut into contexts, permuted, and written for trainers.

    input    `order` and `tokens`; `vectors` for the cosines of documents that meet; `documents` for provenance
    output   shards as docs/shard-format.md describes them, in `train/` and, if asked for, `val/`; the `docs/` table
    dropped  nothing: the last context of a split is padded
    cost     the plan takes about 100 bytes per document here; a worker gathers 1,024 contexts at a time

The contexts are written in a seeded permutation, so that those read one after the other are not related.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from graph_sort import packing
from pipeline import artifacts
from pipeline.artifacts import HashingSink, Part
from pipeline.stage import Estimate, Run, Stage
from pipeline.storage import Directory
from shards.contexts import Contexts, context_batch
from shards.format import (
    BATCH_ROWS,
    FORMAT_VERSION,
    MANIFEST_NAME,
    TOKENIZER_NAME,
    Boundaries,
    Header,
    SpecialIds,
    TokenizerInfo,
    context_columns,
    context_schema,
    shard_name,
)
from shards.manifest import (
    Order,
    Packing,
    ShardEntry,
    SplitEntry,
    build_manifest,
    from_json,
    manifest_json,
    split_entry,
)
from shards.permutation import permute
from shards.verify import verify as shards_verify
from shards.writer import hf_files, plan_shards, write_shard
from stages.context_rows import SplitPlan, TokenStore, pieces_of
from stages.docs_table import write_docs_table

PLAN = "shards/_plan"
ENTRIES = "shards/_entries"
HISTORY = ("documents", "signals", "selection", "tokens", "vectors", "neighbors", "order")
WRITTEN_PER_SECOND = 100e6  # bytes of shards on one core, measured
PLAN_COLUMNS = ("offsets", "document", "start", "length", "group", "reading_order")


def plan_split(run: Run, split: str, positions: np.ndarray, order: pa.Table, lengths: np.ndarray) -> SplitPlan:
    """Cuts a part of the order into contexts.

    Args:
        run: for the policy, the context length and the seed.
        split: its name.
        positions: int64 places in the order that belong to the split, ascending.
        order: ordinals, paths, and where contexts begin.
        lengths: int64 tokens by ordinal.
    """
    settings = run.config.pack
    ordinals = order["ordinal"].to_numpy()[positions]
    paths = order["path"].to_numpy()[positions]
    everyone = np.arange(len(ordinals), dtype=np.int64)
    opens = order["opens"].to_numpy()[positions]
    contexts = packing.POLICIES[settings.policy](lengths[ordinals], everyone, settings.context_length, opens)
    count = len(contexts.offsets) - 1
    return SplitPlan(
        contexts.offsets,
        ordinals[contexts.document],
        contexts.start,
        contexts.length,
        paths[contexts.document[contexts.offsets[:-1]]],
        permute(np.arange(count, dtype=np.uint64), count, run.seed("pack", split)).astype(np.int64),
    )


def validation_positions(paths: np.ndarray, tokens: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which places of the order go to the validation split: whole paths, drawn by seed, up to a share of the tokens.

    Args:
        paths: int64 path of each place, ascending.
        tokens: int64 tokens of each place.
        share: of all tokens; 0 for none.
        seed: of the draw.

    Returns:
        bool mask over the places. Paths too large for what is left of the share are passed over.
    """
    chosen = np.zeros(int(paths[-1]) + 1, dtype=bool)
    sizes = np.bincount(paths, weights=tokens).astype(np.int64)
    left = int(share * tokens.sum())
    for path in np.random.Generator(np.random.PCG64(seed)).permutation(len(sizes)):
        if sizes[path] <= left:
            chosen[path] = True
            left -= sizes[path]
    return chosen[paths]


class WriteShard(beam.DoFn):
    """The number of a shard in its split → the shard on storage, and its entry for the manifest beside it."""

    def __init__(self, root: Directory, split: str, shards_of_split: list[tuple[int, int]], header: Header) -> None:
        self._root, self._split, self._shards, self._header = root, split, shards_of_split, header

    def setup(self) -> None:
        self._plan = read_plan(self._root, self._split)
        self._tokens = TokenStore(self._root / "tokens", check=False)

    def process(self, number: int) -> Iterator[int]:
        first, rows = self._shards[number]
        schema = context_schema(self._header, self._split, number, len(self._shards))
        name = shard_name(number, len(self._shards))
        path = f"{self._split}/{name}"
        with (self._root / "shards" / self._split).writing(name) as file:
            sink = HashingSink(file)
            entry = write_shard(sink, path, self._batches(first, rows, schema), schema)
        (self._root / ENTRIES).write_json(_entry_name(path), asdict(entry))
        artifacts.record_part(self._root / "shards", Part(path, rows, entry.bytes, sink.hash.hexdigest()))
        yield number

    def _batches(self, first: int, rows: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for start in range(first, first + rows, BATCH_ROWS):
            stop = min(start + BATCH_ROWS, first + rows)
            yield context_batch(self._contexts(self._plan.reading_order[start:stop]), schema)

    def _contexts(self, contexts: np.ndarray) -> Contexts:
        plan, size = self._plan, self._header.seq_len
        input_ids = np.full((len(contexts), size), self._header.special_ids.pad, dtype=np.uint32)
        self._tokens.gather(plan, contexts, input_ids)
        pieces, row = pieces_of(plan, contexts)
        num_tokens = np.bincount(row, weights=plan.length[pieces], minlength=len(contexts)).astype(np.uint32)
        count = len(plan.offsets) - 1
        next_valid = (num_tokens == size) & (contexts + 1 < count)
        next_token = self._tokens.first_tokens(plan, np.minimum(contexts + 1, count - 1))
        return Contexts(
            input_ids=input_ids,
            next_token=next_token,
            next_valid=next_valid,
            num_tokens=num_tokens,
            doc_offsets=np.append(0, np.cumsum(np.diff(plan.offsets)[contexts])).astype(np.int32),
            doc_lens=plan.length[pieces].astype(np.uint32),
            doc_ids=plan.document[pieces].astype(np.uint64),
            doc_starts=plan.start[pieces].astype(np.uint32),
            context_id=contexts.astype(np.uint64),
            group_id=plan.group[contexts].astype(np.uint64),
        )


def write_plan(root: Directory, split: str, plan: SplitPlan) -> None:
    for name, column in zip(PLAN_COLUMNS, plan, strict=True):
        with (root / PLAN).writing(f"{split}-{name}.npy") as file:
            np.save(file, column, allow_pickle=False)


def read_plan(root: Directory, split: str) -> SplitPlan:
    buffers = [(root / PLAN).buffer(f"{split}-{name}.npy") for name in PLAN_COLUMNS]
    return SplitPlan(*(np.load(pa.BufferReader(buffer), allow_pickle=False) for buffer in buffers))


def make_header(run: Run) -> Header:
    about = run.manifest("tokens").statistics["tokenizer"]
    # What the content depends on, so not the whole configuration: where a run lies or on what device changes nothing.
    settings = {name: dict(run.manifest(name).parameters) for name in HISTORY} | {"shards": dict(parameters(run))}
    return Header(
        created_by=f"sequitur {_version()}",
        run_id=artifacts.read_building(run.artifact("shards"))[:16],
        config_sha256=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        seq_len=run.config.pack.context_length,
        tokenizer=TokenizerInfo(about["name"], None, about["sha256"], about["vocab_size"]),
        special_ids=SpecialIds(bos=None, eos=about["end"], pad=about["end"]),
        boundaries=Boundaries(eos_after_doc=True, bos_at_doc_start=False),
    )


def _version() -> str:
    try:
        return version("sequitur-data")
    except PackageNotFoundError:
        return "unreleased"


def work(run: Run) -> Mapping[str, Any]:
    root, directory = run.root, run.artifact("shards")
    run.progress.step("pack: planning")
    order = artifacts.read_columns(run.artifact("order"), ["ordinal", "path", "opens"])
    lengths = TokenStore(run.artifact("tokens"), check=True).lengths()
    split_to_positions = _divide(run, order, lengths)
    header = make_header(run)
    plans: dict[str, SplitPlan] = {}
    entries: dict[str, list[ShardEntry]] = {}
    for split, positions in split_to_positions.items():
        plans[split] = plan_split(run, split, positions, order, lengths)
        write_plan(root, split, plans[split])
    for split, plan in plans.items():
        entries[split] = _write_shards(run, split, plan, header)
    docs = write_docs_table(run, plans, order, lengths)
    splits = {split: split_entry(entries[split], len(np.unique(plan.document))) for split, plan in plans.items()}
    manifest = build_manifest(header, _packing(run, plans), _order_entry(run, plans), splits, docs)
    _write_files(run, splits, manifest.fingerprint)
    _write_extra(directory, MANIFEST_NAME, manifest_json(manifest).encode())
    root.remove(PLAN)
    root.remove(ENTRIES)
    return {
        "contexts": {split: entry.rows for split, entry in splits.items()},
        "tokens": sum(entry.tokens for entry in splits.values()),
        "documents": sum(entry.docs for entry in splits.values()),
        **asdict(manifest.packing),
    }


def _divide(run: Run, order: pa.Table, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Places of the order, by split."""
    share = run.config.pack.validation_share
    everyone = np.arange(order.num_rows, dtype=np.int64)
    if share == 0:
        return {"train": everyone}
    tokens = lengths[order["ordinal"].to_numpy()]
    validation = validation_positions(order["path"].to_numpy(), tokens, share, run.seed("pack", "validation"))
    return {
        name: places
        for name, places in (("train", everyone[~validation]), ("val", everyone[validation]))
        if len(places)
    }


def _write_shards(run: Run, split: str, plan: SplitPlan, header: Header) -> list[ShardEntry]:
    rows = len(plan.reading_order)
    plan_of_shards = plan_shards(rows, header.seq_len, int(run.config.pack.shard_bytes))
    notes = run.root / ENTRIES
    written = {part.name for part in artifacts.written_parts(run.artifact("shards"))}
    names = [f"{split}/{shard_name(number, len(plan_of_shards))}" for number in range(len(plan_of_shards))]
    left = [number for number, name in enumerate(names) if name not in written or not notes.exists(_entry_name(name))]
    if left:
        write = WriteShard(run.root, split, plan_of_shards, header)

        def build(pipeline: beam.Pipeline) -> None:
            numbers = pipeline | "Shards" >> beam.Create(left) | "Spread" >> beam.Reshuffle()
            _ = numbers | "Write" >> beam.ParDo(write)

        with run.watching("shards", len(names), f"pack: {split}", "shards"):
            seconds = 4 * rows * header.seq_len / WRITTEN_PER_SECOND
            run.runner.run(build, len(left), seconds)
    return [from_json(ShardEntry, notes.read_json(_entry_name(name))) for name in names]


def _entry_name(path: str) -> str:
    return f"{path.replace('/', '--')}.json"


def _packing(run: Run, plans: dict[str, SplitPlan]) -> Packing:
    size = run.config.pack.context_length
    padded = sum((len(plan.offsets) - 1) * size - int(plan.length.sum()) for plan in plans.values())
    split_docs = sum(len(np.unique(plan.document[plan.start > 0])) for plan in plans.values())
    return Packing(run.config.pack.policy, dropped_tokens=0, padded_tokens=padded, split_docs=split_docs)


def _order_entry(run: Run, plans: dict[str, SplitPlan]) -> Order:
    """How often contexts read one after the other are of one path, and how often chance would have it."""
    plan = plans["train"]
    groups = plan.group[plan.reading_order]
    counts = np.unique(groups, return_counts=True)[1].astype(np.float64)
    pairs = max(len(groups) - 1, 1)
    chance = float((counts * (counts - 1)).sum() / max(len(groups) * (len(groups) - 1), 1))
    same = float(np.count_nonzero(groups[1:] == groups[:-1]) / pairs)
    return Order("global_permutation", "feistel-v1", run.seed("pack", "train"), same, chance)


def _write_files(run: Run, splits: Mapping[str, SplitEntry], fingerprint: str) -> None:
    directory = run.artifact("shards")
    for split, entry in splits.items():
        names = [shard.path.rsplit("/", 1)[-1] for shard in entry.shards]
        for name, text in hf_files(split, names, fingerprint, context_columns(run.config.pack.context_length)).items():
            _write_extra(directory, f"{split}/{name}", text.encode())
    if run.artifact("tokens").exists(TOKENIZER_NAME):
        _write_extra(directory, TOKENIZER_NAME, run.artifact("tokens").read_bytes(TOKENIZER_NAME))


def _write_extra(directory: Directory, path: str, content: bytes) -> None:
    folder, _, name = path.rpartition("/")
    (directory / folder if folder else directory).write_bytes(name, content)
    artifacts.record_part(directory, Part(path, 0, len(content), artifacts.digest(content)))


def parameters(run: Run) -> Mapping[str, Any]:
    return run.config.pack.model_dump(mode="json") | {"seed": run.config.seed, "format_version": FORMAT_VERSION}


def estimate(run: Run) -> Estimate:
    tokens = run.manifest("tokens")
    count = tokens.rows
    batch = 4 * BATCH_ROWS * run.config.pack.context_length
    # The tokens are memory-mapped, which counts as memory while there is room for it.
    return Estimate(
        memory=100 * count + 2 * run.manifest("vectors").bytes,
        disk=int(1.1 * tokens.bytes) + 2 * batch // BATCH_ROWS + 200 * count,
        each_worker=4 * batch + tokens.bytes + 48 * count,
        elements=1 + tokens.bytes // batch,
    )


def verify(run: Run) -> Iterable[str]:
    with tempfile.TemporaryDirectory() as scratch:
        yield from (str(problem) for problem in shards_verify(run.root.local_copy("shards", Path(scratch))))


STAGE = Stage(
    "pack", "shards", 1, ("documents", "selection", "tokens", "vectors", "order"), parameters, estimate, work, verify
)
