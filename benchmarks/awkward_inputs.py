"""Awkward inputs whose truth is known: formats × compressions × damages × languages × types of fields, by seed.

What each record must become stands beside it: its text, id and time, or a reject.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from benchmarks.awkward_fields import JSON_IDS, JSON_TIMES, MOMENT, TABLE_IDS, TABLE_TIMES

LANGUAGES = {
    "en": "the river carries old stones slowly towards a quiet harbour where nobody waits",
    "de": "über größere Straßen fährt später ein müder Händler nach Köln zurück",
    "fr": "l\u2019élève a répété sa leçon près d\u2019une forêt où naît l\u2019été",
    "es": "mañana el niño comerá piñas según dijo su tía en el jardín",
    "pl": "żółty ślimak łagodnie wędruje przez źdźbła gęstej trawy",
    "ru": "старый мост через широкую реку давно закрыли на долгий ремонт",
    "el": "η θάλασσα ήταν ήρεμη και το μικρό πλοίο έφευγε αργά",
    "ar": "كان البحر هادئا والسفينة الصغيرة تبتعد ببطء عن المدينة",
    "hi": "पुराना पुल बहुत दिनों से बंद है और लोग नाव से जाते हैं",
    "zh": "老桥 已经 关闭 很久 人们 每天 坐船 过河 去 城里",
    "ja": "古い 橋は 長い間 閉ざされ 人々は 船で 川を 渡る",
    "ko": "오래된 다리는 닫혀 있고 사람들은 배를 타고 강을 건넌다",
    "th": "สะพานเก่า ปิดมานาน ผู้คน นั่งเรือ ข้ามแม่น้ำ ทุกวัน",
    "emoji": "👩‍👩‍👧 🇫🇷 e\u0301 \u200f\u202e \u2028 \x00 \ud7ff \U0001d54f \ufeff",
}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lz4": lambda content: bytes(pa.compress(content, codec="lz4", asbytes=True)),
    ".br": lambda content: bytes(pa.compress(content, codec="brotli", asbytes=True)),
}
ENDINGS = {"jsonl": ".jsonl", "json": ".json", "csv": ".csv", "parquet": ".parquet", "arrow": ".arrow", "warc": ".wet"}
RECORD_BYTES = 4000  # a larger record is rejected


@dataclass
class Truth:
    """What a record must become; what is None is not looked at."""

    text: str | None = None
    reject: bool = False  # it must be one
    record_id: str | None = None
    time: datetime | None = None


@dataclass
class Awkward:
    """An input: what to read, how, and what must come of it."""

    about: str
    path: Path
    options: dict[str, Any] = field(default_factory=dict)
    truth: dict[int, Truth] = field(default_factory=dict)  # by row
    may_fail: bool = False  # the run may end by an error that names the file
    must_fail: bool = False
    cut: bool = False  # records may be missing at the end, and the last one's text
    altered: bool = False  # any byte was changed, so that nothing is known of what is read


def make(seed: int, root: Path) -> Awkward:
    """The input of a seed, written below a directory."""
    rng = random.Random(seed)
    kind = rng.choice(list(ENDINGS))
    damage = rng.choice([*(("none",) * 4), *DAMAGES[kind], *DAMAGES["any"]])
    packed = rng.choice([None, None, *COMPRESS]) if kind != "parquet" else None
    if damage == "garbage after" and kind != "parquet":
        packed = packed or rng.choice(list(COMPRESS))
    made = Awkward(f"{seed}: {kind}{packed or ''}, {damage}", root / f"{seed}{ENDINGS[kind]}{packed or ''}")
    made.options = {"max_record_bytes": RECORD_BYTES, "part_bytes": rng.choice([2**10, 2**23])}
    if kind == "jsonl":
        made.options["split_bytes"] = rng.choice([200, 2**26])
    records = [_record(rng, kind) for _ in range(rng.randint(1, 30))]
    content = _written(rng, kind, damage, records, made)
    if packed:
        content = COMPRESS[packed](content)
    _store(rng, damage, content, packed, made)
    return made


def _text(rng: random.Random, kind: str) -> str:
    names = [name for name in LANGUAGES if name != "emoji" or kind not in ("warc", "csv")]
    words = LANGUAGES[rng.choice(names)].split(" ")
    return " ".join(rng.choices(words, k=rng.randint(3, 60)))


def _record(rng: random.Random, kind: str) -> tuple[dict[str, Any], Truth]:
    truth = Truth(_text(rng, kind))
    record: dict[str, Any] = {"text": truth.text}
    if kind in ("jsonl", "json"):
        record["id"], truth.record_id = rng.choice(JSON_IDS)(rng)
        if rng.random() < 0.5:
            record["timestamp"], truth.time = rng.choice(JSON_TIMES), MOMENT
        record["more"] = rng.choice([None, [1, [2]], {"a": {"b": "\u202e"}}, 1e300, "\x1b[31m"])
    elif kind == "csv":
        record["id"] = truth.record_id = f"r-{rng.random()}"
        record["timestamp"], truth.time = str(rng.choice(JSON_TIMES)), MOMENT
        if rng.random() < 0.2:
            truth.text = record["text"] = f'{truth.text},\n"quoted" {truth.text}'
    _spoil(rng, kind, record, truth)
    return record, truth


def _spoil(rng: random.Random, kind: str, record: dict[str, Any], truth: Truth) -> None:
    """Now and then a record that must be a reject, whatever the file."""
    if rng.random() > 0.1:
        return
    flaw = rng.choice(["large", "empty", "missing", "other type"] if kind in ("jsonl", "json") else ["large", "empty"])
    if kind == "warc" and flaw == "empty":
        return
    truth.reject = True
    if flaw == "missing":
        del record["text"]
    else:
        record["text"] = {"large": "x" * (2 * RECORD_BYTES), "empty": "", "other type": [truth.text]}[flaw]


def _written(rng: random.Random, kind: str, damage: str, records: list[Any], made: Awkward) -> bytes:
    rows = dict(enumerate(truth for _, truth in records))
    if kind == "jsonl":
        return _jsonl(rng, damage, [record for record, _ in records], list(rows.values()), made)
    made.truth = rows
    if kind == "json":
        return _json(rng, damage, [record for record, _ in records], made)
    if kind == "csv":
        return _csv(rng, damage, [record for record, _ in records], made)
    if kind == "warc":
        return _wet([record["text"] for record, _ in records])
    return _table(rng, kind, damage, records, made)


def _jsonl(rng: random.Random, damage: str, records: list[dict[str, Any]], truths: list[Truth], made: Awkward) -> bytes:
    is_ascii = rng.random() < 0.3
    lines = [
        (json.dumps(record, ensure_ascii=is_ascii).encode(), truth)
        for record, truth in zip(records, truths, strict=True)
    ]
    end = b"\n"
    place = rng.randint(0, len(lines))
    if damage in BAD_LINES:
        lines.insert(place, (BAD_LINES[damage], Truth(reject=damage != "blank line")))
    elif damage == "crlf":
        end = b"\r\n"
    elif damage == "cr":
        end = b"\r"
        made.may_fail = len(lines) > 1
    elif damage == "bom":
        lines = [(b"\xef\xbb\xbf" + line, truth) for line, truth in lines]
    made.truth = {
        row: truth for row, (line, truth) in enumerate(lines) if line.strip()
    }  # a blank line has a row and no record
    return end.join(line for line, _ in lines) + (end if rng.random() < 0.5 else b"")


BAD_LINES = {
    "blank line": b" ",
    "no JSON": b'{"text": "unfinished',
    "no UTF-8": b'{"text": "\xff\xfe"}',
    "lone surrogate": b'{"text": "a \\ud800 b"}',
    "an array": b'["text"]',
    "NUL bytes": b"\0" * 20,
    "deep": b'{"text": "a", "b": ' + b"[" * 3000,
    "long number": b'{"text": ' + b"9" * 3900 + b"}",
}


def _json(rng: random.Random, damage: str, records: list[dict[str, Any]], made: Awkward) -> bytes:
    texts = [json.dumps(record, ensure_ascii=rng.random() < 0.3, indent=rng.choice([None, 1])) for record in records]
    place = rng.randrange(len(texts))
    if damage == "bad element":
        texts[place] = texts[place].replace('"text":', '"text" "text":', 1) if '"text":' in texts[place] else "7"
        made.truth[place] = Truth(reject=True)
    content = f"[{rng.choice([', ', ',', f',{chr(10)}']).join(texts)}]"
    if damage == "not closed":
        content = content[:-1]
        made.must_fail = True
    return content.encode()


def _csv(rng: random.Random, damage: str, records: list[dict[str, Any]], made: Awkward) -> bytes:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\r\n" if damage == "crlf" else "\n", quoting=csv.QUOTE_ALL)
    names = ["id", "timestamp", "text"]
    writer.writerow([*names, "id"] if damage == "name twice" else names)
    place = rng.randrange(len(records))
    for row, record in enumerate(records):
        if damage == "unclosed quote" and row == place:
            sink.write('broken,"20240115,an opening quote too many\n')
        else:
            writer.writerow([record[name] for name in names] + ([""] if damage == "name twice" else []))
    made.must_fail = damage == "name twice"
    if damage == "unclosed quote":
        made.truth[place] = Truth(reject=True)
    if damage == "crlf":
        for truth in made.truth.values():
            truth.text = truth.text and truth.text.replace("\r\n", "\n")
    return sink.getvalue().encode()


def _wet(texts: list[str]) -> bytes:
    sink = io.BytesIO()
    for number, text in enumerate(texts):
        content = text.encode()
        head = [
            "WARC/1.0",
            "WARC-Type: conversion",
            f"WARC-Record-ID: <urn:test:{number}>",
            "WARC-Date: 2024-01-15T00:00:00Z",
            f"WARC-Target-URI: http://example.org/{number}",
            "Content-Type: text/plain",
            f"Content-Length: {len(content)}",
        ]
        sink.write("\r\n".join(head).encode() + b"\r\n\r\n" + content + b"\r\n\r\n")
    return sink.getvalue()


def _table(rng: random.Random, kind: str, damage: str, records: list[Any], made: Awkward) -> bytes:
    texts = pa.array([record["text"] for record, _ in records])
    id_kind, id_of = rng.choice(TABLE_IDS)
    ids = [id_of(rng) for _ in records]
    time_kind, moment = rng.choice(TABLE_TIMES)
    for (_, truth), (_, name) in zip(records, ids, strict=True):
        truth.record_id, truth.time = name, MOMENT
    columns = [
        ("text", texts.dictionary_encode() if rng.random() < 0.5 else texts),
        ("id", pa.array([value for value, _ in ids], id_kind)),
        ("timestamp", pa.array([moment] * len(records), time_kind)),
        ("spans", pa.array([timedelta(days=1)] * len(records))),
    ]
    if damage == "name twice":
        columns.append(("more", pa.array([1] * len(records))))
        columns.append(("more", pa.array([2] * len(records))))
        made.must_fail = True
    table = pa.Table.from_arrays([column for _, column in columns], names=[name for name, _ in columns])
    sink = io.BytesIO()
    if kind == "parquet":
        pq.write_table(table, sink, row_group_size=rng.choice([3, 100]), compression=rng.choice(["zstd", "none"]))
    else:
        new = rng.choice([pa.ipc.new_file, pa.ipc.new_stream])
        with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(unify_dictionaries=True)) as writer:
            writer.write_table(table, max_chunksize=rng.choice([3, 100]))
    return sink.getvalue()


# By format: what can be wrong with its records; with any file: what can be wrong with its bytes, or odd about its name.
DAMAGES = {
    "any": ["cut", "flip", "garbage after", "odd name", "hidden neighbours", "link", "colons"],
    "jsonl": [*BAD_LINES, "crlf", "cr", "bom"],
    "json": ["bad element", "not closed"],
    "csv": ["unclosed quote", "name twice", "crlf"],
    "parquet": ["name twice"],
    "arrow": ["name twice"],
    "warc": [],
}


def _store(rng: random.Random, damage: str, content: bytes, packed: str | None, made: Awkward) -> None:
    """Writes the file, damaged as a whole or under an odd name."""
    path = made.path
    if damage == "cut" and len(content) > 1:
        content = content[: rng.randrange(len(content))]
        made.cut = made.may_fail = True
        made.must_fail = packed is not None or path.suffix == ".parquet"
    elif damage == "flip":
        place = rng.randrange(len(content))
        content = content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]
        made.may_fail = made.altered = True
    elif damage == "garbage after" and packed is not None:
        content += b"more that is no stream"
        made.must_fail = True
    elif damage in ("odd name", "hidden neighbours"):
        directory = made.path.with_name(f"{made.path.name}.d")
        directory.mkdir()
        for name in ("_SUCCESS", ".part.crc", "_temporary"):
            (directory / name).write_bytes(b"no records")
        bare = rng.choice(["000", "part-0", "data.bin"]) if damage == "odd name" and packed != ".br" else path.name
        tellable = damage == "odd name" and made.path.suffixes[0] != ".csv" and content and packed != ".br"
        path, made.path = directory / (bare if tellable else path.name), directory
    elif damage == "link":
        target = path.with_name(f"target of {path.name}")
        path.symlink_to(target)
        path = target
    elif damage == "colons":
        made.path = path = path.with_name(f"a::{path.name}")
    path.write_bytes(content)
