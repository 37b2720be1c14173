"""Files to read, made to do harm: known attacks on readers of each format, and names that do.

Each gives the name of a file and its content; `settings` of ingest where they matter.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from benchmarks.hostile_bytes import DEEP, DIGITS, ESCAPES, EXPONENT, MARKUP, TERMINAL, altered, json_text

TEXT = "the river carries old stones slowly towards a quiet harbour where nobody waits "
RECORD = {"id": "a-1", "text": TEXT * 4, "source": "web", "url": "https://example.org/a", "timestamp": "2024-01-02"}
NAMES = (
    "a\x1b[2Jb",
    "a\nb",
    "-rf",
    "a::b",
    "s3:",
    "[x]",
    "{a,b}",
    "%2e%2e%2f",
    "~",
    "..x",
    "\u202elnosj",
    "a b ; rm",
    "x" * 200,
    "\udcff",
    MARKUP.replace("/", "_")[:80],
)


def records(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Records, some of them strange."""
    made: list[dict[str, Any]] = [{**RECORD, "id": f"r-{number}", "more": [1, {"a": "b"}]} for number in range(count)]
    return [altered(rng, one) if rng.random() < 0.5 else one for one in made]


def jsonl(rng: random.Random) -> bytes:
    lines = [json_text(one) for one in records(rng, rng.randint(1, 12))]
    attack = rng.choice(
        (
            b"",
            b'{"text":' * 100_000,
            b'{"text": "' + b"\\ud83d" * 1000 + b'"}',
            b'{"text": "a", "text": "b"}',
            b"[" * 200_000,
            b'{"text": "' + b"x" * 100_000 + b'"}',
            b"\n" * 100_000,
            b"\xff\xfe" + '{"text": "a"}'.encode("utf-16-le"),
            json_text({"text": TEXT, "id": DIGITS, "timestamp": EXPONENT, "more": DEEP}),
            json.dumps({f"f{number}": number for number in range(20_000)} | {"text": TEXT}).encode(),
            json.dumps({"text": TEXT, TERMINAL: TERMINAL, MARKUP: MARKUP}).encode(),
        )
    )
    lines.insert(rng.randint(0, len(lines)), attack)
    return rng.choice((b"\n", b"\n", b"\r\n", b"\r")).join(lines) + rng.choice((b"", b"\n"))


def json_array(rng: random.Random) -> bytes:
    whole = b"[" + b",\n".join(json_text(one) for one in records(rng, rng.randint(1, 12))) + b"]"
    return rng.choice(
        (whole, whole[:-1], whole + b"]", b"[" * 300_000, b"{" * 1000, b'"x"', b"[[[]]]", whole * 2, b"[1, 2]", b"[,]")
    )


def csv(rng: random.Random) -> bytes:
    head = rng.choice((b"id,text,url", b"text", f'"{TERMINAL}",text'.encode(), b"text,text", b"," * 50_000, b""))
    rows = [b'1,"' + TEXT.encode() + b'",x', b'2,"open', b"3,a,b,c,d,e", b"\0,\0,\0", b"", b'"a""b",c', b"\xff,\xfe,x"]
    rows += [b'4,"' + b"y" * 300_000 + b'",z', b"5," + MARKUP.encode(), b"6\r7\r8", b'7,"x"y"z,w', b"," * 10_000]
    return b"\n".join([head, *rng.choices(rows, k=rng.randint(1, 10))])


