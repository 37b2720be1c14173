"""Why two documents are together or not, as a person reads it on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from sequitur.inspection.document_view import (
    KINDS,
    Told,
    add,
    context_line,
    labelled,
    loss_lines,
    name_of,
    place_of,
    plural,
)


def render_why(found: Told) -> RenderableType:
    """The result of `inspection.explain.why`: the answer, then what it rests on."""
    heads, rows = labelled(), labelled()
    for name, side in (("A", "a"), ("B", "b")):
        add(heads, name, name_of(found[side]["document"]))
    if found["cosine"] is not None:
        cosine = found["cosine"]
        add(rows, "cosine", f"{cosine['model']:.3f} by the model, {cosine['graph']:.3f} in the graph of neighbours")
    if found["ranks"] is not None:
        add(rows, "ranks", *_ranks(found["ranks"]))
    if found["path"] is not None:
        add(rows, "path", *(_path(name, found[side]["order"]) for name, side in (("A", "a"), ("B", "b"))))
    for name, side in (("A", "a"), ("B", "b")):
        placed = found[side]["contexts"]
        if placed:
            add(
                rows,
                f"contexts {name}",
                *map(context_line, placed[:5]),
                *([f"… {len(placed) - 5:,} more"] * (len(placed) > 5)),
            )
    add(rows, "likeness", *_likeness(found["duplicates"]))
    for name, side in (("A", "a"), ("B", "b")):
        for loss in found[side]["losses"]:
            add(rows, f"{name} lost", *loss_lines(loss))
    return Group(heads, Text(), *(Text(line, style="bold") for line in answers(found)), Text(), rows)


def answers(found: Told) -> list[str]:
    """Why the two are together, or not, in a few sentences."""
    lost = [line for one, other in (("a", "b"), ("b", "a")) for line in _lost(found, one, other)]
    if lost:
        both = found["a"]["losses"] and found["b"]["losses"] and found["duplicates"]["same_group"]
        return lost + (["Both are of one group of duplicates."] if both else [])
    shared = found["contexts"]
    if shared is None:
        return ["The run has not come to pack yet, so there are no contexts to compare."]
    if not found["a"]["contexts"] or not found["b"]["contexts"]:
        return [f"{name} is in no context." for name, side in (("A", "a"), ("B", "b")) if not found[side]["contexts"]]
    if shared["shared"]:
        first = shared["shared"][0]
        between = first["pieces_between"]
        how = "one directly after the other" if between == 0 else f"with {plural(between, 'document')} between"
        return [f"Together in {place_of(first)}, {how}.", _bond(found)]
    return [*_apart(found), _bond(found)]


def _lost(found: Told, one: str, other: str) -> Iterator[str]:
    name, other_name, losses = one.upper(), other.upper(), found[one]["losses"]
    if not losses:
        return
    first, final = losses[0], [loss["to"]["doc_id"] for loss in losses if loss["to"]]
    to_other = found[other]["document"]["doc_id"] in final
    kind = KINDS.get(first["reason"])
    why = f"as {kind}" if kind else f"for {first['reason']}"
    yield f"{name} is in no context: {first['stage']} dropped it {why}" + (
        f", and {other_name} stayed." if to_other else "."
    )


def _apart(found: Told) -> Iterator[str]:
    path, contexts = found["path"], found["contexts"]
    if path is None:
        yield "Not together; the order that the shards were made from is gone."
    elif not path["same_family"]:
        yield "Not together: they are of different shard families."
    elif contexts["apart"] is None:
        yield "Not together: they are of different splits or row lengths."
    elif path["same"]:
        yield (
            f"Not together, but near: {plural(path['apart'], 'document')} apart on one path, "
            f"{plural(contexts['apart'], 'context')} apart."
        )
    else:
        yield "Not together: they are on different paths."


def _bond(found: Told) -> str:
    """What ties them in the graph of neighbours, or that nothing does."""
    ranks, cosine = found["ranks"], found["cosine"]
    if ranks is None or cosine is None:
        return "There are no lists of neighbours to tell more."
    near = [
        f"{name} is the {_nth(ranks[key])}nearest to {of}"
        for key, name, of in (("b_for_a", "B", "A"), ("a_for_b", "A", "B"))
        if ranks[key] is not None
    ]
    if near:
        together = found["contexts"]["shared"] or found["path"] is None or found["path"]["same"]
        others = "" if together else "; but a document stands between two others only, and others were taken"
        return " and ".join(near) + f"{others}."
    through = " Documents between them link them." if found["path"] and found["path"]["same"] else ""
    return f"Neither is among the other's {ranks['k']} nearest: their cosine is {cosine['graph']:.3f}.{through}"


def _ranks(ranks: Told) -> Iterator[str]:
    for key, name, of in (("b_for_a", "B", "A"), ("a_for_b", "A", "B")):
        least = ranks[f"least_for_{of.lower()}"]
        if ranks[key] is not None:
            yield f"{name} is number {ranks[key]} of the {ranks['k']} nearest to {of}"
        elif least is not None:
            yield f"{name} is not among the {ranks['k']} nearest to {of}, whose cosines go down to {least:.3f}"


def _path(name: str, order: Told) -> str:
    family = f", family {order['family']}" if order["family"] else ""
    place = f"{order['place_in_path'] + 1:,} of {order['documents_in_path']:,}"
    return f"{name} is number {place} on path {order['path']}{family}"


def _likeness(found: Told) -> Iterator[str]:
    if found["equal"] is not None:
        yield "equal texts, but for case and white space" if found["equal"] else "the texts are not equal"
    yield (
        f"Jaccard {found['jaccard']:.3f} of shingles of {found['shingle_words']} words; {found['least_jaccard']:g} or "
        "more makes a fuzzy duplicate"
    )
    if found["token_jaccard"] is not None:
        yield f"Jaccard {found['token_jaccard']:.3f} of n-grams of tokens"
    overlap = found["least_overlap"]
    alike = (
        "" if overlap is None else f", if {overlap:g} or more of the rarer word pairs overlap and names are the same,"
    )
    yield f"{found['least_cosine']:g} or more of the model's cosine{alike} makes a near-duplicate"


def _nth(number: int) -> str:
    """`2nd `, `11th `; nothing for the first, which is the nearest."""
    if number == 1:
        return ""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending} "
