"""From kept documents to shards: tokens, vectors, neighbours, order, packing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ByteSize, Field, model_validator

from sequitur.pipeline.sections.section import LONGEST_CONTEXT, MIB, Section, one_or_more

ALIKE, PROPOSED = 0.95, 0.5  # cosines at which two documents are duplicates, or worth comparing by their words


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
    dimensions: int = Field(
        384,
        ge=16,
        le=4096,
        description="Dimensions of the fitted model: of millions of documents fewer take less memory in neighbors and "
        "order, and less time.",
    )
    device: str = Field(
        "auto",
        description="auto, cpu, cuda, cuda:0, mps, …, for a given model; auto: a GPU where the run begins with one. "
        "The fitted model is computed on the CPU.",
    )
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto",
        description="What computes a given model; auto: openvino on a CPU where it is installed, else torch, as it is "
        "where the run begins.",
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto",
        description="Numbers a given model computes in; auto: bfloat16 where the device has instructions for it, else "
        "float32, as it is where the run begins. int8, by openvino, changes 3 to 4 % of the ten nearest neighbours.",
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
        description="Share of the words themselves in the cosine of two documents, beside the model's own cosine; the "
        "language counts as one more word.",
    )
    term_weights: str | None = Field(
        None,
        description="Directory with weights of words that another run counted; null: those that lie with a model that "
        "was fitted before, else counted on this corpus.",
    )
    lexical_dimensions: int = Field(256, ge=16, le=4096, description="Dimensions that hold the words' share.")
    sample_documents: int = Field(
        20000, ge=2, description="Documents, drawn by seed, on which a model is fitted and whose words are counted."
    )
    trust_remote_code: bool = Field(False, description="Run code that a model brings. Only for models you trust.")


class Neighbors(Section):
    """Finding each document's nearest others, and the near-duplicates among them."""

    k: int = Field(20, ge=1, le=1000, description="Neighbours kept for each document.")
    memory: ByteSize = Field(
        ByteSize(8 * 2**30),
        gt=0,
        description="Memory that the vectors may take where each worker maps them, 2 bytes a dimension; on another "
        "runner what does not fit is shuffled.",
    )
    recall_target: float = Field(
        0.95,
        gt=0,
        le=1,
        description="Share of the true neighbours, measured on a sample, that as many cells are probed to find.",
    )
    method: Literal["auto", "index", "cells", "exact"] = Field(
        "auto",
        description="index: cells of near vectors in one file that each worker maps; cells: the same lists by a Beam "
        "job that shuffles vectors, for what no worker holds; exact: all pairs in the main process, on a GPU where "
        "there is one; auto: an index here, and elsewhere if it fits the memory, else cells.",
    )
    duplicate_cosine: float | None = Field(
        None,
        gt=0,
        le=1.01,
        description="Two documents this close by the model's own cosine may be duplicates, of which the later one is "
        "dropped; null: 0.5 where words must confirm it, else 0.95; above 1 switches it off.",
    )
    duplicate_overlap: float | None = Field(
        0.4,
        gt=0,
        le=1,
        description="Share of the rarer word pairs of one of two close documents that the other must have, for them to "
        "be duplicates; null: words need not confirm it.",
    )
    duplicate_jaccard: float | None = Field(
        None,
        gt=0,
        le=1,
        description="If given, close documents are duplicates only if their sets of 13-token n-grams are this similar.",
    )

    @property
    def least_cosine(self) -> float:
        """The cosine from which on two documents may be duplicates."""
        if self.duplicate_cosine is not None:
            return self.duplicate_cosine
        return ALIKE if self.duplicate_overlap is None else PROPOSED

    @property
    def words_confirm(self) -> bool:
        """Whether pairs are judged by their words."""
        return self.duplicate_overlap is not None and self.least_cosine <= 1


class Ordering(Section):
    """Arranging the documents so that related ones share a context."""

    strategy: str = Field(
        "contexts",
        description="contexts, path, iclm, cluster, source, splice, bm25, structure, curriculum, random or knn; or a "
        "module of your own by its import path, as in my_package.my_order.",
    )
    shared_strings: float = Field(
        1.0,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="For strategy: contexts or curriculum: what strings that a context holds twice weigh beside the "
        "cosines. 0: they are not looked at.",
    )
    structure: str = Field(
        "url", description="For strategy: structure: `url` (by the URL's path), or a field of the records."
    )
    signal: str = Field("compression_ratio", description="For strategy: curriculum: the signal that sorts contexts.")
    descending: bool = Field(False, description="For strategy: curriculum: highest signal first.")


class Families(Section):
    """Shard families: each group of documents ordered, packed and written by itself, for experts or mixtures."""

    by: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
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
    policy: Literal["whole", "filled", "stream", "best_fit", "buckets"] = Field(
        "filled",
        description="whole keeps documents unsplit where it can; filled makes every row but the last full, "
        "with pieces of documents that are like what they fill; stream concatenates and cuts; best_fit fills contexts "
        "best, among documents near each other in the order; buckets writes single documents in shards by length.",
    )
    validation_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the tokens set apart as a validation split, by whole paths of the order."
    )
    epochs: int = Field(
        1,
        ge=1,
        le=64,
        description="Orders and packings of the same documents, one after the other in the training split: in each "
        "epoch a document meets others.",
    )
    shard_bytes: ByteSize = Field(ByteSize(512 * MIB), gt=0, description="Largest size of a shard, about.")

    @model_validator(mode="after")
    def _documents_meet(self) -> Pack:
        if self.policy == "buckets" and self.epochs > 1:
            raise ValueError("epochs: with policy: buckets each document is alone, and meets none; leave it at 1")
        return self
