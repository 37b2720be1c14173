"""Inputs at the borders: whether every record is accounted for, whatever the file.

    python -m benchmarks.borders [--inputs N] [--seed S] [--show]

`awkward_inputs` makes N files by seed: formats × compressions × damages × languages × types of fields. Each is read as
`ingest` does, without Beam, in a process that is ended after 20 seconds; a few inputs that unpack to far more than
their bytes are read by the same measure. Pages are decoded in 12 languages × encodings × declared or not × damages.
Prints what differs from the truth, where `--show` is given, and one JSON object last:

    inputs                     files read, and pages decoded
    records_accounted_share    of the records in the files, the share that became a document or a reject in its row, or
                               stands in a file that a named error refuses because of its damage
    untyped_exceptions         errors that are none of ours, or that are not one line naming the file
    wrong_text, wrong_fields   documents of which the text, or the id or time, is not the record's; pages that are not
                               decoded as they were written, though UTF-8, windows-1252 or declared
    hangs                      files that took more than 20 seconds
    memory_over_announced      files for which the process grew by more than `ingest` announces for a worker
    pages                      of the pages of each kind, the share that is decoded as it was written
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from benchmarks.awkward_inputs import COMPRESS, LANGUAGES, Awkward, Truth, make
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import SequiturError
from sequitur.pipeline.stage import Run, parameters_of
from sequitur.pipeline.storage import Directory
from sequitur.stages.ingest import stage as ingest
from sequitur.stages.ingest.documents import ReadSplit
from sequitur.stages.ingest.splits import find_inputs, plan_splits
from sequitur.stages.ingest.whole_inputs import blocks_of, first_rows, seen_in
from sequitur.stages.shared.sources.page_text import decoded

SECONDS = 20
ALLOCATOR = 2**24  # bytes that a process may grow by, whatever is read
Found = dict[str, Any]


def read(path: str, options: dict[str, Any], scratch: Path) -> tuple[dict[int, dict[str, Any]], dict[int, str], int]:
    """Documents and reasons of rejects by row, and how many bytes more it took than `ingest` announces for a worker."""
    before = _peak(reset=True)
    config = validate(
        {"name": "borders", "output": str(scratch / "run"), "ingest": {**options, "inputs": [path]}}, "borders"
    )
    announced = ingest.estimate(Run(config, parameters=parameters_of([ingest.STAGE], config))).each_worker
    settings, rejects = config.ingest, builds.begin(Directory(str(scratch / "rejects")), "borders")
    reading = ReadSplit("borders", settings, rejects)
    documents: dict[int, dict[str, Any]] = {}
    splits = plan_splits(settings, find_inputs(settings))
    stretches = Counter(split.files[0].path for split in splits if split.is_of_lines)
    rows = {file: iter(_first_rows(file, int(settings.split_bytes), count)) for file, count in stretches.items()}
    for split in splits:
        if split.is_of_lines:
            split = replace(split, first_row=next(rows[split.files[0].path]))
        for _, batch in reading.process(split.to_json()):
            columns = batch.select(["source_row", "text", "record_id", "timestamp"])
            for start in range(0, batch.num_rows, 10):  # as the stage does, nobody holds all rows as objects
                documents |= {row["source_row"]: _short(row) for row in columns.slice(start, 10).to_pylist()}
    beyond = _peak() - before - announced - ALLOCATOR
    reasons = {}
    for part in builds.written_parts(rejects):
        refused = artifacts.read_part(rejects.directory, part, ["source_row", "reason"])
        reasons |= dict(zip(refused["source_row"].to_pylist(), refused["reason"].to_pylist(), strict=True))
    return documents, reasons, beyond


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "text": row["text"] if len(row["text"]) < 10**5 else row["text"][:100]}


def judge(made: Awkward, documents: dict[int, dict[str, Any]], rejects: dict[int, str]) -> Found:
    """What is other than the truth, of an input that was read to its end."""
    found: Found = {"records": len(made.truth), "accounted": len(made.truth), "wrong": []}
    if made.altered:
        return found
    if made.must_fail:
        return {**found, "accounted": 0, "wrong": ["was read, where an error belongs"]}
    seen = documents.keys() | rejects.keys()
    expected = set(list(made.truth)[: len(seen)]) if made.cut else set(made.truth)
    if seen != expected:
        found["accounted"] -= len(expected ^ seen)
        found["wrong"].append(f"rows {sorted(expected ^ seen)[:5]} are too many or too few")
    last = max(seen, default=-1)
    for row, truth in made.truth.items():
        if made.cut and row >= last:
            continue
        if truth.reject:
            found["accounted"] -= row not in rejects
            found["wrong"] += [f"row {row} is no reject"] * (row not in rejects)
        elif row in rejects:
            found["accounted"] -= 1
            found["wrong"].append(f"row {row} is rejected: {rejects[row]}")
        elif row in documents:
            _compare(found, row, truth, documents[row])
    return found


def _compare(found: Found, row: int, truth: Truth, document: dict[str, Any]) -> None:
    for name, key, expected in (
        ("wrong_text", "text", truth.text),
        ("wrong_fields", "record_id", truth.record_id),
        ("wrong_fields", "timestamp", truth.time),
    ):
        if expected is not None and document[key] != expected:
            found[name] = found.get(name, 0) + 1
            found["wrong"].append(f"row {row}: {key} is {document[key]!r:.80}, not {expected!r:.80}")


def attempt(made: Awkward, scratch: Path) -> Found:
    """Reads an input and judges what comes of it."""
    whole = {"records": len(made.truth), "accounted": len(made.truth), "wrong": []}
    try:
        documents, rejects, beyond = read(str(made.path), made.options, scratch)
    except SequiturError as error:
        line = str(error)
        name = made.path.name.removesuffix(".d").rpartition("::")[2]
        if "\n" in line or name.split(".")[0] not in line:
            return {**whole, "accounted": 0, "untyped_exceptions": 1, "wrong": [f"{type(error).__name__}: {line}"]}
        if not (made.may_fail or made.must_fail):
            return {**whole, "accounted": 0, "wrong": [line]}
        return whole
    except Exception as error:  # what is to be counted
        return {**whole, "accounted": 0, "untyped_exceptions": 1, "wrong": [f"{type(error).__name__}: {error}"]}
    found = judge(made, documents, rejects)
    if beyond > 0:
        found |= {"memory_over_announced": 1}
        found["wrong"].append(f"took {beyond:,} bytes more than announced")
    return found


def _first_rows(path: str, stretch: int, count: int) -> list[int]:
    return first_rows((seen_in(block, stretch) for block in blocks_of(path, Path(path).stat().st_size)), count)


def _peak(*, reset: bool = False) -> int:
    """The largest resident size of this process since the last reset, in bytes; Linux alone."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def bombs(root: Path) -> list[Awkward]:
    """Inputs that unpack to a thousand times their bytes, and are to be read within what is announced."""
    text = "x" * 1_400_000
    once = root / "held-once.parquet"
    pq.write_table(pa.table({"text": [text] * 1000, "id": list(range(1000))}), once, compression="zstd")
    nested = root / "nested.parquet"
    pq.write_table(pa.table({"text": ["short"] * 500, "tags": [[text]] * 500}), nested, compression="zstd")
    batch = root / "batch.arrow"
    feather.write_feather(pa.table({"text": [text] * 400}), batch, compression="zstd", chunksize=1000)
    long = root / "urls.jsonl.gz"
    row = json.dumps({"text": "short", "url": f"data:,{text[:1_000_000]}"}).encode()
    long.write_bytes(COMPRESS[".gz"](b"\n".join([row] * 700)))
    many = root / "rejects.jsonl.gz"
    many.write_bytes(COMPRESS[".gz"](b"{}\n" * 200_000))
    line = root / "one-line.jsonl.gz"
    line.write_bytes(COMPRESS[".gz"](b'{"text": "' + b"x" * 5 * 10**8))
    rows = [
        (once, 1000, False),
        (nested, 500, False),
        (batch, 400, False),
        (long, 700, False),
        (many, 200_000, True),
        (line, 1, True),
    ]
    return [
        Awkward(path.name, path, truth={row: Truth(reject=reject) for row in range(count)})
        for path, count, reject in rows
    ]


