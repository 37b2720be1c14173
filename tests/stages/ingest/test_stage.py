"""Raw files become documents and rejects: every record once, in order, under an id that does not move."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
import zstandard
from object_store import PROTOCOL

from sequitur.pipeline.errors import CorruptPart, InputError
from sequitur.pipeline.stage import Run
from sequitur.stages.ingest import declaration
from sequitur.stages.ingest import stage as ingest
from sequitur.stages.ingest.splits import find_inputs
from sequitur.stages.ingest.values import EPOCH, microseconds

Rows = list[dict[str, Any]]
Execute = Callable[..., Run]


@pytest.fixture
def ingested(execute: Execute, rows: Any, tmp_path: Path) -> Callable[..., tuple[Rows, Rows]]:
    """Documents and rejects of some files."""

    def run(inputs: Path | list[Path], name: str = "run", **options: Any) -> tuple[Rows, Rows]:
        paths = [str(path) for path in ([inputs] if isinstance(inputs, Path | str) else inputs)]
        section = {"split_bytes": 2**20, "max_reject_share": 1, **options, "inputs": paths}
        finished = execute(tmp_path / name, "ingest", ingest=section)
        return rows(finished), rows(finished, "rejects")

    return run


def write_jsonl(path: Path, records: Rows) -> Path:
    path.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    return path


RECORDS: Rows = [
    {"id": f"r{number}", "text": f"Text {number} with ümlaut.", "source": "s", "n": number} for number in range(5)
]


def test_fields_are_mapped_and_the_rest_is_metadata(ingested: Any, tmp_path: Path) -> None:
    record = {
        "key": 17,
        "body": "Some text.",
        "origin": "wiki",
        "link": "https://example.org/a",
        "at": "2024-05-01T12:00:00.000001+02:00",
        "nested": {"b": [1, None], "a": float("nan")},
        "id": "not the id",
    }
    path = write_jsonl(tmp_path / "a.jsonl", [record])
    options = {"text": "body", "id": "key", "source": "origin", "url": "link", "timestamp": "at"}
    documents, rejects = ingested(path, **{f"{name}_field": field for name, field in options.items()})
    assert rejects == []
    assert documents == [
        {
            "doc_id": xxhash.xxh3_128_digest(b"corpus\0id\x0017"),
            "record_id": "17",
            "text": "Some text.",
            "source": "wiki",
            "url": "https://example.org/a",
            "timestamp": datetime(2024, 5, 1, 10, 0, 0, 1, UTC),
            "source_file": str(path),
            "source_row": 0,
            "metadata": '{"id": "not the id", "nested": {"a": null, "b": [1, null]}}',
        }
    ]


def test_a_record_without_an_id_is_named_by_file_and_row(ingested: Any, tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "a.jsonl", [{"text": "one"}, {"text": "two", "id": None}, {"text": "three", "id": ""}]
    )
    documents, _ = ingested(path)
    assert [row["record_id"] for row in documents] == [None] * 3
    assert [row["doc_id"] for row in documents] == [
        xxhash.xxh3_128_digest(f"corpus\0row\0{path}\0{row}".encode()) for row in range(3)
    ]
    assert [row["source"] for row in documents] == ["a"] * 3


def test_a_missing_id_in_a_column_of_numbers_is_no_id(ingested: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["one", "two"], "id": [1.0, float("nan")]}), path)
    assert [row["record_id"] for row in ingested(path)[0]] == ["1.0", None]


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-05-01", datetime(2024, 5, 1, tzinfo=UTC)),
        ("2024-05-01T12:00:00Z", datetime(2024, 5, 1, 12, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1714557600.25, datetime(2024, 5, 1, 10, 0, 0, 250000, UTC)),
        (-86400, datetime(1969, 12, 31, tzinfo=UTC)),
        ("yesterday", None),
        (True, None),
        (float("inf"), None),
        ([2024], None),
    ],
)
def test_timestamps(value: object, moment: datetime | None) -> None:
    found = microseconds(value)
    assert found == (None if moment is None else (moment - EPOCH) // timedelta(microseconds=1))


def test_a_time_that_cannot_be_read_stays_in_the_metadata(ingested: Any, tmp_path: Path) -> None:
    documents, _ = ingested(write_jsonl(tmp_path / "a.jsonl", [{"text": "one", "timestamp": "yesterday"}]))
    assert (documents[0]["timestamp"], documents[0]["metadata"]) == (None, '{"timestamp": "yesterday"}')


def write_arrow(path: Path) -> None:
    table = pa.Table.from_pylist(RECORDS)
    with path.open("wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def write_csv(path: Path) -> None:
    lines = ["id,text,source,n", *(f"{r['id']},{r['text']},{r['source']},{r['n']}" for r in RECORDS)]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("scheme", ["", f"{PROTOCOL}://"])
def test_every_format_gives_the_same_documents(ingested: Any, tmp_path: Path, scheme: str) -> None:
    plain = write_jsonl(tmp_path / "a.jsonl", RECORDS)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(plain.read_bytes()))
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet", row_group_size=2)
    write_arrow(tmp_path / "a.arrow")
    write_csv(tmp_path / "a.csv")
    names = ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.parquet", "a.arrow", "a.csv"]
    paths = [f"{scheme}{tmp_path / name}" for name in names]
    documents, rejects = ingested(paths, split_bytes=150)
    assert rejects == []
    assert [row["source_file"] for row in documents] == [path for path in paths for _ in RECORDS]
    assert [row["source_row"] for row in documents] == list(range(5)) * 6
    assert len({row["doc_id"] for row in documents}) == 5
    for row in documents:
        row.pop("source_file")
        row["metadata"] = {key: int(value) for key, value in json.loads(row["metadata"]).items()}
    assert all(documents[start : start + 5] == documents[:5] for start in range(5, 30, 5))


def test_a_directory_holds_records_and_texts(ingested: Any, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("The first text.")
    (folder / "deep" / "b.unknown").write_text("A text, too.")
    (folder / ".hidden.txt").write_text("Not seen.")
    (folder / "picture.png").write_bytes(b"\x89PNG\xff")
    write_jsonl(folder / "c.jsonl", RECORDS[:1])
    documents, rejects = ingested(folder)
    assert [(Path(row["source_file"]).name, row["source"], row["source_row"]) for row in documents] == [
        ("a.txt", "docs", 0),
        ("c.jsonl", "s", 0),
        ("b.unknown", "docs", 0),
    ]
    assert [(Path(row["source_file"]).name, row["reason"]) for row in rejects] == [("picture.png", "bad_utf8")]


def test_files_are_looked_into_once_to_tell_their_format(
    ingested: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text('{"text": "A text."}')
    asked = []

    def counting(*arguments: Any) -> Any:
        asked.append(arguments)
        return find_inputs(*arguments)

    monkeypatch.setattr(declaration, "find_inputs", counting)

    assert len(ingested(tmp_path / "a")[0]) == len(asked) == 1


def test_ids_of_texts_do_not_depend_on_their_neighbours(ingested: Any, tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.txt").write_text(f"The text {name}.")
    together, _ = ingested([tmp_path / f"{name}.txt" for name in "abcd"], "together")
    alone, _ = ingested([tmp_path / "c.txt"], "alone", part_bytes=1)
    assert together[2] == alone[0]


def test_inputs_keep_their_order_and_count_once(ingested: Any, tmp_path: Path) -> None:
    second = write_jsonl(tmp_path / "b.jsonl", RECORDS[:1])
    first = write_jsonl(tmp_path / "c.jsonl", RECORDS[1:2])
    documents, _ = ingested([first, second, tmp_path / "*.jsonl", tmp_path / "c.jsonl"])
    assert [row["record_id"] for row in documents] == ["r1", "r0"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing.jsonl", "no such file"), ("*.csv", "no such file"), ("a.weird", "set ingest.format")],
)
def test_inputs_that_cannot_be_read(ingested: Any, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.weird").write_text("?")
    with pytest.raises(InputError, match=rf"{name.replace('*', '[*]')}: .*{message}"):
        ingested(tmp_path / name)


def test_a_file_whose_name_is_not_utf8(ingested: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / b"\xff.txt".decode("utf-8", "surrogateescape")).write_text("Some text.")
    with pytest.raises(InputError, match="not UTF-8; rename it"):
        ingested(tmp_path / "in")


def test_rejects_name_file_row_and_reason(ingested: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    bad = [
        b'{"text": "x',
        b'{"text": "\xff"}',
        b"{}",
        b'{"text": 7}',
        b'{"text": " \\n "}',
        b'{"text": "\\ud800"}',
        b'{"text": "fine", "\\udc00": 1}',
        b'{"text": "fine", "source": "\\ud800"}',
        b'{"text": "' + b"x" * 2000 + b'"}',
        b'{"text": "fine", "deep": ' + b"[" * 800 + b"]" * 800 + b"}",
    ]
    path.write_bytes(b"\n".join([*bad, json.dumps(RECORDS[0]).encode()]))
    documents, rejects = ingested(path, max_record_bytes=2000)
    assert [row["record_id"] for row in documents if row["record_id"]] == ["r0"]
    reasons = ["bad_json", "bad_utf8", "no_text", "no_text", "no_text", "bad_utf8", "bad_utf8", "bad_utf8", "too_large"]
    assert [row["reason"] for row in rejects][:9] == reasons
    assert [row["source_row"] for row in rejects][:9] == list(range(9))
    assert len(documents) + len(rejects) == len(bad) + 1
    assert rejects[3]["detail"] == "int in field 'text'; fields: text"


def test_a_truncated_file_ends_the_run_naming_it(ingested: Any, tmp_path: Path) -> None:
    whole = gzip.compress(write_jsonl(tmp_path / "a.jsonl", RECORDS * 100).read_bytes())
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz: the \.gz stream ends early; the file is truncated"):
        ingested(path)


def test_a_bomb_ends_the_run(ingested: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.compress(b"\0" * 2**26))
    with pytest.raises(InputError, match="max_decompressed_bytes"):
        ingested(path, max_decompressed_bytes=2**20)


def test_the_corpus_is_read_in_order(finished: Run, rows: Any, corpus: Any) -> None:
    documents, rejects = rows(finished), rows(finished, "rejects")
    assert {row["source_row"]: row["reason"] for row in rejects} == corpus.rejected
    read = [json.loads(line) for number, line in enumerate(corpus.lines) if number not in corpus.rejected]
    assert [(row["record_id"], row["text"]) for row in documents] == [(record["id"], record["text"]) for record in read]
    together = {row["source_row"] for row in documents} | set(corpus.rejected)
    assert together == set(range(len(corpus.lines)))
    names = finished.manifest("documents").names
    assert names == sorted(names)
    assert list(ingest.verify(finished)) == []


def test_rejects_that_are_lost_are_not_passed_over(execute: Execute, rows: Any, tmp_path: Path) -> None:
    run = execute(tmp_path / "run", "ingest")
    before = rows(run), rows(run, "rejects")
    run.artifact("rejects").remove(run.manifest("rejects").parts[0].path)
    with pytest.raises(CorruptPart, match=r"rejects: missing in part; delete .*documents and run again"):
        execute(tmp_path / "run", "ingest")
    run.root.remove("documents")
    again = execute(tmp_path / "run", "ingest")
    assert (rows(again), rows(again, "rejects")) == before


def test_a_field_of_no_use_for_its_purpose_stays_as_metadata(ingested: Any, tmp_path: Path) -> None:
    documents, _ = ingested(write_jsonl(tmp_path / "a.jsonl", [{"text": "one", "id": {"part": 1}, "url": ["a", "b"]}]))
    assert (documents[0]["record_id"], documents[0]["url"]) == (None, None)
    assert json.loads(documents[0]["metadata"]) == {"id": {"part": 1}, "url": ["a", "b"]}


def test_pages_are_documents_and_what_is_none_is_counted(execute: Execute, rows: Any, tmp_path: Path) -> None:
    head = b"WARC/1.0\r\nWARC-Type: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n"
    records = [(b"warcinfo", b"a: b"), (b"conversion", b"A text."), (b"conversion", b"\xff"), (b"request", b"GET /")]
    path = tmp_path / "a.wet"
    path.write_bytes(b"".join(head % (kind, len(content), content) for kind, content in records))
    run = execute(tmp_path / "run", "ingest", ingest={"inputs": [str(path)], "max_reject_share": 1})
    statistics = run.manifest("documents").statistics
    assert [statistics[name] for name in ("records", "documents", "rejected", "skipped")] == [2, 1, 1, 2]
    assert [row["text"] for row in rows(run)] == ["A text."]
    assert [row["reason"] for row in rows(run, "rejects")] == ["bad_utf8"]


@pytest.mark.parametrize("content", [b"", b"\n\n \n"])
def test_no_records_at_all(ingested: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.jsonl: no records in the input"):
        ingested(path)
