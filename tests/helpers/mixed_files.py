"""The same kind of records in every format and compression that is read."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import web_pages
import zstandard


def write(folder: Path, lines: Sequence[bytes]) -> list[Path]:
    """Files of every format, each with some of the records in JSON `lines`."""
    folder.mkdir(parents=True, exist_ok=True)
    some = [list(lines[number::14]) for number in range(14)]
    plain = [b"\n".join(one) + b"\n" for one in some]
    records = [[json.loads(line) for line in one] for one in some]
    packed = {
        "b.jsonl.gz": gzip.compress(plain[1]),
        "c.jsonl.zst": zstandard.compress(plain[2]),
        "d.jsonl.bz2": bz2.compress(plain[3]),
        "e.jsonl.xz": lzma.compress(plain[4]),
        "f.jsonl.lz4": pa.compress(plain[5], codec="lz4", asbytes=True),
        "g.jsonl.br": pa.compress(plain[6], codec="brotli", asbytes=True),
    }
    files = {"a.jsonl": plain[0], **packed, "h.json": json.dumps(records[7]).encode()}
    files["k.csv"] = _csv(records[8])
    files["l.csv.gz"] = gzip.compress(_csv(records[9]))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    pq.write_table(_table(records[10]), folder / "m.parquet", row_group_size=5)
    with pa.ipc.new_file(str(folder / "n.arrow"), _table(records[11]).schema) as writer:
        writer.write_table(_table(records[11]))
    pages = web_pages.Warc(packed=True)
    for number, record in enumerate(records[12]):
        pages.response(web_pages.html(record["text"]), uri=f"http://example.org/{number}")
    pages.write(folder / "o.warc.gz")
    for number, record in enumerate(records[13]):
        (folder / f"q-{number}.txt").write_text(record["text"])
        (folder / f"r-{number}.html").write_bytes(web_pages.html(record["text"]))
    return sorted(folder.iterdir())


def _table(records: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{name: one.get(name) for name in ("id", "text", "source")} for one in records])


def _csv(records: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "text", "source"])
    writer.writerows([one["id"], one["text"], one.get("source", "")] for one in records)
    return out.getvalue().encode()
