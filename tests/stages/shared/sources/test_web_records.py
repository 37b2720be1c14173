"""Pages become documents with URL and date; a page that stalls, fills or breaks its extraction costs only itself."""

import gzip
import json
import random
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import zstandard
from pdf_files import pdf
from warcio.statusandheaders import StatusAndHeaders
from web_pages import LIMIT, SENTENCE, SLOW, Warc, html

from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import InputError
from sequitur.pipeline.sections import Ingest
from sequitur.pipeline.storage import Directory
from sequitur.stages.ingest import splits
from sequitur.stages.ingest.documents import ReadSplit
from sequitur.stages.ingest.splits import InputFile, Split, find_inputs, plan_splits
from sequitur.stages.shared.sources import web_records
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.stages.shared.sources.web_records import Page


def read(path: Path, **options: Any) -> tuple[list[dict[str, Any]], list[tuple[int, str]], int]:
    """Documents, rejects as (row, reason), and how many records were skipped, without Beam."""
    settings = Ingest(inputs=[str(path)], **{"max_record_bytes": LIMIT, **options})
    place = Directory(str(path.parent / f"{path.name}.rejects"))
    build = builds.begin(place, "test")
    documents, skipped = [], 0
    for split in plan_splits(settings, find_inputs(settings)):
        for _, batch in ReadSplit("corpus", settings, build).process(split.to_json()):
            documents += batch.to_pylist()
            skipped += int(batch.schema.metadata[b"skipped"])
    rejects = [row for part in builds.written_parts(build) for row in artifacts.read_part(place, part).to_pylist()]
    return documents, [(row["source_row"], row["reason"]) for row in rejects], skipped


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "a.warc.zst"])
def test_pages_have_text_url_date_and_id(tmp_path: Path, name: str) -> None:
    warc = Warc(packed=name.endswith(".gz"))
    warc.add("warcinfo", b"software: test\r\n", **{"content-type": "application/warc-fields"})
    warc.response(html(), uri="http://example.org/a b")
    warc.response(b"\x89PNG", Content_Type="image/png")
    warc.response(html(), status="404 Not Found")
    warc.response(html(title="") + b"<!-- 2 -->", Content_Type="application/xhtml+xml; charset=utf-8")
    warc.add("resource", html(), **{"content-type": "text/html"})
    warc.add("metadata", b"a: b\r\n", **{"content-type": "application/warc-fields"})
    path = warc.write(tmp_path / name)
    if name.endswith(".zst"):
        path.write_bytes(zstandard.compress(path.read_bytes()))
    documents, rejects, skipped = read(path)
    assert (rejects, skipped) == ([], 4)
    assert [(row["source_row"], row["text"]) for row in documents] == [(1, SENTENCE), (4, SENTENCE), (5, SENTENCE)]
    first = documents[0]
    assert first["record_id"].startswith("<urn:test:")
    assert (first["url"], first["source"]) == ("http://example.org/a%20b", "a")
    assert first["timestamp"].isoformat() == "2024-05-06T07:08:09+00:00"
    assert [json.loads(row["metadata"]) for row in documents] == [
        {"content_type": "text/html", "title": "A title"},
        {"content_type": "application/xhtml+xml"},
        {"content_type": "text/html", "title": "A title"},
    ]


def test_wet_holds_plain_text(tmp_path: Path) -> None:
    warc = Warc(packed=True)
    for content in ("Ein Satz über etwas.".encode(), b"\xff", b" \n"):
        warc.add("conversion", content, **{"content-type": "text/plain"})
    documents, rejects, skipped = read(warc.write(tmp_path / "a.wet.gz"), text_field="body", url_field="address")
    assert [(row["text"], row["url"]) for row in documents] == [("Ein Satz über etwas.", "http://example.org/")]
    assert (rejects, skipped) == ([(1, "bad_utf8"), (2, "no_text")], 0)


