"""A format of the user's own is read as ours are: nothing lost, nothing beyond the limits, every mistake a line."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import ConfigError, ForeignDirectory, InputError, OwnModuleFailed
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.sections import Ingest
from sequitur.pipeline.stage import Run
from sequitur.stages.ingest import documents, own_formats
from sequitur.stages.ingest.declaration import parameters
from sequitur.stages.ingest.splits import find_inputs
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.record_files import Bad

Write = Callable[[str, str], Path]
LIMITS = Limits(100, 10_000)
# Chapters, each headed by a line with its title; one without a text cannot be read.
BOOK = """from sequitur.stages.shared.sources.record_files import Bad


def records(file, limits):
    title, lines = None, []
    for line in [*file, b"# "]:
        if line.startswith(b"# "):
            if title is not None:
                text = b"".join(lines).decode()
                yield {"text": text, "title": title} if text else Bad("no_chapter", f"nothing after {title}")
            title, lines = line[2:].decode().strip(), []
        else:
            lines.append(line)
"""
CHAPTERS = [(f"Chapter {number}", f"It is told in {number} words. " * 20 + "\n") for number in range(9)]


def book(path: Path, chapters: list[tuple[str, str]]) -> Path:
    content = "".join(f"# {title}\n{text}" for title, text in chapters).encode()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def ingested(settings: Any, root: Path, inputs: Path, workers: int = 1, **options: Any) -> Run:
    section = {"inputs": [str(inputs)], "formats": {".book": "mine.book"}, "max_reject_share": 0.5, **options}
    run = Run(validate(settings(root, ingest=section), "settings"), Runner(workers))
    run_directory.execute(beam_job.RECIPE, run, None, "ingest")
    return run


def read(path: Path, source: str, write_own: Write, limits: Limits = LIMITS) -> list[Any]:
    write_own("one", f"from sequitur.stages.shared.sources.record_files import Bad\n\n{source}")
    return list(own_formats.own_records(str(path), "mine.one", limits))


def test_files_so_named_are_read_by_it_beside_ours(write_own: Write, settings: Any, rows: Any, tmp_path: Path) -> None:
    module = write_own("book", BOOK)
    book(tmp_path / "data/a.book", CHAPTERS[:4])
    book(tmp_path / "data/b.book.gz", [*CHAPTERS[4:6], ("Empty", ""), *CHAPTERS[6:]])
    (tmp_path / "data/c.jsonl").write_text('{"text": "A record of ours."}\n')

    run = ingested(settings, tmp_path / "run", tmp_path / "data", part_bytes=1000)

    read_in, rejects = rows(run), rows(run, "rejects")
    assert [row["text"] for row in read_in] == [*(text for _, text in CHAPTERS), "A record of ours."]
    assert [row["source"] for row in read_in] == ["a"] * 4 + ["b"] * 5 + ["c"]
    assert [row["source_row"] for row in read_in] == [0, 1, 2, 3, 0, 1, 3, 4, 5, 0]
    assert read_in[4]["metadata"] == '{"title": "Chapter 4"}'
    assert [(row["source_row"], row["reason"], row["detail"]) for row in rejects] == [
        (2, "no_chapter", "nothing after Empty")
    ]
    parameters = run.manifest("documents").parameters
    assert parameters["formats"] == {".book": ["mine.book", hashlib.sha256(module.read_bytes()).hexdigest()]}
    assert len(run.manifest("documents").parts) > 3
    write_own("book", BOOK + "# another\n")
    with pytest.raises(ForeignDirectory, match=r"what is said of the inputs, the modules of ingest\.formats, or"):
        ingested(settings, tmp_path / "run", tmp_path / "data", part_bytes=1000)


def test_processes_and_an_interruption_give_the_same_parts(
    write_own: Write, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_own("book", BOOK)
    for name in ("a", "b", "c"):
        book(tmp_path / f"data/{name}.book", [(title, name + text) for title, text in CHAPTERS])
    monkeypatch.setattr("sequitur.pipeline.runner.START_SECONDS", 1e-9)
    run = ingested(settings, tmp_path / "one", tmp_path / "data", part_bytes=1000)
    parts = run.manifest("documents").parts
    assert len(parts) > 6
    assert (
        ingested(settings, tmp_path / "two", tmp_path / "data", 2, part_bytes=1000).manifest("documents").parts == parts
    )

    real, read_rows = documents.own_records, [0]

    def interrupted(*arguments: Any) -> Any:
        for row in real(*arguments):
            read_rows[0] += 1
            if read_rows[0] == 15:
                raise InputError("interrupted")
            yield row

    with monkeypatch.context() as patched:
        patched.setattr(documents, "own_records", interrupted)
        with pytest.raises(InputError, match="interrupted"):
            ingested(settings, tmp_path / "three", tmp_path / "data", part_bytes=1000)
    assert (
        ingested(settings, tmp_path / "three", tmp_path / "data", part_bytes=1000).manifest("documents").parts == parts
    )


def test_an_ending_of_ours_may_be_taken_over(tmp_path: Path) -> None:
    for name in ("a.json", "b.JSON.gz", "c.txt"):
        (tmp_path / name).touch()
    found = find_inputs(Ingest(inputs=[str(tmp_path)], formats={".json": "mine.other"}))
    assert [(kind, source) for _, kind, source, _ in found] == [
        ("mine.other", "a"),
        ("mine.other", "b"),
        ("text", tmp_path.name),
    ]


def test_a_limit_holds_for_records_reads_and_lines(write_own: Write, tmp_path: Path) -> None:
    path = tmp_path / "a.one"
    path.write_bytes(b"x" * 100 + b"\r\n" + b"y" * 103)

    assert read(
        path, "def records(file, limits):\n    yield {'text': file.readline().decode()[:limits.record]}\n", write_own
    ) == [(0, {"text": "x" * 100})]
    assert read(path, "def records(file, limits):\n    yield {'text': 'a' * 60, 'more': 'b' * 41}\n", write_own) == [
        (0, Bad("too_large", "more than 100 bytes"))
    ]
    for body in (
        "file.read()",
        "file.read(1000)",
        "list(file)",
        "file.readlines()",
        "[file.readline(), file.readline()]",
    ):
        with pytest.raises(InputError, match=r"a\.one: more than 100 bytes were read at once; read less, or raise ing"):
            read(path, f"def records(file, limits):\n    {body}\n    yield {{'text': 'all'}}\n", write_own)
    whole = "def records(file, limits):\n    yield {'text': (file.read(limits.record) + file.read()).decode()}\n"
    path.write_bytes(b"z" * 150)
    assert read(path, whole, write_own) == [(0, Bad("too_large", "more than 100 bytes"))]


def test_a_file_can_be_sought_in_where_it_is_not_compressed(write_own: Write, tmp_path: Path) -> None:
    seeking = "def records(file, limits):\n    file.seek(-3, 2)\n    yield {'text': file.read(), 'at': file.tell()}\n"
    (tmp_path / "a.one").write_bytes(b"0123456789" * 50)
    assert read(tmp_path / "a.one", seeking, write_own) == [(0, {"text": b"789", "at": 500})]
    (tmp_path / "a.one.gz").write_bytes(gzip.compress(b"0123456789" * 50))
    with pytest.raises(OwnModuleFailed, match=r"a.one.gz, row 0: ingest.formats mine.one: raised UnsupportedOperation"):
        read(tmp_path / "a.one.gz", seeking, write_own)


@pytest.mark.parametrize("passes_over", [False, True])
def test_a_damaged_stream_is_an_error_though_the_function_passes_over_it(
    write_own: Write, tmp_path: Path, passes_over: bool
) -> None:
    path = tmp_path / "a.one.gz"
    path.write_bytes(gzip.compress(b"line\n" * 1000)[:-12])
    source = "def records(file, limits):\n    for line in file:\n        yield {'text': line.decode()}\n"
    if passes_over:
        source = (
            source.replace("    for", "    try:\n     for").replace("    yield", "     yield")
            + "    except EOFError:\n        pass\n"
        )
    with pytest.raises(
        InputError, match=r"a\.one\.gz: the \.gz stream ends early; the file is truncated, fetch it again"
    ):
        read(path, source, write_own)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("yield {'text': 'one'}; 1 / 0", r"a.one, row 1: ingest.formats mine.one: raised ZeroDivisionError: division"),
        (
            "yield {'text': 'one'}; yield 'two'",
            "row 1: ingest.formats mine.one: yielded str, not a mapping of fields or",
        ),
        ("return None", r"row 0: ingest.formats mine.one: raised TypeError: 'NoneType' object is not iterable"),
        ("raise EOFError('early')", r"row 0: .*raised EOFError: early \(line 4 of .*one.py\)"),
        ("raise OSError('own')", r"row 0: .*raised OSError: own"),
    ],
)
def test_what_the_function_does_wrong_is_said_in_a_line(
    write_own: Write, tmp_path: Path, body: str, complaint: str
) -> None:
    (tmp_path / "a.one").write_bytes(b"one")
    with pytest.raises(OwnModuleFailed, match=complaint) as failed:
        read(tmp_path / "a.one", f"def records(file, limits):\n    {body}\n", write_own)
    assert "\n" not in str(failed.value)


def test_settings_that_make_no_sense_are_refused(write_own: Write, settings: Any, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="format: csv is for all files, so formats would be for none"):
        Ingest(inputs=["a"], format="csv", formats={".x": "mine.x"})
    with pytest.raises(ConfigError, match=r"ingest\.formats\.book"):
        validate(settings(tmp_path / "run", ingest={"formats": {"book": "mine.book"}}), "settings")
    with pytest.raises(ConfigError, match=r"ingest\.formats\.\.gz: files so named are unpacked"):
        own_formats.parameters({".gz": "mine.book"})
    config = validate(settings(tmp_path / "run", ingest={"formats": {".x": "mine.absent"}}), "settings")
    with pytest.raises(ConfigError, match=r"ingest\.formats mine\.absent: no such module"):
        parameters(config)
