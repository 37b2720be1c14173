"""Every format is read, in order; what is damaged, cut short or too large is named and never taken for less."""

import bz2
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import zstandard

from sequitur.pipeline.errors import InputError
from sequitur.stages.shared.sources import record_files
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.record_files import Bad

LIMITS = Limits(record=200, decompressed=10**7)
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.compress,
}


def jsonl(content: bytes, limits: Limits = LIMITS) -> list[tuple[int, Any]]:
    return [
        (row, record.reason if isinstance(record, Bad) else record)
        for row, record in record_files.jsonl_records(io.BytesIO(content), limits)
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.NDJSON.GZ", "jsonl"),
        ("a.json.zst", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.feather", "arrow"),
        ("a.csv.bz2", "csv"),
        ("README.md", "text"),
        ("a.zst", None),
        ("a.png", None),
    ],
)
def test_a_name_tells_the_format(name: str, kind: str | None) -> None:
    assert record_files.format_of(name) == kind


def test_lines_end_in_any_way_and_blank_ones_count_but_are_no_records() -> None:
    assert jsonl(b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"a": 2}\n{"a": 3}') == [(0, {"a": 1}), (3, {"a": 2}), (4, {"a": 3})]


def test_a_byte_order_mark_between_joined_files_is_passed_over() -> None:
    assert jsonl(b'{"a": 1}\n\xef\xbb\xbf{"a": 2}\n') == [(0, {"a": 1}), (1, {"a": 2})]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"[1]", "bad_json"),
        (b"7", "bad_json"),
        (b"{", "bad_json"),
        (b"[" * 190, "bad_json"),
        (b'{"a": "\xff"}', "bad_utf8"),
        (b'{"a": ' + b"9" * 190 + b"}", {"a": int("9" * 190)}),
    ],
)
def test_a_line_is_an_object_or_says_what_is_wrong(line: bytes, found: object) -> None:
    assert jsonl(line + b'\n{"next": true}\n') == [(0, found), (1, {"next": True})]


def test_nesting_too_deep_for_the_parser_is_a_bad_record() -> None:
    assert jsonl(b"[" * 10**6 + b"\n{}", Limits(2**21, 2**30)) == [(0, "bad_json"), (1, {})]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r\r\n"])
@pytest.mark.parametrize("excess", [0, 1, 2, 1000])
def test_a_line_above_the_limit_is_one_bad_record(end: bytes, excess: int) -> None:
    line = b'{"a": "' + b"x" * (LIMITS.record - 9 + excess) + b'"}'
    too_large = excess > 0 or end == b"\r\r\n"
    content = line + end + (b'{"b": 1}\n' if end else b"")
    assert jsonl(content)[0] == (0, "too_large" if too_large else json.loads(line))
    assert jsonl(content)[1:] == ([(1, {"b": 1})] if end else [])


def test_a_huge_line_is_not_held_in_memory() -> None:
    class Endless(io.RawIOBase):
        left = 2**26

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), self.left)
            buffer[:size] = b"x" * size
            self.left -= size
            return size

    tracemalloc.start()
    try:
        found = [record for _, record in record_files.lines(io.BufferedReader(Endless()), LIMITS)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [record.reason for record in found if isinstance(record, Bad)] == ["too_large"]
    assert peak < 2**20


TABLE = pa.table(
    {"text": ["one", "two", None, "four"], "n": [1, 2, 3, 4], "when": pa.array([0] * 4, pa.timestamp("s"))}
)


def write_arrow_file(path: Path) -> None:
    with pa.ipc.new_file(path, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=3)


def write_arrow_stream(path: Path) -> None:
    with pa.ipc.new_stream(path, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=3)


ARROW_WRITERS: dict[str, Callable[[Path], object]] = {
    "file": write_arrow_file,
    "stream": write_arrow_stream,
    "feather": lambda path: feather.write_feather(TABLE, path, compression="zstd"),
}


@pytest.mark.parametrize("writer", ARROW_WRITERS)
@pytest.mark.parametrize("ending", ["", ".zst"])
def test_arrow_files_and_streams(tmp_path: Path, writer: str, ending: str) -> None:
    path = tmp_path / "a.arrow"
    ARROW_WRITERS[writer](path)
    if ending:
        path.with_name("a.arrow.zst").write_bytes(zstandard.compress(path.read_bytes()))
    found = list(record_files.arrow_records(str(path) + ending, LIMITS))
    assert found == list(enumerate(TABLE.to_pylist()))


@pytest.mark.parametrize("writer", ARROW_WRITERS)
def test_a_damaged_arrow_file_is_an_error_and_no_crash(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "a.arrow"
    ARROW_WRITERS[writer](path)
    whole = path.read_bytes()
    for place in range(8, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(InputError):
            list(record_files.arrow_records(str(path), LIMITS))
    for size in (0, 3, 100, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"a\.arrow: not a readable Arrow file"):
            list(record_files.arrow_records(str(path), LIMITS))


def test_parquet_by_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, row_group_size=1)
    found = list(record_files.parquet_records(str(path), range(1, 3), 1, LIMITS))
    assert found == [(1, TABLE.to_pylist()[1]), (2, TABLE.to_pylist()[2])]
    assert list(record_files.parquet_records(str(path), range(0), 0, LIMITS)) == []


def test_a_parquet_value_that_python_cannot_hold_costs_its_row_alone(tmp_path: Path) -> None:
    not_utf8 = pa.array([b"fine", b"\xff", b"fine"], pa.binary()).view(pa.string())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": not_utf8}), path)
    found = [record for _, record in record_files.parquet_records(str(path), range(1), 0, LIMITS)]
    assert found[::2] == [{"text": "fine"}] * 2
    assert isinstance(found[1], Bad)
    assert found[1].reason == "bad_utf8"


def test_a_damaged_parquet_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a\.parquet: not a readable Parquet file"):
        list(record_files.parquet_records(str(path), range(1), 0, LIMITS))


def test_a_parquet_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x" * 1000] * 100_000}), path, use_dictionary=False)
    with pytest.raises(InputError, match=r"ingest\.max_decompressed_bytes"):
        list(record_files.parquet_records(str(path), range(1), 0, Limits(200, 10**6)))


def test_a_text_file_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for content, found in [
        (b"\xef\xbb\xbfline\r\nline", {"body": "line\r\nline"}),
        (b"\xff", "bad_utf8"),
        (b"x" * 201, "too_large"),
        (b"", {"body": ""}),
    ]:
        path.write_bytes(content)
        record = record_files.text_record(str(path), LIMITS, "body")
        assert (record.reason if isinstance(record, Bad) else record) == found
