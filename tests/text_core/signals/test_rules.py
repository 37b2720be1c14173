import json

import numpy as np
import pytest
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

from sequitur.text_core.signals.rules import PRESETS, Bounds, MissingSignalError, Rule, first_failed

RULES = (
    Rule("too_small", "size", minimum=2),
    Rule("too_large", "size", maximum=4),
    Rule("ratio", "ratio", maximum=0.1),
)


def test_the_first_rule_that_fails_is_named():
    signals = {
        "size": np.array([1, 2, 4, 5, 1, 3], dtype=np.int64),
        "ratio": np.array([0.0, 0.1, 0.05, 0.9, 0.9, 0.2], dtype=np.float32),
    }
    failed = first_failed(RULES, signals)
    assert failed.dtype == np.int16
    assert failed.tolist() == [0, -1, -1, 1, 0, 2]


def test_nan_fails_its_rule():
    signals = {"size": np.array([3, 3]), "ratio": np.array([np.nan, 0.0], dtype=np.float32)}
    assert first_failed(RULES, signals).tolist() == [2, -1]


def test_a_missing_signal_is_named():
    with pytest.raises(MissingSignalError, match="rule ratio needs the signal ratio"):
        first_failed(RULES, {"size": np.array([3])})


def test_no_rules_and_no_documents():
    assert first_failed((), {"size": np.array([3, 9])}).tolist() == [-1, -1]
    assert first_failed(RULES, {"size": np.empty(0), "ratio": np.empty(0)}).tolist() == []


@pytest.mark.parametrize("preset", PRESETS)
def test_rules_have_one_bound_and_a_name_of_their_own(preset):
    rules = PRESETS[preset]
    assert all((rule.minimum is None) != (rule.maximum is None) for rule in rules)
    assert all(rule.name.startswith(preset.split("_")[0]) for rule in rules)
    assert len({rule.name for rule in rules}) == len(rules)


def test_a_name_means_one_bound_on_one_thing():
    """Words may be measured otherwise by another preset, and be held to another bound, but not from the other side."""
    every = {rule for rules in PRESETS.values() for rule in rules}
    assert len({(rule.name, rule.minimum is None) for rule in every}) == len({rule.name for rule in every})


@pytest.mark.parametrize("preset", PRESETS)
def test_each_rule_fails_just_outside_its_published_bound(preset):
    rules = PRESETS[preset]
    good = {rule.signal: rule.maximum if rule.minimum is None else rule.minimum for rule in rules}
    good |= {rule.signal: rule.minimum for rule in rules if rule.minimum is not None}
    for rule in rules:
        good |= {signal: low if high is None else high for signal, low, high in rule.where}
    bad = [(rule.signal, rule.maximum + 1e-9 if rule.minimum is None else rule.minimum - 1e-9) for rule in rules]
    rows = [good, *({**good, name: value} for name, value in bad)]
    signals = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in good}
    assert first_failed(rules, signals).tolist() == [-1, *range(len(rules))]


def test_a_rule_is_tried_only_where_it_is_for():
    rule = Rule("short", "length", minimum=3, where=(Bounds("spaced", minimum=0.9), Bounds("hangul", maximum=0.1)))
    signals = {
        "length": np.array([1, 1, 1, 1, 3]),
        "spaced": np.array([0.9, 0.8, 1, np.nan, 1]),
        "hangul": np.array([0.1, 0, 0.2, 0, 0]),
    }
    assert first_failed([rule], signals).tolist() == [0, -1, -1, -1, -1]
    assert rule.signals == ("length", "spaced", "hangul")
    assert Rule.of_stored(json.loads(json.dumps(rule))) == rule
    assert Rule.of_stored(["short", "length", 3, None]) == Rule("short", "length", 3)
    with pytest.raises(MissingSignalError, match="rule short needs the signal spaced"):
        first_failed([rule], {"length": np.array([1])})


def test_the_bounds_are_those_of_datatrove():
    quality, repetition = GopherQualityFilter(), GopherRepetitionFilter()
    bound = {
        rule.name: rule.maximum if rule.minimum is None else rule.minimum
        for preset, rules in PRESETS.items()
        for rule in rules
        if preset not in ("gopher_lenient", "gopher_short")
    }
    assert bound["gopher_too_few_words"] == quality.min_doc_words
    assert bound["gopher_too_many_hashes"] == quality.max_symbol_word_ratio
    assert bound["gopher_too_few_alphabetic_words"] == quality.max_non_alpha_words_ratio
    assert [bound[f"gopher_top_{n}_gram"] for n in (2, 3, 4)] == [share for _, share in repetition.top_n_grams]
    duplicates = [bound[f"gopher_duplicate_{n}_grams"] for n in range(5, 11)]
    assert duplicates == [share for _, share in repetition.dup_n_grams]
    assert bound["gopher_duplicate_line_chars"] == repetition.dup_line_char_frac
    assert bound["c4_too_few_sentences"] == C4QualityFilter().min_num_sentences
    fineweb = FineWebQualityFilter()
    assert bound["fineweb_too_few_terminated_lines"] == fineweb.line_punct_thr
    assert bound["fineweb_too_many_short_lines"] == fineweb.short_line_threshold
    assert bound["fineweb_duplicate_line_chars"] == fineweb.char_duplicates_ratio
    assert bound["fineweb_too_many_lines"] == fineweb.new_line_ratio
