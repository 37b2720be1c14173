"""Books are read chapter by chapter, in the order of their spine, and nothing in them does harm."""

import io
import json
import zipfile
from functools import partial
from pathlib import Path

import pytest
from epub_files import epub
from hypothesis import given
from hypothesis import strategies as st

from sequitur.pipeline.names import EXTRACTION_FAILED, NO_TEXT, TOO_LARGE
from sequitur.pipeline.sections import Ingest
from sequitur.stages.ingest.splits import find_inputs
from sequitur.stages.shared.sources.book_text import TooLarge, Unreadable, chapter_text
from sequitur.stages.shared.sources.book_text import book_text as book_text_by
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.extraction import Extraction
from sequitur.stages.shared.sources.page_text import decoded
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.stages.shared.sources.web_records import page_file

LIMIT = 10**6
SETTINGS = Ingest(inputs=["unused"])
book_text = partial(book_text_by, decoded=partial(decoded, charset=None))


def page(body: str) -> str:
    return f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>not this</title></head><body>{body}</body></html>'


def test_chapters_in_the_order_of_the_spine_with_their_lines() -> None:
    book = epub(
        {
            "z.xhtml": page("<h1>One</h1><p>A <em>first</em>\nparagraph.</p><p>Next<br/>line</p>"),
            "a%20b.xhtml": page("<ul><li>x</li><li>y</li></ul><pre>if a:\n    b</pre><script>no()</script>end"),
            "empty.xhtml": "",
        },
        title="On  rivers",
    )
    assert book_text(book, LIMIT) == {
        "title": "On rivers",
        "text": "One\n\nA first paragraph.\n\nNext\nline\n\nx\ny\n\nif a:\n    b\n\nend",
    }


def test_a_chapter_says_its_encoding_where_it_is_not_utf_8() -> None:
    declared = '<?xml version="1.0" encoding="iso-8859-1"?>' + page("<p>Stra\xdfe</p>")
    assert book_text(epub({"a": declared.encode("latin-1"), "b": page("<p>Straße</p>")}), LIMIT)["text"] == (
        "Straße\n\nStraße"
    )


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"PK\5\6" + 18 * b"\0", epub({"a": "x"})[:-30]])
def test_what_is_no_book_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        book_text(content, LIMIT)


def test_a_chapter_that_is_missing_or_lies_outside_is_unreadable() -> None:
    for name in ("gone.xhtml", "../../../etc/passwd", "/etc/passwd"):
        whole = io.BytesIO(epub({name: "x"}))
        cut = io.BytesIO()
        with zipfile.ZipFile(whole) as book, zipfile.ZipFile(cut, "w") as other:
            for member in book.namelist()[:3]:
                other.writestr(member, book.read(member))
        with pytest.raises(Unreadable, match=name.rsplit("/", 1)[-1]):
            book_text(cut.getvalue(), LIMIT)


def test_a_book_that_unpacks_to_more_is_too_large_whatever_it_says() -> None:
    bomb = epub({f"{number}.xhtml": page("a" * 400_000) for number in range(4)})
    assert len(bomb) < 10_000
    with pytest.raises(TooLarge, match="unpacks to more than 1,000,000 bytes"):
        book_text(bomb, LIMIT)
    assert len(book_text(bomb, 2 * 10**6)["text"]) == 1_600_006


def test_entities_are_not_unfolded() -> None:
    layers = "".join(f'<!ENTITY l{n} "{10 * f"&l{n - 1};"}">' for n in range(1, 10))
    lol = f'<!DOCTYPE p [<!ENTITY l0 "lol"><!ENTITY file SYSTEM "file:///etc/passwd">{layers}]>'
    assert len(book_text(epub({"a": f"{lol}<p>&l9;&file; x</p>"}), LIMIT)["text"]) < 100
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("META-INF/container.xml", "<p><rootfile full-path='b'/></p>")
        book.writestr("b", f"{lol}<package><title>&file;</title></package>")
    assert book_text(out.getvalue(), LIMIT) == {"title": "&file;", "text": ""}
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("META-INF/container.xml", f"{lol}<p>&l9;</p>")
    with pytest.raises(Unreadable, match="amplification"):
        book_text(out.getvalue(), LIMIT)


@given(st.text("<>/&;ab p\n!-?\0\x1f\ufffd\ud7ff", max_size=80), st.integers(0, 3000))
def test_no_chapter_fails(body: str, depth: int) -> None:
    text = chapter_text("<div>" * depth + body)
    assert not {"\1", "\2", "\f", "\0"} & set(text)
    assert "\n\n\n" not in text


def test_books_are_documents_of_a_run(tmp_path: Path) -> None:
    for name, content in {
        "a.epub": epub({"one": page("<p>The first book.</p>")}, title="First"),
        "b": epub({"one": page("<p>A file without an ending.</p>")}),
        "c.epub": b"PK\3\4 and no more",
        "d.epub": epub({"one": page("")}),
        "e.epub": epub({"one": page("x" * 10_000)}),
    }.items():
        (tmp_path / name).write_bytes(content)
    found = {}
    with Extraction(10, 9000) as extraction:
        for file in find_inputs(Ingest(inputs=[str(tmp_path)])):
            assert file.kind == "epub"
            content = page_file(file.path, file.kind, Limits.of(SETTINGS))
            assert not isinstance(content, Bad)
            record = extraction.record(content, "text")
            found[Path(file.path).name] = record.reason if isinstance(record, Bad) else json.loads(json.dumps(record))
    assert found == {
        "a.epub": {"text": "The first book.", "title": "First"},
        "b": {"text": "A file without an ending."},
        "c.epub": EXTRACTION_FAILED,
        "d.epub": NO_TEXT,
        "e.epub": TOO_LARGE,
    }