def _arrays(rng: random.Random) -> dict[str, pa.Array]:
    """Columns of types that are seldom met, with values at their limits."""
    deep: pa.DataType = pa.string()
    for _ in range(rng.choice((3, 40))):
        deep = pa.list_(deep)
    largest = 2**63 - 1
    many: list[Callable[[], pa.Array]] = [
        lambda: pa.array([largest, -largest, 0], pa.timestamp(rng.choice(("s", "ms", "us", "ns")))),
        lambda: pa.array([1, 2, 3], pa.timestamp("us", tz=rng.choice(("UTC", "Nowhere/Land", "+99:99", "")))),
        lambda: pa.array([2**31 - 1, -(2**31), 0], pa.date32()),
        lambda: pa.array([largest // 86_400_000 * 86_400_000, 0, None], pa.date64()),
        lambda: pa.array([largest, 0, None], pa.duration(rng.choice(("s", "ns")))),
        lambda: pa.array([timedelta(1), None, timedelta(2)], pa.duration("us")),
        lambda: pa.array([86_399_999_999, 0, None], pa.time64("us")),
        lambda: pa.array([10**30, -(10**5), None], pa.decimal128(38, rng.choice((-5, 0, 7)))),
        lambda: pa.array([float("nan"), float("inf"), -0.0], pa.float16()),
        lambda: pa.array([None, None, None], deep),
        lambda: pa.array([[["a"]] * 3, [], None], pa.list_(pa.list_(pa.string()))),
        lambda: pa.array([{"a": 1}, {"a": None}, None], pa.struct([("a", pa.int64())])),
        lambda: pa.array([[("k", "v"), ("k", "w")], [], None], pa.map_(pa.string(), pa.string())),
        lambda: pa.array([b"\xff\xfe", b"", None], pa.binary()),
        lambda: pa.array([b"abcd", b"\xff" * 4, None], pa.binary(4)),
        lambda: pa.array(["a", None, "b"], pa.dictionary(pa.int8(), pa.string())),
        lambda: pa.nulls(3),
        lambda: pa.array([True, None, False]),
        lambda: pa.array([2**64 - 1, 0, None], pa.uint64()),
        lambda: pa.array([TERMINAL, MARKUP, "\ufffe"]),
        lambda: pa.array([TEXT * 20, "", None]),
    ]
    names = ["id", "text", "url", "timestamp", "source", TERMINAL, MARKUP, "", "a.b", "more"]
    columns = {name: rng.choice(many)() for name in rng.sample(names, rng.randint(1, 8))}
    return columns | ({"text": pa.array([TEXT, TEXT * 2, TEXT * 3])} if rng.random() < 0.7 else {})


def parquet(rng: random.Random) -> bytes:
    sink = io.BytesIO()
    columns = _arrays(rng)
    options: dict[str, Any] = {
        "compression": rng.choice(("zstd", "snappy", "gzip", "none")),
        "row_group_size": rng.choice((1, 3)),
        "use_dictionary": rng.random() < 0.5,
        "data_page_version": rng.choice(("1.0", "2.0")),
    }
    try:
        pq.write_table(pa.table(columns), sink, **options)
    except (pa.ArrowException, NotImplementedError, OSError):  # Parquet has not all the types
        return parquet(rng)
    return sink.getvalue()


def arrow(rng: random.Random) -> bytes:
    columns = _arrays(rng)
    table = pa.table({**columns, **_of_arrow_alone(rng)} if rng.random() < 0.4 else columns)
    sink, codec = pa.BufferOutputStream(), rng.choice((None, "zstd", "lz4"))
    kind = pa.ipc.new_file if rng.random() < 0.5 else pa.ipc.new_stream
    with kind(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        for _ in range(rng.choice((1, 3))):
            writer.write_table(table)
    return bytes(sink.getvalue())


def _of_arrow_alone(rng: random.Random) -> dict[str, pa.Array]:
    union = pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])])
    ends = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["x", "y"]))
    interval = pa.array([(2**31 - 1, -1, 2**62), None, (0, 0, 0)], pa.month_day_nano_interval())
    view = pa.array([TEXT, "short", None], pa.string_view())
    return {rng.choice(("union", "text", "id")): rng.choice((union, ends, interval, view))}


def _warc_record(kind: str, headers: str, block: bytes, length: object = None) -> bytes:
    size = len(block) if length is None else length
    return f"WARC/1.0\r\nWARC-Type: {kind}\r\n{headers}Content-Length: {size}\r\n\r\n".encode() + block + b"\r\n\r\n"


def warc(rng: random.Random) -> bytes:
    made = []
    for number in range(rng.randint(1, 5)):
        text = f"{TEXT * 3}{number}".encode()
        headers = f"WARC-Record-ID: <urn:{number}>\r\nWARC-Date: 2024-01-02T00:00:00Z\r\n"
        headers += rng.choice(
            ("", f"WARC-Target-URI: {TERMINAL}\r\n", f"X: {'y' * 50_000}\r\n", ": :\r\n", "\udcff\r\n")
        )
        length = rng.choice((None, None, None, 0, -1, 10**18, 10**30, "x", "", len(text) + 1, len(text) - 1))
        made.append(
            _warc_record(
                "conversion",
                f"{headers}Content-Type: text/plain\r\n".encode("utf-8", "surrogateescape").decode("latin-1"),
                text,
                length,
            )
        )
    return b"".join(made)


