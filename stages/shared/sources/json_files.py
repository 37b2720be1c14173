"""Records out of JSON files that are one array, or one value after another over any number of lines.

An element is found by its brackets and quotes alone, so that one which is damaged or too large costs itself, not the
file; where brackets or quotes do not match to the end of the file, it ends in an error.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from sequitur.pipeline.errors import InputError
from sequitur.pipeline.names import TOO_LARGE
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.record_files import Bad, Records, parse_json

BLOCK, SPACE = 2**16, b" \t\n\r"
OUTSIDE, INSIDE = re.compile(rb'["\[\]{},]'), re.compile(rb'["\\]')  # of a string


def json_records(file: BinaryIO, limits: Limits, name: str) -> Records:
    """The elements of an array, or the values that follow one another, counted from 0.

    Raises:
        InputError: the file ends within an element, or within the array.
    """
    found = _Elements(limits.record)
    row = 0
    while block := file.read(BLOCK):
        for element in found.of(block):
            large = Bad(TOO_LARGE, f"more than {limits.record:,} bytes")
            yield row, large if len(element) > limits.record else parse_json(element)
            row += 1
    if not found.is_whole:
        raise InputError(
            f"{name} record {row}: its brackets or quotes do not match to the end of the file; mend it, or fetch the "
            "file again"
        )


class _Elements:
    """The bytes of each element as they are found, without space around it; of a larger one the first `limit` + 1."""

    def __init__(self, limit: int) -> None:
        self._most = limit + 1
        self._element = bytearray()
        self._begun, self._size = 0, 0  # bytes since the element's first, and up to its last that is no space
        self._depth, self._in_array, self._quoted = 0, False, False
        self._escaped = 0  # bytes of the next block that a backslash has read

    @property
    def is_whole(self) -> bool:
        """Whether all that was begun is closed."""
        return not (self._depth or self._quoted or _has_content(self._element))

    def of(self, block: bytes) -> Iterator[bytes]:
        """The elements that end in the next block. More brackets are closed than were opened: `depth` is negative."""
        start, position = 0, self._escaped
        while self._depth >= 0 and (found := (INSIDE if self._quoted else OUTSIDE).search(block, position)):
            mark, position = found[0], found.end()
            if mark == b"\\":
                position += 1
            elif mark == b'"':
                self._quoted = not self._quoted
            elif mark in b"[{":
                if mark == b"[" and self._depth == 0 and not _has_content(self._element + block[start : found.start()]):
                    self._taken(b"")
                    self._in_array, start = True, position
                self._depth += 1
            elif mark in b"]}":
                self._depth -= 1
                if self._depth == 0:
                    element = self._taken(block[start : found.start() if self._in_array else position])
                    if not self._in_array or _has_content(element):  # the last one of an array
                        yield element
                    self._in_array, start = False, position
            elif self._depth == 1 and self._in_array:
                yield self._taken(block[start : found.start()])
                start = position
        self._escaped = max(0, position - len(block))
        self._hold(block[start:])

    def _hold(self, more: bytes) -> None:
        if not self._begun:
            more = more.lstrip(SPACE)
        if told := more.rstrip(SPACE):
            self._size = self._begun + len(told)
        self._begun += len(more)
        self._element += more[: self._most - len(self._element)]

    def _taken(self, rest: bytes) -> bytes:
        self._hold(rest)
        element = bytes(self._element[: self._size])
        self._element.clear()
        self._begun = self._size = 0
        return element


def _has_content(element: bytes | bytearray) -> bool:
    return bool(element.removeprefix(codecs.BOM_UTF8).strip())
