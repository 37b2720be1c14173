"""JSON with a checksum: any change is found; values are read with their types checked."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from sequitur.shards.errors import ManifestCorrupt, ManifestInvalid
from sequitur.shards.json_files import check_checksum, checksummed_json, first_difference, from_json, text_problems


@dataclass(frozen=True)
class Inner:
    share: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    count: int
    inner: dict[str, Inner]
    note: str | None = None


VALUE = Outer(3, {"a": Inner(0.5, ("x", "y"))})


def test_text_is_sound_and_every_changed_byte_is_found(tmp_path: Path) -> None:
    text = checksummed_json(asdict(VALUE)).encode()
    (tmp_path / "a.json").write_bytes(text)
    check_checksum(json.loads(text), "a.json")
    assert list(text_problems(tmp_path, "a.json")) == []

    for place in range(len(text)):
        damaged = text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :]
        (tmp_path / "a.json").write_bytes(damaged)
        try:
            check_checksum(json.loads(damaged), "a.json")
        except (ManifestCorrupt, ValueError):
            continue
        assert list(text_problems(tmp_path, "a.json")), place


def test_values_come_back_and_unknown_keys_are_passed_over() -> None:
    assert from_json(Outer, json.loads(json.dumps({**asdict(VALUE), "new": 1}))) == VALUE


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"inner": {}}, "Outer has no 'count'"),
        ({"count": "3", "inner": {}}, "Outer.count should be int, found str"),
        ({"count": -1, "inner": {}}, r"Outer.count should be 0 … 2\^64-1, found -1"),
        ({"count": True, "inner": {}}, "Outer.count should be int, found bool"),
        ({"count": 1, "inner": {"a": {"share": 1, "names": ["x", 2]}}}, r"Outer.inner.a.names\[1\] should be str"),
        ({"count": 1, "inner": []}, "Outer.inner should be dict, found list"),
    ],
)
def test_wrong_values_are_named_by_their_place(value: object, place: str) -> None:
    with pytest.raises(ManifestInvalid, match=place):
        from_json(Outer, value)


def test_first_difference_is_where_they_part_or_the_shorter_ends() -> None:
    assert [first_difference(b"abc", other) for other in (b"abd", b"ab", b"abc", b"")] == [2, 2, 3, 0]
