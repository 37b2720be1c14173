"""Documents are judged alone: by URL, language, presets and own limits. Other rules can be tried on a finished run.

The default rules ask of each language what can be asked of it; composed or decomposed, a text is judged the same.
"""

# ruff: noqa: RUF001 - letters of other scripts
import json
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sequitur.inspection.rules_trial import try_rules
from sequitur.pipeline import config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.sections import Annotate, Select
from sequitur.pipeline.stage import Run
from sequitur.stages.annotate import stage as annotate
from sequitur.stages.shared import quality_rules
from sequitur.stages.shared.judge import judge_of
from sequitur.text_core.signals.rules import PRESETS
from sequitur.text_core.signals.stop_words import stop_words

GERMAN = "Der Hund und die Katze sind in dem Haus, und das Wetter ist heute nicht so schön wie gestern im Garten. "
ENGLISH = "The dog and the cat are in the house, and today the weather is not as nice as it was in the garden. "
RECORDS = [
    {"id": "english", "text": ENGLISH * 4, "url": "https://good.example/a"},
    {"id": "german", "text": GERMAN * 4, "url": "https://good.example/b"},
    {"id": "blocked-domain", "text": ENGLISH * 5, "url": "https://user@www.Bad.example:80/c"},
    {"id": "blocked-string", "text": ENGLISH * 6, "url": "https://good.example/CASINO/d"},
    {"id": "no-url", "text": ENGLISH * 7},
]


def select(**settings: Any) -> Select:
    return config.validate({"output": "x", "ingest": {"inputs": ["x"]}, "select": settings}, "settings").select


