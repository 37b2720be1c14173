"""Personal data replaced by placeholders: e-mail addresses, public IP addresses, telephone numbers.

E-mail and IP go by the patterns, the validation and the placeholders of datatrove 0.10 (`formatters/pii.py`). Its word
boundary knows all of Unicode's letters, so that it misses an address right after a Chinese one; here it is ASCII's. Its
placeholders take turns over all documents that a process sees; here they begin anew in each document, so that the
result does not depend on which documents came before.
"""

from __future__ import annotations

import bisect
import ipaddress
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import SupportsIndex

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.text_core.edits.edits import Edited, edit_each
from sequitur.text_core.edits.patterns import compiled

EMAIL = (
    r"\b[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*"
    r"[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?|\[(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}"
    r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?|[A-Za-z0-9-]*[A-Za-z0-9]:)])"
)
IP = r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
# Seven digits, no letter and at most four other characters between two of them: a line without is not searched.
PHONE = r"(?:\p{Nd}[^\p{L}\p{Nd}\n]{0,4}){7}"
PLACEHOLDERS = {
    "email": ("email@example.com", "firstname.lastname@example.org"),  # reserved for examples (RFC 2606)
    "ip": (  # drawn by datatrove's authors, who got no answer from them
        "22.214.171.124",
        "126.96.36.199",
        "188.8.131.52",
        "184.108.40.206",
        "220.127.116.11",
        "18.104.22.168",
    ),
    "phone": ("+1 202-555-0100", "+1 202-555-0199"),  # 555-0100 … 555-0199 are set aside for fiction in North America
}
KINDS = tuple(PLACEHOLDERS)

Span = tuple[int, int]


def redact(text: pa.LargeStringArray, kind: str, phone_regions: Sequence[str] = ()) -> Edited:
    """The texts with placeholders for all personal data of a kind: `email`, `ip` or `phone`.

    `phone_regions` are countries whose national numbers count, by ISO 3166. Texts without a match of a coarse pattern
    are passed over; the others become Python strings.
    """
    finders: dict[str, Callable[[str], Iterator[Span]]] = {
        "email": _emails,
        "ip": _ips,
        "phone": lambda document: _phones(document, phone_regions),
    }
    coarse = {"email": EMAIL, "ip": IP, "phone": PHONE}[kind]
    chosen = pc.match_substring_regex(text, coarse).to_numpy(zero_copy_only=False)
    find, placeholders = finders[kind], PLACEHOLDERS[kind]
    return edit_each(text, chosen, lambda document: _replace(document, find(document), placeholders))


def _replace(document: str, spans: Iterator[Span], placeholders: Sequence[str]) -> tuple[str, int, int, int]:
    """A text with its spans replaced by the placeholders in turn; replacements, code points removed and added."""
    pieces: list[str] = []
    position = count = removed = added = 0
    for start, end in spans:
        placeholder = placeholders[count % len(placeholders)]
        pieces += document[position:start], placeholder
        position, count, removed, added = end, count + 1, removed + end - start, added + len(placeholder)
    return "".join([*pieces, document[position:]]), count, removed, added


def _emails(document: str) -> Iterator[Span]:
    for match in compiled(EMAIL).finditer(document):
        yield match.span()


def _ips(document: str) -> Iterator[Span]:
    """IPv4 addresses that are reachable from everywhere."""
    for match in compiled(IP).finditer(document):
        try:
            public = ipaddress.ip_address(match.group()).is_global
        except ValueError:  # 010.1.1.1 has a leading zero
            continue
        if public:
            yield match.span()


def _phones(document: str, regions: Sequence[str]) -> Iterator[Span]:
    """Valid international numbers, and valid national ones of some regions that are grouped as usual there.

    A national number must hold a separator: a bare run of digits is more often something else.
    """
    start = 0
    for line in document.split("\n"):
        if compiled(PHONE).search(line):
            for first, last in _phones_of_line(line, regions):
                yield start + first, start + last
        start += len(line) + 1


def _phones_of_line(line: str, regions: Sequence[str]) -> list[Span]:
    found: list[Span] = []  # ascending, as the matcher gives them
    for region in (None, *regions):
        leniency = phonenumbers.Leniency.STRICT_GROUPING if region else phonenumbers.Leniency.VALID
        # Each try takes a character of the line, or a part of some candidate, which has a bounded length: no limit.
        matcher = phonenumbers.PhoneNumberMatcher(_Line(line), region, leniency, max_tries=sys.maxsize)
        more = [
            (match.start, match.end)
            for match in matcher
            if (region is None or not match.raw_string.isdecimal()) and _is_free(found, match.start, match.end)
        ]
        found = sorted(found + more)
    return found


class _Line(str):
    """A line of which the rest from some place on is a few characters: the matcher reads three, and would copy all."""

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        if isinstance(key, slice) and key.stop is None:
            key = slice(key.start, key.start + 8)
        return super().__getitem__(key)


def _is_free(spans: list[Span], start: int, end: int) -> bool:
    """Whether none of some spans, which ascend and are apart, overlaps another one."""
    place = bisect.bisect_left(spans, (end, 0))  # the first that begins where it ends, or after
    return place == 0 or spans[place - 1][1] <= start
