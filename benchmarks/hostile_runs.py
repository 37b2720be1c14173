"""Hostile cases of what is read from a finished run: its configuration, notes and manifests, its parts, its shards."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml

from benchmarks import hostile_files
from benchmarks.hostile_bytes import ESCAPES, MARKUP, STRANGE, TERMINAL, altered, damaged, damaged_json, json_text
from benchmarks.hostile_guard import LINKED, MARK, checked, command
from benchmarks.hostile_models import hostile_tokenizer
from benchmarks.hostile_readers import Place
from sequitur.shards import ContextDataset

TARGETS = ("datatrove", "litdata", "mds", "megatron", "olmo")


def damage(rng: random.Random, root: Path, outside: Path) -> None:
    """Changes a file below a directory, or a few; those that describe others more often."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    told = [path for path in files if path.suffix in (".json", ".yaml")]
    for _ in range(rng.choice((1, 2, 5))):
        path = rng.choice(told if rng.random() < 0.65 else files)
        if path.is_dir():  # by an earlier change
            continue
        content = path.read_bytes() if path.is_file() else b""
        way = rng.random()
        if way < 0.85:
            path.unlink(missing_ok=True)
            path.write_bytes(_other(rng, path, content))
        elif path.is_file():
            path.unlink()
            _in_place_of(rng, path, outside)


def _other(rng: random.Random, path: Path, content: bytes) -> bytes:
    if path.name == "tokenizer.json" and rng.random() < 0.5:
        with suppress(ValueError, RecursionError):  # damaged before
            return hostile_tokenizer(rng, content)
    if path.suffix == ".json":
        return damaged_json(rng, content)
    if path.suffix == ".yaml" and rng.random() < 0.7:
        strange = [one for one in STRANGE if one not in ESCAPES]
        with suppress(yaml.YAMLError, ValueError, RecursionError):  # damaged before
            return json_text(altered(rng, yaml.safe_load(content), strange))
    return damaged(rng, content)


def _in_place_of(rng: random.Random, path: Path, outside: Path) -> None:
    """Something else where a file was; or nothing."""
    way = rng.choice(("gone", "folder", "link", "nowhere", "itself", "pipe"))
    if way == "folder":
        path.mkdir()
    elif way == "pipe":
        os.mkfifo(path)
    elif way != "gone":
        path.symlink_to({"link": outside / LINKED, "nowhere": "nowhere", "itself": path}[way])


def _link_writable(rng: random.Random, root: Path, outside: Path) -> None:
    """A link out of a run where a command may write."""
    name = rng.choice(
        (
            "_lock",
            "config.yaml",
            "report/index.html",
            "report/compare.html",
            "_state/report.json",
            "shards/manifest.json",
            "shards/_removal.json",
            "report/compare.json",
        )
    )
    path = root / name
    path.unlink(missing_ok=True)
    path.symlink_to(outside / LINKED)


def a_run(rng: random.Random, place: Place) -> list[str]:
    """A run that was damaged, and a command over it."""
    root = place.given / "run"
    shutil.copytree(place.base.run, root)
    damage(rng, root, place.outside)
    if rng.random() < 0.1:
        _link_writable(rng, root, place.outside)
    out, name = place.given.with_name("out"), rng.choice(("r-3", "r-20", "corpus.jsonl:3", f"{place.base.corpus}:4"))
    words: tuple[Any, ...] = rng.choice(
        (
            ("status", root),
            ("status", root),
            ("status", root, "--deep"),
            ("verify", root),
            ("verify", root),
            ("show", root),
            ("show", root, "--search", "ba"),
            ("show", root, "--doc", name, "--json"),
            ("stats", root),
            ("trace", root, name),
            ("trace", root, name, "--json"),
            ("why", root, name, "r-5"),
            ("graph", root, out, "--around", name),
            ("graph", root, out, "--to", rng.choice(("json", "gml"))),
            ("rules", "try", root, "--set", "select.rules=c4"),
            ("compare", root, "--orders", "random,source", *rng.choice(((), ("--json",)))),
            ("remove", root, "--doc-id", name),
            ("remove", root, "--doc-id", name, "--dry-run"),
            ("find", root, "--doc-id", name),
            ("locate", root, "--row", "0", "--token", "3"),
            ("export", root / "shards", out, "--to", rng.choice(TARGETS)),
            ("verify", root, "--salvage", out),
        )
    )
    return checked(command(*words))


def resumed(rng: random.Random, place: Place) -> list[str]:
    """A run that was damaged, brought up to date."""
    root = place.given / "run"
    shutil.copytree(place.base.run, root)
    damage(rng, root, place.outside)
    if rng.random() < 0.3:
        with suppress(IsADirectoryError):  # by an earlier change
            (root / rng.choice(("order", "shards", "report")) / "_manifest.json").unlink(missing_ok=True)
    content = place.base.settings(root)
    file = place.given.with_name("run.yaml")
    file.write_text(yaml.safe_dump(content))
    return checked(command("run", file, "--workers", "1"))