def test_presets_are_joined_and_own_limits_come_last() -> None:
    limits = [{"signal": "url_count", "max": 3}, {"signal": "compression_ratio", "min": 0.1, "max": 0.9, "name": "odd"}]
    rules = quality_rules.rules_of(select(rules=["gopher_quality", "gopher_lenient", "c4"], limits=limits))
    names = [rule.name for rule in rules]
    assert names[-2:] == ["limit_url_count", "odd"]
    assert (rules[-1].minimum, rules[-1].maximum) == (0.1, 0.9)
    presets = ("gopher_quality", "gopher_lenient", "c4")
    assert set(names[:-2]) == {rule.name for preset in presets for rule in PRESETS[preset]}
    assert quality_rules.rules_of(select(rules="none")) == ()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"limits": [{"signal": "word_count"}]}, "bounds word_count neither way"),
        ({"limits": [{"signal": "word_count", "min": 1}] * 2}, "there is a rule limit_word_count already"),
        ({"limits": [{"signal": "word_count", "min": 1, "name": "language"}]}, "there is a rule language already"),
        ({"thresholds": {"gopher_too_few_word": 1}}, "did you mean gopher_too_few_words?"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        quality_rules.rules_of(select(**settings))


def test_a_limit_on_an_unknown_signal_names_the_nearest(execute: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no signal word_counts; did you mean word_count"):
        execute(tmp_path / "run", "select", select={"limits": [{"signal": "word_counts", "min": 1}]})
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def judged(execute: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run over the records above, with lists of URLs and a language to keep."""
    directory = tmp_path_factory.mktemp("judged")
    (directory / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    (directory / "domains.txt").write_text("# bad ones\nbad.example\n")
    (directory / "strings.txt").write_text("/casino/\n")
    urls = {"block_domains": str(directory / "domains.txt"), "block_substrings": str(directory / "strings.txt")}
    return execute(
        directory / "run",
        "select",
        ingest={"inputs": [str(directory / "records.jsonl")]},
        select={"urls": urls, "language": {"keep": ["en"]}, "fuzzy_duplicates": False},
    )


def test_documents_are_dropped_by_url_and_language(judged: Run, rows: Any) -> None:
    ids = [row["record_id"] for row in rows(judged)]
    reasons = dict(zip(ids, (row["reason"] for row in rows(judged, "selection")), strict=True))
    assert reasons == {
        "english": None,
        "german": "language",
        "blocked-domain": "blocked_domain",
        "blocked-string": "blocked_url",
        "no-url": None,
    }


def test_a_changed_list_makes_the_selection_anew(judged: Run) -> None:
    before = quality_rules.list_digests(judged.config.select)
    path = Path(judged.config.select.urls.block_domains[0])
    content = path.read_text()
    path.write_text("other.example\n")
    assert quality_rules.list_digests(judged.config.select) != before
    path.write_text("no/domain\n")
    with pytest.raises(ConfigError, match="is no domain"):
        judge_of(judged.config.select)
    path.unlink()
    with pytest.raises(ConfigError, match=r"No such file.*; correct select.urls.block_domains"):
        judge_of(judged.config.select)
    path.write_text(content)


def test_a_trial_tells_what_a_run_with_those_rules_drops(
    finished: Run, branch: Callable[..., Run], rows: Any, corpus: Any
) -> None:
    changes = ["select.thresholds.gopher_too_few_words=150", "select.thresholds.gopher_too_few_stop_words=null"]
    trial = try_rules(finished, config.overridden(finished.config, changes), examples=2)
    thresholds = {"gopher_too_few_words": 150, "gopher_too_few_stop_words": None}
    run = branch("other", "select", select={"thresholds": thresholds})
    dropped = Counter(row["reason"] for row in rows(run, "selection") if row["reason"])
    repeated = len(corpus.repeated)  # short, too, and told by their ids in the selection
    counts = trial["reasons"]["gopher_too_few_words"]
    assert counts["then"] == dropped["gopher_too_few_words"] + repeated
    assert trial["reasons"]["gopher_too_few_stop_words"] == {"now": repeated, "then": 0}
    assert counts["now"] == len(corpus.short)
    assert trial["documents"] == len(rows(finished)) == sum(each["documents"] for each in trial["sources"].values())
    assert (trial["dropped"], trial["regained"]) == ([], [])


def test_the_command_shows_tables_and_examples(finished: Run, sequitur: Any) -> None:
    output = finished.config.output
    ended = sequitur("rules", "try", output, "--set", "select.thresholds.gopher_too_few_words=1000", "--examples", "1")
    assert ended.code == 0, ended.err
    assert "gopher_too_few_words" in ended.out
    assert "Would be dropped:" in ended.out
    ended = sequitur("rules", "try", output, "--set", "select.rules=none", "--json")
    trial = json.loads(ended.out)
    assert {row["reason"] for row in trial["regained"]} == {"gopher_too_few_words", "gopher_too_few_stop_words"}
    short = [row for row in trial["regained"] if row["signal"] == "word_count"]
    assert len(short) == 2
    assert all(row["value"] < 50 and row["text"] for row in short)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("annotate.shingle_words=3", "changes the signals themselves"),
        ("select.thresholds.none_such=3", "no such rule"),
        ("select.limits=[{signal: none_such, min: 1}]", "no signal none_such"),
    ],
)
def test_a_trial_of_wrong_rules_is_refused_in_one_line(
    finished: Run, sequitur: Any, change: str, complaint: str
) -> None:
    ended = sequitur("rules", "try", finished.config.output, "--set", change)
    assert ended.code == 1
    assert complaint in ended.err
    assert ended.err.count("\n") == 1


# The beginning of the Universal Declaration of Human Rights, article 1.
ARTICLE = {
    "am": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው። የተፈጥሮ ማስተዋልና ሕሊና ስላለው አንዱ ሌላውን በወንድማማችነት መንፈስ መመልከት ይገባዋል።",
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق، وقد وهبوا "
    "عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء.",
    "bo": "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ཆེ་མཐོངས་དང༌། ཐོབ་ཐངགི་རང་དབང་འདྲ་མཉམ་དུ་ཡོད་ལ།",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt.",
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on annettu järki.",
    "fr": "Tous les êtres humains naissent libres et égaux : en dignité ; en droits. Ils sont doués de raison !",
    "he": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו "
    "בתבונה ובמצפון, לפיכך חובה עליהם לנהוג איש ברעהו ברוח של אחווה.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"
    "人間は、理性と良心とを授けられている。",
    "km": "មនុស្សទាំងអស់កើតមកមានសេរីភាពនិងភាពស្មើៗគ្នាក្នុងសិទ្ធិនិងសេចក្ដីថ្លៃថ្នូរ។",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 "
    "동등하다. 인간은 천부적으로 이성과 양심을 부여받았다.",
    "lo": "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ, ສິດທິ, ອິດສະຫຼະພາບ ແລະ ຄວາມສະເໝີພາບເທົ່າທຽມກັນ.",
    "ml": "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും സ്വാതന്ത്ര്യത്തോടുംകൂടി ജനിച്ചിട്ടുള്ളവരാണ്.",
    "my": "လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် လည်းကောင်း၊ တူညီလွတ်လပ်သော အခွင့်အရေးများဖြင့် လည်းကောင်း မွေးဖွားလာသူများ ဖြစ်သည်။",
    "ta": "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும் உரிமைகளிலும் சமமானவர்கள். "
    "அவர்கள் நியாயத்தையும் மனச்சாட்சியையும் கொண்டவர்கள் என்பதால் இந்த உரிமை அது போல எல்லோருக்கும் வேண்டும்.",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม",
    "uz": "Barcha odamlar erkin, qadr-qimmat va huquqlarda teng bo‘lib tug‘iladilar. Ular aql va vijdon sohibidirlar.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm "
    "và quyền. Mọi con người đều được tạo hoá ban cho lý trí.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
}


def reasons(texts: list[str], rules: str = "gopher_lenient") -> list[str | None]:
    judged = judge_of(select(rules=rules))
    text = pa.array(texts, pa.large_string())
    columns = annotate.signals(text, Annotate(), stop_words(), None)
    failed = judged.verdicts(pa.record_batch(columns), pa.nulls(len(texts), pa.string()))
    return [None if reason < 0 else judged.reasons[reason] for reason in failed]


@pytest.mark.parametrize("language", ARTICLE)
def test_prose_of_any_language_is_kept(language: str) -> None:
    assert reasons([" ".join([ARTICLE[language]] * 10)]) == [None]


def test_entries_of_one_sentence_are_kept_by_the_preset_for_short_records() -> None:
    assert reasons(list(ARTICLE.values()), "gopher_short") == [None] * len(ARTICLE)
    assert reasons(
        ["Wait", "1 2 3 4 5 6", "# # # some more words # #", "a b c d", "x" * 100 + " is it"], "gopher_short"
    ) == [
        "gopher_too_few_words",
        "gopher_words_too_short",
        "gopher_too_many_hashes",
        "gopher_words_too_short",
        "gopher_words_too_long",
    ]


def test_what_is_no_text_still_falls() -> None:
    numbers, letters, noise = " 1234 5678.9" * 60 + " the of", " a b c" * 40, " qwert zxcvb asdfg" * 30
    long = (" " + "x" * 40) * 60
    assert reasons([numbers, letters, noise, long, "字" * 49]) == [
        "gopher_too_few_alphabetic_chunks",
        "gopher_words_too_short",
        "gopher_too_few_stop_words",
        "gopher_words_too_long",
        "gopher_too_few_words",
    ]


def test_decomposed_text_has_the_signals_of_composed_text() -> None:
    texts = list(ARTICLE.values())
    columns = [
        annotate.signals(
            pa.array([unicodedata.normalize(form, text) for text in texts], pa.large_string()),
            Annotate(), stop_words(), None,
        )
        for form in ("NFC", "NFD")
    ]  # fmt: skip
    assert [name for name in columns[0] if not columns[0][name].equals(columns[1][name])] == []
