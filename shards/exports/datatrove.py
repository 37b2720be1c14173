"""datatrove's tokenized files, as nanotron's Nanosets read them: windows of S+1 tokens, one for each row.

Of each shard, as datatrove/pipeline/tokens/tokenizer.py (0.10) lays them out:

    .ds            the windows, uint16 or uint32; a whole number of them
    .ds.index      uint64: where pieces of documents end, in tokens from the start of the file; every window ends one
    .ds.metadata   tokenizer|bytes of a token, then the count of tokens, then the same for people

A window needs the token that follows its row, and nothing in it can be masked: short rows, and rows whose next token
is not known, are left out.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts, piece_rows
from sequitur.shards.errors import FormatUnsupported
from sequitur.shards.exports.source import Source, ids_with_next


def write(source: Source, out: Path) -> dict[str, Any]:
    """Write the full rows whose next token is known. Raises FormatUnsupported for a vocabulary beyond uint32."""
    if source.vocab_size > 1 << 32:
        raise FormatUnsupported(f"a vocabulary of {source.vocab_size} does not fit uint32: export elsewhere")
    token_size = 4 if source.vocab_size > 1 << 16 else 2  # as datatrove derives it
    for shard in range(source.n_shards):
        name = source.file_name(shard, ".ds")
        before = source.rows
        with (out / name).open("wb") as file, (out / f"{name}.index").open("wb") as index:
            for contexts in source.batches(shard, "followed"):
                windows = ids_with_next(contexts)
                first = (source.rows - len(windows) - before) * (source.seq_len + 1)
                file.write(np.ascontiguousarray(windows, dtype=f"<u{token_size}").data)
                ends = document_ends(contexts, source.header.special_ids.eos) + first
                index.write(ends.astype("<u8").data)
        if source.rows == before:
            (out / name).unlink()
            (out / f"{name}.index").unlink()
            continue
        tokens = (source.rows - before) * (source.seq_len + 1)
        tokenizer = " ".join(source.header.tokenizer.name.replace("|", " ").split())
        metadata = f"{tokenizer}|{token_size}\n{tokens}\n{tokens:,} tokens"
        (out / f"{name}.metadata").write_bytes(metadata.encode("utf-8", "replace"))
    return {"token_size": token_size, "seq_len": source.seq_len, "filename_pattern": "*.ds"}


def document_ends(contexts: Contexts, eos: int | None) -> NDArray[np.int64]:
    """Where the pieces of full rows end, in tokens from the first window of S+1 tokens, ascending.

    The next token is counted to the row's last piece, unless that ended with `eos`: then it is a document's first.
    """
    rows, seq_len = contexts.input_ids.shape
    row_of_piece = piece_rows(contexts)
    # rows are full, so that the pieces' lengths add up to the same in all
    ends = np.cumsum(contexts.doc_lens, dtype=np.int64) + row_of_piece
    last = contexts.doc_offsets[1:] - 1
    windows_end = (np.arange(rows, dtype=np.int64) + 1) * (seq_len + 1)
    ended = contexts.input_ids[:, -1] == eos if eos is not None else np.zeros(rows, dtype=np.bool_)
    inner = np.delete(ends, last[~ended])
    return np.sort(np.concatenate([inner, windows_end]), kind="stable")