def _digest(root: Path) -> str:
    """Of all files but those of the run, which lie beside the shards."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if not any(part.startswith("_") for part in path.relative_to(root).parts):
            found.update(f"{path.relative_to(root)} {path.is_dir()} {path.is_symlink()}".encode(errors="replace"))
            found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


def shards(rng: random.Random, place: Place) -> list[str]:
    """Shards that were damaged: read as a trainer does, or by a command."""
    root = place.given / "shards"
    shutil.copytree(place.base.shards, root)
    whole = _digest(root)
    damage(rng, root, place.outside)
    if rng.random() < 0.3:
        return _read(rng, root, place)
    out, name = place.given.with_name("out"), rng.choice(("r-3", "r-20", "copy"))
    words: tuple[Any, ...] = rng.choice(
        (
            ("verify", root, "--full"),
            ("verify", root, "--full"),
            ("verify", root, "--full", "--json"),
            ("verify", root),
            ("verify", root, "--salvage", out),
            ("show", root),
            ("show", root, "--context", "2", "--json"),
            ("show", root, "--search", "ba"),
            ("stats", root),
            ("stats", root, "--json"),
            ("find", root, "--doc-id", name),
            ("find", root, "--source", "web", "--json"),
            ("locate", root, "--context", "1", "--token", "3"),
            ("export", root, out, "--to", rng.choice(TARGETS)),
            ("remove", root, "--doc-id", name),
            ("remove", root, "--source", "web", "--contexts", "drop", "--dry-run"),
        )
    )
    ended = command(*words)
    found = checked(ended)
    if "--full" in words and ended.code == 0 and _digest(root) != whole:
        found.append("verify --full finds nothing wrong with damaged shards")
    return found


def _read(rng: random.Random, root: Path, place: Place) -> list[str]:
    """Rows as they were, or an error."""
    options: dict[str, Any] = {
        "verify": rng.choice(("lazy", "lazy", "full", "none")),
        "mmap": rng.random() < 0.7,
        "attention": rng.choice(("full", "document")),
        "return_provenance": True,
    }
    found, other = 0, 0
    try:
        read = ContextDataset(root, rng.choice(("train", "val")), **options)
        before = ContextDataset(place.base.shards, "train" if "train" in str(read._split) else "val", **options)
        for row in range(len(read)):
            found += 1
            one, as_it_was = read[row], before[row]
            other += any(not bool((one[name] == value).all()) for name, value in as_it_was.items())
    except IndexError as error:
        raise AssertionError(f"{error}") from error
    if (other or found != len(before)) and options["verify"] != "none":
        return [f"{other} of {found} rows are others than were written, and no error says so"]
    return []


def ids(rng: random.Random, place: Place) -> list[str]:
    """Lists of documents to find or to remove."""
    content = rng.choice(
        (
            b"r-1\nr-2\n",
            json.dumps({"documents": ["r-1"], "doc_ids": ["r-1"], "format": "sequitur-removal"}).encode(),
            hostile_files.json_array(rng),
            hostile_files.jsonl(rng),
            b"\xff\xfer\0-\0",
            (TERMINAL + "\n").encode() * 10,
            b"\n" * 10**5,
            b"r-1\0\n",
        )
    )
    path = place.given / f"{rng.choice(('ids', *hostile_files.NAMES[:7]))}.txt"
    path.write_bytes(damaged(rng, content) if rng.random() < 0.4 else content)
    verb = rng.choice((("find",), ("find", "--json"), ("remove", "--dry-run"), ("find", "--missing-ok")))
    return checked(command(verb[0], place.base.shards, f"--doc-ids={path}", *verb[1:]))


class _Page(HTMLParser):
    """Looks for elements that a hostile text made, were it not escaped."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name.startswith("on") and MARK in str(value):
                self.found.append(f"<{tag} {name}>")
        if tag == MARK:
            self.found.append(f"<{tag}>")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and data.startswith(MARK):
            self.found.append("<script>")


def unescaped(page: str) -> list[str]:
    reader = _Page()
    reader.feed(page)
    return reader.found


class UnescapedMarkup(AssertionError):
    """A page holds elements that a text of others made."""


def report(rng: random.Random, place: Place) -> list[str]:
    """The report, as it is made of hostile documents, and made anew of what lies beside it."""
    root = place.given / "run"
    shutil.copytree(place.base.run, root)
    for name in rng.sample(("page.json", "metrics.json"), rng.choice((0, 1))):
        path = root / "report" / name
        content = json.loads(path.read_bytes())
        for _ in range(rng.choice((1, 5))):
            content = altered(rng, content, rng.choice(((MARKUP, TERMINAL), STRANGE)))
        path.write_bytes(json_text(content))
    ended = command("compare", root, "--orders", rng.choice(("random", "source,random", MARKUP)))
    for page in (root / "report").glob("*.html"):
        if found := unescaped(page.read_text()):
            raise UnescapedMarkup(f"{page.name} holds {', '.join(found[:3])}")
    return checked(ended)
