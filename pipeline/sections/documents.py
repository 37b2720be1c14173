"""Which documents are read, and what is done to and measured of their text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ByteSize, Field, model_serializer, model_validator

from sequitur.pipeline.sections.section import MIB, Section, Share, one_or_more

Format = Literal["jsonl", "json", "parquet", "arrow", "csv", "text", "warc", "html", "pdf", "epub"]


class Input(Section):
    """Some files, and what is said of them alone. A path alone may be written as such."""

    path: str = Field(description="A file, a directory, or a glob; also {a,b}.")
    include: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        default_factory=list,
        description="Of a directory only what matches one of these globs: the name, or with a / in it the path below.",
    )
    exclude: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        default_factory=list, description="And nothing that matches one of these."
    )
    format: Format | None = Field(None, description="As ingest.format.")
    source: str | None = Field(None, description="The source of all documents of these files, whatever they say.")
    text_field: str | None = Field(None, description="As ingest.text_field; and so the others.")
    id_field: str | None = None
    source_field: str | None = None
    url_field: str | None = None
    timestamp_field: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _may_be_a_path(cls, content: Any) -> Any:
        if isinstance(content, str):
            return {"path": content}
        if not isinstance(content, dict | Input):
            raise ValueError("an input is a path, or a mapping with the key path")
        return content

    @model_serializer(mode="wrap")
    def _as_written(self, whole: Callable[[Any], dict[str, Any]]) -> str | dict[str, Any]:
        content = whole(self)
        said = {name: value for name, value in content.items() if value not in (None, [])}
        return self.path if set(said) == {"path"} else said

    @property
    def fixed(self) -> str:
        """The path; of a glob the directory before its first wildcard or brace, with the / at its end."""
        return re.split(r"[^/]*[*?\[{]", self.path, maxsplit=1)[0]


class Ingest(Section):
    """Reading raw files into `documents`. Records that cannot be read go to `rejects`."""

    inputs: Annotated[list[Input], BeforeValidator(one_or_more)] = Field(
        min_length=1,
        description="Files, globs or directories, local or by any fsspec URL. Read in this order; each sorted by name. "
        "Each is a path, or a mapping where its files differ from others.",
    )
    limit: int | None = Field(
        None, ge=1, description="For a first try: read so many records at most, as many from each part of the input."
    )
    sample: float = Field(
        1,
        gt=0,
        le=1,
        description="For a first try: keep this share of the documents, by their ids and the seed.",
    )
    format: Literal["auto", Format] = Field(
        "auto",
        description="auto goes by the file name's ending, or else by the content; json is one array, or one value "
        "after another; text, html, pdf and epub make one document of each file, warc (WARC and WET) one of each page.",
    )
    formats: dict[Annotated[str, Field(pattern=r"^\.[a-z0-9][a-z0-9_-]*$")], str] = Field(
        default_factory=dict,
        description="Formats of your own: by a file name's ending a module by import path, as in {.ext: "
        "my_package.my_format}.",
    )
    text_field: str = Field("text", description="Field of a record that holds its text.")
    id_field: str = Field("id", description="Field with the record's id; records without it are named by file and row.")
    ids: Literal["record", "file_and_row"] = Field(
        "record",
        description="What tells documents apart: the record's id, under which only the first stays, or file and row "
        "where ids begin anew in each file.",
    )
    source_field: str = Field("source", description="Field with the record's source; the file's name where absent.")
    url_field: str = Field("url", description="Field with the record's URL, if any.")
    timestamp_field: str = Field(
        "timestamp",
        description="Field with the record's time, if any: ISO 8601, RFC 2822, 20240115, or a number since 1970, in "
        "seconds or smaller units by magnitude.",
    )
    max_record_bytes: ByteSize = Field(
        ByteSize(64 * MIB), gt=0, lt=2**31, description="A larger record is rejected, not read."
    )
    max_decompressed_bytes: ByteSize = Field(
        ByteSize(2**40),
        gt=0,
        description="A file that unpacks to more ends the run: it may be a decompression bomb.",
    )
    max_window_bytes: ByteSize = Field(
        ByteSize(128 * MIB),
        gt=0,
        lt=2**31,
        description="How far back a Zstandard or xz file may refer, which each worker then holds in memory; "
        "`zstd --long=28` needs 256 MiB.",
    )
    extraction_seconds: float = Field(
        10,
        gt=0,
        le=3600,
        description="A page of HTML from which no text is extracted in so many seconds of processor time is rejected.",
    )
    max_reject_share: Share = Field(0.05, description="The run fails if a larger share of the records is rejected.")
    part_bytes: ByteSize = Field(
        ByteSize(8 * MIB),
        gt=0,
        lt=2**30,
        description="Text bytes in one part: the unit of work, memory and resumption.",
    )
    split_bytes: ByteSize = Field(
        ByteSize(64 * MIB),
        gt=0,
        description="Larger uncompressed JSONL and Parquet files are split over workers.",
    )

    def of(self, number: int) -> Ingest:
        """The settings for the files of one of the inputs."""
        chosen = self.inputs[number]
        names = ("format", "text_field", "id_field", "source_field", "url_field", "timestamp_field")
        said = {name: value for name in names if (value := getattr(chosen, name)) is not None}
        return self.model_copy(update=said)

    def of_each(self) -> list[Ingest]:
        """The settings for the files of each of the inputs, in their order."""
        return [self.of(number) for number in range(len(self.inputs))]

    @model_validator(mode="after")
    def _formats_go_by_names(self) -> Ingest:
        if self.formats and self.format != "auto":
            raise ValueError(f"format: {self.format} is for all files, so formats would be for none")
        return self


class Edit(Section):
    """A change to all documents, to a source, or to a record: one of remove_lines, replace and drop."""

    remove_lines: str | None = Field(None, description="RE2 pattern; a line in which it is found is removed.")
    replace: str | None = Field(None, description="A string that is replaced, wherever it stands, by `by`.")
    by: str = Field("", description="What `replace` is replaced by.")
    drop: list[int] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="[first, last]: lines counted from 1 that are dropped; from the end where negative.",
    )
    source: str | None = Field(None, description="Only documents of this source.")
    record_id: str | None = Field(None, description="Only the record with this id.")

    @model_validator(mode="after")
    def _is_one_change(self) -> Edit:
        given = [name for name in ("remove_lines", "replace", "drop") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an edit has one of remove_lines, replace and drop, here {', '.join(given) or 'none'}")
        if "" in (self.remove_lines, self.replace):
            raise ValueError(f"{given[0]} is empty, and an empty string is everywhere")
        if self.by and self.replace is None:
            raise ValueError("by goes with replace alone")
        if self.drop is not None:
            first, last = self.drop
            if 0 in self.drop or (first > last and (first > 0) == (last > 0)):
                raise ValueError("drop is [first, last] in this order, counted from 1, or from the end where negative")
        return self


class Refine(Section):
    """Changing the text before anything is computed from it, in the order of these keys; left out where all are off."""

    fix_unicode: bool = Field(False, description="Repair mojibake and normalise Unicode to NFC, with ftfy.")
    edits: list[Edit] = Field(
        default_factory=list,
        description="Own changes, in this order: lines to remove by pattern, strings to replace, line ranges to drop.",
    )
    symbol_lines: bool = Field(False, description="Remove lines of nothing but punctuation and symbols.")
    c4_lines: bool = Field(False, description="Keep only lines that C4 keeps (Raffel et al. 2020, 2.2).")
    fineweb_lines: bool = Field(
        False, description="Remove lines as FineWeb's filter counts them: repeated, or short without punctuation."
    )
    max_line_repeats: int | None = Field(
        None, ge=1, description="Remove lines that occur more often than this in the corpus."
    )
    max_paragraph_repeats: int | None = Field(
        None, ge=1, description="Remove paragraphs that occur more often than this in the corpus."
    )
    redact: list[Literal["email", "ip", "phone"]] = Field(
        default_factory=list, description="Personal data to replace by placeholders: email, ip, phone."
    )
    phone_regions: list[str] = Field(
        default_factory=lambda: ["US"],
        description="Countries (ISO 3166) whose national telephone numbers are found, too; international ones always.",
    )


class Model(Section):
    """A classifier, by path, whose score for a label becomes a signal."""

    path: str = Field(
        description="A fastText model (.bin, .ftz), a sentence-transformers model with a classifier head (a "
        "directory), or a scikit-learn classifier stored by skops (.skops)."
    )
    encoder: str | None = Field(
        None, description="The sentence-transformers model whose vectors a scikit-learn classifier takes."
    )
    label: str | None = Field(None, description="The label whose probability is the signal; null: the last one.")
    max_characters: int = Field(8192, ge=1, description="Characters from the start of a document that the model sees.")


class Annotate(Section):
    """Computing `signals` from the text: word statistics, language, a content hash, a MinHash signature."""

    signals: Literal["all", "needed"] = Field(
        "all",
        description="needed: only those families of signals that the rules, the limits, select.survivor and "
        "order.signal go by, so that annotate is faster, and runs again where these ask for another family.",
    )
    stop_words: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Stop words by language code, instead of or beside those that are built in.",
    )
    word_list: str | None = Field(
        None, description="A file with a word or phrase a line; its share of a document's words is listed_word_share."
    )
    models: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Model] = Field(
        default_factory=dict, description="Classifiers whose scores are signals, by the signal's name."
    )
    own_signals: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        default_factory=list,
        description="Signals of your own: modules by import path, as in my_package.my_signal; each signal is called as "
        "its module is.",
    )
    shingle_words: int = Field(5, ge=1, le=64, description="Words in a shingle, for fuzzy duplicates.")
    permutations: int = Field(128, ge=16, le=1024, description="Length of the MinHash signature.")
