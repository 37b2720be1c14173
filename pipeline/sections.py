"""The sections of a configuration: every setting with its default, its bounds and its meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, model_validator

MIB = 2**20
LONGEST_CONTEXT = 2**20  # tokens, as the manifest of shards has it (shards/format.py; a test holds them equal)
Share = Annotated[float, Field(ge=0, le=1)]
Preset = Literal["gopher_lenient", "gopher_quality", "gopher_repetition", "c4", "fineweb"]


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Section(BaseModel):
    """Frozen, closed to unknown keys, and strict about numbers that are really text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class Ingest(Section):
    """Reading raw files into `documents`. Records that cannot be read go to `rejects`."""

    inputs: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        min_length=1,
        description="Files, globs or directories, local or by any fsspec URL. Read in this order; each sorted by name.",
    )
    format: Literal["auto", "jsonl", "parquet", "arrow", "csv", "text", "warc", "html"] = Field(
        "auto",
        description="auto goes by the file name's ending; text and html make one document of each file, warc (WARC and "
        "WET) one of each page.",
    )
    formats: dict[Annotated[str, Field(pattern=r"^\.[a-z0-9][a-z0-9_-]*$")], str] = Field(
        default_factory=dict,
        description="Formats of your own: by a file name's ending a module by import path, as in {.ext: "
        "my_package.my_format}.",
    )
    text_field: str = Field("text", description="Field of a record that holds its text.")
    id_field: str = Field("id", description="Field with the record's id; records without it are named by file and row.")
    source_field: str = Field("source", description="Field with the record's source; the file's name where absent.")
    url_field: str = Field("url", description="Field with the record's URL, if any.")
    timestamp_field: str = Field(
        "timestamp", description="Field with the record's time (ISO 8601, or seconds since 1970), if any."
    )
    max_record_bytes: ByteSize = Field(
        ByteSize(64 * MIB), gt=0, lt=2**31, description="A larger record is rejected, not read."
    )
    max_decompressed_bytes: ByteSize = Field(
        ByteSize(2**40),
        gt=0,
        description="A file that unpacks to more ends the run: it may be a decompression bomb.",
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
    own_signals: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        default_factory=list,
        description="Signals of your own: modules by import path, as in my_package.my_signal; each signal is called as "
        "its module is.",
    )
    shingle_words: int = Field(5, ge=1, le=64, description="Words in a shingle, for fuzzy duplicates.")
    permutations: int = Field(128, ge=16, le=1024, description="Length of the MinHash signature.")


class Limit(Section):
    """An own rule: a document is kept where min ≤ signal ≤ max."""

    signal: str = Field(description="Name of a signal.")
    min: float | None = Field(None, description="Least value that is kept.")
    max: float | None = Field(None, description="Largest value that is kept.")
    name: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9_]*$", description="The reason given for a drop; by default made of the signal."
    )


class Language(Section):
    """Keeping documents by language."""

    keep: list[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]] = Field(
        default_factory=list, description="Codes of the languages that are kept, as in `en`; empty: all."
    )
    min_score: Share = Field(0.5, description="A document is kept only if its language is at least this certain.")


class Urls(Section):
    """Dropping documents by URL."""

    block_domains: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        default_factory=list, description="Files with a domain a line; their subdomains are blocked too."
    )
    block_substrings: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        default_factory=list, description="Files with a string a line; a URL that contains one is blocked, in any case."
    )


def _no_rules(value: object) -> object:
    return [] if value == "none" else _one_or_more(value)


class Subset(Section):
    """Keeping a part of the documents by their vectors."""

    by: Literal["coverage", "targets"] | None = Field(
        None,
        description="coverage keeps documents that represent all (facility location on the neighbours), targets those "
        "nearest to given texts; null keeps all.",
    )
    share: float = Field(0.5, gt=0, le=1, description="Share of the documents that is kept.")
    targets: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        default_factory=list,
        description="For targets: files (JSONL or text), directories or globs; each record or paragraph is a target.",
    )

    @model_validator(mode="after")
    def _has_targets(self) -> Subset:
        if (self.by == "targets") != bool(self.targets):
            raise ValueError("by: targets and the files in targets go together")
        return self


