"""Shuffling packed records on one machine: they wait in files, and only where they lie goes through Beam.

Beam's runner for this machine holds what it shuffles in one process, as it is sent, as it is grouped and as it is
given out: seven times the records, as measured with 3 GB of them.

    (group, packed) | ParDo(PutAside) | GroupByKey | ParDo(Fetch) → (group, all that were packed for it)
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

import apache_beam as beam

from sequitur.pipeline.errors import StorageError, from_storage

PLACE_BYTES = 200  # that Beam's runner for this machine holds of each place, measured
PLACE = struct.Struct("<16sqq")  # the file, by its name; where the records begin in it, and how many bytes they have


@beam.typehints.with_input_types(tuple[int, bytes])
@beam.typehints.with_output_types(tuple[int, Iterable[bytes]])
class GroupInFiles(beam.PTransform):
    """What `beam.GroupByKey` does with (group, packed records), by files in a directory that all workers see."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def expand(self, packed: beam.PCollection) -> beam.PCollection:
        places = packed | "Put aside" >> beam.ParDo(PutAside(self._folder)) | "Group" >> beam.GroupByKey()
        return places | "Fetch" >> beam.ParDo(Fetch(self._folder))


@beam.typehints.with_input_types(tuple[int, bytes])
@beam.typehints.with_output_types(tuple[int, bytes])
class PutAside(beam.DoFn):
    """(group, packed records) → the group and where they lie now; a file for each bundle that has any."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def start_bundle(self) -> None:
        self._name, self._end = uuid.uuid4(), 0
        self._file: BinaryIO | None = None

    def process(self, element: tuple[int, bytes]) -> Iterator[tuple[int, bytes]]:
        group, packed = element
        path = Path(self._folder, self._name.hex)
        try:
            if self._file is None:
                self._file = path.open("wb")
            self._file.write(packed)
        except OSError as error:
            raise from_storage(error, str(path)) from error
        yield group, PLACE.pack(self._name.bytes, self._end, len(packed))
        self._end += len(packed)

    def finish_bundle(self) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise from_storage(error, self._file.name) from error


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(tuple[int, Iterable[bytes]])
class Fetch(beam.DoFn):
    """A group and where its records lie → the group and the records, as they were packed."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, list[bytes]]]:
        group, places = element
        by_file = groupby(sorted(map(PLACE.unpack, places)), itemgetter(0))
        yield group, [packed for name, of_file in by_file for packed in self._read(name, of_file)]

    def _read(self, name: bytes, places: Iterable[tuple[bytes, int, int]]) -> Iterator[bytes]:
        path = Path(self._folder, name.hex())
        try:
            with path.open("rb") as file:
                for _, begin, size in places:
                    file.seek(begin)
                    packed = file.read(size)
                    if len(packed) < size:
                        raise StorageError(f"{path}: it ends too early; run the same command again")
                    yield packed
        except OSError as error:
            raise from_storage(error, str(path)) from error
