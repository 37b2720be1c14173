"""tokenize: kept text → `tokens`: the ids of each document, with the end-of-document token after it.

    input    `documents` and `selection`
    output   one row per kept document, in ordinal order; `tokenizer.json` beside the parts, and `tokens/spans` where
             repeated spans are asked for
    dropped  nothing, unless `tokenize.repeated_spans` is `remove`: then every repeated span but its first occurrence
    cost     byte-level BPE: 80 MB/s per core by gigatoken, 2 where that does not do (`fast_tokenizer`); training reads
             a seeded sample, in memory: 2 s. Repeated spans: 10 bytes of memory a token (20 with more than 65,536 ids),
             0.2 to 0.5 s for a million

A special token that stands in a document's text is encoded as the text that it is: no document can end another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from sequitur.pipeline import artifacts, builds, former, schemas
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import SELECTION, SPANS, TOKENS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Tokenize
from sequitur.pipeline.stage import Estimate, Run, every_ordinal
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns import kept_rows
from sequitur.stages.shared.columns.arrays import problems_beside
from sequitur.stages.shared.columns.kept_rows import Before, KeptRows
from sequitur.stages.shared.columns.samples import sample_texts
from sequitur.stages.tokenize import spans as token_spans
from sequitur.stages.tokenize.declaration import BYTES, END_OF_DOCUMENT, STAGE, TOKENIZER, TRAIN, settings_of
from sequitur.stages.tokenize.encoding import BYTES_END, encode, encode_bytes
from sequitur.stages.tokenize.fast_tokenizer import FAST, LIBRARY, MEMORY, FastTokenizer, difference
from sequitur.stages.tokenize.tokenizer_files import (
    end_id,
    load,
    stored,
    try_out,
    vocabulary_size,
    where_stored,
)
from sequitur.stages.tokenize.training import train
from sequitur.text_core.duplicates.repeated_spans import memory_bytes

# Bytes encoded on one core, measured; of a byte-level BPE, of which gigatoken knows most words after a while.
BYTES_PER_SECOND = {BYTES: 200e6, FAST: 80e6, LIBRARY: 2e6}
WORTH = 2**23  # bytes of text that tokenizers encodes in the time that trying gigatoken takes
SAMPLE = 2**20  # bytes of text on which gigatoken is tried
SAMPLE_PARTS = 16  # of which they are


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class EncodeText(beam.DoFn):
    """Text, `kept` and `ordinal` of a part → the tokens of its kept documents."""

    def __init__(self, directory: Directory, encoder: str, end: int) -> None:
        self._directory, self.encoder, self._end = directory, encoder, end

    def setup(self) -> None:
        if self.encoder != BYTES:
            self._tokenizer = stored(self._directory)
            self._tokenizer.encode_special_tokens = True
        self._fast = FastTokenizer(self._directory.read_bytes(TOKENIZER)) if self.encoder == FAST else None

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        batch = batch.filter(batch.column("kept"))
        text = batch.column("text")
        by_bytes = self.encoder == BYTES
        offsets, ids = encode_bytes(text) if by_bytes else encode(self._tokenizer, self._end, text, self._fast)
        lists = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(ids))
        yield name, pa.record_batch([batch.column("ordinal"), lists], schema=schemas.TOKENS)


def work(run: Run) -> Mapping[str, Any]:
    settings, tokens, progress = settings_of(run.config), run.artifact(TOKENS), run.progress
    build = run.build(TOKENS)
    text, selection = run.artifact(run.text), run.artifact(SELECTION)
    if settings.tokenizer != BYTES and not tokens.exists(TOKENIZER):
        tokenizer = _make(settings, text, selection, run.seed("tokenize"), progress)
        tokens.write_bytes(TOKENIZER, tokenizer.to_str().encode())
    elif settings.tokenizer != BYTES:  # of an interrupted run; who knows what became of it
        try_out(tokens.read_bytes(TOKENIZER), *where_stored(tokens))
    encoder = (
        BYTES if settings.tokenizer == BYTES else _encoder(tokens, text, selection, run.seed("tokenize"), progress)
    )
    about = _described(settings, tokens)
    parts = _before(run.root, build, run.text, settings, about)
    encode = partial(_encode, text, selection, EncodeText(tokens, encoder, about["end"]), parts, run.jobs)
    if settings.repeated_spans == "ignore":
        encode(build)
        return {"tokenizer": about}
    spans, fingerprint = run.artifact(SPANS), build.fingerprint
    if settings.repeated_spans == "report":
        encode(build)
        counts = token_spans.find(spans, fingerprint, tokens, builds.written_parts(build), settings, progress)
        return {"tokenizer": about, "repeated_spans": {**counts, "removed_tokens": 0}}
    whole = run.artifact(token_spans.WHOLE)
    if not artifacts.is_finished(whole, fingerprint):
        of_whole = builds.begin(whole, fingerprint)
        encode(of_whole)
        builds.finish(of_whole, {}, {}, {})
    counts = token_spans.find(spans, fingerprint, whole, artifacts.require_manifest(whole).parts, settings, progress)
    token_spans.remove(whole, spans, build, run.jobs)
    run.root.remove(token_spans.WHOLE)
    return {"tokenizer": about, "repeated_spans": {**counts, "removed_tokens": counts["repeated_tokens"]}}


def _before(
    root: Directory, build: Build, text: str, settings: Tokenize, about: Mapping[str, Any]
) -> dict[str, Before]:
    """What was made before by the same tokenizer, without taking spans out, of equal parts of the text."""
    found: dict[str, Before] = {}
    for manifest in former.manifests(build.directory):
        alike = former.is_alike(manifest, STAGE.name, STAGE.version, manifest.parameters)
        by, removed = manifest.statistics["tokenizer"], manifest.parameters.get("repeated_spans") == "remove"
        same = all(by[name] == about[name] for name in ("sha256", "vocab_size", "end"))
        if alike and same and not removed and settings.repeated_spans != "remove":
            found |= kept_rows.before(root, build, manifest, text)
    return found


def _encode(
    text: Directory,
    selection: Directory,
    transform: EncodeText,
    parts: Mapping[str, Before],
    jobs: Jobs,
    target: Build,
) -> None:
    jobs.map_parts(
        {text: ["text"], selection: ["kept", "ordinal"]},
        KeptRows(transform, target, text, selection, parts),
        target,
        step="tokenize: encoding",
        seconds=artifacts.require_manifest(text).statistics["text_bytes"] / BYTES_PER_SECOND[transform.encoder],
        by_name=True,
    )


def _make(settings: Tokenize, text: Directory, selection: Directory, seed: int, progress: Progress) -> Tokenizer:
    """The tokenizer that the settings name, or one trained on a sample of the kept texts."""
    if settings.tokenizer == TRAIN:
        told = progress.counted("tokenize: sampling")
        texts = sample_texts(text, selection, seed, int(settings.sample_bytes), told=told).texts
        progress.step("tokenize: training")
        return train(texts, settings.vocabulary)
    tokenizer = load(settings.tokenizer)
    end_id(tokenizer, settings.end_of_document)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _encoder(tokens: Directory, text: Directory, selection: Directory, seed: int, progress: Progress) -> str:
    """What encodes, by the tokenizer beside the tokens: gigatoken, where it is known to give the same ids.

    The manifest does not name it: the ids are the same, and where there is no gigatoken the same bytes are made.
    """
    if artifacts.require_manifest(text).statistics["text_bytes"] < WORTH:
        return LIBRARY
    progress.step("tokenize: trying gigatoken")
    sample = sample_texts(text, selection, seed, SAMPLE, max_parts=SAMPLE_PARTS).texts
    why = difference(tokens.read_bytes(TOKENIZER), pa.array(sample, pa.large_string()))
    if why is not None:
        progress.say(f"{'':<10} tokenizers encodes; gigatoken, which is faster, does not: {why}")
    return FAST if why is None else LIBRARY


def _described(settings: Tokenize, tokens: Directory) -> dict[str, Any]:
    """What the manifest says of the tokenizer, which lies beside the tokens."""
    if settings.tokenizer == BYTES:
        return {"name": BYTES, "sha256": hashlib.sha256(b"").hexdigest(), "vocab_size": 257, "end": BYTES_END}
    content, tokenizer = tokens.read_bytes(TOKENIZER), stored(tokens)
    return {
        "name": "trained" if settings.tokenizer == TRAIN else Path(settings.tokenizer).name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "vocab_size": vocabulary_size(tokenizer),
        "end": end_id(tokenizer, END_OF_DOCUMENT if settings.tokenizer == TRAIN else settings.end_of_document),
    }


def estimate(run: Run) -> Estimate:
    settings = settings_of(run.config)
    text = run.manifest(run.text).statistics["text_bytes"]
    # Training counts words of the sample: 7 bytes for a byte of prose, 80 of random words, measured.
    memory = 20 * min(int(settings.sample_bytes), text) if settings.tokenizer == TRAIN else 0
    disk = (4 if settings.tokenizer == BYTES else 2) * text
    if settings.repeated_spans != "ignore":
        ids = {BYTES: 257, TRAIN: settings.vocabulary}.get(settings.tokenizer, 2**32)
        spans = memory_bytes(disk // 4, token_spans.token_bytes(ids))
        memory = max(memory, min(spans, int(settings.span_memory)))
    if settings.repeated_spans == "remove":
        disk *= 2
    each_worker = 12 * int(run.config.ingest.part_bytes) + 2**28
    if settings.tokenizer != BYTES and text >= WORTH:
        each_worker += MEMORY
    return Estimate(memory=memory, disk=disk, each_worker=each_worker)


def verify(run: Run) -> Iterable[str]:
    yield from artifacts.schema_problems(run.artifact(TOKENS), schemas.TOKENS)
    yield from every_ordinal(run.artifact(TOKENS), run.artifact(SELECTION))
    if "repeated_spans" in run.manifest(TOKENS).statistics:
        yield from problems_beside(run.artifact(SPANS), schemas.SPANS, run.artifact(TOKENS))
    directory, about = run.artifact(TOKENS), run.manifest(TOKENS).statistics["tokenizer"]
    if about["name"] != BYTES and not (
        directory.exists(TOKENIZER) and hashlib.sha256(directory.read_bytes(TOKENIZER)).hexdigest() == about["sha256"]
    ):
        yield f"{directory.path(TOKENIZER)}: not the tokenizer of the tokens; delete {directory.path()} and run again"
    yield from _documents_that_end_inside(directory, about["end"])


def _documents_that_end_inside(directory: Directory, end: int) -> Iterator[str]:
    """A line for each part in which a document has not its end, and that alone, as the last of its ids."""
    for part in artifacts.require_manifest(directory).parts:
        tokens = artifacts.map_part(directory, part, ["input_ids"]).column("input_ids")
        ends = np.flatnonzero(tokens.flatten().to_numpy() == end)
        if not np.array_equal(ends, tokens.offsets.to_numpy()[1:] - tokens.offsets[0].as_py() - 1):
            yield (
                f"{directory.path(part.path)}: holds documents without one end-of-document id, the last of their ids; "
                f"delete {directory.path()} and run again"
            )
