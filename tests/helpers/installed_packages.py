"""A small made-up environment: two packages, one standard library."""

from pathlib import Path

LONG = "Something to say about a matter at hand. " * 6
BIG_MODULES = 30


def docstring(indent: str, about: str) -> str:
    return f'{indent}"""{about}. {LONG}\n\n{indent}A list:\n{indent}    an item\n{indent}"""\n'


def install(site: Path, name: str, metadata: str, files: dict[str, bytes]) -> None:
    """Write a distribution as an installer would: its files, METADATA and RECORD."""
    files = {f"{name}-1.0.dist-info/METADATA": f"Name: {name}\nVersion: 1.0\n{metadata}".encode(), **files}
    for relative, content in files.items():
        (site / relative).parent.mkdir(parents=True, exist_ok=True)
        (site / relative).write_bytes(content)
    record = "".join(f"{relative},,\n" for relative in [*files, "../../bin/tool.py", f"{name}/gone.py"])
    (site / f"{name}-1.0.dist-info/RECORD").write_text(record)
