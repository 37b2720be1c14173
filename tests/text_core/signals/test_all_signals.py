import numpy as np
import pyarrow as pa

from sequitur.text_core.signals.all_signals import FAMILY_NAMES, all_signals, families_of, signal_names
from sequitur.text_core.signals.rules import PRESETS
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import word_table


def signals_of(*texts: str) -> dict[str, np.ndarray]:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    return all_signals(strings, word_table(strings))


def test_every_signal_is_in_a_table_and_has_a_value_for_each_document():
    signals = signals_of("One sentence. And another, with https://example.org/ in it.", "", "字字\n\n字")
    assert list(signals) == signal_names()
    assert {values.shape for values in signals.values()} == {(3,)}
    assert {values.dtype for values in signals.values()} <= {np.dtype(kind) for kind in ("int64", "float32", "float64")}
    assert all(np.isfinite(values).all() for values in signals.values())


def test_a_family_alone_is_as_among_all():
    texts = ["One sentence. And another, with https://example.org/ in it.", "", "字字\n\n字", "a a a b\na a a b\n"]
    strings = from_arrow(pa.array(texts, pa.large_string()))
    everything = signals_of(*texts)
    for family in FAMILY_NAMES:
        alone = all_signals(strings, word_table(strings), families=[family])
        assert list(alone) == signal_names([family])
        assert all(np.array_equal(alone[name], everything[name]) for name in alone)
        assert {families_of([name])[0] for name in alone} == {family}
    assert families_of(["no_such_signal"]) == []


def test_the_rules_are_by_signals_that_are_computed():
    assert {rule.signal for rules in PRESETS.values() for rule in rules} <= set(signal_names())


def test_no_documents_have_no_signals():
    assert {values.shape for values in signals_of().values()} == {(0,)}


def test_one_word_of_a_megabyte_is_no_obstacle():
    signals = signals_of("x" * 2**20)
    assert (signals["word_count"][0], signals["char_count"][0]) == (1, 2**20)
