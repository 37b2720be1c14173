"""Prometheus' text format, read strictly: what does not stand in its description is an error."""

import re

NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SAMPLE = re.compile(rf"({NAME})(?:{{(.+)}})? (\S+)")
ESCAPES = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """The value of each sample, by its name and labels."""
    found: Samples = {}
    described: list[str] = []
    assert text.endswith("\n")
    lines = iter(text.removesuffix("\n").split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            _, _, name, said = line.split(" ", 3)
            assert re.fullmatch(NAME, name)
            assert name not in described, f"{name} stands in two places"
            assert said
            assert next(lines) == f"# TYPE {name} gauge"
            assert not name.endswith("_total"), "which a counter has"
            described.append(name)
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        assert sample[1] == described[-1], f"{line}: not below what is said of it"
        key = sample[1], frozenset(labels(sample[2] or "").items())
        assert key not in found, f"{line}: twice"
        found[key] = float(sample[3])
    return found


def labels(text: str) -> dict[str, str]:
    """The labels between braces."""
    found: dict[str, str] = {}
    while text:
        one = LABEL.match(text)
        assert one, text
        assert one[1] not in found
        found[one[1]] = re.sub(r"\\.", lambda escape: ESCAPES[escape[0]], one[2])
        text = text[one.end() :]
    return found


def value(samples: Samples, name: str, /, **wanted: str) -> float:
    """The value of the one sample of this name that has these labels among its own."""
    (found,) = (number for (one, own), number in samples.items() if one == name and wanted.items() <= dict(own).items())
    return found
