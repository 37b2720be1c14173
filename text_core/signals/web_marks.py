r"""How much of a document is URLs and e-mail addresses.

A URL begins with http://, https://, ftp:// or www., in any case and not after an ASCII letter or digit, and is made of
the characters of RFC 3986, so that it ends before white space and any letter beyond ASCII; punctuation at its end is
not part of it. As a regular expression with the flags `re.A | re.I`:

    (?<![a-z0-9])(?:https?://|ftp://|www\.)[-a-z0-9._~:/?#\[\]@!$&'()*+,;=%]*[-a-z0-9_~/#@$&*+=%]

An address is

    [-a-z0-9._%+]+@[-a-z0-9.]*[-a-z0-9]\.[-a-z0-9.]*[a-z0-9]

Both are looked for from left to right, an address where its @ stands; none reaches back into the one before it.

| signal | dtype | formula | source |
|---|---|---|---|
| url_count | int64 | URLs | – |
| url_char_share | float32 | code points in URLs / code points | – |
| email_char_share | float32 | code points in e-mail addresses / code points | – |
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.strings import Strings

_LETTERS_DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
# What an ASCII character may be, a bit each
_ALPHANUMERIC, _URL, _URL_END, _LOCAL, _HOST = 1, 2, 4, 8, 16
_ROLES = (
    (_ALPHANUMERIC, _LETTERS_DIGITS),
    (_URL, _LETTERS_DIGITS + "-._~:/?#[]@!$&'()*+,;=%"),
    (_URL_END, _LETTERS_DIGITS + "-_~/#@$&*+=%"),
    (_LOCAL, _LETTERS_DIGITS + "-._%+"),
    (_HOST, _LETTERS_DIGITS + "-."),
)
# With which two characters what is looked for begins, a bit each: ht and ft, ww, @ and any
_FIRSTS, _SECONDS = np.zeros((2, 256), dtype=np.uint8)
_FIRSTS[list(b"hHfFwW@")] = [1, 1, 1, 1, 2, 2, 4]
_SECONDS[:] = 4
_SECONDS[list(b"tTwW")] = [4 | 1, 4 | 1, 4 | 2, 4 | 2]
_AT, _DOT = 0x40, 0x2E
_PREFIXES = np.frombuffer(b"https://http://ftp://www.", dtype=np.uint8)
_PREFIX_OFFSETS = (0, 8, 15, 21, 25)


def web_mark_signals(strings: Strings) -> dict[str, npt.NDArray[Any]]:
    """The signals of the table above for n documents, each an array [n]. Reads the text twice."""
    counts = np.zeros((4, len(strings.offsets) - 1), dtype=np.int64)
    _count_marks(strings, _roles(), counts)
    urls, url_chars, email_chars, chars = counts
    return {
        "url_count": urls,
        "url_char_share": _ratio(url_chars, chars),
        "email_char_share": _ratio(email_chars, chars),
    }


def _roles() -> npt.NDArray[np.uint8]:
    roles = np.zeros(256, dtype=np.uint8)
    for role, characters in _ROLES:
        roles[list(characters.encode())] |= role
    return read_only(roles, np.uint8)


def _ratio(numerator: npt.NDArray[np.int64], denominator: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    zeros = np.zeros(len(numerator), dtype=np.float64)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0).astype(np.float32)


@kernel
def _count_marks(strings: Strings, roles: npt.NDArray[np.uint8], counts: npt.NDArray[np.int64]) -> None:
    offsets, data = strings
    for document in range(len(offsets) - 1):
        urls = url_chars = email_chars = chars = 0
        position = outside = offsets[document]  # `outside`: where the last mark ended
        end = offsets[document + 1]
        for byte in data[position:end]:
            chars += byte & 0xC0 != 0x80  # every byte but the continuations begins a code point
        while position + 1 < end:
            byte = data[position]
            if not _FIRSTS[byte] & _SECONDS[data[position + 1]]:
                position += 1
                continue
            after = position
            if byte == _AT:
                start, after = _email_bounds(data, position, outside, end, roles)
                email_chars += after - start
            elif position == offsets[document] or not roles[data[position - 1]] & _ALPHANUMERIC:
                after = _url_end(data, position, end, roles)
                urls += after > position
                url_chars += after - position
            if after > position:
                position = outside = after
            else:
                position += 1
        counts[0, document] = urls
        counts[1, document] = url_chars
        counts[2, document] = email_chars
        counts[3, document] = chars


@kernel
def _url_end(data: npt.NDArray[np.uint8], position: int, end: int, roles: npt.NDArray[np.uint8]) -> int:
    """The end of the URL that begins at `position`; `position` itself where none does."""
    for prefix in range(len(_PREFIX_OFFSETS) - 1):
        first, last = _PREFIX_OFFSETS[prefix], _PREFIX_OFFSETS[prefix + 1]
        i = 0
        while first + i < last and position + i < end and _lower(data[position + i]) == _PREFIXES[first + i]:
            i += 1
        if first + i < last:
            continue
        body = stop = position + i
        while stop < end and roles[data[stop]] & _URL:
            stop += 1
        while stop > body and not roles[data[stop - 1]] & _URL_END:
            stop -= 1
        return stop if stop > body else position
    return position


@kernel
def _lower(byte: int) -> int:
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte


@kernel
def _email_bounds(
    data: npt.NDArray[np.uint8], at: int, outside: int, end: int, roles: npt.NDArray[np.uint8]
) -> tuple[int, int]:
    """Start and end of the address whose @ is at `at`, which may not reach before `outside`; (at, at) for none."""
    start = at
    while start > outside and roles[data[start - 1]] & _LOCAL:
        start -= 1
    stop = at + 1
    while stop < end and roles[data[stop]] & _HOST:
        stop += 1
    while stop > at + 1 and not roles[data[stop - 1]] & _ALPHANUMERIC:
        stop -= 1
    for dot in range(at + 2, stop - 1):
        if data[dot] == _DOT and data[dot - 1] != _DOT and start < at:
            return start, stop
    return at, at
