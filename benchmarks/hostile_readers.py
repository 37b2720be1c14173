"""Hostile cases of what is read from outside a run: inputs, lists, configurations.

A case takes random numbers and a place; it gives a line for each record that is told nowhere, or raises an error.
"""

from __future__ import annotations

import io
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import yaml

from benchmarks import hostile_files
from benchmarks.hostile_base import Base
from benchmarks.hostile_bytes import MARKUP, STRANGE, TERMINAL, altered, damaged, json_text
from benchmarks.hostile_guard import checked, command
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.config import Config, fields, section_of, validate
from sequitur.pipeline.storage import Directory
from sequitur.pipeline.text_lists import read_list
from sequitur.stages.ingest.documents import ReadSplit
from sequitur.stages.ingest.splits import find_inputs, plan_splits
from sequitur.stages.shared.sources import evaluation_files
from sequitur.stages.shared.sources.compression import Limits

UNPACKED = 2**26  # bytes that a file may unpack to


class Place(NamedTuple):
    """Where a case happens: `given` is what a user would name, empty at first; `outside` is nobody's to touch."""

    base: Base
    given: Path
    outside: Path


def _input(rng: random.Random, place: Place) -> Path:
    """One file or several, in the folder that is given; which to read."""
    slow = rng.random() < 0.03
    kinds = [kind for kind in hostile_files.FORMATS if slow == (kind in hostile_files.SLOW)]
    ending, make = hostile_files.FORMATS[rng.choice(kinds)]
    content = make(rng)
    if rng.random() < 0.6:
        content = damaged(rng, content)
    if rng.random() < 0.25:
        more, content = hostile_files.packed(rng, content)
        ending += more
        content = damaged(rng, content) if rng.random() < 0.5 else content
    stem = rng.choice(hostile_files.NAMES) if rng.random() < 0.2 else "plain"
    path = place.given / f"{stem}{rng.choice((ending, ending, ending, '', '.jsonl', '.parquet'))}"
    path.write_bytes(content)
    if rng.random() < 0.05:
        _beside(rng, place.given)
        return place.given
    return path


def _beside(rng: random.Random, folder: Path) -> None:
    """What is no file, in a folder that is read."""
    rng.choice(
        (
            lambda: os.mkfifo(folder / "pipe.jsonl"),
            lambda: (folder / "loop").symlink_to(folder),
            lambda: (folder / "gone.jsonl").symlink_to(folder / "nowhere"),
            lambda: (folder / "folder.jsonl").mkdir(),
            lambda: (folder / "self.jsonl").symlink_to(folder / "self.jsonl"),
        )
    )()


def inputs(rng: random.Random, place: Place) -> list[str]:
    """An input as `ingest` reads it, without Beam."""
    path = _input(rng, place)
    settings = config(
        place,
        {
            "inputs": [str(path)],
            "format": rng.choice(("auto", "auto", "auto", "jsonl", "json", "csv", "parquet", "arrow", "warc", "text")),
            "max_record_bytes": rng.choice((2**12, 2**20)),
            "max_decompressed_bytes": UNPACKED,
            "part_bytes": rng.choice((2**10, 2**20)),
            "extraction_seconds": 2,
        },
    ).ingest
    rejects = builds.begin(Directory(str(place.given.with_name("rejects"))), "hostile")
    rows: dict[str, Counter[int]] = {}
    passed = 0
    for split in plan_splits(settings, find_inputs(settings)):
        for _, batch in ReadSplit("hostile", settings, rejects).process(split.to_json()):
            passed += int(batch.schema.metadata[b"skipped"])
            _count(rows, batch)
    for part in builds.written_parts(rejects):
        _count(rows, artifacts.read_part(rejects.directory, part))
    return [line for file, seen in rows.items() for line in _unaccounted(Path(file), seen, passed, settings)]


