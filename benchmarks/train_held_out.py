"""What benchmarks.train keeps out of training, and what it asks a model about it.

A *group* is a document and its k nearest neighbours; all of them are kept out. Each question is a list of tokens and
the place from which on they are to be predicted; what precedes is given. All are asked with full attention.

related, unrelated   a document after the k of its group, or after the k of another group: as many tokens, same place
alone                the document by itself
rows, shuffled       all that is kept out, group by group, or shuffled; end to end, cut into rows of S tokens
copied, guessed      as NQ-Swap (arXiv 2109.05052) asks: a rare word that a document has in common with its nearest is
                     replaced in both by a word of another group, and to be said where it first stands in the document;
                     what precedes is the other document around that word, or as much of other groups
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

Encode = Callable[[str], list[int]]
WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]{4,}")
SHORTEST = 600  # characters of a document that is asked about


class Group(NamedTuple):
    """Texts that no model sees in training: a document, and those nearest to it, nearest first."""

    text: str
    related: list[str]


class Question(NamedTuple):
    """Tokens of which those from `first` on are to be predicted."""

    ids: list[int]
    first: int


class Answer(NamedTuple):
    """Of each token that was to be predicted −log p, in nats, and whether it was the likeliest."""

    losses: NDArray[np.float32]
    likeliest: NDArray[np.bool_]


def hold_out(documents: pa.Table, neighbors: pa.Table, groups: int, k: int, seed: int) -> tuple[list[Group], set[int]]:
    """Groups drawn by seed, none with a document of another, and the ordinals of all their documents.

    `documents` has `ordinal` and `text`, `neighbors` has `ordinal` and `neighbor` of the same documents.
    """
    text = dict(zip(documents["ordinal"].to_pylist(), documents["text"].to_pylist(), strict=True))
    nearest = dict(zip(neighbors["ordinal"].to_pylist(), neighbors["neighbor"].to_pylist(), strict=True))
    found: list[Group] = []
    taken: set[int] = set()
    for ordinal in np.random.default_rng(seed).permutation(sorted(nearest)).tolist():
        members = [ordinal, *(one for one in nearest[ordinal] if one >= 0 and one not in taken)][: k + 1]
        if ordinal not in taken and len(members) == k + 1 and len(text[ordinal]) >= SHORTEST and len(found) < groups:
            found.append(Group(text[ordinal], [text[one] for one in members[1:]]))
            taken |= set(members)
    if len(found) < max(groups, 3):
        raise SystemExit(f"error: the corpus has {len(found)} groups to keep out, not {max(groups, 3)}; --groups fewer")
    return found, taken


def questions(groups: list[Group], encode: Encode, end: int, length: int, seed: int) -> dict[str, list[Question]]:
    """All questions by kind, each of at most `length` + 1 tokens; `end` closes a document."""
    asked = [[*encode(group.text), end][: length // 2] for group in groups]
    before = [[token for text in reversed(group.related) for token in [*encode(text), end]] for group in groups]
    found: dict[str, list[Question]] = {name: [] for name in ("related", "unrelated", "alone")}
    for number, ids in enumerate(asked):
        other = before[(number + 1) % len(groups)]
        room = min(len(before[number]), len(other), length + 1 - len(ids))
        found["related"].append(Question([*before[number][-room:], *ids], room + 1))
        found["unrelated"].append(Question([*other[-room:], *ids], room + 1))
        found["alone"].append(Question(ids, 1))
    by_group = [[*encode(text), end] for group in groups for text in (*reversed(group.related), group.text)]
    found["rows"] = list(_rows(by_group, length))
    shuffled = np.random.default_rng(seed).permutation(len(by_group)).tolist()
    found["shuffled"] = list(_rows([by_group[one] for one in shuffled], length))
    return found | _swapped(groups, encode, end, length)


def _rows(documents: Iterable[list[int]], length: int) -> Iterable[Question]:
    stream = [token for ids in documents for token in ids]
    for first in range(0, len(stream) - length, length):
        yield Question(stream[first : first + length + 1], 1)


def _swapped(groups: list[Group], encode: Encode, end: int, length: int) -> dict[str, list[Question]]:
    frequency = Counter(word for group in groups for text in (group.text, *group.related) for word in _words(text))
    shared = [(group, *found) for group in groups if (found := _shared_word(group, frequency)) is not None]
    asked: dict[str, list[Question]] = {"copied": [], "guessed": []}
    around = length // 4  # characters before and after a word, seldom more tokens
    if len(shared) < 3:
        return asked
    for number, (group, word, source) in enumerate(shared):
        _, answer, _ = shared[(number + 1) % len(shared)]
        others = [shared[(number + further) % len(shared)] for further in range(2, min(5, len(shared)))]
        place = _place(group.text, word)
        space = group.text[place - 1 : place] == " "  # a tokenizer joins it to the word
        said = encode(" " * space + answer)
        prefix = encode(group.text[max(0, place - around) : place - space])[-(length // 4) :]
        own = [*encode(_swap(_around(source, word, around), word, answer)), end]
        guess = [token for _, one, text in others for token in [*encode(_around(text, one, around)), end]]
        room = min(len(own), len(guess), length + 1 - len(prefix) - len(said))
        for name, ids in (("copied", own), ("guessed", guess)):
            asked[name].append(Question([*ids[-room:], *prefix, *said], room + len(prefix)))
    return asked


def _words(text: str) -> set[str]:
    return set(WORD.findall(text))


def _shared_word(group: Group, frequency: Counter[str]) -> tuple[str, str] | None:
    """The rarest word that the document has in common with one of its group, but not at its start, and that one."""
    most = len(group.related) + 1
    found = [
        (frequency[word], number, word)
        for number, text in enumerate(group.related)
        for word in _words(text) & _words(group.text)
        if frequency[word] <= most and _place(group.text, word) > 20
    ]
    return (min(found)[2], group.related[min(found)[1]]) if found else None


def _place(text: str, word: str) -> int:
    return next(match.start() for match in WORD.finditer(text) if match[0] == word)


def _around(text: str, word: str, characters: int) -> str:
    place = _place(text, word)
    return text[max(0, place - characters) : place + len(word) + characters]


def _swap(text: str, word: str, by: str) -> str:
    return WORD.sub(lambda match: by if match[0] == word else match[0], text)


@torch.no_grad()
def answers(model: torch.nn.Module, asked: list[Question], rows: int = 16) -> list[Answer]:
    """What a model answers, in the order of the questions; `rows` of them at a time, of like length."""
    found: dict[int, Answer] = {}
    by_length = sorted(range(len(asked)), key=lambda number: len(asked[number].ids))
    model.eval()
    for start in range(0, len(by_length), rows):
        some = by_length[start : start + rows]
        longest = len(asked[some[-1]].ids)
        ids = torch.tensor([asked[one].ids + [0] * (longest - len(asked[one].ids)) for one in some])
        logits = model(ids[:, :-1]).float()
        losses = cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none").numpy()
        likeliest = (logits.argmax(-1) == ids[:, 1:]).numpy()
        for row, number in enumerate(some):
            judged = slice(asked[number].first - 1, len(asked[number].ids) - 1)
            found[number] = Answer(losses[row, judged], likeliest[row, judged])
    model.train()
    return [found[number] for number in range(len(asked))]


def measures(model: torch.nn.Module, asked: dict[str, list[Question]], bins: int) -> dict[str, NDArray[np.float64]]:
    """By name a number for each question, [questions]; of rows for each of their `bins` parts, [rows, bins].

    Losses in nats a token. `context_gain` is what related documents before it spare a document, beside unrelated ones;
    `copied_right` the share of words all of whose tokens were the likeliest.
    """
    told = {name: answers(model, some) for name, some in asked.items() if some}
    found = {f"loss_{name}": np.array([one.losses.mean(dtype=float) for one in of]) for name, of in told.items()}
    for name in [name for name in ("rows", "shuffled") if name in told]:
        parts = [[part.mean(dtype=float) for part in np.array_split(one.losses, bins)] for one in told[name]]
        found[f"loss_{name}_by_position"] = np.array(parts)
    found["context_gain"] = found["loss_unrelated"] - found["loss_related"]
    for name in [name for name in ("copied", "guessed") if name in told]:
        found[f"{name}_right"] = np.array([float(one.likeliest.all()) for one in told[name]])
    return found


def summary(values: NDArray[np.float64]) -> dict[str, Any]:
    """Mean and errors of values [seeds, questions] or [seeds, questions, bins]; an error of one value is None."""
    by_seed, by_question = values.mean(axis=1), values.mean(axis=0)
    told: dict[str, Any] = {"mean": np.round(by_seed.mean(axis=0), 5).tolist()}
    for name, some in (("error_seeds", by_seed), ("error_documents", by_question)):
        error = some.std(axis=0, ddof=1) / np.sqrt(len(some)) if len(some) > 1 else None
        told[name] = None if error is None else np.round(error, 5).tolist()
    return told
