"""Values of fields in the types that files have, with what a document must have of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

MOMENT = datetime(2024, 1, 15, tzinfo=UTC)
# Each: a value as Python has it, what must be the record's id. JSON has the first group alone.
JSON_IDS: list[Callable[[random.Random], tuple[Any, str | None]]] = [
    lambda rng: ((name := f"r-{rng.random()}"), name),
    lambda rng: ((number := rng.randrange(-(2**63), 2**63)), str(number)),
    lambda rng: ((number := rng.randrange(10**400)), str(number)),
    lambda rng: ("\x1b[2Jescape\u202e", "\x1b[2Jescape\u202e"),
    lambda rng: (True, None),
    lambda rng: (None, None),
    lambda rng: ([1, 2], None),
]
TABLE_IDS: list[tuple[pa.DataType, Callable[[random.Random], tuple[Any, str | None]]]] = [
    (pa.string(), lambda rng: ((name := f"r-{rng.random()}"), name)),
    (pa.int64(), lambda rng: ((number := rng.randrange(-(2**63), 2**63)), str(number))),
    (pa.decimal128(38, 0), lambda rng: (Decimal(number := rng.randrange(10**37)), str(number))),
    (pa.decimal128(20, 2), lambda rng: (Decimal("12.50"), "12.50")),
    (pa.binary(), lambda rng: (b"\xff\x00", "ff00")),
    (pa.binary(), lambda rng: (b"plain", "plain")),
    (pa.date32(), lambda rng: (date(2024, 1, 15), "2024-01-15")),
    (pa.dictionary(pa.int8(), pa.string()), lambda rng: ("one of few", "one of few")),
]
# Times are all of the 15th of January 2024.
JSON_TIMES: list[Any] = [
    "2024-01-15",
    "2024-01-15T00:00:00Z",
    "2024-01-15 01:00:00+01:00",
    "Mon, 15 Jan 2024 00:00:00 GMT",
    20240115,
    "20240115",
    1705276800,
    1705276800.0,
    1705276800000,
    1705276800000000,
    1705276800000000000,
    "1705276800",
]
TABLE_TIMES: list[tuple[pa.DataType, Any]] = [
    (pa.date32(), date(2024, 1, 15)),
    (pa.date64(), date(2024, 1, 15)),
    (pa.timestamp("ms"), MOMENT.replace(tzinfo=None)),
    (pa.timestamp("us", "Europe/Paris"), MOMENT),
    (pa.timestamp("ns", "UTC"), MOMENT),
    (pa.int64(), 1705276800000),
    (pa.int32(), 20240115),
    (pa.string(), "2024-01-15"),
]
