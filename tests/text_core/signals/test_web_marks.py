"""URLs and e-mail addresses against the regular expressions of the module's docstring."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.signals.web_marks import web_mark_signals
from sequitur.text_core.units.strings import from_arrow

URL = re.compile(
    r"(?<![a-z0-9])(?:https?://|ftp://|www\.)[-a-z0-9._~:/?#\[\]@!$&'()*+,;=%]*[-a-z0-9_~/#@$&*+=%]", re.A | re.I
)
LOCAL_PART = re.compile(r"[-a-z0-9._%+]+\Z", re.A | re.I)
HOST = re.compile(r"[-a-z0-9.]*[-a-z0-9]\.[-a-z0-9.]*[a-z0-9]", re.A | re.I)

PIECES = ["http://", "HTTPS://", "ftp://", "www.", "a", "Z9", ".", "/", "?q=1", "@", "-", "é", "字", " ", "\n", ")"]
PIECES += [",", "me.you+x@host.example", "@b.c", "https://example.org/a?b=c#d", "_", "%20", "h", "w", "ww."]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def signals_of(*texts: str) -> dict[str, np.ndarray]:
    return web_mark_signals(from_arrow(pa.array(texts, pa.large_string())))


def marks_of(text: str) -> tuple[list[str], list[str]]:
    """URLs and addresses, from left to right."""
    urls, emails = [], []
    position = outside = 0
    while position < len(text):
        local, host = LOCAL_PART.search(text[outside:position]), HOST.match(text, position + 1)
        if url := URL.match(text, position):
            urls.append(url[0])
            position = outside = url.end()
        elif text[position] == "@" and local and host:
            emails.append(f"{local[0]}@{host[0]}")
            position = outside = host.end()
        else:
            position += 1
    return urls, emails


@settings(max_examples=300, deadline=None)
@given(texts)
def test_marks_are_those_of_the_regular_expressions(text):
    urls, emails = marks_of(text)
    signals = {name: values[1] for name, values in signals_of("x", text).items()}
    assert signals["url_count"] == len(urls)
    assert signals["url_char_share"] == np.float32(sum(map(len, urls)) / max(1, len(text)))
    assert signals["email_char_share"] == np.float32(sum(map(len, emails)) / max(1, len(text)))


@pytest.mark.parametrize(
    ("text", "urls", "url_chars", "email_chars"),
    [
        ("See https://example.org/a_(b)?c=d#e.", 1, 31, 0),
        ("Write to me@example.org, or call.", 0, 0, 14),
        ("ftp://user@host.example/x and WWW.example.org", 2, 40, 0),
        ("https:// www. @ a@b me@.org shttp://x", 0, 0, 0),
        ("链接http://例.cn和http://a.cn/路", 1, 12, 0),
        ("a@b.c@d.e", 0, 0, 5),
        ("", 0, 0, 0),
    ],
)
def test_a_text(text, urls, url_chars, email_chars):
    signals = signals_of(text)
    assert signals["url_count"].tolist() == [urls]
    assert signals["url_char_share"].tolist() == [np.float32(url_chars / max(1, len(text)))]
    assert signals["email_char_share"].tolist() == [np.float32(email_chars / max(1, len(text)))]
