"""text_core.signals.language: against py3langid's own code, and on what holds no language."""

# ruff: noqa: RUF001 - letters of other scripts
import unicodedata
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from sequitur.text_core.signals.language import LEAST_SCORE, MAX_CHARACTERS, UNDETERMINED, languages

# Article 1 of the Universal Declaration of Human Rights, or its beginning.
ARTICLE = {
    "ar": "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق، وقد وهبوا عقلاً وضميراً",
    "bg": "Всички хора се раждат свободни и равни по достойнство и права.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "en": "All human beings are born free and equal in dignity and rights.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
}
ONE = {"ary": "ar", "arz": "ar", "nn": "no", "wuu": "zh", "yue": "zh"}


@pytest.fixture(scope="module")
def identifier() -> Iterator[LanguageIdentifier]:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def told(*texts: str | None) -> list[tuple[str, float]]:
    codes, scores = languages(pa.array(texts, pa.large_string()))
    assert (codes.type.value_type, scores.dtype) == (pa.string(), np.float32)
    return list(zip(codes.to_pylist(), scores.tolist(), strict=True))


def by_the_library(identifier: LanguageIdentifier, text: str) -> dict[str, float]:
    """Probability by language, as `languages` joins them."""
    joined: dict[str, float] = {}
    for code, score in identifier.rank(text[:MAX_CHARACTERS]):
        joined[ONE.get(code, code)] = joined.get(ONE.get(code, code), 0) + score
    return joined


def test_languages_are_told():
    for (code, score), truth in zip(told(*ARTICLE.values()), ARTICLE, strict=True):
        assert code == truth
        assert 0.5 < score <= 1


def test_agrees_with_the_library(identifier):
    texts = [
        *ARTICLE.values(),
        *(text[:12] for text in ARTICLE.values()),
        " ".join(ARTICLE.values()),
        "x = f(0x3f) # 1",
    ]
    for text, (code, score) in zip(texts, told(*texts), strict=True):
        expected = by_the_library(identifier, text)
        best = max(expected, key=expected.__getitem__)
        none = best == "zxx" or expected[best] < LEAST_SCORE
        assert code == (UNDETERMINED if none else best)
        assert score == (0 if none else pytest.approx(expected[best], abs=2e-4))


def test_decomposed_and_capital_letters_change_nothing():
    small = "Alle Menschen sind gleich an Würde und Größe"
    (composed, decomposed, capitals) = told(small, unicodedata.normalize("NFD", small), small.upper())
    assert composed == decomposed
    assert told("GLEICH AN WÜRDE UND RECHTEN") == told("gleich an würde und rechten")
    assert (composed[0], capitals[0]) == ("de", "de")


@pytest.mark.parametrize(
    "code",
    [
        "def add(a, b):\n    return a + b\n\nfor i in range(10):\n    print(add(i, i * 2))\n",
        "for i in range(n):\n    for j in range(m):\n        grid[i][j] = i * j\n        if grid[i][j] > 10:\n"
        "            break\n",
        "x = [i for i in range(100) if i % 2 == 0]\ny = {k: v for k, v in zip(x, x[1:])}\nprint(sum(y.values()))\n",
        "int main(void) {\n  for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }\n  return sum;\n}\n",
    ],
)
def test_code_is_in_no_other_language_than_english(code):
    assert told(code)[0][0] in (UNDETERMINED, "en")


@pytest.mark.parametrize(
    ("truth", "text"),
    [
        ("ms", "Fail itu tiada dalam senarai, kerana nombor yang diberi tidak sah. Sila cuba semula."),
        ("ms", "Kerajaan berkata bahawa syarikat itu hendaklah membayar wang sebelum bulan Ogos."),
        ("ms", "Semua manusia dilahirkan bebas dan samarata dari segi kemuliaan dan hak-hak."),
        ("id", "Berkas itu tidak ada dalam daftar karena nomor yang diberikan tidak sah. Silakan coba lagi."),
        ("id", "Pemerintah mengatakan bahwa perusahaan itu harus membayar uang sebelum bulan Agustus."),
        (
            "id",
            "Semua orang dilahirkan merdeka. Mereka dikaruniai akal dan hendaknya bergaul satu sama lain.",
        ),
    ],
)
def test_malay_is_told_from_indonesian(truth, text):
    ((code, score),) = told(text)
    assert code == truth
    assert LEAST_SCORE <= score <= 1


@pytest.mark.parametrize("text", ["", None, " \n", "12345 67 8.90", "!!! --- ???", "😀", "\0"])
def test_nothing_to_tell_by(text):
    assert told(text) == [(UNDETERMINED, 0)]


def test_only_the_start_counts():
    english = (ARTICLE["en"] + " ") * (MAX_CHARACTERS // 50)
    assert len(english) > MAX_CHARACTERS
    assert told(english + ARTICLE["ru"] * 1000) == told(english)


def test_a_slice_is_told_as_the_whole():
    text = pa.array(ARTICLE.values(), pa.large_string())
    codes, scores = languages(text[3:9])
    whole_codes, whole_scores = languages(text)
    assert codes.to_pylist() == whole_codes.to_pylist()[3:9]
    assert scores.tolist() == whole_scores.tolist()[3:9]
    assert codes.dictionary == whole_codes.dictionary


def test_no_documents():
    codes, scores = languages(pa.array([], pa.large_string()))
    assert (len(codes), len(scores)) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_a_document_is_told_apart_from_its_neighbours(texts):
    together = told(*texts)
    assert together == [told(text)[0] for text in texts]
    assert all(0 <= score <= 1 and (code == UNDETERMINED) == (score == 0) for code, score in together)
