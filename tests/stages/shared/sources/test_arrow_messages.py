"""Batches are measured before they are unpacked, and damaged metadata harm nothing."""

import gzip
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.stages.shared.sources.arrow_messages import unpacked_sizes

TEXTS = ["x" * 1000, "y" * 3000] * 500
TABLES = {
    "plain": pa.table({"text": TEXTS, "n": range(1000)}),
    "dictionary": pa.table({"text": pa.array(TEXTS).dictionary_encode(), "n": range(1000)}),
    "nested": pa.table({"text": [[text, None] for text in TEXTS], "s": [{"a": text} for text in TEXTS]}),
    "empty": pa.table({"text": pa.array([], pa.string())}),
}
WRITERS: dict[str, Callable[..., Any]] = {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}


def written(table: pa.Table, writer: str, compression: str | None, rows: int = 300) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with WRITERS[writer](sink, table.schema, options=options) as to:
        to.write_table(table, max_chunksize=rows)
    return sink.getvalue()


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_sizes_are_those_of_the_batches(name: str, writer: str, compression: str | None) -> None:
    table = TABLES[name]
    content = written(table, writer, compression)
    sizes = list(unpacked_sizes(io.BytesIO(content)))
    dictionaries = [table["text"].chunk(0).dictionary.nbytes] if name == "dictionary" else []
    batches = [batch.nbytes - sum(dictionaries) for batch in table.to_batches(max_chunksize=300)]
    # Buffers are padded, and validity is left out or not.
    assert sizes == pytest.approx(dictionaries + batches, rel=0.02, abs=600)
    assert list(unpacked_sizes(gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(content))))) == sizes


@given(place=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 5000))
def test_damaged_metadata_end_the_measuring(place: int, value: int, cut: int) -> None:
    for compression in (None, "zstd"):
        content = bytearray(written(TABLES["plain"], "file", compression, rows=1000))
        content[place] = value
        for damaged in (bytes(content), bytes(content[:cut])):
            assert all(size >= 0 for size in unpacked_sizes(io.BytesIO(damaged)))


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"ARROW1\0\0", b"\xff" * 100, b"\0" * 100, b"text " * 100])
def test_what_is_no_arrow_file_has_no_batches(content: bytes) -> None:
    assert list(unpacked_sizes(io.BytesIO(content))) == []
