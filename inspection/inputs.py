"""What a configuration would read, before it does: `sequitur inspect`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sequitur.inspection.plan import BYTES_PER_TOKEN, USUAL_BYTES_PER_TOKEN, plan
from sequitur.pipeline.config import Config
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Ingest
from sequitur.pipeline.stage import Stage
from sequitur.stages.ingest.look import NAMES, Look, look_into, suggested
from sequitur.stages.ingest.splits import PassedOver, find_inputs, passed_over
from sequitur.stages.ingest.stage import BYTES_PER_SECOND, WEB_BYTES_PER_SECOND, WEB_FORMATS
from sequitur.stages.shared.sources.extraction import Extraction
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.text_core.signals.language import languages

MOST_PAGES = 24  # of which the text is extracted
MOST_TEXTS = 2000  # whose languages are told
EXAMPLES = 3
SNIPPET = 200  # characters
TEXT_OF_PAGES = 0.15  # of a page's bytes, where none was extracted
OF_ALL_KINDS = ("…",)  # in place of the fields of tables and settings that have no text, each with fields of its own
Groups = dict[tuple[Any, ...], list[Look]]


def inspect(config: Config, recipe: Sequence[Stage], progress: Progress) -> dict[str, Any]:
    """Looks into the inputs of a configuration.

    Returns:
        `groups` of files that are read alike, each with `input`, `format`, `compression`, `files`, `bytes`, about how
        many `documents`, its `fields` and how they are `mapped`, `example` (a file), `problem`; `passed_over`: how many
        files of each kind; `languages`: shares; `characters`: quantiles of lengths; `examples`: beginnings of texts;
        `documents`, `text_bytes`, `tokens`, `rejected_share`: estimates; `stages`: what each would take.

    Raises:
        InputError: an input names no file.
    """
    settings = config.ingest
    progress.step("finding the files")
    files = find_inputs(settings)
    progress.step("looking into the files", total=len(files), unit="files")
    looks = []
    for number, look in enumerate(look_into(settings, files), 1):
        looks.append(look)
        progress.update(number)
    progress.step("reading some pages")
    texts, refused = _texts(settings, looks)
    sizes = _sizes(settings, looks, texts, len(files))
    spoken = _languages([text for of_file in texts.values() for text in of_file])
    tokens = round(sizes["text_bytes"] / _bytes_per_token(spoken))
    seconds = _reading_seconds(looks, len(files))
    lengths = [len(text) for of_file in texts.values() for text in of_file]
    return {
        "groups": [_described(key, group, settings) for key, group in _groups(settings, looks).items()],
        "looked_into": len(looks),
        "files": len(files),
        "passed_over": _passed_over(passed_over(settings, files)),
        "languages": spoken,
        "characters": dict(zip(("10%", "50%", "90%"), _quantiles(lengths), strict=True)),
        "examples": _examples(texts),
        **sizes,
        "tokens": tokens,
        "rejected_share": rejected_share(settings, looks, refused),
        "stages": plan(recipe, config, files, sizes["documents"], sizes["text_bytes"], tokens, seconds),
    }


def _groups(settings: Ingest, looks: Iterable[Look]) -> Groups:
    groups: Groups = defaultdict(list)
    for look in looks:
        own = settings.of(look.file.input)
        fields = () if look.pages or look.file.kind == "text" else look.fields
        guess = () if look.has_field(own) else suggested(look.records, own)
        if not look.has_field(own) and ("text_field" not in guess or len(look.records) == 1):
            fields = OF_ALL_KINDS
        key = (look.file.input, look.file.kind, look.compression or "", fields)
        groups[(*key, bool(look.problem))].append(look)
    return dict(sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1:4])))


def _described(key: tuple[Any, ...], group: Sequence[Look], settings: Ingest) -> dict[str, Any]:
    number, kind, compression, fields, _ = key
    own, first = settings.of(number), group[0]
    mapped = {name: getattr(own, name) for name in NAMES if getattr(own, name) in fields}
    problem = first.problem
    if not problem and first.records and not first.has_field(own):
        problem = f"no field {own.text_field!r}"
    if not problem and all(look.share_without_text(own) == 1 for look in group):
        problem = "no text"
    return {
        "input": settings.inputs[number].path,
        "format": kind,
        "compression": compression,
        "files": len(group),
        "bytes": sum(look.size for look in group),
        "documents": sum(look.rows for look in group),
        "fields": list(fields),
        "mapped": mapped,
        "suggested": suggested(first.records, own) if fields and fields != OF_ALL_KINDS else {},
        "example": first.file.path,
        "problem": problem,
    }


def _passed_over(found: PassedOver) -> dict[str, int]:
    counted = Counter(found.others.values())
    named = {"hidden": len(found.hidden), "no file": len(found.no_files)}
    return {**dict(counted.most_common()), **{name: count for name, count in named.items() if count}}


def _texts(settings: Ingest, looks: Sequence[Look]) -> tuple[dict[str, list[str]], tuple[int, int]]:
    """Texts by file, with those of some pages; and of how many pages, how many have none."""
    texts: dict[str, list[str]] = {}
    with_pages = [look for look in looks if look.pages]
    chosen = with_pages[:: max(1, -(-len(with_pages) // MOST_PAGES))]
    without = 0
    with Extraction(settings.extraction_seconds, int(settings.max_record_bytes)) as extraction:
        for look in chosen:
            name = settings.of(look.file.input).text_field
            record = extraction.record(look.pages[0], name)
            if isinstance(record, Bad):
                without += 1
            else:
                texts[look.file.path] = [record[name]]
    for look in looks:
        if found := look.texts(settings.of(look.file.input)):
            texts[look.file.path] = found
    return texts, (len(chosen), without)


def _sizes(settings: Ingest, looks: Sequence[Look], texts: Mapping[str, list[str]], files: int) -> dict[str, int]:
    """Documents and bytes of text in all, by what was seen."""
    documents = text_bytes = 0.0
    of_pages = [sum(map(_bytes, texts[look.file.path])) for look in looks if look.pages and look.file.path in texts]
    for look in looks:
        seen = texts.get(look.file.path, [])
        with_text = 1 - look.share_without_text(settings.of(look.file.input))
        documents += look.rows * with_text
        if seen:
            text_bytes += look.rows * with_text * sum(map(_bytes, seen)) / len(seen)
        elif look.pages:
            size = np.mean(of_pages) if of_pages else TEXT_OF_PAGES * len(look.pages[0].content)
            text_bytes += look.rows * float(size)
    more = files / max(1, len(looks))
    return {"documents": round(documents * more), "text_bytes": round(text_bytes * more)}


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def rejected_share(settings: Ingest, looks: Sequence[Look], refused: tuple[int, int] = (0, 0)) -> float:
    """Of all records the share that would be rejected, by what was seen; `refused`: of how many pages, how many had no
    text."""
    pages, without = refused
    rows = lost = 0.0
    for look in looks:
        rows += look.rows
        lost += look.rows * (look.share_without_text(settings.of(look.file.input)) if not look.pages else 0)
        lost += look.rows * without / pages if look.pages and pages else 0
    return round(lost / rows, 4) if rows else 0.0


def _languages(texts: Sequence[str]) -> dict[str, float]:
    chosen = texts[:: max(1, -(-len(texts) // MOST_TEXTS))]
    if not chosen:
        return {}
    codes = Counter(languages(pa.array([text[:5000] for text in chosen], pa.large_string()))[0].to_pylist())
    return {code: round(count / len(chosen), 4) for code, count in codes.most_common()}


def _bytes_per_token(spoken: Mapping[str, float]) -> float:
    if not spoken:
        return USUAL_BYTES_PER_TOKEN
    return sum(share * BYTES_PER_TOKEN.get(code, USUAL_BYTES_PER_TOKEN) for code, share in spoken.items())


def _quantiles(lengths: Sequence[int]) -> list[int]:
    return [round(value) for value in np.quantile(lengths, (0.1, 0.5, 0.9))] if lengths else [0, 0, 0]


def _examples(texts: Mapping[str, list[str]]) -> list[dict[str, str]]:
    names = list(texts)[:: max(1, len(texts) // EXAMPLES)][:EXAMPLES]
    return [{"file": name, "text": " ".join(texts[name][0].split())[:SNIPPET]} for name in names]


def _reading_seconds(looks: Sequence[Look], files: int) -> float:
    seconds = sum(
        look.size / (WEB_BYTES_PER_SECOND if look.file.kind in WEB_FORMATS else BYTES_PER_SECOND) for look in looks
    )
    return seconds * files / max(1, len(looks))
