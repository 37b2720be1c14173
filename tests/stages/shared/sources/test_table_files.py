"""Tables are read by bytes, in order; what is damaged, cut short or unpacks to too much is named."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import zstandard

from sequitur.pipeline.errors import InputError
from sequitur.stages.shared.sources import table_files
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.record_files import Bad

LIMITS = Limits(record=200, decompressed=10**7)

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
    found = list(table_files.arrow_records(str(path) + ending, LIMITS))
    assert found == list(enumerate(TABLE.to_pylist()))


@pytest.mark.parametrize("writer", ARROW_WRITERS)
def test_a_damaged_arrow_file_is_an_error_and_no_crash(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "a.arrow"
    ARROW_WRITERS[writer](path)
    whole = path.read_bytes()
    for place in range(8, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(InputError):
            list(table_files.arrow_records(str(path), LIMITS))
    for size in (0, 3, 100, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"a\.arrow: not a readable Arrow file"):
            list(table_files.arrow_records(str(path), LIMITS))


def test_parquet_by_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, row_group_size=1)
    found = list(table_files.parquet_records(str(path), range(1, 3), 1, LIMITS))
    assert found == [(1, TABLE.to_pylist()[1]), (2, TABLE.to_pylist()[2])]
    assert list(table_files.parquet_records(str(path), range(0), 0, LIMITS)) == []


def test_a_parquet_value_that_python_cannot_hold_costs_its_row_alone(tmp_path: Path) -> None:
    not_utf8 = pa.array([b"fine", b"\xff", b"fine"], pa.binary()).view(pa.string())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": not_utf8}), path)
    found = [record for _, record in table_files.parquet_records(str(path), range(1), 0, LIMITS)]
    assert found[::2] == [{"text": "fine"}] * 2
    assert isinstance(found[1], Bad)
    assert found[1].reason == "bad_utf8"


def test_a_time_of_no_zone_that_is_known_costs_its_record(tmp_path: Path) -> None:
    times = pa.array([1, None], pa.timestamp("s", "Nowhere/Land"))
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["one", "two"], "date": times}), path)
    one, two = (record for _, record in table_files.parquet_records(str(path), None, 0, LIMITS))
    assert isinstance(one, Bad)
    assert "Nowhere/Land" in one.detail
    assert two == {"text": "two", "date": None}


def test_a_damaged_parquet_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a\.parquet: not a readable Parquet file"):
        list(table_files.parquet_records(str(path), range(1), 0, LIMITS))


def test_a_parquet_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x" * 1000] * 100_000}), path, use_dictionary=False)
    with pytest.raises(InputError, match=r"ingest\.max_decompressed_bytes"):
        list(table_files.parquet_records(str(path), range(1), 0, Limits(200, 10**6)))


def test_pages_that_unpack_to_more_than_a_few_records_are_refused_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "PAGE_BYTES", 2**20)
    path, limits = tmp_path / "a.parquet", Limits(record=10**6, decompressed=2**40)
    table = pa.table({"text": ["x" * 1000] * 10_000})
    pq.write_table(table, path, use_dictionary=False, compression="zstd", data_page_size=2**30, write_batch_size=2**20)
    assert path.stat().st_size < 10_000
    assert table_files.largest_pages(str(path), limits) == 4 * 10**6
    before = pa.total_allocated_bytes()

    with pytest.raises(InputError, match=r"row group 0 unpack to 10,0.* at a time; .*_record_bytes to 2,510,002"):
        list(table_files.parquet_records(str(path), range(1), 0, limits))

    assert pa.total_allocated_bytes() - before < 10**6
    pq.write_table(table, path, use_dictionary=False, compression="zstd")
    assert len(list(table_files.parquet_records(str(path), range(1), 0, limits))) == 10_000


def test_pages_of_long_rows_are_announced_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "PAGE_BYTES", 2**20)
    path, limits = tmp_path / "a.parquet", Limits(record=10**6, decompressed=2**40)
    table = pa.table({"text": [f"{number:0100000}" for number in range(100)]})
    pq.write_table(table, path, use_dictionary=False, compression="zstd")

    assert 10**7 < table_files.largest_pages(str(path), limits) < 1.01 * 10**7
    assert len(list(table_files.parquet_records(str(path), range(1), 0, limits))) == 100


def test_pages_of_a_few_megabytes_are_read_however_small_records_may_be(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({name: ["x" * 90] * 10_000 for name in "abcdefgh"}), path, use_dictionary=False)
    limits = Limits(record=1000, decompressed=2**40)
    assert len(list(table_files.parquet_records(str(path), range(1), 0, limits))) == 10_000


def test_a_text_that_is_held_once_is_unpacked_a_few_rows_at_a_time(tmp_path: Path) -> None:
    path, rows, text = tmp_path / "a.parquet", 300, "x" * 10**6
    table = pa.table({"text": [text] * rows, "nested": [[{"deep": text}]] * rows})
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 20_000
    limits = Limits(record=2**26, decompressed=2**40)
    pa_before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        count = 0
        for _, record in table_files.parquet_records(str(path), range(1), 0, limits):
            count += 1
            assert not isinstance(record, Bad)
            assert record["nested"][0]["deep"] == text
            assert pa.total_allocated_bytes() - pa_before < 2**26
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == rows
    assert peak < 2**26
    with pytest.raises(InputError, match=r"unpacks to [\d,]+ bytes and more; .* ingest\.max_decompressed_bytes"):
        list(table_files.parquet_records(str(path), range(1), 0, Limits(2**26, 2**27)))


def test_a_row_above_the_limit_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = ["one", "x" * 300, "three"]
    pq.write_table(pa.table({"text": texts}), path)
    found = [record for _, record in table_files.parquet_records(str(path), range(1), 0, LIMITS)]
    assert [getattr(record, "reason", None) for record in found] == [None, "too_large", None]


def test_an_arrow_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    table = pa.table({"text": ["x" * 100_000] * 1000})
    feather.write_feather(table, path, compression="zstd", chunksize=1000)
    assert path.stat().st_size < 100_000
    assert table.nbytes <= table_files.largest_batch(str(path), LIMITS) < 1.01 * table.nbytes
    before = pa.total_allocated_bytes()
    with pytest.raises(InputError, match=r"unpacks to [\d,]+ bytes and more; .* ingest\.max_decompressed_bytes"):
        list(table_files.arrow_records(str(path), LIMITS))
    assert pa.total_allocated_bytes() - before < 10**6


def test_a_compressed_arrow_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    write_arrow_file(path)
    path.write_bytes(zstandard.compress(path.read_bytes()))
    assert len(list(table_files.arrow_records(str(path), LIMITS))) == TABLE.num_rows


@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream])
def test_a_dictionary_that_batches_share_is_looked_at_once(
    tmp_path: Path, new: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.arrow"
    texts = pa.array([str(number) for number in range(100)] * 2).dictionary_encode()
    with new(path, pa.schema([("text", texts.type), ("n", pa.int64())])) as writer:
        writer.write_table(pa.table({"text": texts, "n": range(200)}), max_chunksize=1)
    measured: list[int] = []
    whole = table_files.unpacked_bytes

    def counted(column: pa.Array) -> np.ndarray:
        measured.append(len(column))
        return whole(column)

    monkeypatch.setattr(table_files, "unpacked_bytes", counted)
    found = [record for _, record in table_files.arrow_records(str(path), LIMITS)]
    assert found == [{"text": str(number % 100), "n": number} for number in range(200)]
    assert sorted(measured) == [1] * 200 + [100]


def test_an_index_beyond_a_shared_dictionary_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    texts = pa.DictionaryArray.from_arrays(pa.array([0, 1, 77], pa.int32()), ["one", "two"], safe=False)
    with pa.ipc.new_stream(path, pa.schema([("text", texts.type)])) as writer:
        writer.write_table(pa.table({"text": texts}), max_chunksize=1)
    with pytest.raises(InputError, match=r"a\.arrow: not a readable Arrow file \(indices 77 to 77 of 2 values\)"):
        list(table_files.arrow_records(str(path), LIMITS))


COLUMNS: dict[str, pa.Array] = {
    "text": pa.array(["ab", None, "", "abcd"]),
    "large text": pa.array(["ab", None, "", "abcd"], pa.large_string()),
    "view": pa.array(["ab", None, "", "a longer text than sixteen"], pa.string_view()),
    "binary": pa.array([b"ab", None, b"", b"abcd"]),
    "fixed binary": pa.array([b"ab", None, b"cd", b"ef"], pa.binary(2)),
    "dictionary": pa.array(["ab", None, "ab", "abcd"]).dictionary_encode(),
    "no values": pa.array([None] * 4, pa.string()).dictionary_encode(),
    "runs": pa.RunEndEncodedArray.from_arrays([1, 4], pa.array(["ab", "abcd"])),
    "list": pa.array([["ab", "c"], None, [], ["abcd"]]),
    "list of repeated": pa.ListArray.from_arrays(
        pa.array([0, 2, 2, 3, 4], pa.int32()), pa.array(["ab", "ab", "cd", None]).dictionary_encode()
    ),
    "list view": pa.array([["ab", "c"], None, [], ["abcd"]], pa.list_view(pa.string())),
    "fixed list": pa.array([["ab", "c"], None, ["", ""], ["abcd", ""]], pa.list_(pa.string(), 2)),
    "struct": pa.array([{"a": "ab", "b": 1}, None, {"a": None, "b": 1}, {"a": "abcd", "b": 1}]),
    "map": pa.array([[("k", "ab")], None, [], [("k", "abcd")]], pa.map_(pa.string(), pa.string())),
    "number": pa.array([1, None, 3, 4]),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16] * 4, pa.binary(16))),
}


def strings(value: Any) -> int:
    """The bytes of all strings in a value of Python's."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(strings, value.values()))
    return sum(map(strings, value)) if isinstance(value, list | tuple) else 0


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize(("start", "count"), [(0, 4), (1, 3), (3, 1), (2, 0)])
def test_bytes_of_values_are_those_of_their_strings_and_little_more(name: str, start: int, count: int) -> None:
    column = COLUMNS[name].slice(start, count)
    sizes = table_files.unpacked_bytes(column)
    assert sizes.dtype == np.int64
    least = np.array([strings(value) for value in column.to_pylist()], dtype=np.int64)
    assert len(sizes) == count
    assert (sizes >= least).all()
    assert (sizes <= least + 80).all()
