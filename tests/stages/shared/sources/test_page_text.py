"""The characters of a page, whatever its bytes and what is said of them."""

import gzip
import zlib

import pytest

from sequitur.stages.shared.sources import page_text
from sequitur.stages.shared.sources.page_text import decoded, unpacked

TEXT = "Überall gibt es Straßen, „Wörter“ und Größen."


@pytest.mark.parametrize(
    ("content", "charset"),
    [
        (TEXT.encode(), None),
        (TEXT.encode(), "iso-8859-1"),  # as many servers say of everything
        (b"\xef\xbb\xbf" + TEXT.encode(), "cp1252"),
        (TEXT.encode("utf-16"), None),
        (TEXT.encode("utf-16-le"), "utf-16le"),
        (TEXT.encode("cp1252"), "ISO-8859-1"),
        (TEXT.encode("cp1252"), '"windows-1252"'),
        (b"<meta charset=windows-1252>" + TEXT.encode("cp1252"), None),
        (b"<meta charset=utf-16>" + TEXT.encode(), None),
        (b'<?xml version="1.0" encoding="cp1252"?>' + TEXT.encode("cp1252"), "no-such-charset"),
    ],
)
def test_characters_of_a_page(content: bytes, charset: str | None) -> None:
    assert decoded(content, charset).rpartition(">")[2] == TEXT


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("日本語の文章を書くのは楽しいことです。" * 20, "euc_jp"),
        ("Это предложение написано по-русски. " * 20, "cp1251"),
    ],
)
def test_characters_that_nothing_declares_are_guessed(text: str, codec: str) -> None:
    assert decoded(text.encode(codec), None) == text


def test_a_stray_byte_does_not_change_the_declared_encoding() -> None:
    text = "Это предложение написано по-русски. " * 20
    assert decoded(text.encode() + b"\xff", "utf-8") == text + "\ufffd"
    assert decoded(text.encode().replace(b" ", b"\xff ", 7), "utf-8") == text.replace(" ", "\ufffd ", 7)
    assert decoded("文章".encode("shift_jis") * 100 + b"\x81", "shift_jis") == "文章" * 100 + "\ufffd"


SAMPLES = {
    "es": "El niño comió piñas y después cantó una canción en el jardín. ",
    "de": "Überall gibt es Straßen, schöne Wörter und große Häuser. ",
    "fr": "Les élèves répètent la leçon où l\u2019été a commencé. ",
    "it": "La città è molto bella, perché c\u2019è più libertà. ",
}


@pytest.mark.parametrize("language", SAMPLES)
@pytest.mark.parametrize("declared", [None, "iso-8859-1", "utf-8"])
def test_utf8_with_one_broken_sequence_is_utf8(language: str, declared: str | None) -> None:
    text = SAMPLES[language] * 5
    cut = text.encode()[: text.encode().rindex(b"\xc3") + 1]  # within the last character that is not ASCII
    stray = text.encode().replace(b" ", b"\x96 ", 1)
    assert decoded(cut, declared) == text[: len(cut.decode("utf-8", "ignore"))] + "\ufffd"
    assert decoded(stray, declared) == text.replace(" ", "\ufffd ", 1)


@pytest.mark.parametrize("language", SAMPLES)
def test_latin_letters_that_nothing_declares_are_windows_1252(language: str) -> None:
    for text in (SAMPLES[language], SAMPLES[language] * 40):
        assert decoded(text.encode("cp1252"), None) == text
        assert decoded(text.encode("cp1252"), "utf-8") == text


def test_the_page_knows_better_than_its_server() -> None:
    page = b"<meta charset=windows-1251>" + "Это предложение написано по-русски. ".encode("cp1251")
    assert decoded(page, "iso-8859-1").endswith("по-русски. ")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x00\xd8", b"\xef\xbb\xbf", b"\xff" * 1000])
def test_any_bytes_become_characters(content: bytes) -> None:
    assert isinstance(decoded(content, "utf-16"), str)


def test_content_codings() -> None:
    body = b"some words " * 100
    raw = zlib.compressobj(wbits=-15)
    for packed, codings in (
        (gzip.compress(body), "gzip"),
        (zlib.compress(body), "Deflate"),
        (raw.compress(body) + raw.flush(), "deflate"),
        (gzip.compress(zlib.compress(body)), "deflate, x-gzip"),
        (body, "identity"),
    ):
        assert unpacked(packed, codings, len(body)) == body
        with pytest.raises(page_text.Refused, match="too_large"):
            unpacked(packed, codings, len(body) - 1)
    assert body.startswith(unpacked(gzip.compress(body)[:-12], "gzip", len(body)))
    for packed, codings in ((b"\x1f\x8bnonsense", "gzip"), (b"words", "gzip"), (b"words", ",".join(["gzip"] * 9))):
        with pytest.raises(page_text.Refused, match="extraction_failed"):
            unpacked(packed, codings, 100)
