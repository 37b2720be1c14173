"""Every way in which a dataset directory can be wrong, by name.

`verify` collects these; the writer and the reader raise them. Each carries the shard, the batch and the
byte offset it is about, where it is about one.
"""


class ShardError(Exception):
    """Base of all errors of this package. `str(error)` is one line: the place, the fault, the remedy.

    `shard` is the path from the dataset's root, `batch` counts from 0 within the shard, `offset` is in
    bytes from the start of the shard; each is None where it does not apply.
    """

    def __init__(
        self, fault: str, *, shard: str | None = None, batch: int | None = None, offset: int | None = None
    ) -> None:
        place = shard or ""
        if batch is not None:
            place += f", batch {batch}"
        if offset is not None:
            place += f" at byte {offset}"
        super().__init__(f"{place}: {fault}" if place else fault)
        self.fault = fault
        self.shard = shard
        self.batch = batch
        self.offset = offset

    def described(self) -> dict[str, str | int | None]:
        """The error as JSON: its class as `kind`, its place, and `message`, the line that it prints."""
        place: dict[str, str | int | None] = {"shard": self.shard, "batch": self.batch, "offset": self.offset}
        return {"kind": type(self).__name__, **place, "message": str(self)}

    def within(self, directory: str) -> "ShardError":
        """The same error of a dataset in a directory below."""
        place = f"{directory}/{self.shard}" if self.shard else directory
        return type(self)(self.fault, shard=place, batch=self.batch, offset=self.offset)


class ContextsInvalid(ShardError, ValueError):
    """Arrays given to the writer disagree with each other or with the schema."""


class ManifestMissing(ShardError, FileNotFoundError):
    """No manifest.json: the dataset was never finished, or this is not its root."""


class ManifestInvalid(ShardError):
    """manifest.json is not JSON, lacks a key, or contradicts itself."""


class ManifestCorrupt(ShardError):
    """manifest.json or families.json, in itself consistent, is not byte for byte what was written."""


class FormatUnsupported(ShardError):
    """The dataset was written in a format, version, container or token type that this code does not read."""


class PathEscape(ShardError):
    """A path in the manifest is absolute, or climbs out of the dataset's root."""


class FingerprintMismatch(ShardError):
    """The fingerprint in the manifest is not that of its own contents: the manifest was edited."""


class SplitUnknown(ShardError, KeyError):
    """The dataset has no split of that name."""

    __str__ = Exception.__str__  # KeyError would show the message quoted


class ShardMissing(ShardError, FileNotFoundError):
    """A file that the manifest lists is not there."""


class FileUnreadable(ShardError):
    """The file system refuses to read a file: permissions, or a directory in its place."""


class FileUnlisted(ShardError):
    """A file lies among the dataset's that no manifest lists; whoever reads by pattern would read it too."""


class ShardTruncated(ShardError):
    """A file is shorter than the manifest says."""


class ShardCorrupt(ShardError):
    """The bytes of a file are not those that were written."""


class ShardMisplaced(ShardError):
    """A whole shard, but another one than its name says."""


class SchemaMismatch(ShardError):
    """The columns of a file are not those of the format."""


class RowsInvalid(ShardError):
    """Intact bytes that break a rule of the format: a length, a token id, a pad, a null."""


class NextTokenMismatch(ShardError):
    """The `next_token` of a context is not the first token of the context that follows it in the order."""


class OrderMismatch(ShardError):
    """A row holds another context than the order in the manifest puts there."""


class OrderLeaks(ShardError):
    """Rows one after the other are of one path more often than a permutation makes them."""


class TotalsMismatch(ShardError):
    """A count or row digest over the shards is not what the manifest says."""


class TokenizerMismatch(ShardError):
    """tokenizer.json is missing, or is not the one that the tokens were made with."""


class HubFilesMismatch(ShardError):
    """state.json or dataset_info.json is missing, or does not describe the shards beside it."""


class DocsInvalid(ShardError):
    """The documents table is unsorted, or has a repeated key."""


class DocumentUnknown(ShardError):
    """A context holds a piece of a document that the documents table lacks."""


class DocumentUnplaced(ShardError):
    """The documents table lists a document of which no context holds a piece."""


class DocumentRepeated(ShardError):
    """Tokens of one document are placed more than once."""


class DocumentIncomplete(ShardError):
    """Tokens of a document are placed nowhere, and the packing policy does not account for them."""


class SplitLeak(ShardError):
    """A document is placed in another split than the documents table says."""


class CacheTooSmall(ShardError):
    """A shard of a remote dataset is larger than all that its cache may hold."""


class NothingWhole(ShardError):
    """No batch passes every check, so there is nothing to salvage."""


class OutputRefused(ShardError):
    """The place for what is salvaged is not empty, or lies within the source."""
