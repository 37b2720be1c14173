"""OLMo-core's arrays of tokens: raw files without a header, S tokens for each row, as NumpyFSLDataset cuts them.

    tokens/data-00003-of-00064.npy        uint8, uint16 or uint32, as OLMo-core derives it from the vocabulary
    label_mask/data-00003-of-00064.npy    bool, one for each token, false where it is a pad; only where there are pads

Pads are masked by position, so every row is written. `generate_doc_lengths=True` finds documents by their
end-of-document token; rows where that gives other pieces than the dataset's are counted.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts, piece_rows, real_tokens
from sequitur.shards.errors import FormatUnsupported
from sequitur.shards.exports.source import Source


def write(source: Source, out: Path) -> dict[str, Any]:
    """Write all rows. Raises FormatUnsupported for a vocabulary beyond uint32."""
    widths = [size for size in (1, 2, 4) if source.vocab_size <= 1 << 8 * size]
    if not widths:
        raise FormatUnsupported(f"a vocabulary of {source.vocab_size} does not fit uint32: export elsewhere")
    split = source.manifest.split(source.split)
    padded = split.tokens < split.rows * source.seq_len
    eos = source.header.special_ids.eos
    otherwise = 0
    for folder in ("tokens", "label_mask")[: 1 + padded]:
        (out / folder).mkdir()
    for shard in range(source.n_shards):
        name = source.file_name(shard, ".npy")
        with ExitStack() as files:
            tokens = files.enter_context((out / "tokens" / name).open("wb"))
            mask = files.enter_context((out / "label_mask" / name).open("wb")) if padded else None
            for contexts in source.batches(shard, "all"):
                tokens.write(np.ascontiguousarray(contexts.input_ids, dtype=f"<u{widths[0]}").data)
                if mask is not None:
                    mask.write(real_tokens(contexts).data)
                otherwise += len(rows_cut_otherwise(contexts, eos))
    return {
        "paths": "tokens/*.npy",
        "label_mask_paths": "label_mask/*.npy" if padded else None,
        "dtype": f"uint{8 * widths[0]}",
        "sequence_length": source.seq_len,
        "eos_token_id": eos,
        "rows_with_other_documents_by_eos": otherwise,
    }


def rows_cut_otherwise(contexts: Contexts, eos: int | None) -> NDArray[np.int64]:
    """Rows whose pieces are not what `eos` gives when it ends a document wherever it stands, and a row ends the last.

    That is so where a piece within a row is cut short of its end, and where a text holds the token itself.
    """
    seq_len = contexts.input_ids.shape[1]
    real = real_tokens(contexts)
    row_of_piece = piece_rows(contexts)
    ends = np.cumsum(contexts.doc_lens, dtype=np.int64)
    before = np.cumsum(contexts.num_tokens, dtype=np.int64) - contexts.num_tokens  # tokens of the rows above
    stored = np.zeros_like(real)
    stored[row_of_piece, ends - before[row_of_piece] - 1] = True
    by_eos = (contexts.input_ids == eos) & real if eos is not None else np.zeros_like(real)
    by_eos[np.arange(len(real)), np.minimum(contexts.num_tokens, seq_len) - 1] = True
    return np.flatnonzero((stored != by_eos).any(axis=1))
