"""The demo corpus: the documentation of the Python packages installed here, with nothing downloaded.

A document is one docstring (module, class or function), one README (the long description in a distribution's
metadata) or one licence text. Real text, real duplicates (vendored packages, copied docstrings, the same
licence fifty times) and a known relatedness, the module tree. Nothing is imported: files are parsed with
`ast`, distributions are read through `importlib.metadata`.

One JSON object a line:

| field     | meaning                                                                                  |
|-----------|------------------------------------------------------------------------------------------|
| `id`      | unique: `numpy.linalg.norm`, `numpy:README`, `numpy:LICENSE.txt`; `#2` … on redefinition |
| `text`    | at least `MIN_CHARACTERS` characters; docstrings as `inspect.cleandoc` leaves them       |
| `source`  | distribution, or `python` for the standard library; lines are sorted by source, section  |
| `section` | dotted module; `readme` and `licence` for those                                          |
| `kind`    | `module`, `class`, `function`, `readme` or `licence`                                     |
| `license` | as the distribution's metadata states it; absent where it does not                       |

Left out: test suites (folders named `test`, `tests`, `idle_test`), files whose path is not importable, and,
counted in the log, files that are larger than `MAX_FILE_BYTES`, unreadable or not valid Python.
"""

import ast
import contextlib
import gzip
import heapq
import importlib.metadata
import inspect
import json
import logging
import re
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NamedTuple

import xxhash
import zstandard

MIN_CHARACTERS = 200
MAX_FILE_BYTES = 2_000_000

_TEST_FOLDERS = {"test", "tests", "idle_test"}
_FOREIGN_FOLDERS = {"site-packages", "dist-packages", "__pycache__"}
_LICENCE_NAME = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)([-._].*)?", re.IGNORECASE)
_TRIPLE_QUOTED = re.compile(rb'(?s)"""(.*?)"""|\'\'\'(.*?)\'\'\'')
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

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


def write_python_docs(out_path: str | Path, max_documents: int | None = None) -> int:
    """Write the demo corpus to `out_path` (JSON lines; compressed when it ends in .zst or .gz).

    With `max_documents`, packages share the budget evenly, a small package in full (water-filling), and of a
    large one whole modules are taken, folder by folder in an order fixed by a hash. The file is a function of
    the environment alone and appears only when complete. Returns the number of documents. Cost: parsing,
    about 8 MB of source per second and core. Raises ValueError when `max_documents` is below 1.
    """
    if max_documents is not None and max_documents < 1:
        raise ValueError(f"max_documents is {max_documents}: give at least 1, or None for all")
    skipped: Counter[str] = Counter()
    documents = _share_evenly([_standard_library(), *_distributions(skipped)], max_documents, skipped)
    documents.sort(key=lambda document: (document.source, document.section))
    if skipped:
        _log.warning("left out while gathering the corpus: %s", dict(sorted(skipped.items())))
    _write_atomically(Path(out_path), _json_lines(documents))
    return len(documents)


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


def _share_evenly(sources: Iterable[Distribution], max_documents: int | None, skipped: Counter[str]) -> list[Document]:
    """Take one file at a time, always from the source with the fewest documents so far (ties by name)."""
    queue = [(0, source.name, _documents_by_file(source, skipped)) for source in sources]
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


def _documents_by_file(source: Distribution, skipped: Counter[str]) -> Iterator[list[Document]]:
    """README, licences, then modules: folders in hash order, the modules of a folder by name."""

    def document(name: str, text: str, section: str, kind: str) -> list[Document]:
        # A docstring may hold "\ud800", which no UTF-8 file can.
        text = text.encode(errors="replace").decode()
        if len(text) < MIN_CHARACTERS:
            return []
        return [Document(name, text, source.name, section, kind, source.license)]

    yield document(f"{source.name}:README", inspect.cleandoc(source.readme), "readme", "readme")
    for name, path in sorted(source.licences.items()):
        text = _read(path, skipped).decode(errors="replace").strip()
        yield document(f"{source.name}:{name}", text, "licence", "licence")

    def folder_order(module: str) -> tuple[int, str]:
        folder = module if source.modules[module].stem == "__init__" else module.rpartition(".")[0]
        return xxhash.xxh3_64_intdigest(folder), module

    for module in sorted(source.modules, key=folder_order):
        docstrings = _docstrings(_read(source.modules[module], skipped), module, skipped)
        yield [made for name, kind, text in docstrings for made in document(name, text, module, kind)]


def _read(path: Path, skipped: Counter[str]) -> bytes:
    try:
        if path.stat().st_size <= MAX_FILE_BYTES:
            return path.read_bytes()
        skipped["files too large"] += 1
    except OSError:
        skipped["files unreadable"] += 1
    return b""


def _docstrings(code: bytes, module: str, skipped: Counter[str]) -> list[tuple[str, str, str]]:
    """(qualified name, kind, docstring) of a module, its classes and functions, in the order of the file.

    What is defined inside a function is left out. Parsing is the cost of the whole module, so that a file
    without a long triple-quoted string is not parsed.
    """
    if not any(len(quoted[0]) > MIN_CHARACTERS for quoted in _TRIPLE_QUOTED.finditer(code)):
        return []
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        skipped["files that are not valid Python"] += 1
        return []
    found = []
    stack: list[tuple[str, ast.AST]] = [(module, tree)]
    while stack:
        name, node = stack.pop()
        if isinstance(node, (ast.Module, *_DEFINITIONS)):
            kind = {ast.Module: "module", ast.ClassDef: "class"}.get(type(node), "function")
            found.append((name, kind, ast.get_docstring(node) or ""))
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for child in reversed(list(ast.iter_child_nodes(node))):
                if isinstance(child, _DEFINITIONS):
                    stack.append((f"{name}.{child.name}", child))
                elif isinstance(child, ast.stmt | ast.ExceptHandler):
                    stack.append((name, child))
    return found


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


def _write_atomically(path: Path, lines: Iterable[bytes]) -> None:
    """The file appears under its name only when written whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file, _compressed(file, path.suffix) as out:
            for line in lines:
                out.write(line)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _compressed(file: BinaryIO, suffix: str) -> AbstractContextManager[Any]:
    """Open compressed output into `file`: the same bytes for the same content, so neither name nor time."""
    if suffix == ".zst":
        return zstandard.ZstdCompressor(level=6).stream_writer(file, closefd=False)
    if suffix == ".gz":
        return gzip.GzipFile("", "wb", fileobj=file, mtime=0)
    return contextlib.nullcontext(file)
