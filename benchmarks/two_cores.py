"""How much less time do neighbours, order and packing take on two cores than on one?

    python -m benchmarks.two_cores [--documents 1000000] [--dimensions 256] [--turns 1] [--scratch DIR]

Made-up documents stand where `embed` leaves them: of about 250 words each, which are its tokens, too; topics of 200,
which share words and lie near each other, ids mixed; three documents in a hundred are versions of others. Half of the
dimensions of a vector are the model's own, the other half the words', as by default. Each of the stages `neighbors`,
`order` and `pack` is then made with one worker, in a process that may use one core alone, and with two, by turns; what
is made is removed before it is made again.

Of the turns the fastest counts, by the clock, for that is what a second core is for: other programs must rest. Prints
one JSON object last: for each stage `NAME_one_seconds`, `NAME_two_seconds` and `NAME_two_vs_one`, how many times as
long one core takes, and `NAME_bytes_equal`, whether all turns made the same files; `machine_two_vs_one`, the same of a
loop of plain arithmetic, before and after: what the machine's cores allow.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from sequitur import beam_job
from sequitur.pipeline import builds, run_directory, schemas
from sequitur.pipeline.config import validate
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner, quieten
from sequitur.pipeline.stage import STATE, Run, expected, noted

STAGES = {"neighbors": "neighbors", "order": "order", "pack": "shards"}  # and what each makes
CORPUS = "corpus.jsonl"  # empty, where documents are made up as the stage before would have left them
PART = 5000  # documents, which have about as many bytes as a part by default
TOPIC = 200  # documents
LATENT, SPREAD = 32, 1.4  # dimensions in which topics lie, and documents around the middle of one
VERSIONS, EDITED = 0.03, 0.02  # of the documents; of the words of one
VOCABULARY, TOPIC_WORDS, LETTERS = 30_000, 200, 6
LONGEST = 20_000  # words


def run_of(scratch: str, workers: int) -> Run:
    content = {
        "output": f"{scratch}/run",
        "ingest": {"inputs": [f"{scratch}/{CORPUS}"]},
        "select": {"rules": "none", "alarm_share": 1},
    }
    return Run(validate(content, "benchmark"), Runner(workers), Progress(quiet=True))


def words_of(
    lengths: np.ndarray, topic: np.ndarray, rng: np.random.Generator, vocabulary: int = VOCABULARY
) -> np.ndarray:
    """uint32: the words of documents, one after the other; half of them of the topic."""
    count = int(lengths.sum())
    common = (vocabulary ** rng.random(count)).astype(np.uint64)  # a word is the rarer the higher its number
    own = (TOPIC_WORDS ** rng.random(count)).astype(np.uint64) + np.repeat(topic, lengths).astype(np.uint64) * 7919
    own = (own * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(33)) % np.uint64(vocabulary)
    return np.where(rng.random(count) < 0.5, own, common).astype(np.uint32)


def make_part(number: int, topic: np.ndarray, dimensions: int) -> dict[str, pa.RecordBatch]:
    """The rows of a part of each artifact, for documents of these topics."""
    rng, fixed, size = np.random.default_rng([1, number]), np.random.default_rng(0), len(topic)
    versions = np.sort(rng.choice(np.arange(1, size, 2), int(VERSIONS * size), replace=False))
    topic[versions] = topic[versions - 1]
    lengths = np.clip(rng.lognormal(5.2, 0.8, size), 8, LONGEST).astype(np.int64)
    lengths[versions] = lengths[versions - 1]
    offsets = np.append(0, np.cumsum(lengths))
    words = words_of(lengths, topic, rng)
    halves = []
    for half in range(2):
        centre = np.random.default_rng([2, half]).standard_normal((int(topic.max()) + 1, LATENT), dtype=np.float32)
        latent = centre[topic] + SPREAD * rng.standard_normal((size, LATENT), dtype=np.float32)
        rows = latent @ fixed.standard_normal((LATENT, dimensions // 2), dtype=np.float32)
        halves.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    vectors = np.concatenate(halves, axis=1) * np.float32(0.5**0.5)
    for version in versions.tolist():
        own = words[offsets[version] : offsets[version + 1]]
        edited = rng.random(len(own)) < EDITED
        own[~edited] = words[offsets[version - 1] : offsets[version]][~edited]
        vectors[version] = vectors[version - 1]
    letters = np.random.default_rng(3).integers(97, 123, (VOCABULARY, LETTERS + 1), dtype=np.uint8)
    letters[:, LETTERS] = 32
    ordinals = pa.array(np.arange(number * PART, number * PART + size))
    buffers = [None, pa.py_buffer(offsets * (LETTERS + 1)), pa.py_buffer(letters[words])]
    ids = pa.FixedSizeBinaryArray.from_buffers(schemas.ID, size, [None, pa.py_buffer(rng.bytes(16 * size))])
    names = pa.array([f"{number}-{row}" for row in range(size)])
    one, nothing = pa.array(["en"] * size).dictionary_encode(), pa.nulls(size)
    documents = {
        "doc_id": ids,
        "record_id": names,
        "text": pa.LargeStringArray.from_buffers(size, *buffers[1:]),
        "source": one,
        "url": nothing.cast(pa.string()),
        "timestamp": nothing.cast(schemas.DOCUMENTS.field("timestamp").type),
        "source_file": one,
        "source_row": ordinals,
        "metadata": pa.array([f'{{"title": "Document {number}-{row}"}}' for row in range(size)]),
    }
    selection = {field.name: nothing.cast(field.type) for field in schemas.SELECTION}
    selection |= {"kept": pa.array(np.ones(size, bool)), "ordinal": ordinals}
    of_vectors = schemas.vectors(dimensions)
    rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).reshape(-1)), dimensions)
    tokens = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(words))
    return {
        DOCUMENTS: pa.record_batch(list(documents.values()), schema=schemas.DOCUMENTS),
        SIGNALS: pa.record_batch({"language": one}),
        SELECTION: pa.record_batch(list(selection.values()), schema=schemas.SELECTION),
        TOKENS: pa.record_batch([ordinals, tokens], schema=schemas.TOKENS),
        VECTORS: pa.record_batch([ordinals, rows], schema=of_vectors),
    }


def make(run: Run, documents: int, dimensions: int) -> None:
    """The artifacts that come before neighbours, as the recipe would have made them."""
    fingerprints = expected(beam_job.RECIPE, run.config)
    names = (DOCUMENTS, SIGNALS, SELECTION, TOKENS, VECTORS)
    made = {name: builds.begin(run.artifact(name), fingerprints[name]) for name in names}
    topic = np.random.default_rng(4).permutation(documents) // TOPIC
    text_bytes = 0
    for number, begin in enumerate(range(0, documents, PART)):
        batches = make_part(number, topic[begin : begin + PART], dimensions)
        text_bytes += batches[DOCUMENTS].column("text").nbytes
        for name, batch in batches.items():
            builds.write_part(made[name], f"part-{number:05}-0000.arrow", batch, compress=name == DOCUMENTS)
    tokenizer = {"name": "made up", "sha256": "", "vocab_size": VOCABULARY + 1, "end": VOCABULARY}
    statistics: dict[str, dict[str, Any]] = {
        DOCUMENTS: {"text_bytes": text_bytes},
        SIGNALS: {},
        SELECTION: {"kept": documents},
        TOKENS: {"tokenizer": tokenizer},
        VECTORS: {"dimensions": dimensions, "model_dimensions": dimensions // 2},
    }
    for stage in beam_job.RECIPE:
        if stage.artifact in made:
            for name in stage.beside:
                builds.finish(builds.begin(run.artifact(name), fingerprints[stage.artifact]), {}, {}, {})
            builds.finish(made[stage.artifact], {}, {}, statistics[stage.artifact])


def content(directory: Path) -> dict[str, str]:
    """The checksum of every file."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in files}


