"""What is printed is not ours: names of files, fields and sources may hold what commands a terminal.

`shards.views.text` has its own such filter: shards need nothing of ours, so that a trainer can take them alone.
"""


def printable(text: str) -> str:
    """A text without control characters and marks that reorder what is read, for which U+FFFD stands; lines stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


def one_line(text: str) -> str:
    """A text as `printable` gives it, in one line."""
    return printable(" ".join(text.split()))
