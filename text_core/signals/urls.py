"""Which URLs a block list names: by their host or a domain above it, or by a string in them."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.strings import Strings, from_arrow

DOMAIN, SUBSTRING = 1, 2
# Characters of the substrings that one regular expression looks for: its automaton must fit RE2's 8 MiB.
PATTERN_CHARACTERS = 8192
MAX_HOST = 1024  # bytes of a host that is decoded; DNS has 253
# FNV-1a, 64 bits (Fowler, Noll, Vo).
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_SPACE, _HASH, _PERCENT, _SLASH, _COLON, _QUESTION, _AT = (np.uint8(ord(char)) for char in " #%/:?@")
_OPEN, _BACKSLASH, _CLOSE, _DOT, _PLUS, _MINUS = (np.uint8(ord(char)) for char in "[\\].+-")


class BlocklistError(ValueError):
    """An entry of a list of domains is no domain."""


class Blocklist(NamedTuple):
    """Hashes of domains, ascending, uint64[n]; regular expressions (RE2) that find the substrings in any case."""

    domains: npt.NDArray[np.uint64]
    patterns: tuple[str, ...]


class Hosts(NamedTuple):
    """The host of URL i is `data[starts[i]:ends[i]]`; empty where it has none."""

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    is_plain: npt.NDArray[np.bool_]  # nothing in it is encoded or beyond ASCII


def read_blocklist(domains: Iterable[str], substrings: Iterable[str]) -> Blocklist:
    """The entries of two lists. Blank lines, and lines that begin with #, are passed over.

    A domain may have a wildcard or a dot before it, or an address of this machine as in hosts files. 8 bytes a domain
    are kept; 5 million take about 10 seconds and, for a while, 1 GiB.

    Raises:
        BlocklistError: an entry is no domain (it has a path, say): blocking its whole host would be too much.
    """
    names = _entries(domains)
    names = pc.replace_substring_regex(names, r"\s+#.*$", "")
    names = pc.replace_substring_regex(names, r"^(?:(?:0\.0\.0\.0|127\.0\.0\.1|::1?)\s+)?(?:\*?\.)?", "")
    strings = from_arrow(names)
    hosts = Hosts(*_find_hosts(*strings))
    wrong = pc.match_substring_regex(names, r"[\s/\\@?#]").to_numpy(zero_copy_only=False) | (hosts.starts == hosts.ends)
    if wrong.any():
        raise BlocklistError(f"{names[int(wrong.argmax())].as_py()[:100]!r} is no domain; give one a line")
    strings, hosts = _plain_hosts(strings, hosts)
    hashes = np.sort(_hash_hosts(strings.data, hosts.starts, hosts.ends))
    texts = sorted(set(_entries(substrings).to_pylist()))
    return Blocklist(read_only(hashes, np.uint64), tuple(_patterns(texts)))


def _entries(lines: Iterable[str]) -> pa.LargeStringArray:
    trimmed = pc.utf8_trim_whitespace(pa.array(lines, pa.large_string()))
    return trimmed.filter(pc.match_substring_regex(trimmed, "^[^#]"))


def _patterns(texts: Sequence[str]) -> Iterable[str]:
    group: list[str] = []
    size = 0
    for text in texts:
        if group and size + len(text) > PATTERN_CHARACTERS:
            yield "|".join(group)
            group, size = [], 0
        group.append(re.escape(text))
        size += len(text)
    if group:
        yield "|".join(group)


def blocked(urls: pa.StringArray | pa.LargeStringArray, blocklist: Blocklist) -> npt.NDArray[np.int8]:
    """How each of n URLs is blocked: int8[n], 0 not at all, `DOMAIN`, else `SUBSTRING`. A null is not blocked.

    The host is found as browsers find it (WHATWG URL Standard, 4.4): user names and ports are passed over, \\ is /, a
    URL may lack its scheme; upper case, a dot at the end, percent-encoding and Unicode (by IDNA 2003) make no
    difference. Domains are compared by 64-bit hash: with 5 million, a URL is taken for another with probability 10⁻¹².
    Cost: a binary search for each label of the host; one pass over the URLs for each 8 KiB of substrings.
    """
    found = np.zeros(len(urls), dtype=np.int8)
    for pattern in blocklist.patterns:
        hits = pc.match_substring_regex(urls, pattern, ignore_case=True).fill_null(False)
        found[hits.to_numpy(zero_copy_only=False)] = SUBSTRING
    if len(blocklist.domains):
        strings = from_arrow(urls)
        strings, hosts = _plain_hosts(strings, Hosts(*_find_hosts(*strings)))
        found[_is_listed(strings.data, hosts.starts, hosts.ends, blocklist.domains)] = DOMAIN
    return found


def _plain_hosts(strings: Strings, hosts: Hosts) -> tuple[Strings, Hosts]:
    """Hosts without percent-encoding and in Punycode. Those few that are not plain are rewritten one by one."""
    odd = np.flatnonzero(~hosts.is_plain)
    if not len(odd):
        return strings, hosts
    rewritten = [_plain_host(strings.data[hosts.starts[i] : hosts.ends[i]].tobytes()) for i in odd.tolist()]
    ends = len(strings.data) + np.cumsum([len(host) for host in rewritten])
    starts, all_ends = hosts.starts.copy(), hosts.ends.copy()
    starts[odd], all_ends[odd] = np.concatenate([[len(strings.data)], ends[:-1]]), ends
    data = np.concatenate([strings.data, np.frombuffer(b"".join(rewritten), np.uint8)])
    strings = Strings(strings.offsets, read_only(data, np.uint8))
    return strings, Hosts(read_only(starts, np.int64), read_only(all_ends, np.int64), hosts.is_plain)


def _plain_host(host: bytes) -> bytes:
    if len(host) > MAX_HOST:
        return host
    text = "".join(unquote(host.decode("utf-8", "replace"), errors="replace").split())
    try:
        return text.encode("idna").rstrip(b".").lower()
    except UnicodeError:  # an empty label, or one that is too long
        return text.lower().rstrip(".").encode("utf-8", "replace")


@njit(cache=True, nogil=True)
def _find_hosts(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The fields of `Hosts` for n URLs."""
    n = len(offsets) - 1
    starts = np.empty(n, dtype=np.int64)
    ends = np.empty(n, dtype=np.int64)
    is_plain = np.empty(n, dtype=np.bool_)
    for i in range(n):
        start, end = offsets[i], offsets[i + 1]
        while start < end and data[start] <= _SPACE:
            start += 1
        start, end = _authority(data, _after_scheme(data, start, end), end)
        if start < end and data[start] == _OPEN:  # an IPv6 address
            start += 1
            last = start
            while last < end and data[last] != _CLOSE:
                last += 1
        else:
            last = start
            while last < end and data[last] != _COLON:
                last += 1
        plain = True
        for position in range(start, last):
            byte = data[position]
            plain &= _SPACE < byte < 0x80 and byte != _PERCENT
        while last > start and (data[last - 1] == _DOT or data[last - 1] <= _SPACE):
            last -= 1
        starts[i], ends[i], is_plain[i] = start, last, plain
    return starts, ends, is_plain


