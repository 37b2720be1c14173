"""What a rich console shows of a dataset: contexts with their boundaries, the datasets of a directory, statistics.

Nothing in a document is read as markup. Where there is no terminal there are no colours, and rules mark the boundaries.
"""

import re
from dataclasses import asdict
from os import PathLike
from typing import TYPE_CHECKING, Any

from sequitur.shards.families import read_families
from sequitur.shards.views.show import ContextView, Piece
from sequitur.shards.views.text import harmless, harmless_all

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

CONTEXT_CHARACTERS = 4000  # of text that are shown of a context; a piece has its share of them
MATCH_CHARACTERS = 1000  # where it was chosen for its text
_LEAST_CHARACTERS = 300  # of a piece
_SLACK = 1.25  # a text longer than its share by less is shown whole
_WORD_LENGTH = 40  # a cut is moved by up to so many characters to fall between words
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")


def render_context(
    view: ContextView, pattern: re.Pattern[str] | None = None, *, full: bool = False
) -> "RenderableType":
    """A heading, then each piece under a rule of its own colour.

    Of a long piece the beginning and the end are shown, or what lies about the first match of `pattern`; with `full`
    all. Of a context that was chosen for some of its pieces, the others are named only.
    """
    from rich.console import Group
    from rich.text import Text

    pads = view.seq_len - view.num_tokens
    pieces = _plural(len(view.pieces), "piece")
    head = (
        f"{view.split}[{view.row}] of {view.rows:,}  context {view.context_id}, path {view.group_id}: {pieces}, "
        f"{view.num_tokens:,} tokens, {pads:,} pads"
    )
    shown = view.matches or range(len(view.pieces))
    characters = MATCH_CHARACTERS if pattern else CONTEXT_CHARACTERS
    limit = None if full else max(_LEAST_CHARACTERS, characters // max(len(shown), 1))
    parts: list[RenderableType] = [Text(head, style="bold")]
    for number, piece in enumerate(view.pieces):
        colour = _COLOURS[number % len(_COLOURS)]
        parts += _heading(number + 1, piece, colour)
        if full or number in shown:
            parts += [Text(), _excerpt(piece.text, limit, pattern, colour), Text()]
    return Group(*parts)


def _heading(number: int, piece: Piece, colour: str) -> "list[RenderableType]":
    from rich.rule import Rule
    from rich.text import Text

    cosine = None if piece.cosine_to_previous is None else f"cosine {piece.cosine_to_previous:.3f}"
    if piece.length == piece.n_tokens:
        span = _plural(piece.length, "token")
    else:
        span = f"tokens {piece.start:,} … {piece.start + piece.length:,} of {piece.n_tokens:,}"
    name = None if piece.record_id in (None, piece.title) else piece.record_id
    about = (cosine, span, piece.source, piece.language, piece.license)
    where = (piece.doc_id[:16], f"{piece.source_file.rsplit('/', 1)[-1]}:{piece.source_row}", name, piece.url)
    return [
        Rule(Text(f"{number}. {piece.title}", style=f"bold {colour}"), style=colour, align="left"),
        Text("  ".join(part for part in about if part), style=f"dim {colour}"),
        Text("  ".join(part for part in where if part), style=f"dim {colour}", overflow="fold"),
    ]


def _excerpt(text: str, limit: int | None, pattern: re.Pattern[str] | None, colour: str) -> "Text":
    from rich.text import Text

    text = text.strip("\n")
    found = pattern.search(text) if pattern else None
    if limit is None or len(text) <= _SLACK * limit:
        spans = [(0, len(text))]
    elif found:
        begin = max(0, found.start() - limit // 3)
        spans = [(begin, max(begin + limit, found.end()))]
    else:
        spans = [(0, 2 * limit // 3), (len(text) - limit // 3, len(text))]
    spans = [(_between_words(text, begin), _between_words(text, end)) for begin, end in spans]
    shown, last = Text(), 0
    for begin, end in spans:
        shown.append_text(_left_out(begin - last)).append(text[begin:end], style=colour)
        last = end
    shown.append_text(_left_out(len(text) - last))
    if spans[0][0]:
        shown = shown[1:]  # no empty line before the first mark
    if pattern:
        shown.highlight_regex(pattern, style="bold reverse")
    return shown


def _between_words(text: str, at: int) -> int:
    """A place in `text` no later than `at` that does not cut a word, if there is one near."""
    if at <= 0 or at >= len(text):
        return min(max(at, 0), len(text))
    space = max(text.rfind(mark, max(0, at - _WORD_LENGTH), at) for mark in " \n\t")
    return at if space < 0 else space + 1


def _left_out(characters: int) -> "Text":
    from rich.text import Text

    return Text(f"\n[… {characters:,} characters …]\n" if characters else "", style="dim")


def families_json(root: str | PathLike[str]) -> dict[str, Any]:
    """`datasets`: those in a directory that families.json parts."""
    return {"datasets": harmless_all([asdict(one) for one in read_families(root)])}


def render_families(root: str | PathLike[str]) -> "RenderableType":
    """The datasets in a directory that families.json parts, as a table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("directory", overflow="fold")
    table.add_column("family", overflow="fold")
    for name in ("context length", "documents", "contexts", "tokens"):
        table.add_column(name, justify="right")
    for one in read_families(root):
        numbers = (one.context_length, one.documents, one.contexts, one.tokens)
        table.add_row(Text(harmless(one.directory)), Text(harmless(one.family)), *(f"{number:,}" for number in numbers))
    return table


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
