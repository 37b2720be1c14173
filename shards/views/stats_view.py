"""Statistics of a dataset as a person reads them on a terminal: figures, shares, and histograms of block characters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sequitur.shards.views.text import harmless

if TYPE_CHECKING:
    from rich.console import RenderableType

MAX_NAMES = 12  # of sources, languages, licences
_BAR = 24  # characters of the longest bar
_EIGHTHS = " ▏▎▍▌▋▊▉"


def render_statistics(statistics: Mapping[str, Any]) -> "RenderableType":
    """The result of `stats.statistics`, for 80 columns."""
    from rich.console import Group
    from rich.text import Text

    if "datasets" not in statistics:
        return Group(*_dataset(statistics))
    parts: list[RenderableType] = []
    for directory, one in statistics["datasets"].items():
        parts += [Text(harmless(directory), style="bold reverse"), *_dataset(one), Text()]
    return Group(*parts)


def _dataset(one: Mapping[str, Any]) -> "Iterator[RenderableType]":
    from rich.text import Text

    about, splits = one["dataset"], one["splits"]
    yield Text(
        harmless(
            f"contexts of {about['context_length']:,} tokens, policy {about['policy']}, {about['order']}; tokenizer "
            f"{about['tokenizer']}, vocabulary {about['vocabulary']:,}"
        )
    )
    yield Text(f"fingerprint {harmless(about['fingerprint'])}", style="dim")
    yield Text()
    rows = []
    for name, split in splits.items():
        numbers = (f"{split[key]:,}" for key in ("contexts", "documents", "tokens", "pads"))
        padded = _percent(split["pads"], split["contexts"] * about["context_length"])
        rows.append((harmless(name), *numbers, padded, f"{split['shards']:,}"))
    yield _table("split", ("contexts", "documents", "tokens", "pads", "padding", "shards"), rows)
    said = [
        f"{about[key]:,} {what}"
        for key, what in (
            ("split_documents", "documents in more than one piece"),
            ("dropped_tokens", "tokens of documents dropped by the packing"),
            ("repeated_tokens", "tokens repeated by the order, or in later epochs"),
            ("elsewhere_tokens", "tokens of documents in rows of other lengths"),
        )
        if about[key]
    ]
    if "epochs" in about:
        said.insert(
            0, f"{len(about['epochs'])} epochs of {', '.join(f'{rows:,}' for rows in about['epochs'])} contexts"
        )
    if said:
        yield Text("; ".join(said))
    for title in ("sources", "languages", "licenses"):
        yield Text()
        yield _ranked(title, one[title])
    for name in ("tokens_per_document", "documents_per_context", "tokens_per_context"):
        yield Text()
        yield from _distribution(name.replace("_", " "), one[name])
    cosine = one["cosine_to_previous"]
    if cosine["count"]:
        yield Text()
        yield Text.assemble(("cosine to the document before", "bold"), f"  mean {cosine['mean']:.3f}")
        yield _bars([(f"{low:.1f} … {high:.1f}", count) for low, high, count in cosine["histogram"]])


def _ranked(title: str, named: Sequence[Mapping[str, Any]]) -> "RenderableType":
    rows = [_share("(none)" if one["name"] is None else harmless(one["name"]), one) for one in named[:MAX_NAMES]]
    if others := named[MAX_NAMES:]:
        total = {key: sum(one[key] for one in others) for key in ("documents", "tokens", "share")}
        rows.append(_share(f"({len(others):,} others)", total))
    return _table(f"{title} ({len(named):,})", ("documents", "tokens", "share", ""), rows)


def _share(name: str, one: Mapping[str, Any]) -> Sequence[str]:
    return name, f"{one['documents']:,}", f"{one['tokens']:,}", f"{one['share']:.1%}", _bar(one["share"])


def _distribution(title: str, found: Mapping[str, Any]) -> "Iterator[RenderableType]":
    from rich.text import Text

    if not found["count"]:
        return
    figures = ", ".join(
        f"{name} {round(found[name]):,}" for name in ("min", "p10", "median", "mean", "p90", "p99", "max")
    )
    yield Text.assemble((title, "bold"), f"  {figures}")
    yield _bars(
        [(f"{low:,} … {high:,}" if high > low else f"{low:,}", count) for low, high, count in found["histogram"]]
    )


def _bars(bins: Sequence[tuple[str, int]]) -> "RenderableType":
    whole, most = sum(count for _, count in bins), max(count for _, count in bins)
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", min_width=18, no_wrap=True)
    table.add_column(min_width=_BAR, no_wrap=True)
    for _ in range(2):
        table.add_column(justify="right", no_wrap=True)
    for label, count in bins:
        table.add_row(label, _bar(count / most), f"{count:,}", _percent(count, whole))
    return table


def _bar(share: float) -> str:
    """A bar of `share` of the full length, to an eighth of a character; of what is not nothing at least an eighth."""
    eighths = max(round(share * _BAR * 8), int(share > 0))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _table(head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column(Text(head), overflow="ellipsis", no_wrap=True, max_width=26)
    for name in columns:
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0.0%"