def test_html_files(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for name, content in {
        "a.html": html(title="First"),
        "b.htm.gz": gzip.compress(html()),
        "c.html": b"",
        "d.html": random.Random(0).randbytes(5000),
        "e.html": html("x" * LIMIT),
        "f.html": html(),
        "g.txt": b"A text among pages.",
    }.items():
        (folder / name).write_bytes(content)
    documents, rejects, _ = read(folder)
    assert [(Path(row["source_file"]).name, row["text"]) for row in documents] == [
        ("a.html", SENTENCE),
        ("b.htm.gz", SENTENCE),
        ("f.html", SENTENCE),
        ("g.txt", "A text among pages."),
    ]
    url, time = f"file://{folder}/a.html", (folder / "a.html").stat().st_mtime
    assert (documents[0]["record_id"], documents[0]["url"], documents[0]["source"]) == (None, url, "site")
    assert documents[0]["timestamp"].timestamp() == pytest.approx(time, abs=1e-5)
    assert json.loads(documents[0]["metadata"]) == {"title": "First"}
    assert [reason for _, reason in rejects] == ["no_text", "no_text", "too_large"]


def test_what_a_payload_is(tmp_path: Path) -> None:
    """By WARC-Identified-Payload-Type, else by HTTP, else by its first bytes."""
    http = StatusAndHeaders("200 OK", [("Content-Type", "image/png")], protocol="HTTP/1.1")
    nothing = StatusAndHeaders("200 OK", [("Server", "x")], protocol="HTTP/1.1")
    warc = Warc()
    warc.add("response", html(), http, WARC_Identified_Payload_Type="text/html")
    warc.add("response", html(), nothing)
    warc.add("response", b"\n <!DOCTYPE HTML>" + html(), nothing)
    warc.add("response", b"%PDF-1.4 <html>", nothing)
    warc.response(html(), status="301 Moved")
    documents, rejects, skipped = read(warc.write(tmp_path / "a.warc"))
    assert ([row["source_row"] for row in documents], rejects, skipped) == ([0, 1, 2], [], 2)


@pytest.mark.parametrize(
    ("declared", "charset"),
    [
        ("text/html; charset=utf-8", "utf-8"),
        ("text/html; Charset = ' koi8-r'", "koi8-r"),
        ('text/html; charset="', None),
        ("text/html; charset=" + " " * 2**14 + "!", None),
        ("charset" * 2**12 + "=" + "\t" * 2**14, None),
    ],
)
def test_what_http_declares_is_found_in_no_time(declared: str, charset: str | None) -> None:
    start = time.process_time()
    found = web_records.CHARSET.search(declared)

    assert (found and found[1]) == charset
    assert time.process_time() - start < 0.5


def test_one_bad_page_costs_only_itself(tmp_path: Path) -> None:
    bomb = gzip.compress(html("x" * 50 * LIMIT))
    deep = b"<html><body>" + b"<div>" * 100_000 + SENTENCE.encode()
    chunk = html()
    warc = Warc()
    warc.response(html())
    warc.response(bomb, Content_Encoding="gzip")
    warc.response(html("x" * LIMIT))
    warc.response(deep)
    warc.response(b"")
    warc.response(random.Random(1).randbytes(100_000))
    warc.response(html(), Content_Encoding="br")  # says so, and is not
    warc.response(b"\x0b\x02\x80", Content_Encoding="br")
    warc.response(b"%x\r\n%s\r\n0\r\n\r\n" % (len(chunk), chunk), Transfer_Encoding="chunked")
    warc.add("response", b"no HTTP here", uri="ftp://example.org", **{"content-type": "application/http"})
    warc.response(html())
    documents, rejects, skipped = read(warc.write(tmp_path / "a.warc"))
    assert [row["source_row"] for row in documents] == [0, 6, 8, 10]
    assert {row["text"] for row in documents} == {SENTENCE}
    assert dict(rejects) == {
        1: "too_large",
        2: "too_large",
        3: "no_text",
        4: "no_text",
        5: "no_text",
        7: "extraction_failed",
        9: "extraction_failed",
    }
    assert skipped == 0


def test_a_slow_page_is_given_up(tmp_path: Path) -> None:
    warc = Warc().response(html()).response(SLOW).response(html())
    documents, rejects, _ = read(warc.write(tmp_path / "a.warc"), extraction_seconds=0.3, max_record_bytes=len(SLOW))
    assert ([row["source_row"] for row in documents], rejects) == ([0, 2], [(1, "extraction_timeout")])


def test_a_resumed_split_goes_on_with_the_same_rows(tmp_path: Path) -> None:
    warc = Warc()
    for number in range(12):
        warc.add("request", b"GET / HTTP/1.1\r\n\r\n", **{"content-type": "application/http"})
        warc.response(html(f"{SENTENCE} Number {number}."))
    path = warc.write(tmp_path / "a.warc")
    read_split = ReadSplit(
        "corpus", Ingest(inputs=[str(path)], part_bytes=700), Build(Directory(str(tmp_path / "rejects")), "test")
    )
    whole = list(read_split.process(Split(0, (InputFile(str(path), "warc", "a"),)).to_json()))
    assert len(whole) == 3
    at = int(whole[0][1].schema.metadata[b"next_record"])
    rest = Split(0, (InputFile(str(path), "warc", "a"),), resume_piece=1, resume_at=at)
    assert list(read_split.process(rest.to_json())) == whole[1:]
    assert sum(int(batch.schema.metadata[b"skipped"]) for _, batch in whole) == 12


def test_a_warc_that_is_cut_ends_the_run(tmp_path: Path) -> None:
    plain = Warc().response(html()).response(html()).content.getvalue()
    packed = Warc(packed=True).response(html()).response(html()).content.getvalue()
    for name, content in (("a.warc", plain), ("a.warc.gz", packed)):
        for cut in (len(content) - 30, len(content) * 2 // 3, 100):
            (tmp_path / name).write_bytes(content[:cut])
            with pytest.raises(InputError, match=rf"{name}: .*ends early.*truncated"):
                read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x01\x02 garbage\n", "stands where record 0"),
        (b"\x00" * 3 * 2**20, "stands where record 0"),
        (b"WARC/1.0\r\nContent-Length: -1\r\n\r\n", "record 0 does not say its length"),
        (b"WARC/1.0\r\nWARC-Type: response\r\n\r\n", "record 0 does not say its length"),
        (b"WARC/1.0\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "record 0 does not say its length"),
        (b"WARC/1.0\r\n" + b"a: b\r\n" * 200_000 + b"\r\n", "ends early"),
    ],
)
def test_what_is_no_warc(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.warc").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.warc")


def test_a_large_record_is_not_held(tmp_path: Path) -> None:
    warc = Warc().response(html() + b" " * 2**26).response(b"\0" * 2**26, Content_Type="video/mp4").response(html())
    path = warc.write(tmp_path / "a.warc")
    settings = Ingest(inputs=[str(path)])
    tracemalloc.start()
    records = list(web_records.warc_records(str(path), Limits(LIMIT, 2**40), settings))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(record) for _, record in records] == [Bad, type(None), Page]
    assert peak < 2**23


