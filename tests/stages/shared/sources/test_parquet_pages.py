"""What pages unpack to is told by their headers as pyarrow writes them; whatever else stands there is an error."""

import io
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sequitur.stages.shared.sources.parquet_pages import bytes_at_once

ROWS, LENGTH = 2048, 1000
TABLE = pa.table(
    {
        "text": [f"{row:0{LENGTH}}" for row in range(ROWS)],
        "kind": ["one", "other"] * (ROWS // 2),
        "nested": [[{"deep": 0.5}]] * ROWS,
    }
)
OPTIONS: dict[str, dict[str, Any]] = {
    "one page": {"data_page_size": 2**30},
    "pages": {"data_page_size": 2**16, "write_batch_size": 8},
    "second version": {"data_page_size": 2**16, "write_batch_size": 8, "data_page_version": "2.0"},
    "packed": {"data_page_size": 2**16, "write_batch_size": 8, "compression": "zstd"},
    "checked": {"data_page_size": 2**16, "write_batch_size": 8, "write_page_checksum": True},
}


def written(**options: Any) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(TABLE, file, use_dictionary=["kind"], **options)
    return file


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_largest_page_of_each_column_counts(options: dict[str, Any]) -> None:
    file = written(**options)
    group = pq.ParquetFile(file).metadata.row_group(0)
    page = ROWS * (LENGTH + 4) if options["data_page_size"] == 2**30 else 2**16 + 8 * (LENGTH + 4)

    assert 0.9 * page < bytes_at_once(file, group) < 1.1 * page + 40_000


def test_a_dictionary_counts_beside_the_page() -> None:
    file = io.BytesIO()
    pq.write_table(TABLE.select(["text"]).slice(0, 100), file, compression="zstd")
    group = pq.ParquetFile(file).metadata.row_group(0)

    assert 100 * LENGTH < bytes_at_once(file, group) < 101 * LENGTH + 1000


def test_a_header_longer_than_what_is_read_at_first() -> None:
    file = io.BytesIO()
    # Its least and its greatest value stand in it.
    pq.write_table(pa.table({"text": ["x" * 4000] * 2}), file, use_dictionary=False)
    group = pq.ParquetFile(file).metadata.row_group(0)

    assert 8000 < bytes_at_once(file, group) < 8100


def test_damaged_headers_are_errors_and_end() -> None:
    whole = written(**OPTIONS["packed"]).getvalue()
    group = pq.ParquetFile(io.BytesIO(whole)).metadata.row_group(0)
    rng, errors = random.Random(1), 0
    for _ in range(200):
        data = bytearray(whole)
        for place in rng.sample(range(4, 60), 3):  # of the first header
            data[place] = rng.randrange(256)
        try:
            bytes_at_once(io.BytesIO(data), group)
        except ValueError:
            errors += 1
    assert errors > 50
    with pytest.raises(ValueError, match="no page begins at byte"):
        bytes_at_once(io.BytesIO(whole[:100]), group)
    with pytest.raises(ValueError, match="nested too deep"):
        bytes_at_once(io.BytesIO(whole[:4] + b"\x5c" + b"\x1c" * 10_000), group)
