"""Prose as a corpus: the Markdown files of folders, and of git repositories, with or without a work tree.

One JSON object a line: `id`, NAME/PATH of the file; `text`, without front matter (YAML or TOML between `---` or `+++`)
and without the shortcodes of site generators (`{{ … }}`, `{% … %}`), at least as many characters as are asked for;
`source`, the name of the folder or repository; `section`, the folder of the file in it. In the order of the sources and
of the paths.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from sequitur.corpora.json_lines import write_lines
from sequitur.pipeline.errors import SequiturError

MIN_CHARACTERS = 600
SUFFIXES = (".md", ".markdown")
_FRONT_MATTER = re.compile(r"\A\ufeff?(---|\+\+\+)[ \t]*\n.*?\n\1[ \t]*(\n|\Z)", re.DOTALL)
_SHORTCODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


class UnreadablePlace(SequiturError):
    """A place is neither a folder nor a git repository, or not all of it can be read."""


def write_markdown(out_path: str | Path, places: Sequence[str | Path], min_characters: int = MIN_CHARACTERS) -> int:
    """Write the Markdown files of some folders or git directories to `out_path` (.jsonl, .jsonl.gz or .jsonl.zst).

    Of a repository those of its HEAD, where there is a work tree, too: nothing uncommitted is taken. Files that are not
    UTF-8, and those in hidden folders, are left out. Returns the number of documents. Raises UnreadablePlace.
    """
    count, given = 0, [Path(place) for place in places]

    def lines() -> Iterator[bytes]:
        nonlocal count
        for name, place in zip(_names(given), given, strict=True):
            for path, content in _files(place):
                text = prose(content)
                if text is not None and len(text) >= min_characters:
                    count += 1
                    section = str(PurePosixPath(path).parent)
                    record = {"id": f"{name}/{path}", "text": text, "source": name, "section": section}
                    yield json.dumps(record, ensure_ascii=False).encode() + b"\n"

    write_lines(Path(out_path), lines())
    return count


def prose(content: bytes) -> str | None:
    """What a Markdown file says, without front matter and shortcodes; None where it is not UTF-8."""
    try:
        text = content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None
    return _SHORTCODE.sub("", _FRONT_MATTER.sub("", text)).strip()


def _names(places: Sequence[Path]) -> list[str]:
    """Of folders and repositories, by their places, of `docs/.git` and `docs.git` `docs`; with as many of the folders
    above them as tell them apart."""
    resolved = [place.resolve() for place in places]
    parts = [(place.parent if place.name == ".git" else place).parts for place in resolved]
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-length:]).removesuffix(".git") for part in parts]
        if len(set(names)) == len(names):
            return names
    raise UnreadablePlace(f"{', '.join(map(str, places))}: one place is given twice; give each once")


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of each Markdown file, by path."""
    if not place.is_dir():
        raise UnreadablePlace(f"{place}: is no folder; give a folder or a git directory")
    if (place / ".git").exists() or (place / "HEAD").is_file():
        yield from _of_repository(place)
        return
    paths = {path.relative_to(place).as_posix(): path for path in place.rglob("*") if path.is_file()}
    for name in _markdown(paths):
        try:
            content = paths[name].read_bytes()
        except OSError as error:
            raise UnreadablePlace(f"{paths[name]}: {error.strerror or error}; make it readable, or move it") from error
        yield name, content


def _of_repository(place: Path) -> Iterator[tuple[str, bytes]]:
    names = _markdown(_git(place, "ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD").decode().split("\0"))
    names = [name for name in names if "\n" not in name]  # by lines is how git is asked
    out, begin = _git(place, "cat-file", "--batch", stdin="".join(f"HEAD:{name}\n" for name in names)), 0
    for name in names:
        end = out.index(b"\n", begin)
        kind, size = out[begin:end].split()[-2:]  # of an absent object: "… missing"
        if not size.isdigit():
            begin = end + 1
            continue
        content = out[end + 1 : end + 1 + int(size)]
        begin = end + int(size) + 2
        if kind == b"blob":
            yield name, content


def _markdown(names: Iterable[str]) -> list[str]:
    found = sorted(name for name in names if name.lower().endswith(SUFFIXES))
    return [name for name in found if not any(part.startswith(".") for part in name.split("/"))]


def _git(place: Path, *arguments: str, stdin: str = "") -> bytes:
    command = ["git", "-C", str(place), *arguments]
    try:
        ended = subprocess.run(command, input=stdin.encode(), capture_output=True, check=False)  # noqa: S603 - of a place that the user names
    except FileNotFoundError as error:
        raise UnreadablePlace(f"{place}: reading a repository needs the program git; install it") from error
    if ended.returncode:
        told = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["unreadable"]
        raise UnreadablePlace(f"{place}: {told[0]}; give a folder or a git directory with a commit")
    return ended.stdout
