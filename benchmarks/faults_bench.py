"""A small corpus, its run without a disturbance, and the measure of what is lost against it."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.faults_process import Ended, Server
from sequitur.beam_job import RECIPE

OF_THE_RUN = ("_lock", "_state", "config.yaml")  # what tells of a run, not of what it made
Content = dict[str, tuple[int, str]]


def content(root: Path) -> Content:
    """Bytes and SHA-256 of every file that does not tell of the run itself, by its name."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not name.parts[0].startswith(OF_THE_RUN):
            found[str(name)] = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def lost(before: Content, after: Content) -> int:
    """Bytes of files that are gone or others, or that should not be there."""
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return sum(max(before.get(name, (1, ""))[0], 1) for name in names)


@dataclass
class Tally:
    """What was tried of a kind, and what came of it."""

    tried: int = 0
    survived: int = 0
    bytes_lost: int = 0
    complaints: list[str] = field(default_factory=list)

    def judge(self, pending: int, bytes_lost: int, complaints: list[str]) -> None:
        self.tried += pending
        self.survived += 0 if bytes_lost or complaints else pending
        self.bytes_lost += bytes_lost
        self.complaints += complaints
        if bytes_lost:
            self.complaints.append(f"{bytes_lost:,} bytes are others")


class Bench:
    """A corpus, its undisturbed run, and what can go wrong with another one."""

    def __init__(self, root: Path, rng: random.Random, server: Server) -> None:
        self.root, self.rng, self.server = root, rng, server
        self._corpus = root / "corpus.jsonl"
        self._corpus.write_text("".join(json.dumps(one) + "\n" for one in documents(random.Random(5))))
        whole = root / "whole"
        self.written: dict[str, int] = {}
        for stage in RECIPE:
            before = sum(size for size, _ in content(whole).values())
            ended = server.run("run", self.config(whole), "--workers", "2", "--until", stage.name)
            if ended.code:
                raise RuntimeError(f"without a disturbance {stage.name} ends with {ended.code}: {ended.said[-500:]}")
            self.written[stage.name] = sum(size for size, _ in content(whole).values()) - before
        self.whole = whole
        self.expected = content(whole)
        self.seconds = self._again("again").seconds

    def _again(self, name: str) -> Ended:
        """All stages in one run, which must give the same."""
        ended = self.server.run("run", self.config(self.root / name), "--workers", "2")
        if ended.code or (difference := lost(self.expected, content(self.root / name))):
            raise RuntimeError(f"two runs without a disturbance differ by {difference:,} bytes: {ended.said[-300:]}")
        shutil.rmtree(self.root / name)
        return ended

    def config(self, output: Path) -> Path:
        """The file of a configuration with this output."""
        path = self.root / "configs" / f"{output.parent.name}-{output.name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(settings(self._corpus, output)))
        return path

    def fresh(self, name: str) -> Path:
        """A place where nothing is."""
        place = self.root / name
        shutil.rmtree(place, ignore_errors=True)
        return place


def documents(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Some hundred documents of a few topics, some of them copies."""
    words = ["".join(rng.choices("aeioubdfgklmnprstvz", k=rng.randint(2, 8))) for _ in range(900)]
    texts: list[str] = []
    for number in range(360):
        own = words[60 * (number % 12) : 60 * (number % 12) + 60]
        text = ". ".join(" ".join(rng.choices(own, k=9)) for _ in range(rng.randint(4, 14)))
        text = rng.choice(texts) if number % 30 == 29 else text
        texts.append(text)
        yield {"id": f"d-{number}", "text": text, "source": f"s{number % 3}", "url": f"https://e.org/{number}"}


def settings(corpus: Path, output: Path) -> dict[str, Any]:
    return {
        "output": str(output),
        "ingest": {"inputs": [str(corpus)], "part_bytes": 2**14},
        "refine": {"redact": ["email"]},
        "select": {"rules": "none"},
        "tokenize": {"vocabulary": 400},
        "neighbors": {"k": 6},
        "pack": {"context_length": 128, "policy": "filled", "validation_share": 0.2, "shard_bytes": 2**15},
    }
