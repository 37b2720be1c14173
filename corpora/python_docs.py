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

Left out is what `packages` leaves out, and, counted in the log, files that are not valid Python.
"""

import ast
import inspect
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sequitur.corpora.packages import MIN_CHARACTERS, Distribution, Document, by_folder, read, write_corpus

_TRIPLE_QUOTED = re.compile(rb'(?s)"""(.*?)"""|\'\'\'(.*?)\'\'\'')
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def write_python_docs(out_path: str | Path, max_documents: int | None = None) -> int:
    """Write the demo corpus to `out_path`, as `packages.write_corpus` does; of a large package with whole modules.

    Cost: parsing, about 8 MB of source per second and core.
    """
    return write_corpus(out_path, _documents_by_file, max_documents)


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
        text = read(path, skipped).decode(errors="replace").strip()
        yield document(f"{source.name}:{name}", text, "licence", "licence")

    for module in by_folder(source):
        docstrings = _docstrings(read(source.modules[module], skipped), module, skipped)
        yield [made for name, kind, text in docstrings for made in document(name, text, module, kind)]


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