@njit(cache=True, nogil=True)
def _is_slash(byte: np.uint8) -> bool:
    return bool(byte in (_SLASH, _BACKSLASH))


@njit(cache=True, nogil=True)
def _after_scheme(data: npt.NDArray[np.uint8], start: int, end: int) -> int:
    """Where the authority of a URL begins; `end` for a path, which has none."""
    position = start
    while position < end and _is_of_scheme(data[position]):
        position += 1
    slashes = position + 1
    while slashes < end and _is_slash(data[slashes]):
        slashes += 1
    if position < end and data[position] == _COLON and slashes > position + 1:
        return slashes
    if position == start and position + 1 < end and _is_slash(data[start]) and _is_slash(data[start + 1]):
        return slashes
    return end if start < end and _is_slash(data[start]) else start


@njit(cache=True, nogil=True)
def _is_of_scheme(byte: np.uint8) -> bool:
    return bool(0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A or byte in (_PLUS, _MINUS, _DOT))


@njit(cache=True, nogil=True)
def _authority(data: npt.NDArray[np.uint8], start: int, end: int) -> tuple[int, int]:
    """Host and port: from behind the last @ to the path, the query or the fragment."""
    position = start
    while position < end:
        byte = data[position]
        if _is_slash(byte) or byte in (_QUESTION, _HASH):
            break
        position += 1
        if byte == _AT:
            start = position
    return start, position


@njit(cache=True, nogil=True)
def _lower(byte: np.uint8) -> np.uint8:
    return byte | np.uint8(0x20) if 0x41 <= byte <= 0x5A else byte


@njit(cache=True, nogil=True)
def _hash_hosts(
    data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """uint64[n]: of each host in lower case, from its last byte to its first."""
    hashes = np.empty(len(starts), dtype=np.uint64)
    for i in range(len(starts)):
        state = _FNV_OFFSET
        for position in range(ends[i] - 1, starts[i] - 1, -1):
            state = (state ^ np.uint64(_lower(data[position]))) * _FNV_PRIME
        hashes[i] = mix64(state)
    return hashes


@njit(cache=True, nogil=True)
def _is_listed(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    domains: npt.NDArray[np.uint64],
) -> npt.NDArray[np.bool_]:
    """bool[n]: whether the hash of a host, or of what stands behind one of its dots, is among `domains` (ascending)."""
    listed = np.zeros(len(starts), dtype=np.bool_)
    for i in range(len(starts)):
        state = _FNV_OFFSET
        for position in range(ends[i] - 1, starts[i] - 1, -1):
            state = (state ^ np.uint64(_lower(data[position]))) * _FNV_PRIME
            if position == starts[i] or data[position - 1] == _DOT:
                wanted = mix64(state)
                place = np.searchsorted(domains, wanted)
                if place < len(domains) and domains[place] == wanted:
                    listed[i] = True
                    break
    return listed
