import numpy as np
import pytest

from text_core.rules import GOPHER_QUALITY, MissingSignalError, Rule, first_failed

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


def test_gopher_rules_have_one_bound_and_one_name_each():
    assert len({rule.name for rule in GOPHER_QUALITY}) == len(GOPHER_QUALITY) == 10
    assert all((rule.minimum is None) != (rule.maximum is None) for rule in GOPHER_QUALITY)


def test_each_gopher_rule_fails_just_outside_its_published_bound():
    good = {
        "word_count": 50,
        "mean_word_length": 3.0,
        "hash_to_word_ratio": 0.1,
        "ellipsis_to_word_ratio": 0.1,
        "bullet_line_ratio": 0.9,
        "ellipsis_line_ratio": 0.3,
        "alphabetic_word_ratio": 0.8,
        "stop_word_count": 2,
    }
    bad = [
        ("word_count", 49),
        ("word_count", 100_001),
        ("mean_word_length", 2.9),
        ("mean_word_length", 10.1),
        ("hash_to_word_ratio", 0.11),
        ("ellipsis_to_word_ratio", 0.11),
        ("bullet_line_ratio", 0.91),
        ("ellipsis_line_ratio", 0.31),
        ("alphabetic_word_ratio", 0.79),
        ("stop_word_count", 1),
    ]
    rows = [good, *({**good, name: value} for name, value in bad)]
    signals = {name: np.array([row[name] for row in rows], dtype=np.float32) for name in good}
    assert first_failed(GOPHER_QUALITY, signals).tolist() == [-1, *range(10)]
