"""Splits give the records of the whole, wherever they begin and end."""

import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import InputError
from sequitur.pipeline.sections import Ingest
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.ingest import splits
from sequitur.stages.ingest.documents import ReadSplit
from sequitur.stages.ingest.splits import InputFile, Split, find_inputs, plan_splits
from sequitur.stages.ingest.whole_inputs import blocks_of, first_rows, seen_in
from sequitur.stages.shared.sources.input_paths import file_size

Rows = list[dict[str, Any]]
Execute = Callable[..., Run]


def write_jsonl(path: Path, records: Rows) -> Path:
    path.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    return path


def read_splits(path: Path, scratch: Path, **options: Any) -> list[tuple[int, str | None, str]]:
    """(row, id, text) of all documents, and (row, reason, "") of rejects, split after split, without Beam."""
    settings = Ingest(inputs=[str(path)], **options)
    place = Directory(f"memory://{scratch}/rejects")
    place.remove("")
    rejects = builds.begin(place, "test")
    read = ReadSplit("corpus", settings, rejects)
    found: list[tuple[int, str | None, str]] = []
    splits = plan_splits(settings, find_inputs(settings))
    seen = [seen_in(block, int(settings.split_bytes)) for block in blocks_of(str(path), path.stat().st_size)]
    rows = first_rows(seen, len(splits))
    for number, split in enumerate(splits):
        if split.is_of_lines:
            split = replace(split, first_row=rows[number])
        for _, batch in read.process(split.to_json()):
            found += [(row["source_row"], row["record_id"], row["text"]) for row in batch.to_pylist()]
    for part in builds.written_parts(rejects):
        found += [(row["source_row"], row["reason"], "") for row in artifacts.read_part(place, part).to_pylist()]
    return sorted(found)


LINES = (b'{"id": "a", "text": "\xc3\xa4 text"}', b'{"id": "b", "text": "other"}', b"", b"{bad", b"\xef\xbb\xbf{}")


def test_a_split_at_any_byte_gives_the_records_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(LINES) + b"\r\n\n" + LINES[0])
    size = path.stat().st_size
    whole = read_splits(path, tmp_path, split_bytes=size)
    assert len(whole) == 5
    for split_bytes in range(1, size):
        assert read_splits(path, tmp_path, split_bytes=split_bytes) == whole


@given(
    lines=st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from((b"\n", b"\r\n"))), min_size=1, max_size=6),
    last=st.sampled_from([b"", *LINES]),
    split_bytes=st.integers(1, 40),
)
@hypothesis_settings(max_examples=30, deadline=None)
def test_splits_of_any_lines_give_the_records_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[bytes, bytes]], last: bytes, split_bytes: int
) -> None:
    scratch = tmp_path_factory.mktemp("splits")
    path = scratch / "a.jsonl"
    path.write_bytes(b"".join(line + end for line, end in lines) + last)
    assert read_splits(path, scratch, split_bytes=split_bytes) == read_splits(path, scratch, split_bytes=2**20)


def test_parquet_is_split_by_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    records = [{"id": str(number), "text": f"Text {number}."} for number in range(50)]
    pq.write_table(pa.Table.from_pylist(records), path, row_group_size=7)
    splits = plan_splits(Ingest(inputs=[str(path)], split_bytes=1), [InputFile(str(path), "parquet", "a")])
    assert [(split.start, split.end, split.first_row) for split in splits][:3] == [(0, 1, 0), (1, 2, 7), (2, 3, 14)]
    expected = [(number, str(number), f"Text {number}.") for number in range(50)]
    assert read_splits(path, tmp_path, split_bytes=1) == expected
    assert read_splits(path, tmp_path, split_bytes=2**20) == expected


@pytest.mark.parametrize("field", ["more", "url", "id", "source"])
def test_parts_are_bounded_by_all_strings(tmp_path: Path, field: str) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "ä" * 50, field: "x" * 900}] * 10)
    read = ReadSplit(
        "corpus", Ingest(inputs=[str(path)], part_bytes=2000), Build(Directory(str(tmp_path / "rejects")), "test")
    )
    parts = [batch.num_rows for _, batch in read.process(Split(0, (InputFile(str(path), "jsonl", "a"),)).to_json())]
    assert parts == [2, 2, 2, 2, 2]


