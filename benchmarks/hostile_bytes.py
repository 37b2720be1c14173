"""Ways to damage what is valid: bytes, and JSON or YAML values, by seed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.hostile_guard import MARK

LARGEST = 2**22  # bytes that a damaged file may have
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
TERMINAL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202etxt"
MARKUP = f"</script><script>{MARK}()</script><{MARK}><img src=x onerror={MARK}()>\"'><svg onload={MARK}()>"
DEEP, DIGITS, EXPONENT = "@deep@", "@digits@", "@exponent@"
_RAW = {DEEP: "[" * 50_000 + "]" * 50_000, DIGITS: "9" * 6000, EXPONENT: "1e999999"}
ESCAPES = (
    "../../outside/canary.txt",
    "../outside/canary.txt",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/../../b",
    "~/x",
    "a\0b",
)
STRANGE: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**53,
    2**63,
    2**64,
    10**30,
    1e308,
    -1e308,
    0.5,
    float("nan"),
    float("inf"),
    "x" * 20_000,
    "\ud800",
    "\0",
    TERMINAL,
    MARKUP,
    [],
    {},
    [[]],
    {"a": None},
    [1, "2", None],
    DEEP,
    DIGITS,
    EXPONENT,
    *ESCAPES,
)


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Some bytes, changed in one way or several."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        content = rng.choice(WAYS)(rng, content)[:LARGEST]
    return content


def _place(rng: random.Random, content: bytes, size: int = 1) -> int:
    """Somewhere; as often as not near the beginning or the end, where what describes a file stands."""
    last = max(0, len(content) - size)
    near = min(last, 64)
    return rng.choice((rng.randint(0, last), rng.randint(0, last), rng.randint(0, near), last - rng.randint(0, near)))


def _flip(rng: random.Random, content: bytes) -> bytes:
    if not content:
        return b"\0"
    place = _place(rng, content)
    return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]


def _truncate(rng: random.Random, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _delete(rng: random.Random, content: bytes) -> bytes:
    place = _place(rng, content)
    return content[:place] + content[place + rng.choice((1, 4, 8, 64, 4096)) :]


def _length(rng: random.Random, content: bytes) -> bytes:
    size = rng.choice((1, 2, 4, 8))
    place = _place(rng, content, size)
    value = rng.choice((*EXTREMES, len(content), len(content) * 2)) % 2 ** (8 * size)
    return content[:place] + value.to_bytes(size, rng.choice(("little", "big"))) + content[place + size :]


def _insert(rng: random.Random, content: bytes) -> bytes:
    place = _place(rng, content)
    added = rng.choice(
        (rng.randbytes(rng.choice((1, 8, 300))), b"\0" * 64, b"\xff" * 64, TERMINAL.encode(), b"\n", b'"')
    )
    return content[:place] + added + content[place:]


def _repeat(rng: random.Random, content: bytes) -> bytes:
    place, size = _place(rng, content), rng.choice((1, 16, 512))
    return content[:place] + content[place : place + size] * rng.choice((2, 3, 1000)) + content[place:]


def _splice(rng: random.Random, content: bytes) -> bytes:
    place, other, size = _place(rng, content), _place(rng, content), rng.choice((4, 16, 256, 4096))
    return content[:place] + content[other : other + size] + content[place + size :]


def _twice(rng: random.Random, content: bytes) -> bytes:
    return content + content


def _noise(rng: random.Random, content: bytes) -> bytes:
    return rng.choice((b"", rng.randbytes(len(content) or 100), content[:8] + rng.randbytes(1000), b"\0" * 4096))


WAYS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *((_flip, _length) * 3),
    _truncate,
    _delete,
    _insert,
    _repeat,
    _splice,
    _twice,
    _noise,
)


def altered(rng: random.Random, value: Any, strange: Sequence[Any] = STRANGE) -> Any:
    """A JSON value with one place in it, or a few, made another."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = json.dumps(value)
        value = json.loads(text)  # so that no list is in it twice
        holder = _holder(rng, value)
        if holder is None:
            return rng.choice(strange)
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        way = rng.randrange(8)
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[rng.choice((TERMINAL, MARKUP, "", "../x", "\ud800", key + "x"))] = holder.pop(key)
        elif way == 2 and isinstance(holder, list):
            times = rng.choice((1, 1000))
            holder.extend(holder[:1] * (times if len(text) < 100_000 else 1))
        elif way == 3 and isinstance(holder[key], int | float):
            holder[key] = rng.choice((-holder[key], holder[key] + 1, holder[key] * 2**40, float(holder[key])))
        else:
            holder[key] = rng.choice(strange)
    return value


def _holder(rng: random.Random, value: Any) -> Any:
    """A list or mapping in a value that is not empty, any of them; None where there is none."""
    found, left = [], [value]
    while left:
        one = left.pop()
        if isinstance(one, dict | list) and one:
            found.append(one)
            left.extend(one.values() if isinstance(one, dict) else one)
    return rng.choice(found) if found else None


def json_text(value: Any) -> bytes:
    """A value as JSON, in which what Python cannot write stands for itself."""
    text = json.dumps(value)
    return re.sub('"(@[a-z]+@)"', lambda found: _RAW.get(found[1], found[0]), text).encode()


def damaged_json(rng: random.Random, content: bytes) -> bytes:
    """A JSON file of which values, or now and then bytes, are others."""
    try:
        return json_text(altered(rng, json.loads(content))) if rng.random() < 0.75 else damaged(rng, content)
    except (ValueError, RecursionError):  # damaged before
        return damaged(rng, content)
