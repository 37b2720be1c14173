"""The tokens of every document: words and symbols as spaCy's English tokenizer splits them, which datatrove counts.

Ratios "per word" and n-grams in datatrove's filters are taken over the tokens of `spacy.blank("en")`, symbols among
them. These rules follow that tokenizer (spaCy 3.8, `lang/punctuation.py`, `lang/en/punctuation.py`) without its lists
of abbreviations, emoticons and units, and without its regular expressions:

* A *chunk* is a run of code points between white space. A letter of an unspaced script (with its marks), an emoji or
  another So, the ellipsis, and a run of two full stops or more are tokens of their own wherever they stand.
* Off the beginning of a chunk, each EDGE and OPENER is a token (`+` only before no digit). Off its end, so is each
  EDGE, an OPENER after a digit (10%), and a full stop after a digit, two capitals, an EDGE or a lower-case letter
  (but that of v. and i.e.).
* Inside, hyphens between letters or digits and a letter, `:<>=/` between them, a comma between letters, a full stop
  between a lower and an upper case letter, and `+-*^` between digits are tokens. Not so after a scheme or host name
  (`://`, `example.org/`) at the beginning, nor after `@`: URLs and e-mail addresses stay whole.
* `):` at the end of a chunk is one token.
* Off the end of what is left, a contraction: n't, 's, 'm, 'd, 're, 've, 'll.

So `snake_case`, `self.foo` and 1,000.50 are one token, `don't` two, `state-of-the-art` seven. The words of `words.py`
are another thing: case-folded, without symbols, for shingles, vectors and word lists.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.token_hashes import fill_hashes
from sequitur.text_core.units.unicode import (
    ALONE,
    ATTACHED,
    DIGIT,
    EDGE,
    FULL_STOP,
    LOWER,
    OPENER,
    PLAIN,
    SPACE,
    TOKEN_CLASS,
    UPPER,
    decode,
    unicode_tables,
)

_INFIXES = (0x3A, 0x3C, 0x3D, 0x3E, 0x2F, 0x2C, 0x2E, 0x2B, 0x2A, 0x5E)  # : < = > / , . + * ^


class TokenTable(NamedTuple):
    """t tokens of n documents, in text order; document i has tokens `document_offsets[i]:document_offsets[i + 1]`."""

    hash: npt.NDArray[np.uint64]  # [t], a polynomial of the bytes: that of tokens end to end follows from theirs
    start: npt.NDArray[np.int64]  # [t], byte offset into `Strings.data`
    end: npt.NDArray[np.int64]  # [t], byte offset after the token
    chars: npt.NDArray[np.int32]  # [t], code points
    is_word: npt.NDArray[np.bool_]  # [t], not of SYMBOL code points alone: datatrove's "non-symbol words"
    is_alphabetic: npt.NDArray[np.bool_]  # [t], holds a letter (L*)
    document_offsets: npt.NDArray[np.int64]  # [n + 1]


def token_table(strings: Strings) -> TokenTable:
    """Find and hash the tokens of n documents, reading the text twice: once for bounds, once for hashes.

    30 bytes a token. A text of more than one token in two bytes is split again with room for one in every byte.
    """
    kinds = unicode_tables().token_kinds
    size = int(strings.offsets[-1] - strings.offsets[0])
    document_offsets = np.zeros(len(strings.offsets), dtype=np.int64)
    for room in (size // 2, size):
        starts, ends = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        count = _fill_bounds(strings, kinds, starts, ends, document_offsets)
        if count >= 0:
            break
    table = TokenTable(
        np.empty(count, dtype=np.uint64),
        starts[:count],
        ends[:count],
        np.empty(count, dtype=np.int32),
        np.empty(count, dtype=np.bool_),
        np.empty(count, dtype=np.bool_),
        document_offsets,
    )
    fill_hashes(
        strings.data, kinds, table.start, table.end, table.hash, table.chars, table.is_word, table.is_alphabetic
    )
    return table


@kernel
def _fill_bounds(
    strings: Strings,
    kinds: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    document_offsets: npt.NDArray[np.int64],
) -> int:
    """Returns the number of tokens, or -1 where there is no room for them."""
    offsets, data = strings
    count = 0
    for document in range(len(offsets) - 1):
        position = offsets[document]
        end = offsets[document + 1]
        while position < end:
            code, width = decode(data, position, end)
            kind = kinds[code] & TOKEN_CLASS
            if kind == SPACE:
                position += width
                continue
            first = position
            position = _plain_end(data, position, end, kinds)
            if position > first and (position == end or kinds[data[position]] & TOKEN_CLASS == SPACE):
                pass  # most tokens of most texts; the other branches would find the same
            elif kind == ALONE:
                position = _skip_marks(data, first + width, end, kinds)
            elif _ellipsis_begins(data, first, end):
                while position < end and data[position] == 0x2E:
                    position += 1
            else:
                position = _chunk_end(data, position, end, kinds)
                if count + position - first > len(starts):
                    return -1
                count = _split_chunk(data, first, position, kinds, starts, ends, count)
                continue
            if count == len(starts):
                return -1
            starts[count] = first
            ends[count] = position
            count += 1
        document_offsets[document + 1] = count
    return count


@kernel
def _plain_end(data: npt.NDArray[np.uint8], position: int, end: int, kinds: npt.NDArray[np.uint8]) -> int:
    """Where the ASCII letters and digits from `position` on end."""
    while position < end and data[position] < 0x80 and DIGIT <= kinds[data[position]] & TOKEN_CLASS <= UPPER:
        position += 1
    return position


@kernel
def _ellipsis_begins(data: npt.NDArray[np.uint8], position: int, end: int) -> bool:
    return position + 1 < end and data[position] == 0x2E and data[position + 1] == 0x2E


@kernel
def _skip_marks(data: npt.NDArray[np.uint8], position: int, end: int, kinds: npt.NDArray[np.uint8]) -> int:
    while position < end:
        code, width = decode(data, position, end)
        if kinds[code] & TOKEN_CLASS != ATTACHED:
            break
        position += width
    return position


@kernel
def _chunk_end(data: npt.NDArray[np.uint8], position: int, end: int, kinds: npt.NDArray[np.uint8]) -> int:
    while position < end and not _ellipsis_begins(data, position, end):
        code, width = decode(data, position, end)
        if kinds[code] & TOKEN_CLASS in (SPACE, ALONE):
            break
        position += width
    return position


@kernel
def _split_chunk(
    data: npt.NDArray[np.uint8],
    position: int,
    end: int,
    kinds: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    count: int,
) -> int:
    """Append the tokens of the chunk [position, end), which holds neither SPACE nor ALONE; return the new count."""
    while position < end:  # off the beginning
        code, width = decode(data, position, end)
        kind = kinds[code] & TOKEN_CLASS
        after = position + width
        plus = code == 0x2B and after < end and kinds[data[after]] & TOKEN_CLASS == DIGIT
        if not (kind == EDGE or (kind == OPENER and not plus)):
            break
        count = _append(starts, ends, count, position, after)
        position = after
    first = position  # of the token that is being read
    tail = end  # where the run of code points that may come off the end begins
    before = before_that = PLAIN  # the classes of the two code points before `position`
    host, dotted, whole = True, False, False  # may yet be a host name, with a full stop; is a URL or an address
    while position < end:
        code, width = decode(data, position, end)
        kind = kinds[code] & TOKEN_CLASS
        after = position + width
        if kind >= DIGIT:
            tail = end
        else:
            dotted |= kind == FULL_STOP and before != PLAIN and after < end and data[after] | 0x20 >= 0x61
            whole |= (code == 0x40 and position > first) or (host and dotted and code == 0x2F)  # @ /
            whole |= host and code == 0x3A and after + 1 < end and data[after] == 0x2F == data[after + 1]  # ://
            host &= code in (0x2B, 0x2D, 0x2E)  # + - .
            if not whole:
                infix_end = _infix_end(data, position, end, kinds, code, before)
                if infix_end > position:
                    count = _append(starts, ends, count, first, position)
                    count = _append(starts, ends, count, position, infix_end)
                    first = position = infix_end
                    before = before_that = PLAIN
                    tail = end
                    continue
            if not _comes_off(code, kind, before, before_that, position - first):
                tail = end
            elif tail == end:
                tail = position
        before_that, before = before, kind if kind != ATTACHED else before
        position = after
    count = _append_word(data, starts, ends, count, first, tail)
    while tail < end:
        after = tail + decode(data, tail, end)[1]
        after += data[tail] == 0x29 and _follows(data, after, end, 0x3A)  # ): is one, an emoticon to spaCy
        count = _append(starts, ends, count, tail, after)
        tail = after
    return count


@kernel
def _follows(data: npt.NDArray[np.uint8], position: int, end: int, byte: int) -> bool:
    return position < end and int(data[position]) == byte


@kernel
def _infix_end(
    data: npt.NDArray[np.uint8], position: int, end: int, kinds: npt.NDArray[np.uint8], code: int, before: int
) -> int:
    """Where the token between two words that begins at `position` ends; `position` where there is none."""
    hyphen = code in (0x2D, 0x7E, 0x2013, 0x2014)  # - ~ – —
    if before not in (LOWER, UPPER, DIGIT) or not (hyphen or code in _INFIXES):
        return position
    width: int = decode(data, position, end)[1]
    after = position + width
    following = kinds[decode(data, after, end)[0]] & TOKEN_CLASS if after < end else PLAIN
    between_digits = code in (0x2B, 0x2D, 0x2A, 0x5E) and before == DIGIT  # + - * ^
    if between_digits and (following == DIGIT or _follows(data, after, end, 0x2D)):
        return after
    if hyphen:
        for _ in range(2 if code == 0x2D else int(code == 0x2014)):  # --- and ——
            if after < end and decode(data, after, end)[0] == code:
                after += width
        following = kinds[decode(data, after, end)[0]] & TOKEN_CLASS if after < end else PLAIN
        return after if following in (LOWER, UPPER) else position
    if code in (0x3A, 0x3C, 0x3D, 0x3E, 0x2F):  # : < = > /
        return after if following in (LOWER, UPPER) else position
    if code == 0x2C:
        return after if before != DIGIT and following in (LOWER, UPPER) else position
    return after if code == 0x2E and before == LOWER and following == UPPER else position


@kernel
def _comes_off(code: int, kind: int, before: int, before_that: int, length: int) -> bool:
    """Whether a code point at the end of a chunk is a token of its own; `length` bytes of its word precede it."""
    if kind == FULL_STOP:
        if before == LOWER:
            return not (length == 1 or (length == 3 and before_that == FULL_STOP))  # v. and i.e. keep theirs
        return before in (DIGIT, EDGE, OPENER) or (before == UPPER and before_that == UPPER)
    return kind == EDGE or (kind == OPENER and before == DIGIT and code not in (0x3D, 0xA7))  # = §


@kernel
def _append_word(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    count: int,
    start: int,
    end: int,
) -> int:
    """Append what is left between both ends of a chunk, as one token or as a contraction's two."""
    last = data[end - 1] | 0x20  # in lower case
    letters = 0  # of the contraction, after the apostrophe
    if end - start > 2 and last in (0x73, 0x6D, 0x64, 0x74):  # s m d t
        letters = 1
    elif end - start > 3 and last in (0x65, 0x6C):  # 're 've 'll
        before = data[end - 2] | 0x20
        letters = 2 if (last == 0x65 and before in (0x72, 0x76)) or (last == 0x6C and before == 0x6C) else 0
    split = end
    if letters and data[end - letters - 1] == 0x27:  # '
        split = end - letters - 1
    elif letters and end - start > letters + 3 and data[end - letters - 1] == 0x99:  # ’ is E2 80 99
        split = end - letters - 3 if data[end - letters - 2] == 0x80 and data[end - letters - 3] == 0xE2 else end
    if split < end and last == 0x74:
        split = split - 1 if split - 1 > start and data[split - 1] | 0x20 == 0x6E else end  # n't
    if split > start and split < end:
        count = _append(starts, ends, count, start, split)
        start = split
    appended: int = _append(starts, ends, count, start, end)
    return appended


@kernel
def _append(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], count: int, start: int, end: int) -> int:
    if start == end:
        return count
    starts[count] = start
    ends[count] = end
    return count + 1
