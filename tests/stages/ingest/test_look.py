"""A look into the files says at once what the whole reading would say at its end."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sequitur.pipeline.errors import InputError, TooManyRejects
from sequitur.pipeline.sections import Ingest
from sequitur.pipeline.stage import Run
from sequitur.stages.ingest.look import Look, check, look_into, suggested
from sequitur.stages.ingest.splits import find_inputs

TEXT = "A text that is long enough to be one, if not a good one."


def looks(path: Path, **settings: Any) -> tuple[Ingest, dict[str, Look]]:
    chosen = Ingest(inputs=[str(path)], **settings)
    return chosen, {Path(look.file.path).name: look for look in look_into(chosen, find_inputs(chosen))}


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    return path


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    written = io.StringIO()
    writer = csv.DictWriter(written, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(written.getvalue())


def test_rows_are_about_as_many_as_there_are(tmp_path: Path) -> None:
    records = [{"id": str(number), "text": f"{TEXT} {number}"} for number in range(3000)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "b.json").write_text(json.dumps(records))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "c.parquet")
    write_csv(tmp_path / "d.csv", records)
    (tmp_path / "e.txt").write_text(TEXT)
    _, found = looks(tmp_path)
    assert {name: look.rows for name, look in found.items()} == {
        "a.jsonl": pytest.approx(3000, rel=0.3),
        "b.json": pytest.approx(3000, rel=0.3),
        "c.parquet": 3000,
        "d.csv": pytest.approx(3000, rel=0.3),
        "e.txt": 1,
    }
    assert all(look.share_without_text(Ingest(inputs=["a"])) == 0 for look in found.values())


def test_a_file_without_the_field_is_told_with_what_it_has(tmp_path: Path) -> None:
    for number in range(3):
        write_csv(tmp_path / f"{number}.csv", [{"Key": "1", "Body": TEXT}])
    for number in range(97):
        (tmp_path / f"{number}.txt").write_text(TEXT)
    settings, found = looks(tmp_path)
    assert list(check(settings, found.values())) == [
        f"{tmp_path}/0.csv and 2 more files like it: no field 'text'; fields: Key, Body; set text_field: Body for this "
        "input"
    ]
    settings, found = looks(tmp_path, max_reject_share=0.02)
    with pytest.raises(TooManyRejects, match=r"0\.csv and 2 more .*about 3 of 100 records .*max_reject_share = 2\.0%"):
        list(check(settings, found.values()))


def test_what_is_empty_or_broken_is_told_and_no_reason_to_end(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n' * 9 + json.dumps({"text": TEXT}))
    (tmp_path / "b.jsonl").write_text("# a comment\n" * 9 + json.dumps({"text": TEXT}))
    settings, found = looks(tmp_path)
    said = list(check(settings, found.values()))
    assert [line.split(": ", 1)[1][:38] for line in said] == [
        "the first records have no text in thei",
        "no record can be read (Expecting value",
    ]


def test_a_file_that_cannot_be_read_ends_the_run_at_once(tmp_path: Path, execute: Callable[..., Run]) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": TEXT}))
    (tmp_path / "b.jsonl.gz").write_bytes(b"\x1f\x8b\x08 no stream")
    with pytest.raises(InputError, match=r"b\.jsonl\.gz: the \.gz stream"):
        execute(tmp_path / "run", "ingest", ingest={"inputs": [str(tmp_path)]})


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"text": TEXT, "id": "1"}, {}),
        ({"content": TEXT, "uuid": "1"}, {"text_field": "content", "id_field": "uuid"}),
        ({"text": TEXT, "date": "2024", "link": ""}, {"timestamp_field": "date"}),
        ({"Title": "short", "Lyrics": TEXT}, {"text_field": "Lyrics"}),
        ({"title": "short"}, {}),
        ({"content": ["no", "text"], "n": 3}, {}),
        ({"content": None, "body": TEXT}, {"text_field": "body"}),
    ],
)
def test_fields_are_suggested_by_their_names_or_by_their_length(record: dict[str, Any], found: dict[str, str]) -> None:
    assert suggested([record], Ingest(inputs=["a"])) == found


def test_too_many_rejects_end_the_run_with_the_most_frequent_reason(
    execute: Callable[..., Run], rows: Any, tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"body": "Some text.", "id": "1"}, {"body": "More."}])
    options = {"inputs": [str(path)]}
    with pytest.raises(
        TooManyRejects,
        match=r"a\.jsonl: no field 'text'; fields: body, id; set text_field: body for this input; about 2 of 2 records",
    ):
        execute(tmp_path / "run", "ingest", ingest=options)
    with_first = write_jsonl(tmp_path / "b.jsonl", [{"text": "Some text.", "id": "1"}, {"body": "More."}])
    with pytest.raises(
        TooManyRejects,
        match=r"1 of 2 records \(50.0%\).*1 for no_text, the first in .*b\.jsonl row 1 \(no field 'text'; fields: "
        r"body\); set ingest.text_field",
    ):
        execute(tmp_path / "run", "ingest", ingest={"inputs": [str(with_first)]})
    run = execute(tmp_path / "run", "ingest", ingest={**options, "text_field": "body"})
    assert len(rows(run)) == 2
    assert rows(run, "rejects") == []


def test_a_larger_share_may_be_allowed_after_the_fact(execute: Callable[..., Run], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "Fine."}\n{\n')
    with pytest.raises(TooManyRejects, match=r"1 of 2 records .* raise ingest.max_reject_share"):
        execute(tmp_path / "run", "ingest", ingest={"inputs": [str(path)]})
    run = execute(tmp_path / "run", "ingest", ingest={"inputs": [str(path)], "max_reject_share": 0.5})
    assert run.manifest("documents").statistics["rejected"] == 1
