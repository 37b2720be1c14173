"""The texts of contexts as JSON lines, for trainers that tokenize by themselves, as LlamaFactory's `stage: pt`.

    contexts/data-00003-of-00064.jsonl    a line for each row: {"text": …, "doc_ids": […]}
    dataset_info.json                     for LlamaFactory's `dataset_dir`: what its dataset `contexts` is

`text` is the row's tokens decoded, special tokens as their text; `doc_ids` are the documents of its pieces, in order.
Rows that the tokenizer encodes otherwise than they are stored are counted: a text may be cut within a word.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.attribution import DocumentsByKey
from sequitur.shards.contexts import Contexts
from sequitur.shards.exports.source import Source
from sequitur.shards.views.text import Decoder

NAME = "contexts"
SLICE_TOKENS = 1 << 20


def write(source: Source, out: Path) -> dict[str, Any]:
    """Write all rows. Raises TokenizerMismatch where the tokenizer is missing, and errors of the documents table."""
    decoder = Decoder(source.root, source.header.tokenizer)
    documents = DocumentsByKey(source.root, source.manifest.docs_table)
    otherwise = 0
    (out / NAME).mkdir()
    for shard in range(source.n_shards):
        with (out / NAME / source.file_name(shard, ".jsonl")).open("w", encoding="utf-8", newline="\n") as file:
            for contexts in source.batches(shard, "all"):
                ids = documents.rows(contexts.doc_ids)["doc_id"].to_pylist()
                for rows in _slices(contexts):
                    tokens = [contexts.input_ids[row, : contexts.num_tokens[row]] for row in rows]
                    texts = decoder.texts(tokens)
                    otherwise += sum(map(_differs, decoder.encoded(texts), tokens))
                    for row, text in zip(rows, texts, strict=True):
                        begin, end = contexts.doc_offsets[row : row + 2]
                        line = {"text": text, "doc_ids": ids[begin:end]}
                        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    about = {NAME: {"file_name": NAME, "columns": {"prompt": "text"}}}
    (out / "dataset_info.json").write_text(json.dumps(about, indent=1) + "\n")
    return {"dataset": NAME, "cutoff_len": source.seq_len, "packing": False, "rows_encoded_otherwise": otherwise}


def _slices(contexts: Contexts) -> Iterator[range]:
    """The rows, some SLICE_TOKENS at a time: as Python's numbers, which the tokenizer takes, a token takes 36 bytes."""
    rows, seq_len = contexts.input_ids.shape
    size = max(SLICE_TOKENS // seq_len, 1)
    return (range(start, min(start + size, rows)) for start in range(0, rows, size))


def _differs(encoded: list[int], tokens: NDArray[np.uint32]) -> bool:
    return not np.array_equal(encoded, tokens)