def test_pdf_files(tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for name, content in {
        "a.pdf": pdf("The first page.", "", "The third one (of three).", title="On pages"),
        "b.pdf": pdf(""),
        "c.pdf": b"%PDF-1.7 and no more",
        "d": pdf("A file without an ending."),
    }.items():
        (folder / name).write_bytes(content)
    documents, rejects, _ = read(folder)
    assert [(Path(row["source_file"]).name, row["text"]) for row in documents] == [
        ("a.pdf", "The first page.\n\nThe third one (of three)."),
        ("d", "A file without an ending."),
    ]
    assert json.loads(documents[0]["metadata"]) == {"title": "On pages"}
    assert [reason for _, reason in rejects] == ["no_text", "extraction_failed"]


def test_without_its_library_pdf_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "PDF_LIBRARY", "no_such_library")
    (tmp_path / "a.pdf").write_bytes(pdf("A page."))
    (tmp_path / "b.txt").write_text("A text.")
    settings = Ingest(inputs=[str(tmp_path)])
    files = find_inputs(settings)
    assert [Path(file.path).name for file in files] == ["b.txt"]
    assert splits.passed_over(settings, files).others == {str(tmp_path / "a.pdf"): "PDF"}
    with pytest.raises(InputError, match=r"a\.pdf: is a PDF; pip install pypdfium2"):
        find_inputs(Ingest(inputs=[str(tmp_path / "a.pdf")]))
