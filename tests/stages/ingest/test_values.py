"""No value of a field is lost: a column holds it, or the metadata does."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.pipeline.stage import Run
from sequitur.stages.ingest.values import EPOCH, as_json, as_text, microseconds

DAY = datetime(2024, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", None),
        ("a", "a"),
        (7, "7"),
        (10**399, "1" + 399 * "0"),
        (2.5, "2.5"),
        (float("nan"), None),
        (Decimal("1000"), "1000"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (b"abc", "abc"),
        (b"\xff\x00", "ff00"),
        (date(2024, 1, 15), "2024-01-15"),
        (DAY, "2024-01-15T00:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (True, None),
        ([1], None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        DAY,
        DAY.replace(tzinfo=None),
        DAY.astimezone(timezone(timedelta(hours=5))),
        date(2024, 1, 15),
        20240115,
        "20240115",
        "2024-01-15",
        "2024-01-15T00:00:00Z",
        "2024-01-15 00:00:00 UTC",
        "Mon, 15 Jan 2024 00:00:00 GMT",
        "Mon, 15 Jan 2024 01:00:00 +0100",
        b"2024-01-15",
        1705276800,
        "1705276800",
        1705276800.0,
        Decimal("1705276800"),
        1705276800_000,
        1705276800_000_000,
        1705276800_000_000_000,
    ],
)
def test_times_of_one_day(value: object) -> None:
    assert microseconds(value) == (DAY - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize("value", [2024, "2024", 2024.0])
def test_years(value: object) -> None:
    assert microseconds(value) == (datetime(2024, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize("value", [20241399, "soon", "", " ", b"\xff", 10**400, Decimal("NaN"), Decimal("1E+999"), {}])
def test_what_tells_no_time(value: object) -> None:
    assert microseconds(value) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_the_unit_is_told_by_magnitude(moment: datetime, unit: int) -> None:
    seconds = (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)
    assert microseconds(seconds * unit) == seconds * 10**6


def test_json_holds_what_it_has_no_kind_for() -> None:
    fields = {"d": Decimal("1E+3"), "b": b"\xfe", "t": date(2024, 1, 15), "n": float("nan"), "i": 10**399}
    assert json.loads(as_json(fields)) == {"d": "1000", "b": "fe", "t": "2024-01-15", "n": None, "i": 10**399}


def test_fields_of_a_table_stand_in_a_column_or_in_the_metadata(
    execute: Callable[..., Run], rows: Any, tmp_path: Path
) -> None:
    count = 3
    table = pa.table(
        {
            "id": pa.array([Decimal(1000 + row) for row in range(count)], pa.decimal128(38, 0)),
            "text": [f"text {row}" for row in range(count)],
            "source": pa.array([b"web", b"\xff", None], pa.binary()),
            "url": pa.array([[1], [2], []], pa.list_(pa.int64())),
            "timestamp": pa.array([date(2024, 1, 15), date(2024, 1, 16), None], pa.date32()),
            "price": pa.array([Decimal("1.50")] * count, pa.decimal128(9, 2)),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    run = execute(tmp_path / "run", "ingest", ingest={"inputs": [str(tmp_path / "a.parquet")]})
    found = rows(run, "documents")
    assert [row["record_id"] for row in found] == ["1000", "1001", "1002"]
    assert [row["source"] for row in found] == ["web", "ff", "a"]
    days = [row["timestamp"] and row["timestamp"].date() for row in found]
    assert days == [date(2024, 1, 15), date(2024, 1, 16), None]
    assert [json.loads(row["metadata"]) for row in found] == [
        {"price": "1.50", "url": [1]},
        {"price": "1.50", "url": [2]},
        {"price": "1.50", "url": []},
    ]
    assert run.manifest("documents").statistics["untimed"] == 0


def test_an_id_of_many_digits_and_times_that_cannot_be_read(
    execute: Callable[..., Run], rows: Any, tmp_path: Path
) -> None:
    lines = ['{"id": 1, "text": "one", "timestamp": "soon"}', f'{{"id": 1{399 * "0"}, "text": "two"}}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    run = execute(tmp_path / "run", "ingest", ingest={"inputs": [str(tmp_path / "a.jsonl")]})
    assert [row["record_id"] for row in rows(run, "documents")] == ["1", f"1{399 * '0'}"]
    assert run.manifest("documents").statistics["untimed"] == 1


def test_ids_that_begin_anew_in_each_file(execute: Callable[..., Run], rows: Any, tmp_path: Path) -> None:
    for name in "ab":
        lines = [json.dumps({"id": row, "text": f"text {row} of {name}"}) for row in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    inputs = {"inputs": [str(tmp_path / "*.jsonl")], "ids": "file_and_row"}
    found = rows(execute(tmp_path / "run", "ingest", ingest=inputs), "documents")
    assert [row["record_id"] for row in found] == [*"012", *"012"]
    assert len({row["doc_id"] for row in found}) == 6
