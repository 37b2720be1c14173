"""Hosts are found in URLs as browsers find them, and met in a block list with every domain above them."""

import string
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.signals.urls import (
    DOMAIN,
    PATTERN_CHARACTERS,
    SUBSTRING,
    BlocklistError,
    blocked,
    read_blocklist,
)

DOMAINS = (
    "# a comment",
    "",
    "example.com",
    "*.wild.net ",
    ".dotted.net",
    "0.0.0.0 hosts.net # of a hosts file",
    "Bücher.de",
    "xn--e1afmkfd.xn--p1ai",
    "[2001:db8::1]",
    "10.0.0.1",
)
BLOCKLIST = read_blocklist(DOMAINS, ["# a comment", " /Casino/ ", "a.b", "", "ÄRGER"])


def kinds(*urls: str | None) -> list[int]:
    return blocked(pa.array(urls, pa.string()), BLOCKLIST).tolist()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://WWW.Example.COM:8080/x?y#z",
        "http://user:pw@example.com/",
        "http://good.org@example.com",
        "http://example.com./",
        "http://example.com?x",
        "http://example.com#x",
        "//a.b.c.example.com/x",
        "example.com/x",
        "example.com:80",
        r"http:\\example.com\x",
        "http:////example.com",
        " \n http://example.com ",
        "http://exam\tple.com",
        "http://exa%6dple%2Ecom/",
        "http://wild.net",
        "http://a.dotted.net",
        "http://hosts.net",
        "http://bücher.de/",
        "http://BÜCHER.de/",
        "http://b%C3%BCcher.de/",
        "http://xn--bcher-kva.de/",
        "http://пример.рф/",
        "http://www。example。com/",
        "http://[2001:DB8::1]:80/",
        "http://10.0.0.1:81/",
    ],
)
def test_domains_block_their_host_and_its_subdomains(url: str) -> None:
    assert kinds(url) == [DOMAIN]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "http://",
        "/example.com/x",
        "http://notexample.com",
        "http://example.com.good.org",
        "http://example.org/example.com",
        "http://good.org/?u=http://example.com",
        "http://good.org#@example.com",
        "http://example.com@good.org",
        "http://com",
        "http://[2001:db8::12]/",
        "http://" + "a" * 100_000 + "%",
        "http://%ff.%/",
    ],
)
def test_other_urls_pass(url: str | None) -> None:
    assert kinds(url) == [0]


def test_substrings_are_found_anywhere_in_any_case() -> None:
    urls = ("http://x.org/CASINO/1", "http://x.org/casino", "http://A.B/", "http://x.org/axb", "http://x.org/ärger")
    assert kinds(*urls) == [SUBSTRING, 0, SUBSTRING, 0, SUBSTRING]


def test_a_domain_comes_before_a_substring() -> None:
    assert kinds("http://example.com/casino/") == [DOMAIN]


def test_no_substring_is_lost_between_expressions() -> None:
    words = [f"word-{number}." for number in range(3000)]
    blocklist = read_blocklist([], words)
    assert len(blocklist.patterns) > sum(map(len, words)) // PATTERN_CHARACTERS > 1
    urls = pa.array([f"http://x.org/{word}html" for word in words] + ["http://x.org/word-1/"])
    assert blocked(urls, blocklist).tolist() == [SUBSTRING] * 3000 + [0]


def test_a_slice_with_nulls() -> None:
    urls = pa.array(["http://example.com", None, "http://b%C3%BCcher.de", "http://good.org", None], pa.large_string())
    assert blocked(urls.slice(1, 3), BLOCKLIST).tolist() == [0, DOMAIN, 0]
    assert blocked(urls.slice(0, 0), BLOCKLIST).dtype == np.int8


@pytest.mark.parametrize("entry", ["example.com/path", "two words.com", "http://", "user@example.com", "*."])
def test_what_is_no_domain(entry: str) -> None:
    with pytest.raises(BlocklistError, match="is no domain; give one a line"):
        read_blocklist(["example.com", entry], [])


LABELS = st.text(string.ascii_lowercase[:3], min_size=1, max_size=2)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


@given(
    listed=st.lists(NAMES, max_size=5), hosts=st.lists(NAMES, min_size=1, max_size=5), port=st.sampled_from(["", ":8"])
)
def test_as_by_the_standard_library(listed: list[str], hosts: list[str], port: str) -> None:
    urls = [f"http://u@{host}{port}/p" for host in hosts]
    found = [f".{urlsplit(url).hostname}" for url in urls]
    expected = [any(host.endswith(f".{domain}") for domain in listed) for host in found]
    assert blocked(pa.array(urls), read_blocklist(listed, [])).tolist() == expected


@given(st.lists(st.text(st.sampled_from("http:/\\@[]?#%.a é\0"), max_size=12) | st.none(), max_size=5))
def test_any_string_is_judged(urls: list[str | None]) -> None:
    assert len(blocked(pa.array(urls, pa.string()), BLOCKLIST)) == len(urls)