def one(stage: str, workers: int, scratch: str) -> None:
    """Makes what a stage makes."""
    if workers == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    quieten()
    run_directory.execute(beam_job.RECIPE, run_of(scratch, workers), stage, stage)


def timed(stage: str, workers: int, scratch: str) -> float:
    """Seconds of a stage that is made in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.two_cores", "--scratch", scratch, "--one", stage, str(workers)]
    subprocess.run(command, check=True, env=os.environ | ({"OMP_NUM_THREADS": "1"} if workers == 1 else {}))
    seconds = float(noted(run_of(scratch, 1).root, stage)["seconds"])
    print(f"{stage}, workers {workers}: {seconds:.1f} s", file=sys.stderr)
    return seconds


def compared(stage: str, artifact: str, scratch: str, turns: int) -> dict[str, float | bool]:
    """A stage of the run in `scratch` by one worker and by two, so many turns; what two made at last stays there."""
    taken: dict[int, list[float]] = {1: [], 2: []}
    made: list[dict[str, str]] = []
    for workers in (1, 2) * turns:
        run_of(scratch, 1).root.remove(artifact)
        taken[workers].append(timed(stage, workers, scratch))
        made.append(content(Path(scratch, "run", artifact)))
    one_seconds, two_seconds = min(taken[1]), min(taken[2])
    return {
        f"{stage}_one_seconds": one_seconds,
        f"{stage}_two_seconds": two_seconds,
        f"{stage}_two_vs_one": round(one_seconds / two_seconds, 2),
        f"{stage}_bytes_equal": all(one == made[0] for one in made),
    }


def machine_two_vs_one() -> float:
    """How much more two processes compute than one on this machine, sharing nothing but the processor: at best 2."""
    loop = [sys.executable, "-c", "total = 0\nfor i in range(30_000_000): total += i * i & 7"]
    taken = {}
    for processes in (1, 2):
        started = time.perf_counter()
        running = [subprocess.Popen(loop) for _ in range(processes)]
        for process in running:
            process.wait()
        taken[processes] = time.perf_counter() - started
    return round(2 * taken[1] / taken[2], 2)


def measure(scratch: str, documents: int, dimensions: int, turns: int) -> dict[str, Any]:
    Path(scratch, CORPUS).touch()
    run = run_of(scratch, 1)
    make(run, documents, dimensions)
    (run.root / STATE).make()  # by which the directory is known as a run's
    figures: dict[str, Any] = {"documents": documents, "dimensions": dimensions}
    machine = [machine_two_vs_one()]
    for stage, artifact in STAGES.items():
        figures |= compared(stage, artifact, scratch, turns)
    return figures | {"machine_two_vs_one": [*machine, machine_two_vs_one()]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=256, help="of the vectors, an even number")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--scratch", help="where the run goes; a temporary directory if not given")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    known = parser.parse_args()
    if known.one:
        one(known.one[0], int(known.one[1]), known.scratch)
        return
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-", dir=known.scratch) as scratch:
        print(json.dumps(measure(scratch, known.documents, known.dimensions, known.turns)))


if __name__ == "__main__":
    main()
