"""A finished run is given one file more: what the same command takes, as a share of a fresh run on all files.

    python -m benchmarks.update [--megabytes 20] [--corpus FILE] [--workers 1] [--scratch DIR]

The corpus is a hundred files of JSON lines. It is of the source files of the installed packages, or of the documents of
a `--corpus` (JSON lines with `text`, also compressed). Where these are fewer than asked for they come again and again,
each time with half of their words replaced by words of the corpus, at random by seed: another text, of the same kind.
One file, out of the middle, is missing when the run is made, and is there when the same command is run again. Beside
that a fresh run is made of all files, by the same number of workers; kernels are compiled before either. A third run
is given the tokenizer and the model that the updated run keeps: its bytes are compared with those of the updated one,
but for the report, which shows the configuration.

Prints one JSON object last: seconds of the clock and of the processor (of all processes) of both, and of their stages;
`update_vs_fresh`, how many times as long the fresh run takes; `update_vs_fresh_cpu`, the same of processor time;
`bytes_equal`.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xxhash
import yaml

from sequitur.corpora.python_source import write_python_source
from sequitur.stages.shared.sources.compression import Limits, reading

FILES, MISSING = 100, 50
REPLACED = 0.5  # of the words of a text that comes again
OWN = ("_lock", "_state", "config.yaml", "fitted", "report")  # tell of the run itself, or show its configuration


def texts(corpus: Path) -> list[str]:
    """The texts of a file of JSON lines."""
    limits = Limits(2**26, 2**40, 2**27)
    with reading(str(corpus), limits) as file:
        return [json.loads(line)["text"] for line in io.BytesIO(file.read())]


def texts_of(corpus: Path | None, scratch: Path) -> list[str]:
    """Those of a corpus, or of the source files of the installed packages."""
    if corpus is None:
        corpus = scratch / "source.jsonl"
        write_python_source(corpus)
    return texts(corpus)


def endless(found: list[str], seed: int) -> Iterator[str]:
    """The texts, then again and again with other words in them."""
    yield from found
    draw = random.Random(seed)
    words = [word for text in draw.sample(found, min(len(found), 2000)) for word in text.split()]
    while True:
        for text in found:
            pieces = text.split(" ")
            yield " ".join(draw.choice(words) if draw.random() < REPLACED else piece for piece in pieces)


def write_files(folder: Path, found: list[str], size: int, seed: int = 0) -> None:
    """Writes FILES files of about `size` bytes in all."""
    folder.mkdir()
    source = endless(found, seed)
    for number in range(FILES):
        lines: list[str] = []
        written = 0
        while written < size / FILES:
            text = next(source)
            lines.append(json.dumps({"id": f"{number}-{len(lines)}", "text": text}, ensure_ascii=False) + "\n")
            written += len(lines[-1].encode())
        (folder / f"{number:03}.jsonl").write_text("".join(lines), encoding="utf-8")


def timed(config: Path, workers: int) -> dict[str, Any]:
    """Seconds that `sequitur run` takes, as a process of its own."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "sequitur.beam_job", "--config", str(config), "--workers", str(workers)]
    subprocess.run(command, check=True)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    state = Path(yaml.safe_load(config.read_text())["output"], "_state")
    notes = {path.stem: json.loads(path.read_text()) for path in state.glob("*.json")}
    stages = {name: round(note["seconds"], 2) for name, note in notes.items() if "seconds" in note}
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "stages": stages}


def configured(scratch: Path, name: str, folder: Path, **sections: Any) -> Path:
    """A configuration beside the run that it is of."""
    config = scratch / f"{name}.yaml"
    content = {"output": str(scratch / name), "ingest": {"inputs": [str(folder)]}, "select": {"rules": "none"}}
    config.write_text(yaml.safe_dump({**content, **sections}))
    return config


def content(root: Path) -> dict[str, str]:
    """The checksum of every file that a run made."""
    files = [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in OWN]
    return {str(path.relative_to(root)): xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in files}


def measure(scratch: Path, found: list[str], megabytes: int, workers: int) -> dict[str, Any]:
    """Makes and updates the run, and the runs beside it."""
    few, files = scratch / "few", scratch / "files"
    write_files(few, found, 2_000_000, seed=1)
    write_files(files, found, megabytes * 1_000_000)
    timed(configured(scratch, "warm", few), workers)
    more = files / f"{MISSING:03}.jsonl"
    aside = more.rename(scratch / more.name)
    run = configured(scratch, "run", files)
    timed(run, workers)
    aside.rename(more)
    update = timed(run, workers)
    fresh = timed(configured(scratch, "fresh", files), workers)
    kept = scratch / "run" / "fitted"
    given = {
        "tokenize": {"tokenizer": str(kept / "tokenizer" / "tokenizer.json")},
        "embed": {"model": str(kept / "model")},
    }
    timed(configured(scratch, "given", files, **given), workers)
    return {
        "megabytes": megabytes,
        "added_share": round(more.stat().st_size / sum(path.stat().st_size for path in files.iterdir()), 4),
        "workers": workers,
        "fresh": fresh,
        "update": update,
        "update_vs_fresh": round(fresh["seconds"] / update["seconds"], 2),
        "update_vs_fresh_cpu": round(fresh["cpu_seconds"] / update["cpu_seconds"], 2),
        "bytes_equal": content(scratch / "run") == content(scratch / "given"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--corpus", type=Path, help="JSON lines with texts; the packages' source if not given")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scratch", help="where the corpora and runs go; a temporary directory if not given")
    known = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-", dir=known.scratch) as scratch:
        found = texts_of(known.corpus, Path(scratch))
        print(json.dumps(measure(Path(scratch), found, known.megabytes, known.workers)))


if __name__ == "__main__":
    main()