@pytest.mark.parametrize("lost", [slice(3, None), slice(0, 1), slice(2, 4), slice(None)])
def test_an_interrupted_split_goes_on_with_the_same_bytes(
    execute: Execute, corpus_file: Path, finished: Run, tmp_path: Path, lost: slice
) -> None:
    interrupted = execute(tmp_path / "run", "ingest")
    directory, rejects = interrupted.artifact("documents"), interrupted.artifact("rejects")
    for artifact in (directory, rejects):  # as it was before it was finished
        manifest = interrupted.manifest(artifact.url.rsplit("/", 1)[-1])
        artifact.remove(artifacts.MANIFEST)
        artifact.write_json(builds.BUILDING, {"fingerprint": manifest.fingerprint, "in_place": False})
        for part in manifest.parts:
            if artifact is directory and part in manifest.parts[lost]:
                artifact.remove(part.path)
            else:
                builds.record_part(builds.current(artifact), part, artifacts.part_metadata(artifact, part))
    execute(tmp_path / "run", "ingest")
    for artifact in ("documents", "rejects"):
        for name in finished.artifact(artifact).files():
            assert interrupted.artifact(artifact).read_bytes(name) == finished.artifact(artifact).read_bytes(name)
        assert interrupted.artifact(artifact).files() == finished.artifact(artifact).files()


def test_a_directory_of_odd_names_is_read_by_content(tmp_path: Path) -> None:
    lines = b"".join(b'{"text": "record %d"}\n' % number for number in range(20))
    (tmp_path / "good.jsonl").write_bytes(lines)
    (tmp_path / "000.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "shard.jsonl.xz").write_bytes(lzma.compress(lines))
    (tmp_path / "part-0").write_bytes(lines)
    (tmp_path / "notes").write_text("A text.")
    found = find_inputs(Ingest(inputs=[str(tmp_path)]))
    assert [(Path(path).name, kind) for path, kind, *_ in found] == [
        ("000.gz", "jsonl"),
        ("good.jsonl", "jsonl"),
        ("notes", "text"),
        ("part-0", "jsonl"),
        ("shard.jsonl.xz", "jsonl"),
    ]


def test_a_json_file_is_lines_or_an_array_and_an_array_is_not_split(tmp_path: Path) -> None:
    records: Rows = [{"id": str(number), "text": f"record {number}"} for number in range(20)]
    texts = [(row, record["id"], record["text"]) for row, record in enumerate(records)]
    path = tmp_path / "a.json"
    for content in ("\n".join(map(json.dumps, records)), json.dumps(records), json.dumps(records, indent=1)):
        path.write_text(content)
        assert read_splits(path, tmp_path, split_bytes=100) == texts


def test_what_is_passed_over_is_told(execute: Execute, tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    write_jsonl(inputs / "a.jsonl", [{"text": "one"}])
    (inputs / "_SUCCESS").touch()
    (inputs / ".a.jsonl.crc").touch()
    (inputs / "gone.jsonl").symlink_to("nowhere")
    finished = execute(tmp_path / "run", "ingest", ingest={"inputs": [str(inputs)]})
    counted = finished.manifest("documents").statistics
    assert {name: counted[name] for name in ("records", "hidden_files", "no_files")} == {
        "records": 1,
        "hidden_files": 2,
        "no_files": 1,
    }
    (inputs / "a.jsonl").unlink()
    with pytest.raises(
        InputError, match=r"in: no such file, or no file matches but hidden ones; correct ingest.inputs"
    ):
        find_inputs(Ingest(inputs=[str(inputs)]))


def test_a_packed_file_is_not_split_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    settings = Ingest(inputs=[str(path)], split_bytes=100)
    path.write_bytes(b'{"text": "a"}\n' * 100)
    assert len(plan_splits(settings, find_inputs(settings))) == 14
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(range(256))))
    assert len(plan_splits(settings, find_inputs(settings))) == 1