def _count(rows: dict[str, Counter[int]], batch: pa.RecordBatch) -> None:
    names = batch.column("source_file").cast(pa.string()).to_pylist()
    for name, row in zip(names, batch.column("source_row").to_pylist(), strict=True):
        rows.setdefault(name, Counter())[row] += 1


def _unaccounted(path: Path, seen: Counter[int], passed: int, settings: Any) -> list[str]:
    """Rows that are there twice, or are missing between others."""
    twice = [row for row, count in seen.items() if count > 1]
    found = [f"{path.name!r}: rows {twice[:5]} twice"] if twice else []
    last = max(seen, default=-1)
    kinds = {kind for found_path, kind, *_ in find_inputs(settings) if Path(found_path) == path}
    blank = _blank_lines(path) if kinds == {"jsonl"} else 0
    if len(seen) + passed + blank < last + 1:
        found.append(f"{path.name!r}: {last + 1 - len(seen)} of {last + 1} rows are neither documents nor rejects")
    return found


def _blank_lines(path: Path) -> int:
    """Lines of a JSONL file that are no records, counted in another way than the reader's; of a packed one, any."""
    content = path.read_bytes()
    if path.suffix != ".jsonl" or content[:2] in (b"\x1f\x8b", b"\x28\xb5", b"BZ", b"\xfd7", b"\x04\x22"):
        return 10**9
    return sum(not line.strip() for line in io.BytesIO(content))


def ingest_command(rng: random.Random, place: Place) -> list[str]:
    """An input by the command line and Beam: what the terminal shows."""
    path = _input(rng, place)
    content = place.base.settings(place.given.with_name("output"))
    content["ingest"] = {"inputs": [str(path)], "max_decompressed_bytes": UNPACKED}
    file = place.given.with_name("my.yaml")
    file.write_text(yaml.safe_dump(content))
    return checked(command("run", file, "--until", rng.choice(("ingest", "annotate")), "--workers", "1"))


def config(place: Place, ingest: dict[str, Any]) -> Config:
    return validate({"output": str(place.given.with_name("output")), "ingest": ingest}, "hostile")


def evaluation(rng: random.Random, place: Place) -> list[str]:
    """Evaluation files, and lists of words."""
    content = rng.choice((hostile_files.jsonl, hostile_files.json_array, hostile_files.html))(rng)
    content = damaged(rng, content) if rng.random() < 0.6 else content
    ending = rng.choice((".jsonl", ".json", ".txt", ".jsonl.gz"))
    if ending.endswith(".gz"):
        content = hostile_files.packed(rng, content)[1]
    path = place.given / f"{rng.choice(('plain', *hostile_files.NAMES[:8]))}{ending}"
    path.write_bytes(content)
    if rng.random() < 0.2:
        read_list(str(path), "annotate.word_list")
        return []
    for file in evaluation_files.find([str(path)]):
        for _ in evaluation_files.read(file, Limits(2**20, UNPACKED), field=rng.choice((None, "text"))):
            pass
    return []


YAML_ATTACKS = (
    "a: &a [*a]\noutput: *a\n",
    "".join(f"b{n}: &b{n} [{','.join(f'*b{n - 1}' if n else 'l' for _ in range(10))}]\n" for n in range(9)),
    "".join(
        f"b{n}: &b{n} {{{','.join(f'k{i}: *b{n - 1}' if n else f'k{i}: 1' for i in range(9))}}}\n" for n in range(9)
    ),
    "".join(f"m{n}: &m{n}\n  <<: [{','.join([f'*m{n - 1}'] * 9) if n else '{a: 1}'}]\n  k{n}: 1\n" for n in range(9)),
    "[" * 5000,
    "{a: " * 5000,
    "- " * 5000,
    "? [a, b]\n: c\n",
    "? {a: b}\n: c\n",
    "1: 2\nnull: 3\ntrue: 4\n",
    "a: !!binary ====\n",
    "a: !!timestamp 2024-99-99\n",
    "a: !!int 0x" + "f" * 20_000 + "\n",
    "seed: " + "9" * 5000 + "\n",
    "seed: 1e400\n",
    "a: !!set {x, y}\nb: !!omap [a: 1]\nc: !!pairs [a: 1]\n",
    'a: "\\ud800\\x1b[31m"\n',
    "a: 190:20:30\n",
    "%YAML 9.9\n---\na: 1\n--- \nb: 2\n",
    "\t\ta: 1\n",
    "a" * 10**6 + ": 1\n",
    "a: " + '"' + "\\n" * 10**5 + '"\n',
    "---\n" * 10_000,
)


