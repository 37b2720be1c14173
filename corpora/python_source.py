"""Source code as a corpus of long documents: the modules of the Python packages installed here, nothing downloaded.

A document is one whole file. One JSON object a line:

| field     | meaning                                                                                  |
|-----------|------------------------------------------------------------------------------------------|
| `id`      | unique: the dotted module, `numpy.linalg`; `#2` … where two packages have it             |
| `text`    | the file, at least `MIN_CHARACTERS` characters                                           |
| `source`  | distribution, or `python` for the standard library; lines are sorted by source, section  |
| `section` | the dotted package of the module                                                         |
| `kind`    | `source`                                                                                 |
| `license` | as the distribution's metadata states it; absent where it does not                       |

Left out is what `packages` leaves out, and, counted in the log, files that are not in the encoding that they declare.
"""

import io
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sequitur.corpora.packages import MIN_CHARACTERS, Distribution, Document, by_folder, read, write_corpus


def write_python_source(out_path: str | Path, max_documents: int | None = None) -> int:
    """Write the source files of the installed packages to `out_path`, as `packages.write_corpus` does."""
    return write_corpus(out_path, _documents_by_file, max_documents)


def _documents_by_file(source: Distribution, skipped: Counter[str]) -> Iterator[list[Document]]:
    for module in by_folder(source):
        text = _text(read(source.modules[module], skipped), skipped)
        package = module if source.modules[module].stem == "__init__" else module.rpartition(".")[0] or module
        found = Document(module, text, source.name, package, "source", source.license)
        yield [found] if len(text) >= MIN_CHARACTERS else []


def _text(code: bytes, skipped: Counter[str]) -> str:
    """A file in the encoding that it declares (PEP 263), line ends as they are; empty where it is not in that."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(code).readline)
        return code.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        skipped["files that are not text"] += 1
        return ""
