"""How fast is the stage `embed` with the fitted model, and the model against sentence-transformers?

    python -m benchmarks.embed_fitted --corpus FILE

Runs the recipe up to `select` on the corpus, without rules, then `embed` on one core: fit, vectors, the words' share,
reading and writing. `embed_mb_per_s` is the corpus's text, in megabytes, for each second of processor time of this
process and its workers. Then the fitted model is loaded by sentence-transformers, and both encode the same documents,
by turns over blocks of them, on one thread: `embed_vs_sentence_transformers` is the ratio of their processor times,
`most_difference` the largest difference of any number in their unit vectors. One JSON object is the last line of
stdout.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

BLOCKS = 4
BLOCK_BYTES = 2_000_000


def of_processor() -> float:
    """Seconds of this process and of the processes that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_stage(corpus: str, output: str) -> tuple[Any, float]:
    """The finished run, and the processor's seconds in `embed`."""
    from sequitur import beam_job
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.config import load
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.runner import Runner
    from sequitur.pipeline.stage import Run

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "benchmark.yaml")
        path.write_text(json.dumps({"output": output, "ingest": {"inputs": [corpus]}, "select": {"rules": "none"}}))
        run = Run(load(path, []), Runner(1), Progress())
    run_directory.execute(beam_job.RECIPE, run, "ingest", "select")
    started = of_processor()
    run_directory.execute(beam_job.RECIPE, run, "embed", "embed")
    return run, of_processor() - started


def blocks_of(run: Any) -> list[pa.LargeStringArray]:
    """The first documents, in blocks of about BLOCK_BYTES."""
    from sequitur.pipeline import artifacts

    found: list[pa.LargeStringArray] = []
    for part in artifacts.require_manifest(run.artifact("documents")).parts:
        text = artifacts.read_part(run.artifact("documents"), part, ["text"]).column("text")
        rows = max(1, len(text) * BLOCK_BYTES // max(text.nbytes, 1))
        found += [text[start : start + rows] for start in range(0, len(text), rows)]
        if len(found) >= BLOCKS:
            break
    return found[:BLOCKS]


def against_library(run: Any) -> dict[str, float]:
    import torch
    from sentence_transformers import SentenceTransformer

    from sequitur.pipeline.sections import Embed
    from sequitur.stages.shared.models import encoders

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        ours = encoders.load_stored(Embed(), run.artifact("vectors"), Path(scratch))
        stored = run.artifact("vectors").local_copy(encoders.MODEL, Path(scratch))
        library = SentenceTransformer(str(stored), device="cpu")
    seconds, own_seconds, difference, size = 0.0, 0.0, 0.0, 0
    for block in blocks_of(run):
        texts = block.to_pylist()
        ours(block[:2])
        started = time.process_time()
        theirs = library.encode(texts, show_progress_bar=False)
        between = time.process_time()
        own = ours(block)
        seconds, own_seconds = seconds + between - started, own_seconds + time.process_time() - between
        difference = max(difference, float(np.abs(own - theirs).max(initial=0)))
        size += sum(len(text.encode()) for text in texts)
    return {
        "encode_mb_per_s": round(size / 1e6 / own_seconds, 2),
        "sentence_transformers_mb_per_s": round(size / 1e6 / seconds, 2),
        "embed_vs_sentence_transformers": round(seconds / own_seconds, 2),
        "most_difference": difference,
    }


def measure(corpus: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-") as scratch:
        run, seconds = run_stage(corpus, f"{scratch}/run")
        figures: dict[str, Any] = {"torch_is_imported": "torch" in sys.modules}
        documents = run.manifest("documents").statistics
        return {
            "documents": documents["documents"],
            "text_mb": round(documents["text_bytes"] / 1e6, 1),
            "embed_seconds": round(seconds, 2),
            "embed_mb_per_s": round(documents["text_bytes"] / 1e6 / seconds, 2),
            **figures,
            **against_library(run),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="input file, glob or directory")
    known = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    print(json.dumps(measure(known.corpus)))


if __name__ == "__main__":
    main()
