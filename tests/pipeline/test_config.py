"""The configuration: its defaults, what it refuses and how it says so, and that writing it loses nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.pipeline import config, config_text
from sequitur.pipeline.config import Config, fields, load, read_yaml, validate
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.sections import Input

LEAST = {"output": "runs/a", "ingest": {"inputs": ["a.jsonl"]}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "my.yaml"
    written.write_text("output: runs/a\ningest:\n  inputs: a.jsonl\n")
    return written


def refusal(content: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        validate(content, "my.yaml")
    message = str(refused.value)
    assert message.startswith("my.yaml: ")
    assert "\n" not in message
    return message.removeprefix("my.yaml: ")


def test_least_configuration_has_the_documented_defaults(path: Path) -> None:
    loaded = load(path)

    assert loaded.ingest.inputs == [Input(path="a.jsonl")]
    assert (loaded.name, loaded.seed) == ("corpus", 0)
    assert loaded.ingest.part_bytes == 8 * 2**20
    assert (loaded.order.strategy, loaded.pack.policy, loaded.pack.context_length) == ("contexts", "filled", 8192)
    assert loaded == validate(LEAST, "")


def test_starter_file_loads_back_to_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "starter.yaml").write_text(config_text.starter_yaml())

    starter = load(tmp_path / "starter.yaml")

    assert starter == Config(output=starter.output, ingest=config.Ingest(inputs=starter.ingest.inputs))
    assert all(f"# {field.description}" in config_text.starter_yaml() for _, field in fields() if field.description)


def test_section_whose_keys_were_all_deleted_has_its_defaults() -> None:
    assert validate({**LEAST, "pack": None}, "").pack == config.Pack()


def test_reference_mentions_every_key() -> None:
    reference = config_text.reference_markdown()

    assert [name for name, _ in fields() if f"`{name}`" not in reference] == []


def test_written_configuration_reads_back_equal(tmp_path: Path) -> None:
    bounds = {"word_count_max": None, "word_count_min": 3.5, "symbol_ratio_max": float("inf")}
    written = validate({**LEAST, "name": "n.1-x", "seed": 2**62, "select": {"thresholds": bounds}}, "")
    (tmp_path / "written.yaml").write_text(written.to_yaml())

    assert load(tmp_path / "written.yaml") == written


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1)


@settings(max_examples=50, deadline=None)
@given(TEXT, st.lists(TEXT, min_size=1))
def test_any_printable_path_survives_writing(output: str, inputs: list[str]) -> None:
    written = validate({"output": output, "ingest": {"inputs": inputs}}, "")

    assert config.validate(config.read_yaml(written.to_yaml()), "") == written


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ({"sede": 1}, "sede; did you mean seed?"),
        ({"ordr": {}}, "ordr; did you mean order?"),
        ({"strategy": "path"}, "strategy; did you mean order.strategy?"),
        ({"order": {"stratgy": "path"}}, "order.stratgy; did you mean order.strategy?"),
        ({"pack": {"contextlength": 8}}, "pack.contextlength; did you mean pack.context_length?"),
        ({"zzzzzz": 1}, "zzzzzz; `sequitur config` lists the valid ones"),
    ],
)
def test_unknown_key_names_the_nearest(given: dict[str, Any], near: str) -> None:
    assert refusal({**LEAST, **given}) == f"unknown key {near}"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"seed": "5"}, "seed: input should be a valid integer, not '5'"),
        ({"seed": True}, "seed: input should be a valid integer, not True"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0, not -1"),
        ({"output": 3}, "output: input should be a valid string, not 3"),
        ({"name": "a/b"}, "name: string should match pattern"),
        ({"pack": {"context_length": 8192.5}}, "pack.context_length: input should be a valid integer, not 8192.5"),
        ({"pack": {"context_length": 2**20 + 1}}, "pack.context_length: input should be less than or equal to 1048576"),
        ({"pack": [1]}, "pack: input should be a valid dictionary"),
        (
            {"pack": {"policy": "hole"}},
            "pack.policy: input should be 'whole', 'filled', 'stream', 'best_fit' or 'buckets', not 'hole'",
        ),
        ({"select": {"exact_duplicates": "yes"}}, "select.exact_duplicates: input should be a valid boolean"),
        ({"select": {"thresholds": {"x": "much"}}}, "select.thresholds.x: input should be a valid number, not 'much'"),
        ({"ingest": {"inputs": []}}, "ingest.inputs: list should have at least 1 item"),
        ({"ingest": {"inputs": ["a", 3]}}, "ingest.inputs: an input is a path, or a mapping with the key path, not 3"),
        ({"ingest": {"inputs": "a", "part_bytes": "large"}}, "ingest.part_bytes: could not parse value and unit"),
        ({"ingest": {"inputs": "a", "part_bytes": "2 GiB"}}, "ingest.part_bytes: input should be less than"),
        ({"ingest": {}}, "ingest.inputs is missing; add it"),
        ({1: 2}, "the file: keys should be strings, not 1"),
    ],
)
def test_wrong_value_is_named_with_its_key(given: dict[str, Any], complaint: str) -> None:
    assert refusal({**LEAST, **given}).startswith(complaint)


def test_a_value_that_names_itself_many_times_over_is_told_at_once(tmp_path: Path) -> None:
    lines = ["output:", "- &b0 [l, l, l, l, l, l, l, l, l, l]"]
    lines += [f"- &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join([*lines, "ingest: {inputs: [a]}"]))
    with pytest.raises(ConfigError, match="aliases of aliases stand for too much"):
        load(tmp_path / "bomb.yaml")


@pytest.mark.parametrize(
    "line",
    [
        lambda n, one: f"b{n}: &b{n}\n  <<: [{one}]\n  k{n}: 1",
        lambda n, one: f"b{n}: &b{n} [{one}]",
        lambda n, one: f"? &b{n} [{one}]\n: 1",
    ],
    ids=["merged", "values", "keys"],
)
def test_aliases_of_aliases_are_refused_at_once(tmp_path: Path, line: Callable[[int, str], str]) -> None:
    lines = [line(n, ", ".join([f"*b{n - 1}"] * 9) if n else "{a: 1}") for n in range(12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="aliases of aliases stand for too much"):
        load(tmp_path / "bomb.yaml")


def test_a_long_value_is_told_in_short(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(f"output: {[[['l'] * 9] * 9] * 1000}\ningest: {{inputs: [a]}}")
    with pytest.raises(ConfigError, match=r"output: input should be a valid string, not \[\[.{,70}; see"):
        load(tmp_path / "long.yaml")


def test_aliases_that_stand_for_a_little_are_read(tmp_path: Path) -> None:
    text = "ingest: &one {inputs: [a]}\noutput: x\n"
    (tmp_path / "my.yaml").write_text(text + "pack: &pack {context_length: 64}\n")
    assert load(tmp_path / "my.yaml").pack.context_length == 64
    assert read_yaml("a: &a [1]\nb: [*a, *a]\nc: &c {x: 1}\nd: {<<: *c, y: 2}") == {
        "a": [1],
        "b": [[1], [1]],
        "c": {"x": 1},
        "d": {"x": 1, "y": 2},
    }


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("seed: " + "1" * 5000, "not valid YAML (a number of more than 4,300 digits); mend the syntax there"),
        (
            "seed: 0x" + "f" * 5000,
            "seed: input should be less than 9223372036854775808, not a number of more than 4,300",
        ),
        ("pack: {context_length: -0x" + "f" * 5000 + "}", "not a number of more than 4,300 digits"),
        ('name: "a\\uD800b"', "name: input should be a valid string"),
        (
            'tokenize: {tokenizer: "\\uDC80"}',
            "tokenize holds half of a surrogate pair, which is no character; correct it",
        ),
    ],
)
def test_what_no_text_or_number_can_be_is_told_in_a_short_line(path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused_override:
        load(path, [line.replace(": ", "=", 1)])
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(ConfigError) as refused_line:
        load(path)
    assert complaint in str(refused_line.value)
    for error in (refused_line, refused_override):
        assert len(str(error.value)) < 500
        assert "\n" not in str(error.value)


def test_missing_key_and_missing_mapping() -> None:
    assert refusal({"ingest": {"inputs": "a"}}) == "output is missing; add it"
    assert refusal([]).startswith("the file: input should be a valid dictionary")


@pytest.mark.parametrize(("size", "expected"), [("8 MiB", 8 * 2**20), ("1 KB", 1000), ("1.5 KiB", 1536), (77, 77)])
def test_sizes_may_have_units(size: str | int, expected: int) -> None:
    assert validate({**LEAST, "pack": {"shard_bytes": size}}, "").pack.shard_bytes == expected


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no `key: value` pairs"),
        (b"- 1\n", "holds no `key: value` pairs"),
        (b"a: [", "not valid YAML at line 1, column 5"),
        (b"\t x: 1", "not valid YAML at line 1, column 1"),
        (b"? [a]\n: b", "not valid YAML at line 1, column 3 (found unhashable key)"),
        (b"seed: 1\nname: a\nseed: 2\n", "not valid YAML at line 3, column 1 (seed is given twice)"),
        (b"pack: {policy: whole, policy: stream}", "not valid YAML at line 1, column 23 (policy is given twice)"),
        (b"name: 2024-13-45\n", "not valid YAML (month must be in 1..12)"),
        (b"name: !!timestamp abc\n", "not valid YAML ("),
        (b"[" * 5000, "not valid YAML"),
        (b"output: \xff", "not UTF-8 text (byte 8)"),
        (b"output: !!python/object/apply:os.getcwd []", "not valid YAML at line 1, column 9 (could not determine a"),
        (b"output: !!python/name:os.getcwd", "not valid YAML at line 1, column 9 (could not determine a"),
    ],
)
def test_unreadable_file_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(content)

    with pytest.raises(ConfigError) as refused:
        load(broken)

    assert str(refused.value).startswith(f"{broken}: {complaint}")


def test_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file.*sequitur init"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)


def test_overrides_are_yaml_and_the_last_wins(path: Path) -> None:
    overridden = load(
        path, ["order.strategy=iclm", "seed=1", "seed=2", "select.thresholds={a: null}", "ingest.inputs=[b, c=d]"]
    )

    assert overridden.order.strategy == "iclm"
    assert overridden.seed == 2
    assert overridden.select.thresholds == {"a": None}
    assert [one.path for one in overridden.ingest.inputs] == ["b", "c=d"]
    assert overridden.ingest.part_bytes == 8 * 2**20


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("seed", "--set seed: write it as section.key=value"),
        ("=3", "--set =3: write it as section.key=value"),
        ("order.=3", "--set order.=3: write it as section.key=value"),
        ("seed=[", "--set seed=[: the value is not valid YAML"),
        ("name=2024-13-45", "--set name=2024-13-45: the value is not valid YAML"),
        ("output.deep=3", "--set output.deep=3: output is a value, not a section"),
        ("order.stratgy=path", "unknown key order.stratgy; did you mean order.strategy?"),
        ("seed=", "seed: input should be a valid integer, not None"),
    ],
)
def test_wrong_override_is_refused(path: Path, override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(path, [override])

    assert complaint in str(refused.value)


def test_what_is_nested_without_end_is_no_yaml() -> None:
    with pytest.raises(yaml.YAMLError, match="nested too deeply"):
        read_yaml("[" * 100_000)
