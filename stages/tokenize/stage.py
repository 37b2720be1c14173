"""tokenize: kept text → `tokens`: the ids of each document, with the end-of-document token after it.

    input    `documents` and `selection`
    output   one row per kept document, in ordinal order; `tokenizer.json` beside the parts, and `tokens/spans` where
             repeated spans are asked for
    dropped  nothing, unless `tokenize.repeated_spans` is `remove`: then every repeated span but its first occurrence
    cost     the tokenizer's speed, a few MB/s per core; training reads a seeded sample, in memory. Repeated spans:
             10 bytes of memory a token (20 with more than 65,536 ids), 0.2 to 0.5 s for a million

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
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import SELECTION, SPANS, TOKENS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Tokenize
from sequitur.pipeline.stage import TEXT, Estimate, Run, Stage, every_ordinal
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.arrays import problems_beside
from sequitur.stages.shared.columns.samples import sample_texts
from sequitur.stages.tokenize import spans as token_spans
from sequitur.stages.tokenize.encoding import BYTES_END, encode, encode_bytes, of_library, try_out
from sequitur.text_core.duplicates.repeated_spans import memory_bytes

TOKENIZER = "tokenizer.json"
BYTES, TRAIN = "bytes", "train"
END_OF_DOCUMENT = "<|endoftext|>"
# Names that published tokenizers give to the token that ends a document.
END_NAMES = (END_OF_DOCUMENT, "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "<EOS>", "[SEP]", "<|im_end|>")
BYTES_PER_SECOND = 2e6  # of a byte-level BPE on one core, measured


def train(texts: list[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE trained on some texts; `END_OF_DOCUMENT` is its id 0. Deterministic."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[END_OF_DOCUMENT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load(name: str) -> Tokenizer:
    """A tokenizer from the path of a tokenizer.json, of a directory that holds one, or by its name on the hub.

    Raises:
        ModelError: it cannot be read.
    """
    from huggingface_hub import hf_hub_download  # takes a while to load, and only what loads a tokenizer needs it

    what, remedy = f"tokenize.tokenizer {name}: cannot be loaded", "give the path of a tokenizer.json"
    path = Path(name) / TOKENIZER if Path(name).is_dir() else Path(name)
    with of_library(what, remedy):
        content = (path if path.exists() else Path(hf_hub_download(name, TOKENIZER))).read_bytes()
    try_out(content, what, remedy)
    with of_library(what, remedy):
        return Tokenizer.from_str(content.decode())


def _of(tokens: Directory) -> tuple[str, str]:
    """What is wrong where the tokenizer beside tokens fails, and the remedy."""
    return f"{tokens.path(TOKENIZER)}: cannot be read", f"delete {tokens.path()} and run again"


def _stored(tokens: Directory) -> Tokenizer:
    """The tokenizer that lies beside tokens."""
    with of_library(*_of(tokens)):
        return Tokenizer.from_str(tokens.read_bytes(TOKENIZER).decode())


def end_id(tokenizer: Tokenizer, named: str | None) -> int:
    """The id of the end-of-document token: the one named, or the first usual one that the tokenizer has.

    Raises:
        ModelError: it has no such token.
    """
    for name in (named,) if named else END_NAMES:
        token = tokenizer.token_to_id(name)
        if token is not None:
            return int(token)
    raise ModelError(
        f"tokenize.end_of_document: the tokenizer has no token {named or ' or '.join(END_NAMES)}; name one that it has"
    )


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """The least bound on its ids, among which there may be holes."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class EncodeText(beam.DoFn):
    """Text, `kept` and `ordinal` of a part → the tokens of its kept documents."""

    def __init__(self, directory: Directory, end: int) -> None:
        self._directory, self._end = directory, end

    def setup(self) -> None:
        self._tokenizer: Tokenizer | None = None
        if self._directory.exists(TOKENIZER):
            self._tokenizer = _stored(self._directory)
            self._tokenizer.encode_special_tokens = True

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        batch = batch.filter(batch.column("kept"))
        text = batch.column("text")
        offsets, ids = encode_bytes(text) if self._tokenizer is None else encode(self._tokenizer, self._end, text)
        lists = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(ids))
        yield name, pa.record_batch([batch.column("ordinal"), lists], schema=schemas.TOKENS)