def serve(requests: Connection) -> None:
    """Makes and reads the inputs that are asked for, until nothing more is."""
    with tempfile.TemporaryDirectory() as folder:
        large = bombs(Path(folder))
        attempt(make(0, Path(folder)), Path(folder))  # loads and compiles what any input needs
        requests.send(None)
        while (number := requests.recv()) is not None:
            scratch = Path(folder, "scratch", str(number))
            scratch.mkdir(parents=True)
            made = large[-number - 1] if number < 0 else make(number, scratch)
            requests.send((made.about, attempt(made, scratch)))


def results(numbers: list[int]) -> Iterator[tuple[str, Found]]:
    """What comes of each input, read by another process, which is begun anew where it hangs or dies."""
    context = multiprocessing.get_context("spawn")
    process, ours = None, None
    for number in numbers:
        if process is None or ours is None:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            ours.recv()
        ours.send(number)
        try:
            if ours.poll(SECONDS):
                yield ours.recv()
                continue
            yield str(number), {"hangs": 1, "wrong": [f"takes more than {SECONDS} s"]}
        except EOFError:
            yield str(number), {"untyped_exceptions": 1, "wrong": ["the process died"]}
        process.kill()
        process = ours = None
    if ours is not None:
        ours.send(None)


GUESSED = "another encoding, declared nowhere"  # which no statistics of a short page tell for certain
DECLARED = ("nowhere", "in the page", "by HTTP", "wrongly by HTTP")
CODECS = {
    "windows-1252": ("en", "de", "fr", "es"),
    "windows-1250": ("pl",),
    "windows-1251": ("ru",),
    "koi8-r": ("ru",),
    "windows-1253": ("el",),
    "gb18030": ("zh",),
    "shift_jis": ("ja",),
    "euc-jp": ("ja",),
    "euc-kr": ("ko",),
    "utf-16": ("de", "ru", "zh"),
}


