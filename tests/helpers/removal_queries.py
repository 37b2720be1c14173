"""What a test asks a removal for, and the files that it leaves."""

from pathlib import Path

from sequitur.shards.find import Query


def doc_id(key: int) -> str:
    return f"{key:032x}"


def ids(*keys: int) -> Query:
    return Query(tuple(map(doc_id, keys)))


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