class Select(Section):
    """Deciding by the stored signals which documents are kept. Every drop is named by its rule."""

    rules: Annotated[list[Preset], BeforeValidator(_no_rules)] = Field(
        default=["gopher_lenient"],
        description="Presets of rules: gopher_lenient, gopher_quality, gopher_repetition, c4, fineweb. none: no rules.",
    )
    thresholds: dict[str, float | None] = Field(
        default_factory=dict,
        description="Other bounds for single rules of the presets, by rule name; null switches a rule off.",
    )
    limits: list[Limit] = Field(
        default_factory=list, description="Own rules: {signal, min, max}, tried after the presets'."
    )
    language: Language = Language()
    urls: Urls = Urls()
    subset: Subset = Subset()
    decontaminate: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        default_factory=list,
        description="Evaluation files (JSONL or text), directories or globs; documents that share words with them are "
        "contaminated.",
    )
    decontaminate_words: int = Field(13, ge=2, le=100, description="Successive words that make a contamination.")
    decontaminate_action: Literal["drop", "report"] = Field(
        "drop", description="Whether contaminated documents are dropped or only reported."
    )
    against: str | None = Field(
        None, description="Run directory of another corpus; what duplicates a document that it keeps is dropped."
    )
    exact_duplicates: bool = Field(True, description="Drop documents whose normalised text another one has.")
    fuzzy_duplicates: bool = Field(True, description="Drop documents whose shingles nearly are another one's.")
    jaccard: float = Field(
        0.8,
        ge=0.3,
        le=1,
        description="True Jaccard similarity of shingle sets from which on two documents are one.",
    )
    survivor: str = Field(
        "longest",
        pattern=r"^(longest|newest|source_priority|best:[a-z][a-z0-9_]*)$",
        description="Which of several duplicates stays: longest, newest, source_priority, or best:SIGNAL.",
    )
    source_priority: list[str] = Field(
        default_factory=list, description="For survivor: source_priority: sources, the preferred one first."
    )
    alarm_share: Share = Field(
        0.5, description="A warning is given where a source loses more than this share of its documents to duplicates."
    )
    in_memory_links: int = Field(
        50_000_000, ge=0, description="More links between duplicates than this are joined by Beam jobs, not in memory."
    )


class Tokenize(Section):
    """Turning kept text into token ids, with an end-of-document token after each document."""

    tokenizer: str = Field(
        "train",
        description="train (a byte-level BPE on this corpus), bytes, the path of a tokenizer.json, or a hub name.",
    )
    vocabulary: int = Field(32768, ge=258, le=2**24, description="Largest vocabulary of a trained tokenizer.")
    sample_bytes: ByteSize = Field(
        ByteSize(16 * MIB), gt=0, description="Text, drawn by seed, on which a tokenizer is trained."
    )
    end_of_document: str | None = Field(
        None, description="The end-of-document token of a given tokenizer; null finds its usual name."
    )
    repeated_spans: Literal["ignore", "report", "remove"] = Field(
        "ignore",
        description="What is done about spans of tokens that occur more than once (Lee et al. 2022); remove leaves the "
        "first occurrence of each.",
    )
    span_tokens: int = Field(50, ge=10, description="Tokens of the shortest span that counts.")
    span_memory: ByteSize = Field(
        ByteSize(8 * 2**30), gt=0, description="The run fails rather than take more memory for finding spans."
    )