def configuration(rng: random.Random, place: Place) -> list[str]:
    """A configuration file: shown, or run where there is nothing to read."""
    content = place.base.settings(place.given.with_name("output"))
    content["ingest"]["inputs"] = [str(place.given / "none.jsonl")]
    runs = rng.random() < 0.1
    strange = [one for one in STRANGE if not isinstance(one, str) or "/" not in one]
    for _ in range(rng.choice((0, 1, 3))):
        name, field = rng.choice([one for one in fields() if not runs or one[0] not in ("output", "ingest.inputs")])
        *sections, last = name.split(".")
        holder = content
        for section in sections:
            holder = holder.setdefault(section, {}) if isinstance(holder.get(section, {}), dict) else {}
        known = field.get_default(call_default_factory=True) if section_of(field) is None else {}
        holder[last] = rng.choice((*strange, altered(rng, [known] if _is_plain(known) else [1], strange)))
    text: bytes = json_text(content)
    if rng.random() < 0.5:
        text = yaml.safe_dump(yaml.safe_load(_readable(content)), allow_unicode=True).encode("utf-8", "surrogatepass")
    if rng.random() < 0.4:
        mark = place.outside / "executed"
        attacks = (
            *YAML_ATTACKS,
            f"a: !!python/object/apply:os.system ['touch {mark}']\n",
            f"a: !!python/object/new:pathlib.Path ['{mark}']\n",
            f"a: !!python/name:os.system\nb: !!python/module:{'antigravity'}\n",
        )
        attack = rng.choice(attacks).encode("utf-8", "surrogatepass")
        text = rng.choice((attack, attack + yaml.safe_dump(_plain(content)).encode("utf-8", "surrogatepass")))
    if rng.random() < 0.3:
        text = damaged(rng, text)
    file = place.given / f"{rng.choice(('my', *hostile_files.NAMES[:7]))}.yaml"
    file.write_bytes(text)
    if runs:
        return checked(command("run", file, "--workers", "1"))
    over = [f"--set={rng.choice([name for name, _ in fields()])}={rng.choice(_VALUES)}"] * rng.choice((0, 1))
    return checked(command("config", file, *over))


_VALUES = (
    "[[[",
    "&a [*a]",
    "!!python/name:os.system",
    TERMINAL,
    MARKUP,
    "9" * 5000,
    ".nan",
    "{a: b}",
    "\0",
    "null",
    "",
)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | list | dict | None) and value == _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def _readable(value: Any) -> str:
    text = json_text(_plain(value)).decode()
    return text if "[" * 1000 not in text and "9" * 5000 not in text and "\\u" not in text else "{}"


def engine(rng: random.Random, place: Place) -> list[str]:
    """A file of Beam options; none that names an endpoint."""
    options = {"runner": "PortableRunner", "environment_type": "EXTERNAL", "parallelism": 2, "artifacts_dir": "x"}
    text = json_text(altered(rng, options, [one for one in STRANGE if one != "~/x"]))
    text = rng.choice((text, damaged(rng, text), rng.choice(YAML_ATTACKS).encode("utf-8", "surrogatepass")))
    file = place.given / f"{rng.choice(('spark', *hostile_files.NAMES[:7]))}.yaml"
    file.write_bytes(text)
    return checked(command("runners", file))
