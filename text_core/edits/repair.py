"""Broken text repaired: mojibake, HTML entities, control characters, Unicode normalisation."""

from __future__ import annotations

import unicodedata

import ftfy
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.text_core.edits.edits import Edited, edit_each
from sequitur.text_core.edits.patterns import compiled

# What the fixes below can change holds one of these; all others are ASCII text without entities.
_SUSPECT = r"[^\t\n -%'-~]"
# Sorting a run of combining marks takes the square of its length. More than 30 are not text (UAX #15, Stream-Safe).
_MARKS = r"\p{M}{31}"
# As datatrove's FTFYFormatter, which leaves be what is not broken: curly quotes, ligatures, full-width letters, line
# breaks. NFC comes beside.
_CONFIG = ftfy.TextFixerConfig(
    unescape_html="auto",
    remove_terminal_escapes=True,
    fix_encoding=True,
    restore_byte_a0=True,
    replace_lossy_sequences=True,
    decode_inconsistent_utf8=True,
    fix_c1_controls=True,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=True,
    remove_control_chars=True,
    normalization=None,
    explain=False,
)


def fix_unicode(text: pa.LargeStringArray) -> Edited:
    """The texts as ftfy mends them: text decoded with the wrong encoding, HTML entities (up to the first `<`), terminal
    escapes, C1 and other control characters; and in NFC, unless more than 30 combining marks follow one another.

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
    while True:
        document = ftfy.fix_text(document, config=_CONFIG)
        if compiled(_MARKS).search(document):
            return document
        normal = unicodedata.normalize("NFC", document)
        if normal == document:
            return document
        document = normal


def _difference(before: str, after: str) -> tuple[int, int]:
    """Code points removed and added, between the longest start and the longest end that two texts share."""
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    end = next((i for i in range(shorter - start) if before[-1 - i] != after[-1 - i]), shorter - start)
    return len(before) - start - end, len(after) - start - end
