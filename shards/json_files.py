"""JSON files of a dataset: dataclasses written with a checksum, and read with every type checked."""

import hashlib
import json
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, is_dataclass
from errno import EINVAL
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from sequitur.shards.errors import FileUnreadable, ManifestCorrupt, ManifestInvalid, ShardError
from sequitur.shards.format import canonical_json

T = TypeVar("T")


def read_small(path: Path) -> bytes:
    """The bytes of a small file. Raises FileNotFoundError or NotADirectoryError where there is none, and FileUnreadable
    where the system refuses to read it, or where it is a pipe or a device, which would be waited for."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise OSError(EINVAL, "not a regular file")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise FileUnreadable(f"cannot be read ({error.strerror}): mend its permissions", shard=path.name) from error


def checksummed_json(content: dict[str, Any]) -> str:
    """The text of a JSON file that holds `content`, and as `checksum` the SHA-256 of the canonical JSON of that."""
    return _json_text({**content, "checksum": _checksum(content)})


def check_checksum(content: dict[str, Any], name: str) -> None:
    """Raise ManifestCorrupt if the parsed JSON of a file holds a `checksum`, and not that of the rest of it."""
    try:
        differs = "checksum" in content and content["checksum"] != _checksum(content)
    except RecursionError as error:
        raise ManifestInvalid(f"{name} is nested too deep") from error
    if differs:
        raise ManifestCorrupt("its checksum is not that of its contents: restore the original", shard=name)


def text_problems(root: str | PathLike[str], name: str) -> Iterator[ShardError]:
    """Whether a JSON file in `root`, already parsed with success, holds a checksum and is to the byte the text that
    was written. Together with the checksum this finds every changed byte."""
    text = (Path(root) / name).read_bytes()
    content = json.loads(text)
    try:
        written = _json_text(content).encode()
    except RecursionError:
        yield ManifestInvalid(f"{name} is nested too deep")
        return
    if text != written:
        offset = first_difference(text, written)
        yield ManifestCorrupt(
            "not as it was written, though it says the same: restore the original", shard=name, offset=offset
        )
    if "checksum" not in content:
        yield ManifestCorrupt("it has no checksum: restore the original, or write the dataset anew", shard=name)


def first_difference(found: bytes, expected: bytes) -> int:
    """The first byte in which they differ; the end of the shorter where one begins with the other."""
    pairs = zip(found, expected, strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one != other), min(len(found), len(expected)))


def from_json(type_: type[T], value: Any, place: str | None = None) -> T:
    """An entry (`ShardEntry`, `FileEntry`, …) from parsed JSON; the opposite of `dataclasses.asdict`.

    Unknown keys are ignored: an addition that old readers may overlook does not change the version. Raises
    ManifestInvalid, naming the place in what is called `place`, by default as the type.
    """
    decoded: T = _decode(type_, value, place or type_.__name__)
    return decoded


def _json_text(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, indent=1) + "\n"


def _checksum(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


def _decode(type_: Any, value: Any, place: str) -> Any:
    """`value` as `type_`: a dataclass, dict[str, …], tuple[…, ...], … | None, or int (not negative), float,
    str, bool."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is types.UnionType:
        return None if value is None else _decode(arguments[0], value, place)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_decode(arguments[0], item, f"{place}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _decode(arguments[1], item, f"{place}.{key}") for key, item in value.items()}
    if is_dataclass(type_) and isinstance(value, dict):
        return _decode_fields(type_, value, place)
    if type_ is float and type(value) is int:
        return float(value)
    if type(value) is not type_:
        name = getattr(type_, "__name__", str(type_)) if origin is None else origin.__name__
        raise ManifestInvalid(f"{place} should be {name}, found {type(value).__name__}")
    if type_ is int and not 0 <= value < 1 << 64:
        raise ManifestInvalid(f"{place} should be 0 … 2^64-1, found {value}")
    return value


def _decode_fields(type_: Any, value: dict[str, Any], place: str) -> Any:
    decoded = {}
    for name, hint in _field_types(type_).items():
        if name in value:
            decoded[name] = _decode(hint, value[name], f"{place}.{name}")
        elif type_.__dataclass_fields__[name].default is MISSING:
            raise ManifestInvalid(f"{place} has no {name!r}")
    return type_(**decoded)


@cache
def _field_types(type_: type) -> dict[str, Any]:
    return typing.get_type_hints(type_)
