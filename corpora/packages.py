"""The Python packages installed here, read as files: what the corpora that are made of them have in common.

Nothing is imported: distributions are read through `importlib.metadata`. Left out are test suites (folders named
`test`, `tests`, `idle_test`), files whose path is not importable, and, counted, those that cannot be read.
"""

import heapq
import importlib.metadata
import json
import logging
import re
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

import xxhash

from sequitur.corpora.json_lines import write_lines

MIN_CHARACTERS = 200
MAX_FILE_BYTES = 2_000_000

_TEST_FOLDERS = {"test", "tests", "idle_test"}
_FOREIGN_FOLDERS = {"site-packages", "dist-packages", "__pycache__"}
_LICENCE_NAME = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)([-._].*)?", re.IGNORECASE)

_log = logging.getLogger(__name__)


class Distribution(NamedTuple):
    """A distribution, or the standard library, before its modules are read."""

    name: str
    license: str | None
    readme: str
    licences: dict[str, Path]  # path below the metadata folder -> file
    modules: dict[str, Path]  # dotted module -> file


class Document(NamedTuple):
    """One line of the corpus, its id not yet made unique."""

    name: str
    text: str
    source: str
    section: str
    kind: str
    license: str | None


ByFile = Callable[[Distribution, Counter[str]], Iterator[list[Document]]]
"""The documents of a distribution, file by file, and a count of what is skipped, to be added to."""


def write_corpus(out_path: str | Path, by_file: ByFile, max_documents: int | None) -> int:
    """Write the documents of all packages to `out_path` (JSON lines; compressed when it ends in .zst or .gz).

    With `max_documents`, packages share the budget evenly, a small package in full (water-filling); of a large one the
    first files are taken. The file is a function of the environment alone and appears only when complete. Returns the
    number of documents. Raises ValueError when `max_documents` is below 1.
    """
    if max_documents is not None and max_documents < 1:
        raise ValueError(f"max_documents is {max_documents}: give at least 1, or None for all")
    skipped: Counter[str] = Counter()
    sources = [_standard_library(), *_distributions(skipped)]
    documents = _share_evenly(sources, by_file, max_documents, skipped)
    documents.sort(key=lambda document: (document.source, document.section))
    if skipped:
        _log.warning("left out while gathering the corpus: %s", dict(sorted(skipped.items())))
    write_lines(Path(out_path), _json_lines(documents))
    return len(documents)


def by_folder(source: Distribution) -> list[str]:
    """The modules of a distribution: folders in an order fixed by a hash, the modules of a folder by name."""

    def folder_order(module: str) -> tuple[int, str]:
        folder = module if source.modules[module].stem == "__init__" else module.rpartition(".")[0]
        return xxhash.xxh3_64_intdigest(folder), module

    return sorted(source.modules, key=folder_order)


def read(path: Path, skipped: Counter[str]) -> bytes:
    """The bytes of a file; none, and counted, where it is too large or cannot be read."""
    try:
        if path.stat().st_size <= MAX_FILE_BYTES:
            return path.read_bytes()
        skipped["files too large"] += 1
    except OSError:
        skipped["files unreadable"] += 1
    return b""


def _standard_library() -> Distribution:
    root = Path(sysconfig.get_path("stdlib"))
    paths = [path for path in root.rglob("*.py") if not _FOREIGN_FOLDERS & set(path.relative_to(root).parts)]
    modules = _importable((path.relative_to(root), path) for path in paths)
    licences = {path.name: path for path in root.glob("LICENSE*")}
    return Distribution("python", "PSF-2.0", "", licences, modules)


def _distributions(skipped: Counter[str]) -> list[Distribution]:
    """Every installed distribution once (the first on the path wins), by name."""
    name_to_source: dict[str, Distribution] = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata.json
        name = str(metadata.get("name", ""))
        if not name or distribution.files is None:
            skipped["distributions without a name or a list of files"] += 1
        elif name.lower() not in name_to_source:
            files = [(file, Path(str(distribution.locate_file(file)))) for file in distribution.files]
            name_to_source[name.lower()] = Distribution(
                name,
                _license_name(metadata),
                readme=str(metadata.get("description", "")),
                licences=_licences(files),
                modules=_importable(files),
            )
    return [name_to_source[name] for name in sorted(name_to_source)]


def _licences(files: Iterable[tuple[PurePath, Path]]) -> dict[str, Path]:
    """Name of a licence text below `*.dist-info/` or `*.dist-info/licenses/` (PEP 639) -> file."""
    licences = {}
    for relative, path in files:
        if relative.parts[0].endswith(".dist-info") and _LICENCE_NAME.fullmatch(relative.name):
            below = relative.parts[2:] if relative.parts[1] == "licenses" else relative.parts[1:]
            licences["/".join(below)] = path
    return licences


def _license_name(metadata: dict[str, str | list[str]]) -> str | None:
    """SPDX expression if stated, else the short licence field, else the trove classifiers."""
    for stated in (metadata.get("license_expression"), metadata.get("license")):
        if isinstance(stated, str) and 0 < len(stated) <= 100 and "\n" not in stated:
            return stated
    classifiers = [str(c) for c in metadata.get("classifier", []) if str(c).startswith("License :: ")]
    return "; ".join(c.rsplit(" :: ", 1)[-1] for c in classifiers) or None


def _importable(files: Iterable[tuple[PurePath, Path]]) -> dict[str, Path]:
    """Dotted module name -> file, without test suites and files that no import statement can name."""
    modules = {}
    for relative, path in files:
        parts = relative.with_suffix("").parts
        if relative.suffix != ".py" or _TEST_FOLDERS & set(parts):
            continue
        if all(part.isidentifier() for part in parts):
            modules[".".join(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts)] = path
    return modules


def _share_evenly(
    sources: Iterable[Distribution], by_file: ByFile, max_documents: int | None, skipped: Counter[str]
) -> list[Document]:
    """Take one file at a time, always from the source with the fewest documents so far (ties by name)."""
    queue = [(0, source.name, by_file(source, skipped)) for source in sources]
    heapq.heapify(queue)
    documents: list[Document] = []
    while queue and (max_documents is None or len(documents) < max_documents):
        taken, name, files = queue[0]
        of_file = next(files, None)
        if of_file is None:
            heapq.heappop(queue)
        else:
            documents += of_file
            heapq.heapreplace(queue, (taken + len(of_file), name, files))
    return documents[:max_documents]


def _json_lines(documents: Iterable[Document]) -> Iterator[bytes]:
    name_to_count: Counter[str] = Counter()
    for document in documents:
        name_to_count[document.name] += 1
        repeat = name_to_count[document.name]
        record = document._asdict()
        name = record.pop("name")
        if document.license is None:
            del record["license"]
        record = {"id": name if repeat == 1 else f"{name}#{repeat}", **record}
        yield json.dumps(record, ensure_ascii=False).encode() + b"\n"