def pages() -> dict[str, tuple[int, int]]:
    """Of each kind of page, how many are decoded as they were written, of how many: short and long ones."""
    counts: dict[str, list[int]] = {}
    samples = {name: sample for name, sample in LANGUAGES.items() if name != "emoji"}
    for language, lines, declared, damage in itertools.product(
        samples, (1, 8), DECLARED, ("whole", "cut", "stray byte")
    ):
        text = samples[language].replace(" ", "" if language in ("zh", "ja", "th") else " ")
        for codec in ["utf-8", *(codec for codec, those in CODECS.items() if language in those)]:
            right = _page_is_right(f"<p>{text}. </p>\n", lines, codec, declared, damage)
            if right is not None:
                encoding = codec if codec in ("utf-8", "windows-1252") else "another encoding"
                count = counts.setdefault(f"{encoding}, declared {declared}, {damage}", [0, 0])
                count[0] += right
                count[1] += 1
    return {name: (right, of) for name, (right, of) in counts.items()}


def _page_is_right(line: str, lines: int, codec: str, declared: str, damage: str) -> bool | None:
    if declared == "wrongly by HTTP" and codec != "utf-8":
        return None  # nothing contradicts it
    if codec == "utf-16" and damage == "stray byte":
        return None  # which shifts all that follows
    head = f'<meta charset="{codec}">\n' if declared == "in the page" else "<html>\n"
    content = (head + line * lines).encode(codec, "replace")
    whole = content.decode(codec)
    charset = {"by HTTP": codec, "wrongly by HTTP": "iso-8859-1"}.get(declared)
    if damage == "cut":  # within the last character that is not ASCII, where it is of several bytes
        content = content[: max((place for place, byte in enumerate(content) if byte >= 0xC0), default=-9) + 1]
    elif damage == "stray byte":
        place = content.index(b"<p>", len(content) // 2 - 20 if lines > 1 else 0) + 3
        content = content[:place] + b"\x96" + content[place:]
    found = decoded(content, charset)
    # A broken sequence may take what follows it up to the next ASCII character with it; all else must be there.
    lost = 3 if codec == "utf-8" or codec.startswith(("windows", "koi8")) else len(line)
    same = _common(found, whole)
    if damage == "whole":
        return found == whole
    if damage == "stray byte":
        same += _common(found[::-1], whole[::-1])
        return same >= len(whole) - lost
    return same >= len(found) - lost


def _common(one: str, other: str) -> int:
    """Characters with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--inputs", type=int, default=2000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--show", action="store_true")
    chosen = options.parse_args()
    numbers = [*range(-1, -7, -1), *range(chosen.seed, chosen.seed + chosen.inputs)]
    total: Counter[str] = Counter()
    for about, found in results(numbers):
        wrong = found.pop("wrong")
        total.update(found)
        if wrong and chosen.show:
            sys.stdout.write(f"{about}: {wrong[0]}\n")
    of_pages = pages()
    names = ("untyped_exceptions", "wrong_text", "wrong_fields", "hangs", "memory_over_announced")
    report = {
        "inputs": len(numbers) + sum(of for _, of in of_pages.values()),
        "records_accounted_share": total["accounted"] / total["records"],
        **{name: total[name] for name in names},
        "pages": {name: round(right / of, 3) for name, (right, of) in of_pages.items()},
    }
    report["wrong_text"] += sum(of - right for name, (right, of) in of_pages.items() if not name.startswith(GUESSED))
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