def warc_of_pages(rng: random.Random) -> bytes:
    """Responses of which HTTP says something else than is there."""
    page = html(rng)[:50_000]
    codings = ("", "gzip", "br", "deflate", "gzip, gzip", "zstd", "x" * 1000, "identity", TERMINAL)
    charsets = ("utf-8", "rot13", "zip", "hex", "idna", "undefined", "utf-7", "unicode_escape", "x" * 90, "utf-16")
    coding, charset = rng.choice(codings), rng.choice(charsets)
    packed = gzip.compress(rng.choice((page, b"\0" * 10**7))) if "gzip" in coding and rng.random() < 0.7 else page
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset={charset}\r\nContent-Encoding: {coding}\r\n"
    if rng.random() < 0.3:
        head += "Transfer-Encoding: chunked\r\n"
        packed = rng.choice((b"ffffffffff\r\n", b"-1\r\n", b"5\r\n", b"zz\r\n")) + packed
    block = (head + "\r\n").encode() + packed
    return _warc_record("response", "Content-Type: application/http; msgtype=response\r\n", block)


def html(rng: random.Random) -> bytes:
    body = f"<p>{TEXT * 5}</p>" * 3
    attacks = (
        "<div>" * 20_000 + body,
        "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><p>&b;&b;</p>" + body,
        f'<meta charset="{rng.choice(("hex", "rot13", "utf-7", "undefined", "x" * 5000))}">{body}',
        "<" * 50_000,
        f"<title>{TERMINAL}{MARKUP}</title>{body}",
        "<table>" * 3000 + "<tr><td>" * 3000,
        f'<p a="{"x" * 200_000}">{body}',
        "\0" * 1000 + body,
        f'<?xml version="1.0"?><!DOCTYPE html SYSTEM "file:///etc/passwd">{body}',
        f'<base href="file:///etc/"><iframe src="/etc/passwd"></iframe>{body}',
        "<!--" * 20_000 + body,
    )
    return f"<html><body>{rng.choice(attacks)}".encode()


def archive(rng: random.Random) -> bytes:
    sink = io.BytesIO()
    name = rng.choice((*ESCAPES[:3], "a.jsonl"))
    if rng.random() < 0.5:
        with zipfile.ZipFile(sink, "w") as made:
            made.writestr(name, json.dumps(RECORD))
    else:
        with tarfile.open(fileobj=sink, mode=rng.choice(("w", "w:gz"))) as tar:
            about = tarfile.TarInfo(name)
            about.size = 4
            tar.addfile(about, io.BytesIO(b"text"))
    return sink.getvalue()


def packed(rng: random.Random, content: bytes) -> tuple[str, bytes]:
    """Content in a compression, some of them to harm who unpacks it: the ending, and the bytes."""
    bomb = b"\n" * rng.choice((10**5, 3 * 10**7))
    made: tuple[Callable[[], tuple[str, bytes]], ...] = (
        lambda: (".gz", gzip.compress(content)),
        lambda: (".gz", gzip.compress(bomb, 9) + gzip.compress(content)),
        lambda: (".gz", gzip.compress(b"") * 20_000 + gzip.compress(content)),
        lambda: (".gz.gz", gzip.compress(gzip.compress(content))),
        lambda: (".zst", zstandard.compress(content)),
        lambda: (".zst", zstandard.compress(bomb) + zstandard.compress(content)),
        lambda: (".zst", b"\x50\x2a\x4d\x18" + struct.pack("<I", 2**32 - 1) + b"x" * 100),
        lambda: (".zst", b"\x28\xb5\x2f\xfd\x00\xf8" + b"\xff" * 50),
        lambda: (".xz", lzma.compress(content)),
        lambda: (".xz", lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**26}])),
        lambda: (".lz4", bytes(pa.compress(content, codec="lz4", asbytes=True))),
        lambda: (".br", bytes(pa.compress(content, codec="brotli", asbytes=True))),
        lambda: (".bz2", b"BZh9" + b"\x17\x72\x45\x38\x50\x90" + b"\0" * 100),
    )
    return rng.choice(made)()


FORMATS: dict[str, tuple[str, Callable[[random.Random], bytes]]] = {
    "jsonl": (".jsonl", jsonl),
    "json": (".json", json_array),
    "csv": (".csv", csv),
    "parquet": (".parquet", parquet),
    "arrow": (".arrow", arrow),
    "warc": (".warc", warc),
    "pages": (".warc", warc_of_pages),
    "html": (".html", html),
    "text": (".txt", lambda rng: rng.choice((b"", TEXT.encode() * 50, rng.randbytes(500), TERMINAL.encode()))),
    "archive": (".jsonl", archive),
}
SLOW = ("pages", "html")  # for which a process is started
