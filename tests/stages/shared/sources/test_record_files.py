"""Every format is read, in order; what is damaged, cut short or too large is named and never taken for less."""

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from sequitur.pipeline.errors import InputError
from sequitur.stages.shared.sources import record_files
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.record_files import Bad

LIMITS = Limits(record=200, decompressed=10**7)


def jsonl(content: bytes, limits: Limits = LIMITS) -> list[tuple[int, Any]]:
    return [
        (row, record.reason if isinstance(record, Bad) else record)
        for row, record in record_files.jsonl_records(io.BytesIO(content), limits, "a.jsonl")
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.NDJSON.GZ", "jsonl"),
        ("a.json.zst", "json"),
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


@pytest.mark.parametrize(
    "content", [b'{"a": 1}\r{"a": 2}', b'{"a": 0}\n{"a": 1}\r{"a": 2}\r', b"\r".join([b'{"a": 1}'] * 100)]
)
def test_lines_that_end_in_carriage_returns_alone_end_the_run(content: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl line [12]: .* carriage return.*; end (them|lines) in \\n"):
        jsonl(content)


def test_a_carriage_return_within_a_record_is_white_space() -> None:
    assert jsonl(b'{"a":\r 1}\n{"a"\r') == [(0, {"a": 1}), (1, "bad_json")]


@pytest.mark.parametrize("content", [b'[{"a": 1},\n{"a": 2}]', b'[{"a": 1}]', b'\xef\xbb\xbf[\n{"a": 1}]'])
def test_json_that_is_no_lines_is_named(content: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl line 1: begins a JSON array; set ingest\.format: json"):
        jsonl(content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"a": 1}\n{"a": 2}', "jsonl"),
        (b'\n\n{"a": 1}', "jsonl"),
        (b'\xef\xbb\xbf[{"a": 1}]', "json"),
        (b" [\n]", "json"),
        (b'{\r\n  "a": 1}', "json"),
        (b"[1] A note in brackets.", None),
        (b"{not json}\nat all", None),
        (b"PAR1", "parquet"),
        (b"\xff\xff\xff\xff\x10\x00", "arrow"),
        (b"", None),
    ],
)
def test_content_tells_the_format(content: bytes, kind: str | None) -> None:
    assert record_files.format_in(content) == kind
    assert record_files.format_in(content, "json") == ("json" if kind == "json" else "jsonl")


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
        found = [record for _, record in record_files.lines(io.BufferedReader(Endless()), LIMITS, "a")]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [record.reason for record in found if isinstance(record, Bad)] == ["too_large"]
    assert peak < 2**20


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
