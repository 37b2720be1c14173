"""Broken text repaired: mojibake, HTML entities, control characters, Unicode normalisation."""

from __future__ import annotations

import re
import unicodedata

import ftfy
import pyarrow as pa
import pyarrow.compute as pc
from ftfy import fixes

from sequitur.text_core.edits.edits import Edited, edit_each
from sequitur.text_core.edits.patterns import compiled

# What the fixes below can change holds one of these; all others are ASCII text without entities.
_SUSPECT = r"[^\t\n -%'-~]"
# Sorting a run of combining marks takes the square of its length. More than 30 are not text (UAX #15, Stream-Safe).
_MARKS = r"\p{M}{31}"
_SEGMENT = 1_000_000  # code points that are mended at once: ftfy's `max_decode_length`
# What is mended may hold what can be mended again, as &amp;amp; does: ftfy goes on until nothing changes, on text that
# people wrote for two rounds or three. One round in the middle takes entities inside entities, however deep, at once.
_ROUNDS, _NESTED_ROUND = 16, 8
_ENTITY = 27  # code points of the longest: &# or &, 24 letters and digits, ;


def fix_unicode(text: pa.LargeStringArray) -> Edited:
    """The texts as ftfy mends them: text decoded with the wrong encoding, HTML entities (up to the first `<`), terminal
    escapes, C1 and other control characters; and in NFC, unless more than 30 combining marks follow one another.

    What is broken over and over is mended sixteen times at most, so that the time is in proportion to the text.

    Returns:
        As `changes` the lines that changed; of each `removed` and `added` are what lies between the start and the end
        that its old and new form share.
    """
    chosen = pc.match_substring_regex(text, _SUSPECT).to_numpy(zero_copy_only=False)
    return edit_each(text, chosen, _fixed)


def _fixed(document: str) -> tuple[str, int, int, int]:
    fixed = _fix(document)
    if fixed == document:
        return document, 0, 0, 0
    before, after = document.split("\n"), fixed.split("\n")
    if len(before) != len(after):  # an entity was a line break
        before, after = [document], [fixed]
    changes = [_difference(*pair) for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    return fixed, len(changes), sum(removed for removed, _ in changes), sum(added for _, added in changes)


def _fix(document: str) -> str:
    """Mended and normalised in turn, as ftfy itself does, until neither changes anything."""
    for _ in range(_ROUNDS):
        document = _mended(document)
        if compiled(_MARKS).search(document):
            break
        normal = unicodedata.normalize("NFC", document)
        if normal == document:
            break
        document = normal
    return document


def _mended(document: str) -> str:
    """As `ftfy.fix_text` mends it, line by line, with the settings of datatrove's FTFYFormatter but for NFC.

    These leave be what is not broken: curly quotes, ligatures, full-width letters, line breaks.
    """
    mended = []
    unescapes = True
    for line in re.findall(r"[^\n]+\n?|\n", document):
        for start in range(0, len(line), _SEGMENT):
            segment = line[start : start + _SEGMENT]
            unescapes &= "<" not in segment
            mended.append(_mended_segment(segment, unescapes=unescapes))
    return "".join(mended)


def _mended_segment(text: str, *, unescapes: bool) -> str:
    """As `ftfy.fix_and_explain` mends it, whose rounds have no bound."""
    for number in range(_ROUNDS):
        before = text
        if unescapes:
            text = _unescape_nested(text) if number == _NESTED_ROUND else fixes.unescape_html(text)
        text = fixes.fix_c1_controls(ftfy.fix_encoding(text))
        text = fixes.remove_control_chars(fixes.remove_terminal_escapes(fixes.fix_surrogates(text)))
        if text == before:
            break
    return text


def _unescape_nested(text: str) -> str:
    """What `fixes.unescape_html` comes to if it is repeated until nothing changes."""
    read: list[str] = []
    left = list(reversed(text))
    while left:
        read.append(left.pop())
        if read[-1] == ";":
            end = "".join(read[-_ENTITY:])
            entity = end[max(0, end.rfind("&")) :]
            character = fixes.unescape_html(entity)
            if character != entity:
                del read[-len(entity) :]
                left += reversed(character)
    return "".join(read)


def _difference(before: str, after: str) -> tuple[int, int]:
    """Code points removed and added, between the longest start and the longest end that two texts share."""
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    end = next((i for i in range(shorter - start) if before[-1 - i] != after[-1 - i]), shorter - start)
    return len(before) - start - end, len(after) - start - end