def test_small_files_share_a_split_whatever_their_kinds(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": "one"}, {"text": "two"}])
    (tmp_path / "b.txt").write_text("three")
    pq.write_table(pa.table({"text": ["four", "five"]}), tmp_path / "c.parquet")
    settings = Ingest(inputs=[str(tmp_path)])
    (split,) = plan_splits(settings, find_inputs(settings))
    assert [file.kind for file in split.files] == ["jsonl", "text", "parquet"]
    ((name, batch),) = ReadSplit("corpus", settings, Build(Directory(str(tmp_path / "rejects")), "test")).process(
        split.to_json()
    )
    assert name == "part-00000-0000.arrow"
    found = [(row["source_row"], row["text"], row["source"]) for row in batch.to_pylist()]
    assert found == [(0, "one", "a"), (1, "two", "a"), (0, "three", tmp_path.name), (0, "four", "c"), (1, "five", "c")]


def test_each_input_may_have_fields_and_a_source_of_its_own(
    execute: Execute, rows: Callable[[Run], Rows], tmp_path: Path
) -> None:
    data = tmp_path / "in"
    data.mkdir()
    write_jsonl(data / "a.jsonl", [{"text": "one", "source": "its own"}])
    write_jsonl(data / "b.jsonl", [{"body": "two", "source": "its own", "key": 7}])
    write_jsonl(data / "c.jsonl", [{"body": "three"}])
    inputs = [
        {"path": str(data), "include": "b*", "text_field": "body", "id_field": "key", "source": "named"},
        {"path": str(data), "exclude": ["c.jsonl"]},
    ]
    run = execute(tmp_path / "run", "ingest", ingest={"inputs": inputs})
    assert [(row["text"], row["source"], row["record_id"]) for row in rows(run)] == [
        ("two", "named", "7"),
        ("one", "its own", None),
    ]
    again = execute(tmp_path / "again", "ingest", ingest={"inputs": [inputs[0] | {"include": ["b.jsonl"]}, inputs[1]]})
    assert again.manifest("documents").fingerprint == run.manifest("documents").fingerprint


def test_a_limit_reads_all_over_the_input(execute: Execute, rows: Callable[[Run], Rows], tmp_path: Path) -> None:
    data = tmp_path / "in"
    data.mkdir()
    for letter in "abcde":
        write_jsonl(data / f"{letter}.jsonl", [{"text": f"{letter}{number}"} for number in range(9)])
    settings: dict[str, Any] = {"inputs": [str(data)], "part_bytes": 100, "split_bytes": 50}
    for limit, wanted in {3: ["a0", "b0", "d0"], 7: ["a0", "b0", "c0", "c1", "d0", "e0", "e1"]}.items():
        run = execute(tmp_path / f"run{limit}", "ingest", ingest={**settings, "limit": limit})
        assert [row["text"] for row in rows(run)] == wanted
    assert len(rows(execute(tmp_path / "all", "ingest", ingest={**settings, "limit": 1000}))) == 45


def test_a_sample_is_of_documents_and_by_the_seed(
    execute: Execute, rows: Callable[[Run], Rows], tmp_path: Path
) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": f"Text {number}."} for number in range(400)])
    chosen = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run = execute(tmp_path / name, "ingest", seed=seed, ingest={"inputs": [str(path)], "sample": 0.25})
        texts = {row["text"] for row in rows(run)}
        counted = run.manifest("documents").statistics
        assert (counted["records"], counted["unsampled"]) == (400, 400 - len(texts))
        assert 70 < len(texts) < 130
        chosen.append(texts)
    assert chosen[0] == chosen[1] != chosen[2]


def test_what_holds_no_text_is_passed_over_and_counted(execute: Execute, tmp_path: Path) -> None:
    data = tmp_path / "in"
    data.mkdir()
    (data / "a").write_text("A text.")
    for number in range(3):
        (data / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (data / "b.tar.gz").write_bytes(gzip.compress(b"\0" * 257 + b"ustar"))
    counted = execute(tmp_path / "run", "ingest", ingest={"inputs": [str(data)]}).manifest("documents").statistics
    assert (counted["records"], counted["other_files"]) == (1, {"picture": 3, "tar archive": 1})
    with pytest.raises(InputError, match=r"0\.png: is a picture; unpack it, or name files that hold text"):
        find_inputs(Ingest(inputs=[str(data / "0.png")]))
    with pytest.raises(InputError, match=r"\*\.png: .* but such as hold no text; correct ingest\.inputs"):
        find_inputs(Ingest(inputs=[str(data / "*.png")]))


def test_a_glob_of_pages_is_divided_as_their_directory_is(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for number in range(30):
        (pages / f"{number}.html").write_text("<p>A page.</p>" * 100)
    plans = []
    for pattern in (str(pages), str(pages / "*.html"), str(tmp_path / "{pages,none}" / "*.html")):
        settings = Ingest(inputs=[pattern], part_bytes=10_000)
        plans.append([split.files for split in plan_splits(settings, find_inputs(settings))])
    assert 4 < len(plans[0]) < 15
    assert plans[0] == plans[1]
    assert [[file.path for file in files] for files in plans[2]] == [
        [file.path for file in files] for files in plans[0]
    ]


def test_a_file_more_divides_only_those_around_it_anew(tmp_path: Path) -> None:
    names = [f"{number:03}.jsonl" for number in range(200)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(b"\n" * (900 + number % 7))
    settings = Ingest(inputs=[str(tmp_path)], part_bytes=10_000)
    before = {split.files for split in plan_splits(settings, find_inputs(settings))}
    sizes = [sum(file_size(file.path) for file in files) for files in before]
    assert 20 < len(before) < 80
    assert max(sizes) <= 10_000
    for new in ("000-more.jsonl", "050-more.jsonl", "120-more.jsonl"):
        (tmp_path / new).write_bytes(b"\n" * 1000)
        after = {split.files for split in plan_splits(settings, find_inputs(settings))}
        assert len(before - after) <= 8
        (tmp_path / new).unlink()


def test_many_tiny_files_are_divided_by_their_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "FILES_TOGETHER", 20)
    for number in range(300):
        (tmp_path / f"{number:03}.txt").write_bytes(b"x")
    settings = Ingest(inputs=[str(tmp_path)])
    before = {split.files for split in plan_splits(settings, find_inputs(settings))}
    assert max(map(len, before)) <= 20
    (tmp_path / "100-more.txt").write_bytes(b"x")
    after = {split.files for split in plan_splits(settings, find_inputs(settings))}
    assert len(before - after) <= 8
