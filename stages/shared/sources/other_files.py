"""Files that are no text, known by their first bytes: what a run passes over and counts by kind, rather than to reject
each as text that is none."""

from __future__ import annotations

import codecs
import re

BEGINNINGS = {
    b"\x89PNG\r\n": "picture",
    b"\xff\xd8\xff": "picture",
    b"GIF87a": "picture",
    b"GIF89a": "picture",
    b"II*\0": "picture",
    b"MM\0*": "picture",
    b"\0\0\1\0": "picture",  # an icon
    b"8BPS": "picture",
    b"\0\0\0\x0cjP  ": "picture",
    b"%!PS": "PostScript",
    b"%PDF-": "PDF",
    b"PK\3\4": "zip archive",  # also Office documents, jar and wheel: see `_zip_kind`
    b"PK\5\6": "zip archive",
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!\x1a\x07": "rar archive",
    b"!<arch>\n": "ar archive",
    b"\xed\xab\xee\xdb": "rpm archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "Office document",
    b"{\\rtf": "RTF document",
    b"wOFF": "font",
    b"wOF2": "font",
    b"OTTO\0": "font",
    b"\0\1\0\0\0": "font",
    b"ttcf\0": "font",
    b"ID3": "sound",
    b"\xff\xfb": "sound",
    b"fLaC\0": "sound",
    b"OggS\0": "sound",
    b"MThd\0": "sound",
    b"\x1a\x45\xdf\xa3": "video",
    b"FLV\1": "video",
    b"\x7fELF": "program",
    b"\xcf\xfa\xed\xfe": "program",
    b"\xce\xfa\xed\xfe": "program",
    b"\xca\xfe\xba\xbe": "program",
    b"\0asm": "program",
    b"SQLite format 3\0": "database",
    b"\x89HDF\r\n": "numbers",
    b"\x93NUMPY": "numbers",
}
RIFF = {b"WEBP": "picture", b"WAVE": "sound", b"AVI ": "video"}
TAR, TAR_PLACE = b"ustar", 257
LONGEST = 512  # bytes that are looked at for the tables above
ZIP_KINDS = {b"application/epub+zip": "EPUB", b"word/": "Office document", b"xl/": "Office document"}
ZIP_KINDS |= {b"ppt/": "Office document", b"application/vnd.oasis": "Office document"}
SVG = re.compile(rb"(<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE\s+svg[^>]*>|\s)*<svg[\s>]", re.DOTALL | re.IGNORECASE)
MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def other_kind(beginning: bytes) -> str | None:
    """What a file is that holds no text, by its first bytes, unpacked; None where they may be text.

    Args:
        beginning: some KiB, or all of a shorter file. The beginning of text in UTF-16 or UTF-32 with a mark is text.
    """
    head = beginning[:LONGEST]
    for known, kind in BEGINNINGS.items():
        if head.startswith(known):
            return _zip_kind(beginning) if kind == "zip archive" else kind
    if head.startswith(b"RIFF"):
        return RIFF.get(head[8:12], "data that is no text")
    if head[4:8] == b"ftyp":
        return "picture" if head[8:12] in (b"avif", b"heic", b"mif1") else "video"
    if head[TAR_PLACE:].startswith(TAR):
        return "tar archive"
    if head.startswith(b"MZ") and b"\0" in head:
        return "program"
    if SVG.match(head):
        return "picture"
    return "data that is no text" if b"\0" in beginning and not beginning.startswith(MARKS) else None


def _zip_kind(beginning: bytes) -> str:
    return next((kind for name, kind in ZIP_KINDS.items() if name in beginning[:4096]), "zip archive")
