"""The configuration of a run; `sections` and this are the sole home of every default.

One YAML file, read safely, validated here, overridden by `--set section.key=value`. Each field's description is what
`sequitur init` writes as a comment and what `docs/configuration.md` is generated from.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import reprlib
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.sections import (
    Annotate,
    Embed,
    Families,
    Ingest,
    Neighbors,
    Ordering,
    Pack,
    Refine,
    Section,
    Select,
    Tokenize,
)

TOO_LONG = "a number of more than 4,300 digits"  # which Python does not read, nor write
MOST_VALUES = 100_000  # that the aliases of a file may stand for


class Config(Section):
    """A run: what is read, what is kept, how it is ordered and packed."""

    name: str = Field(
        "corpus",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Name of the dataset. Part of every document's id.",
    )
    output: str = Field(description="Run directory, local or by any fsspec URL. It holds one corpus.")
    seed: int = Field(0, ge=0, lt=2**63, description="Every random choice is derived from it.")
    ingest: Ingest
    refine: Refine = Refine()
    annotate: Annotate = Annotate()
    select: Select = Select()
    tokenize: Tokenize = Tokenize()
    embed: Embed = Embed()
    neighbors: Neighbors = Neighbors()
    families: Families = Families()
    order: Ordering = Ordering()
    pack: Pack = Pack()

    @model_validator(mode="before")
    @classmethod
    def _empty_sections_are_default(cls, content: Any) -> Any:
        """`pack:` with every key below it deleted reads as null in YAML."""
        if not isinstance(content, dict):
            return content
        sections = {key for key, field in cls.model_fields.items() if section_of(field)}
        return {key: {} if value is None and key in sections else value for key, value in content.items()}

    def to_yaml(self, *, allow_unicode: bool = True) -> str:
        """The resolved configuration as YAML; reading it back gives an equal one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=allow_unicode)


def load(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Reads and validates a configuration file; `overrides` are `section.key=value` with YAML values.

    Raises:
        ConfigError: the file cannot be read, is not a YAML mapping, or a key or value is wrong.
    """
    try:
        content = read_yaml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{path}: {reason}; `sequitur init {path}` writes a configuration to start from") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML{_yaml_place(error)}; mend the syntax there") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no `key: value` pairs; `sequitur init` shows what belongs there")
    for override in overrides:
        _apply(content, override)
    return validate(content, str(path))


def overridden(config: Config, overrides: Iterable[str]) -> Config:
    """A configuration with other settings, given as `section.key=value`.

    Raises:
        ConfigError: a key or value is wrong.
    """
    content = read_yaml(config.to_yaml())
    for override in overrides:
        _apply(content, override)
    return validate(content, "--set")


def validate(content: dict[str, Any], origin: str) -> Config:
    """A mapping as a configuration; `origin` names it in errors.

    Raises:
        ConfigError: naming the first wrong key, and the nearest valid one.
    """
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_explain(error)}") from error
    for key, value in config.model_dump(mode="json").items():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:  # from an escape in quotes: "\ud800"
            raise ConfigError(
                f"{origin}: {key} holds half of a surrogate pair, which is no character; correct it"
            ) from error
    return config


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    shown = override if len(override) <= 200 else f"{override[:199]}…"
    if not equals or not all(key.strip().split(".")):
        raise ConfigError(f"--set {shown}: write it as section.key=value")
    try:
        value = read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {shown}: the value is not valid YAML; quote it") from error
    *sections, last = key.strip().split(".")
    place = content
    for section in sections:
        if place.get(section) is None:
            place[section] = {}
        place = place[section]
        if not isinstance(place, dict):
            raise ConfigError(f"--set {shown}: {section} is a value, not a section")
    place[last] = value


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key given twice, of which YAML itself would silently keep the last, and
    aliases of aliases without end, which it would take for ever to merge."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        known: dict[int, float] = {}
        if node is not None and _written_out(node, known) > MOST_VALUES + len(known):
            raise yaml.MarkedYAMLError(problem="aliases of aliases stand for too much", problem_mark=node.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value} is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _written_out(node: yaml.Node, known: dict[int, float]) -> float:
    """How many nodes there would be were each alias written out, without end where a node holds itself; `known` is
    filled with as much of each node by its identity."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = math.inf
    inner = [] if isinstance(node, yaml.ScalarNode) else node.value
    parts = itertools.chain.from_iterable(inner) if isinstance(node, yaml.MappingNode) else inner
    known[id(node)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(node)]


def read_yaml(text: str | bytes) -> Any:
    """The value that some YAML says. No tags that make objects.

    Raises:
        yaml.YAMLError: it is not YAML, gives a key twice, holds a date or number that is none, aliases without end, or
            is nested too deeply.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a subclass of SafeLoader
    except (ValueError, AttributeError) as error:  # of the constructors, at 2024-13-45, !!int abc or !!timestamp abc
        too_long = "integer string conversion" in str(error)
        raise yaml.MarkedYAMLError(problem=TOO_LONG if too_long else str(error)) from error
    except RecursionError as error:
        raise yaml.MarkedYAMLError(problem="nested too deeply") from error


def _yaml_place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"{where}{f' ({problem})' if problem else ''}"


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    keys = [str(part) for part in first["loc"] if isinstance(part, str)]
    name = ".".join(keys) or "the file"
    if first["type"] == "extra_forbidden":
        near = _nearest(name)
        return f"unknown key {name}" + (
            f"; did you mean {near}?" if near else "; `sequitur config` lists the valid ones"
        )
    if first["type"] == "missing":
        return f"{name} is missing; add it"
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}, not {_shorten(first['input'])}; see docs/configuration.md"


def _shorten(value: object) -> str:
    bounded = reprlib.Repr()  # of a value that names itself many times over, repr() would not end
    bounded.maxlevel, bounded.maxstring, bounded.maxother = 3, 200, 200
    try:
        text = bounded.repr(value)
    except ValueError:  # of hexadecimal or octal digits Python reads any number, but writes no more decimal ones
        return TOO_LONG
    return text if len(text) <= 60 else text[:57] + "…"


def _nearest(name: str) -> str | None:
    known = [key for key, _ in fields()]
    last = name.rsplit(".", 1)[-1]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return near[0]
    by_last = {key.rsplit(".", 1)[-1]: key for key in known}
    near = difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.6)
    return by_last[near[0]] if near else None


def fields(section: type[Section] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field by its dotted name, in the order of the file; sections come before their fields."""
    for key, field in section.model_fields.items():
        yield prefix + key, field
        if (inner := section_of(field)) is not None:
            yield from fields(inner, f"{prefix}{key}.")


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section that a field is, None for a plain setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None
