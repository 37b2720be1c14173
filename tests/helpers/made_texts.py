"""Texts of several languages and kinds, made of a few words each: no two are alike, and each language is told."""

import random

SENTENCES: dict[str, tuple[str, str, str, str]] = {  # who, what is done, to what, and where; put together by a pattern
    "en": (
        "teacher farmer doctor sailor painter baker singer lawyer writer gardener carpenter student",
        "found sold painted described repaired carried hid counted borrowed cleaned measured forgot",
        "table letter bicycle window bottle picture machine jacket basket lantern violin ladder",
        "harbour village kitchen station library forest museum market garden valley workshop bridge",
    ),
    "de": (
        "Lehrer Bauer Arzt Maler Bäcker Sänger Anwalt Gärtner Tischler Schüler Nachbar Kapitän",
        "fand verkaufte bemalte beschrieb reparierte trug versteckte zählte reinigte vergaß holte suchte",
        "Tisch Brief Schrank Koffer Teller Spiegel Hammer Mantel Korb Kessel Stuhl Schlüssel",
        "Hafen Dorf Keller Bahnhof Garten Wald Museum Markt Hof Tal Laden Zimmer",
    ),
    "fr": (
        "professeur fermier médecin marin peintre boulanger chanteur juge jardinier voisin capitaine facteur",
        "trouve vend peint décrit répare porte cache compte nettoie mesure oublie cherche",
        "livre bateau couteau panier miroir marteau manteau tableau chapeau tambour cahier rideau",
        "port village jardin musée marché bureau salon couloir château champ magasin grenier",
    ),
    "ru": (
        "учитель фермер врач моряк художник пекарь певец судья садовник сосед капитан столяр",
        "нашёл продал описал починил принёс спрятал посчитал вымыл измерил забыл купил искал",
        "стол велосипед стакан портрет станок пиджак чемодан фонарь молоток ключ дневник ковёр",
        "порту городе саду музее лесу доме магазине подвале парке театре зале дворе",
    ),
    "zh": (
        "老师 农民 医生 水手 画家 歌手 律师 园丁 木匠 学生 邻居 船长",
        "找到 卖掉 修好 带走 藏起 数过 洗净 忘记 买下 拿来 看见 打开",
        "桌子 信件 自行车 窗户 瓶子 图画 机器 外套 篮子 灯笼 梯子 钥匙",
        "港口 村庄 厨房 车站 图书馆 森林 博物馆 市场 花园 山谷 商店 学校",
    ),
}
PATTERNS: dict[str, tuple[str, ...]] = {
    "en": (  # several, for rules against repetition
        "The {0} {1} that {2} with the {3}.",
        "A {0} {1} the {2} and went to a {3}.",
        "That {0} of ours {1} a {2} near the {3}.",
        "To the {3} came a {0} and {1} our {2}.",
    ),
    "de": ("Der {0}, der das nicht wusste, {1} den {2} und ging dann mit uns in das {3}.",),
    "fr": ("Le {0} qui est avec nous {1} un {2} dans le {3} et ne dit pas pourquoi.",),
    "zh": ("这个{0}在{3}里{1}了我们的{2}因为今天大家都很高兴。",),
    "ru": ("Этот {0} не сказал нам, что он {1} {2} в {3} и на улице.",),
}


def sentence(rng: random.Random, language: str = "en") -> str:
    words = [rng.choice(column.split()) for column in SENTENCES[language]]
    return rng.choice(PATTERNS[language]).format(*words)


def text(seed: int, language: str = "en", sentences: int = 14) -> str:
    """Sentences of a language, in paragraphs of four."""
    rng = random.Random(f"{language} {seed}")
    made = [sentence(rng, language) for _ in range(sentences)]
    return "\n".join(" ".join(made[first : first + 4]) for first in range(0, sentences, 4))


def source_file(seed: int, functions: int = 5) -> str:
    """A module of Python."""
    rng = random.Random(seed)
    who, done, what, where = (column.split() for column in SENTENCES["en"])
    lines = ["import json", "", ""]
    for _ in range(functions):
        a, b, c, d = (rng.choice(column) for column in (who, done, what, where))
        lines += [f"def {b}_{c}({a}s, {d}=None):", f"    if not {a}s:", f"        raise ValueError('no {a}')"]
        lines += [f"    for {a} in {a}s:", f"        {d} = {a}.{b}[{rng.randrange(99)}] + len({c!r})"]
        lines += [f"    return json.dumps({{{c!r}: {d}}})", "", ""]
    return "\n".join(lines)