def work(run: Run) -> Mapping[str, Any]:
    settings, tokens, progress = run.config.tokenize, run.artifact(TOKENS), run.progress
    build = run.build(TOKENS)
    text, selection = run.artifact(run.text), run.artifact(SELECTION)
    if settings.tokenizer != BYTES and not tokens.exists(TOKENIZER):
        tokenizer = _make(settings, text, selection, run.seed("tokenize"), progress)
        tokens.write_bytes(TOKENIZER, tokenizer.to_str().encode())
    elif settings.tokenizer != BYTES:  # of an interrupted run; who knows what became of it
        try_out(tokens.read_bytes(TOKENIZER), *_of(tokens))
    about = _described(settings, tokens)
    encode = partial(_encode, text, selection, EncodeText(tokens, about["end"]), run.jobs)
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


def _encode(text: Directory, selection: Directory, transform: EncodeText, jobs: Jobs, target: Build) -> None:
    jobs.map_parts(
        {text: ["text"], selection: ["kept", "ordinal"]},
        transform,
        target,
        step="tokenize: encoding",
        seconds=artifacts.require_manifest(text).statistics["text_bytes"] / BYTES_PER_SECOND,
    )


def _make(settings: Tokenize, text: Directory, selection: Directory, seed: int, progress: Progress) -> Tokenizer:
    """The tokenizer that the settings name, or one trained on a sample of the kept texts."""
    if settings.tokenizer == TRAIN:
        told = progress.counted("tokenize: sampling")
        texts = sample_texts(text, selection, seed, int(settings.sample_bytes), told=told)
        progress.step("tokenize: training")
        return train(texts, settings.vocabulary)
    tokenizer = load(settings.tokenizer)
    end_id(tokenizer, settings.end_of_document)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _described(settings: Tokenize, tokens: Directory) -> dict[str, Any]:
    """What the manifest says of the tokenizer, which lies beside the tokens."""
    if settings.tokenizer == BYTES:
        return {"name": BYTES, "sha256": hashlib.sha256(b"").hexdigest(), "vocab_size": 257, "end": BYTES_END}
    content, tokenizer = tokens.read_bytes(TOKENIZER), _stored(tokens)
    return {
        "name": "trained" if settings.tokenizer == TRAIN else Path(settings.tokenizer).name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "vocab_size": vocabulary_size(tokenizer),
        "end": end_id(tokenizer, END_OF_DOCUMENT if settings.tokenizer == TRAIN else settings.end_of_document),
    }


def parameters(config: Config) -> Mapping[str, Any]:
    settings = config.tokenize
    chosen: dict[str, Any] = {"tokenizer": settings.tokenizer}
    if settings.tokenizer == TRAIN:
        chosen |= {"vocabulary": settings.vocabulary, "sample_bytes": int(settings.sample_bytes)}
        chosen["seed"] = config.seed
    elif settings.tokenizer != BYTES:
        chosen["end_of_document"] = settings.end_of_document
        path = Path(settings.tokenizer)
        path = path / TOKENIZER if path.is_dir() else path
        if path.exists():
            chosen |= {"tokenizer": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        elif path.suffix == ".json":
            raise ModelError(f"{path}: no such file; correct tokenize.tokenizer")
    if settings.repeated_spans != "ignore":
        chosen |= {"repeated_spans": settings.repeated_spans, "span_tokens": settings.span_tokens}
    return chosen


def estimate(run: Run) -> Estimate:
    settings = run.config.tokenize
    text = run.manifest(run.text).statistics["text_bytes"]
    # Training counts words of the sample; measured at 20 bytes for a byte of it.
    memory = 20 * min(int(settings.sample_bytes), text) if settings.tokenizer == TRAIN else 0
    disk = (4 if settings.tokenizer == BYTES else 2) * text
    if settings.repeated_spans != "ignore":
        ids = {BYTES: 257, TRAIN: settings.vocabulary}.get(settings.tokenizer, 2**32)
        spans = memory_bytes(disk // 4, token_spans.token_bytes(ids))
        memory = max(memory, min(spans, int(settings.span_memory)))
    if settings.repeated_spans == "remove":
        disk *= 2
    return Estimate(memory=memory, disk=disk, each_worker=12 * int(run.config.ingest.part_bytes) + 2**28)


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


STAGE = Stage("tokenize", TOKENS, 2, (TEXT, SELECTION), parameters, estimate, work, verify)
