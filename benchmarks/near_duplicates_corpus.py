"""A corpus whose near-duplicates are known: five languages of unequal share, versions, and what only looks like them.

The words are real: names of countries, languages, scripts, currencies and cities, as Babel's CLDR has them, and the
most frequent words of each language between them. Words are drawn by Zipf's law; each document has a subject of its
own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from babel import Locale

from sequitur.text_core.signals.stop_words import built_in_stop_words

SHARES = {"en": 700, "de": 200, "zh": 70, "uk": 44, "pl": 36}  # documents that have no version and no sibling
VERSIONS = {"en": 90, "de": 42, "zh": 24, "uk": 24, "pl": 18}  # documents that have one version each
FAMILIES = {"en": 16, "de": 8, "zh": 4, "uk": 3, "pl": 3}  # of template siblings
TOPICS = {"en": 40, "de": 16, "zh": 8, "uk": 5, "pl": 4}
SAME_SUBJECT = 0.1  # share of the documents that have a companion about the same subject, in other words
BOILERPLATE = 0.3  # share of the documents that end in one of the same few passages
UNSPACED = ("zh",)


class Truth(NamedTuple):
    """n documents."""

    texts: list[str]
    languages: list[str]
    groups: list[int]  # versions of one document have one number
    kinds: list[str]  # how the document was made
    versions: frozenset[str]  # the kinds that are versions of an original


Sentence = list[str]
Text = list[Sentence]


class Writer:
    """Writes in a language."""

    def __init__(self, language: str, generator: np.random.Generator) -> None:
        self.language, self.draw = language, generator
        words = _words(language)
        self._words = [words[at] for at in generator.permutation(len(words))]
        self._share = 1 / np.arange(2, len(words) + 2)
        self._share /= self._share.sum()
        self._small = list(built_in_stop_words()[language])
        small = 1 / np.arange(1, len(self._small) + 1)
        self._small_share = small / small.sum()
        self._rare = self._words[len(words) // 8 :]
        self.topics = [self.rare(15) for _ in range(TOPICS[language])]
        self.passages = [self.text([], self.rare(5), 60) for _ in range(3)]

    def rare(self, count: int) -> list[str]:
        return [self._rare[at] for at in self.draw.choice(len(self._rare), count, replace=False)]

    def word(self) -> str:
        return self._words[self.draw.choice(len(self._words), p=self._share)]

    def sentence(self, subject: list[str], topic: list[str]) -> Sentence:
        words = []
        for _ in range(int(self.draw.integers(4, 9))):
            chance = self.draw.random()
            if subject and chance < 0.2:
                words.append(subject[min(int(self.draw.geometric(0.6)), len(subject)) - 1])
            elif chance < 0.45:
                words.append(topic[int(self.draw.integers(len(topic)))])
            else:
                words.append(self.word())
            if self.draw.random() < 0.7:
                words.append(self._small[self.draw.choice(len(self._small), p=self._small_share)])
        return words

    def text(self, subject: list[str], topic: list[str], words: float) -> Text:
        found: Text = []
        while sum(map(len, found)) < words:
            found.append(self.sentence(subject, topic))
        return found

    def about(self, subject: list[str]) -> Text:
        """A document about a subject, as long as documents are: about 150 words, seldom 1,000."""
        topic = self.topics[int(self.draw.integers(len(self.topics)))]
        return self.text(subject, topic, max(40.0, float(self.draw.lognormal(4.9, 0.6))))

    def subject(self) -> list[str]:
        return self.rare(3)

    def written(self, text: Text) -> str:
        if self.language in UNSPACED:
            return "".join("".join(words) + "。" for words in text)
        return " ".join(" ".join(words).capitalize() + "." for words in text)


def _words(language: str) -> list[str]:
    locale = Locale.parse(language)
    names = [
        *locale.territories.values(), *locale.languages.values(), *locale.scripts.values(), *locale.currencies.values(),
        *(zone.get("city", "") for zone in locale.time_zones.values()),
    ]  # fmt: skip
    return sorted({word for name in names for word in re.findall(r"[^\W\d_]{2,}", name.lower())})


def edited(text: Text, writer: Writer, topic: list[str]) -> Text:
    """One word in ten is another one, or gone."""
    chance = writer.draw.random
    return [[writer.word() if chance() < 0.07 else word for word in words if chance() > 0.03] for words in text]


def reordered(text: Text, writer: Writer, topic: list[str]) -> Text:
    """The sentences in another order."""
    return [text[at] for at in writer.draw.permutation(len(text))]


def rewritten(text: Text, writer: Writer, topic: list[str]) -> Text:
    """A third of the sentences are new ones, about the same."""
    new = set(writer.draw.choice(len(text), max(1, len(text) // 3), replace=False).tolist())
    return [writer.sentence(topic, topic) if at in new else words for at, words in enumerate(text)]


def shortened(text: Text, writer: Writer, topic: list[str]) -> Text:
    """Three of five sentences."""
    kept = np.sort(writer.draw.choice(len(text), max(1, len(text) * 3 // 5), replace=False))
    return [text[at] for at in kept]


def extended(text: Text, writer: Writer, topic: list[str]) -> Text:
    """The same between a preface and a passage that many documents end in."""
    return [*writer.text(topic, topic, 0.15 * sum(map(len, text))), *text, *writer.passages[0]]


def paraphrased(text: Text, writer: Writer, topic: list[str]) -> Text:
    """The halves of each sentence change places, a word in four is said otherwise; the subject keeps its name."""
    chance, found = writer.draw.random, []
    for words in text:
        middle = len(words) // 2
        turned = words[middle:] + words[:middle] if chance() < 0.5 else words
        found.append([writer.word() if chance() < 0.25 and word not in topic else word for word in turned])
    return found


KINDS: tuple[Callable[[Text, Writer, list[str]], Text], ...] = (
    edited, reordered, rewritten, shortened, extended, paraphrased,
)  # fmt: skip


def family(writer: Writer) -> list[Text]:
    """The same sentences about other subjects: one, or one and two lesser things, each named some times."""
    size = int(writer.draw.integers(2, 9))
    slots = int(writer.draw.choice([1, 1, 2, 3]))
    marks = [f"\0{slot}" for slot in range(slots)]
    template = writer.text([], writer.rare(10), float(writer.draw.integers(40, 160)))
    for slot, mark in enumerate(marks):
        times = max(3, len(template) // 2) if slot == 0 else 2
        for at in writer.draw.choice(len(template), min(times, len(template)), replace=False).tolist():
            template[at][int(writer.draw.integers(len(template[at])))] = mark
    shared = writer.rare(1)[0]
    compound = writer.draw.random() < 0.3 and writer.language not in UNSPACED
    texts = []
    for _ in range(size):
        names = writer.rare(slots)
        if compound:
            names[0] = f"{shared}-{names[0]}-{shared[:3]}"
        fill = dict(zip(marks, names, strict=True))
        texts.append([[fill.get(word, word) for word in words] for words in template])
    return texts


def make(seed: int = 0) -> Truth:
    """The corpus, in an order in which what belongs together does not stand together."""
    generator = np.random.default_rng(seed)
    rows: list[tuple[str, str, int, str]] = []
    group = 0
    for language, count in SHARES.items():
        writer = Writer(language, generator)

        def add(text: Text, kind: str, own: int, writer: Writer = writer) -> None:
            if writer.draw.random() < BOILERPLATE:
                text = [*text, *writer.passages[int(writer.draw.integers(len(writer.passages)))]]
            rows.append((writer.written(text), writer.language, own, kind))

        for _ in range(count):
            subject = writer.subject()
            add(writer.about(subject), "single", group)
            if generator.random() < SAME_SUBJECT:
                group += 1
                add(writer.about(subject), "same_subject", group)
            group += 1
        for number in range(VERSIONS[language]):
            subject = writer.subject()
            text, change = writer.about(subject), KINDS[number % len(KINDS)]
            add(text, "original", group)
            add(change(text, writer, subject), change.__name__, group)
            group += 1
        for _ in range(FAMILIES[language]):
            for text in family(writer):
                add(text, "sibling", group)
                group += 1
    order = generator.permutation(len(rows))
    columns = [list(column) for column in zip(*(rows[at] for at in order), strict=True)]
    return Truth(*columns, versions=frozenset(change.__name__ for change in KINDS))
