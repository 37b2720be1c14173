"""The texts of evaluation files: JSON Lines, of which every string is a text, or plain text, paragraph by paragraph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from sequitur.pipeline.errors import ConfigError, InputError
from sequitur.stages.shared.sources import record_files
from sequitur.stages.shared.sources.compression import Limits, reading
from sequitur.stages.shared.sources.input_paths import find_files
from sequitur.stages.shared.sources.json_files import json_records
from sequitur.stages.shared.sources.record_files import Bad, Records, jsonl_records


class EvaluationText(NamedTuple):
    """A text, and the record that it stands in."""

    text: str
    file: str
    row: int  # records before it in its file; in plain text a paragraph is a record
    record_id: str | None


DECONTAMINATE = "select.decontaminate"


def find(patterns: Sequence[str], setting: str = DECONTAMINATE) -> list[str]:
    """The files that are named by a setting, each once.

    Raises:
        ConfigError: there is no such file, or its name tells another format.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        files = find_files(pattern).files
        if not files:
            raise ConfigError(f"{setting}: {pattern}: no such file; correct the path")
        found |= dict.fromkeys(files)
    for path in found:
        if record_files.format_of(path) not in ("jsonl", "json", "text"):
            raise ConfigError(f"{setting}: {path}: neither JSON (.jsonl, .json) nor text (.txt); convert it")
    return list(found)


def read(path: str, limits: Limits, setting: str = DECONTAMINATE, field: str | None = None) -> Iterator[EvaluationText]:
    """The texts of a file that hold more than white space; of a record that has the string `field`, only that.

    Raises:
        InputError: it cannot be read, or a record of it is no JSON object, not UTF-8, or larger than the limit.
    """
    kind = record_files.format_of(path)
    if kind == "json":
        kind = record_files.format_in(record_files.unpacked_beginning(path, limits), kind)
    records = _paragraphs if kind == "text" else _json_texts(json_records if kind == "json" else jsonl_records, field)
    row = 0
    try:
        with reading(path, limits) as file:
            for row, record_id, text in records(file, limits, path):
                (text + (record_id or "")).encode()
                if text and not text.isspace():
                    yield EvaluationText(text, path, row, record_id)
    except UnicodeEncodeError as error:
        raise _wrong(path, row, "it has an unpaired surrogate", setting) from error
    except _UnusableRecord as error:
        raise _wrong(path, error.row, error.what, setting) from error


class _UnusableRecord(Exception):
    def __init__(self, row: int, what: str) -> None:
        super().__init__(row, what)
        self.row, self.what = row, what


_Texts = Iterator[tuple[int, str | None, str]]


def _json_texts(
    records: Callable[[BinaryIO, Limits, str], Records], field: str | None
) -> Callable[[BinaryIO, Limits, str], _Texts]:
    def texts(file: BinaryIO, limits: Limits, path: str) -> _Texts:
        for row, record in records(file, limits, path):
            if isinstance(record, Bad):
                raise _UnusableRecord(row, record.detail)
            name = record.get("id")
            is_name = isinstance(name, str | int) and not isinstance(name, bool)
            only = record.get(field) if field is not None else None
            for text in [only] if isinstance(only, str) else _strings(record):
                yield row, str(name) if is_name else None, text

    return texts


def _strings(record: Mapping[str, Any]) -> Iterator[str]:
    """Every string among the values of a record, however deep in lists and objects, in order."""
    left: list[Any] = [record]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            left.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            left.extend(reversed(value))


def _paragraphs(file: BinaryIO, limits: Limits, path: str) -> _Texts:
    row = 0
    lines: list[str] = []
    for index, line in record_files.lines(file, limits, path):
        if isinstance(line, Bad):
            raise _UnusableRecord(row, line.detail)
        try:
            text = line.decode("utf-8" if index else "utf-8-sig")
        except UnicodeDecodeError as error:
            raise _UnusableRecord(row, f"line {index + 1} is not UTF-8") from error
        if text and not text.isspace():
            lines.append(text)
        elif lines:
            yield row, None, "\n".join(lines)
            row, lines = row + 1, []
    if lines:
        yield row, None, "\n".join(lines)


def _wrong(path: str, row: int, what: str, setting: str) -> InputError:
    return InputError(f"{path}: record {row}: {what}; correct it, or leave the file out of {setting}")
