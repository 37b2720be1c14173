"""Records out of CSV files with a header line. What a broken quote would swallow is read again, line by line."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator
from operator import itemgetter
from typing import BinaryIO

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.names import BAD_CSV, TOO_LARGE
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.record_files import Bad, Records, lines

# Lines that a record may have, and how many of them may have been read before, as lines of a record that was broken:
# each line of a file may open a quote that ends nowhere, and would be read once for each line before it.
MOST_LINES, MOST_AGAIN = 2**20, 100


class _Refused(Exception):
    """Carries a `Bad` record through the CSV reader."""


class _Lines:
    """The lines of a file as text, which remembers those of the record that is being read."""

    def __init__(self, numbered: Iterator[tuple[int, bytes | Bad]], limits: Limits) -> None:
        self._numbered, self._again = numbered, deque[tuple[int, bytes | Bad]]()
        self._most_bytes, self._bytes = limits.record, 0
        self.record: list[tuple[int, bytes | Bad]] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._again and len(self.record) > MOST_AGAIN:
            raise _Refused(Bad(BAD_CSV, f"a quote does not end within {MOST_AGAIN} lines, behind one that is broken"))
        index, line = self._again.popleft() if self._again else next(self._numbered)
        if not line and not self.record and not self._again:  # blank lines, of which there may be millions
            index, line = next(filter(itemgetter(1), self._numbered))
        self.record.append((index, line))
        if isinstance(line, Bad):
            raise _Refused(line)
        self._bytes += len(line)
        if self._bytes > self._most_bytes or len(self.record) > MOST_LINES:
            raise _Refused(Bad(TOO_LARGE, f"more than {self._most_bytes:,} bytes or {MOST_LINES:,} lines"))
        return line.decode("utf-8-sig" if index == 0 else "utf-8", "surrogateescape") + "\n"

    def begin_record(self) -> None:
        self.record.clear()
        self._bytes = 0

    def read_again(self) -> None:
        """Gives back all lines of the record but the first."""
        self._again.extendleft(reversed(self.record[1:]))


def csv_records(file: BinaryIO, limits: Limits, name: str) -> Records:
    """Records of a CSV file with a header line, counted from 0 after the header. Line ends within quotes become \\n.

    A record over several lines that is broken, or has not the header's number of fields, is a quote that does not end
    where it should: its first line is refused, and reading goes on with the line after it. So no line is in no count.

    Raises:
        InputError: the header cannot be read, or names a field twice.
    """
    csv.field_size_limit(limits.record)
    read = _Lines(lines(file, limits, name), limits)
    reader = csv.reader(read, strict=True)
    header: list[str] | None = None
    row = 0
    while True:
        read.begin_record()
        problem: Bad | None = None
        values: list[str] | None = []
        try:
            values = next(reader, None)
        except _Refused as error:
            problem = error.args[0]
        except csv.Error as error:
            problem = Bad(BAD_CSV, str(error)[:200])
        if values is None:
            return
        if header is None:
            if values or problem is not None:
                header = _header(values, problem, name)
            continue
        if problem is None and not values:
            continue
        if problem is None and len(values) != len(header):
            problem = Bad(BAD_CSV, f"{len(values)} fields where the header has {len(header)}")
        if problem is not None:
            read.read_again()
        yield row, problem or dict(zip(header, values, strict=True))
        row += 1


def _header(values: list[str], problem: Bad | None, name: str) -> list[str]:
    if problem is not None:
        raise InputError(f"{name} line 1: the header cannot be read ({problem.detail}); mend it, or set ingest.format")
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise InputError(f"{name} line 1: the header names {twice[0]!r} twice; rename one of the columns")
    return values