class Embed(Section):
    """Placing each kept document as a unit vector."""

    model: str = Field(
        "fitted",
        description="fitted (a static model, on this corpus), or any sentence-transformers model by path or name.",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0, mps, …")
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto", description="What computes a given model; auto: openvino on a CPU where it is installed, else torch."
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto",
        description="Numbers a given model computes in; auto: bfloat16 where the device has instructions for it, else "
        "float32. int8, by openvino, changes 3 to 4 % of the ten nearest neighbours.",
    )
    batch_size: int | None = Field(
        None, ge=1, description="Documents the model takes at a time; null goes by the device and by their lengths."
    )
    long_documents: Literal["truncate", "first_last", "mean"] = Field(
        "truncate",
        description="Of a document longer than the model reads at a time: the vector of its start; the mean of those "
        "of its start and its end; or the mean of those of all its chunks, weighted by their tokens.",
    )
    max_characters: int = Field(
        8192,
        ge=1,
        description="Characters of a document that a given model sees, of first_last half of them at its end; the rest "
        "has no part in its vector.",
    )
    lexical_weight: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Share of the words themselves in the cosine of two documents, beside the model's own cosine.",
    )
    lexical_dimensions: int = Field(256, ge=16, le=4096, description="Dimensions that hold the words' share.")
    sample_documents: int = Field(
        20000, ge=2, description="Documents, drawn by seed, on which a model is fitted and whose words are counted."
    )
    trust_remote_code: bool = Field(False, description="Run code that a hub model brings. Only for models you trust.")


class Neighbors(Section):
    """Finding each document's nearest others, and the near-duplicates among them."""

    k: int = Field(20, ge=1, le=1000, description="Neighbours kept for each document.")
    memory: ByteSize = Field(
        ByteSize(8 * 2**30), gt=0, description="Memory that an index may take; the most exact one within it is made."
    )
    recall_target: float = Field(
        0.95,
        gt=0,
        le=1,
        description="Share of the true neighbours, measured on a sample, that the search is widened to find.",
    )
    method: Literal["auto", "index", "cells"] = Field(
        "auto",
        description="index: one index that each worker reads; cells: a Beam job over cells of near vectors, for what "
        "no index holds; auto: cells on other runners, and here an index, or exact search where there is a GPU.",
    )
    duplicate_cosine: float = Field(
        0.95,
        gt=0,
        le=1.01,
        description="Of two documents this close by the model's own cosine the later one is dropped; above 1 switches "
        "it off.",
    )
    duplicate_jaccard: float | None = Field(
        None,
        gt=0,
        le=1,
        description="If given, close documents are duplicates only if their sets of 13-token n-grams are this similar.",
    )


class Ordering(Section):
    """Arranging the documents so that related ones share a context."""

    strategy: str = Field(
        "contexts",
        description="contexts, path, iclm, cluster, source, splice, bm25, structure, curriculum, random or knn; or a "
        "module of your own by its import path, as in my_package.my_order.",
    )
    structure: str = Field(
        "url", description="For strategy: structure: `url` (by the URL's path), or a field of the records."
    )
    signal: str = Field("compression_ratio", description="For strategy: curriculum: the signal that sorts contexts.")
    descending: bool = Field(False, description="For strategy: curriculum: highest signal first.")


class Families(Section):
    """Shard families: each group of documents ordered, packed and written by itself, for experts or mixtures."""

    by: Annotated[list[str], BeforeValidator(_one_or_more)] = Field(
        default_factory=list,
        max_length=2,
        description="What makes a group: source, language, a field of the records, clusters; two of them for two "
        "levels; empty: no families.",
    )
    k: int = Field(16, ge=1, le=65536, description="For clusters: how many (in each group, where they come second).")
    balanced: bool = Field(True, description="For clusters: whether all get the same number of tokens, about.")


class Pack(Section):
    """Cutting the order into contexts and writing them, globally permuted, as shards."""

    context_length: int = Field(
        8192, ge=2, le=LONGEST_CONTEXT, description="Tokens in a context; for policy: buckets, of the longest."
    )
    policy: Literal["whole", "stream", "best_fit", "buckets"] = Field(
        "whole",
        description="whole keeps documents unsplit where it can; stream concatenates and cuts; best_fit fills contexts "
        "best, among documents near each other in the order; buckets writes single documents in shards by length.",
    )
    validation_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the tokens set apart as a validation split, by whole paths of the order."
    )
    shard_bytes: ByteSize = Field(ByteSize(512 * MIB), gt=0, description="Largest size of a shard, about.")
