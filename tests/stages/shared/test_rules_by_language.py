"""The default rules ask of each language what can be asked of it; composed or decomposed, a text is judged the same."""

# ruff: noqa: RUF001 - letters of other scripts
from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest

from sequitur.pipeline.sections import Annotate, Select
from sequitur.stages.annotate import stage as annotate
from sequitur.stages.shared.quality_rules import judge
from sequitur.text_core.signals.stop_words import stop_words

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
    judged = judge(Select.model_validate({"rules": rules}))
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
