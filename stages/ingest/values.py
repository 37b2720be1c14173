"""Values of records as the columns of `documents` hold them; what a column cannot hold is for the metadata."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_TIME, LAST_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 … 9999, in microseconds
# Above each of these a number counts the next smaller unit: as seconds it would lie beyond the year 5138.
MILLISECONDS, MICROSECONDS, NANOSECONDS = 1e11, 1e14, 1e17
YEARS, DAYS = range(1000, 10_000), range(1000_01_01, 9999_12_31 + 1)  # whole numbers that are read as 2024, 20240115
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def as_text(value: object) -> str | None:
    """A value of one piece as text; None where there is none, or where it is a truth value, a list or a mapping.

    Whole numbers and decimals are written without an exponent, however large; bytes as UTF-8 where they are, else in
    hexadecimal.
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | UUID) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else None
    if isinstance(value, bytes):
        try:
            return value.decode() or None
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, date | time):  # of which a datetime is one
        return value.isoformat()
    return None


def is_missing(value: object) -> bool:
    """Whether a field holds nothing: null, an empty string, a number that is none."""
    return value is None or value in ("", b"") or (isinstance(value, float | Decimal) and value != value)


def as_json(fields: Mapping[str, object]) -> str:
    """Fields as JSON, what JSON has not as text, and NaN and infinities as null."""
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, default=_plain)
    if "NaN" in text or "Infinity" in text:  # also where these words are text: rare enough
        clean = json.loads(text, parse_constant=lambda name: None)
        text = json.dumps(clean, sort_keys=True, ensure_ascii=False)
    return text


def _plain(value: object) -> str | None:
    return as_text(value) if isinstance(value, bytes | Decimal) else str(value)


def microseconds(value: object) -> int | None:
    """A time as microseconds since 1970 in UTC; None where the value tells none.

    Dates and times, with a time zone or in UTC; text as ISO 8601 or RFC 2822 writes it; numbers, also written as text:
    of days (20240115), of years (2024), else since 1970 in seconds, or in milli-, micro- or nanoseconds by magnitude.
    """
    try:
        if isinstance(value, bytes):
            value = value.decode()
        if isinstance(value, str):
            return _of_text(value.strip())
        if isinstance(value, datetime):
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return (moment - EPOCH) // timedelta(microseconds=1)
        if isinstance(value, date):
            return microseconds(datetime(value.year, value.month, value.day))
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return _of_number(value)
    except (ValueError, ArithmeticError, TypeError):
        return None
    return None


def _of_text(text: str) -> int | None:
    if NUMBER.fullmatch(text):
        return _of_number(int(text) if text.lstrip("+-").isdecimal() else float(text))
    try:
        return microseconds(datetime.fromisoformat(text.removesuffix(" UTC")))
    except ValueError:
        return microseconds(parsedate_to_datetime(text))


def _of_number(number: float | Decimal) -> int | None:
    if number == int(number):
        number = int(number)
        if number in DAYS:
            day = datetime.strptime(str(number), "%Y%m%d")
            return microseconds(day)
        if number in YEARS:
            return microseconds(datetime(number, 1, 1))
    size = abs(float(number))
    if size > NANOSECONDS:
        found = int(number) // 1000
    elif size > MICROSECONDS:
        found = int(number)
    else:
        found = round(number * (1000 if size > MILLISECONDS else 1_000_000))
    return found if FIRST_TIME <= found <= LAST_TIME else None
