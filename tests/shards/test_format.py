"""The schema is what Hugging Face datasets would declare, and writing needs no torch."""

import subprocess
import sys

import datasets
import pyarrow as pa
from example_dataset import HEADER

from sequitur.shards.format import context_columns, context_schema, shard_name


def test_features_are_those_that_datasets_infers() -> None:
    schema = context_schema(HEADER, "train", 3, 64)
    inferred = datasets.Features.from_arrow_schema(context_columns(HEADER.seq_len))
    assert datasets.Features.from_arrow_schema(schema) == inferred
    assert inferred.arrow_schema.equals(schema)


def test_metadata_names_the_shard() -> None:
    metadata = context_schema(HEADER, "train", 3, 64).metadata
    assert metadata[b"sequitur.shard"] == b"3/64"
    assert metadata[b"sequitur.split"] == b"train"
    assert metadata[b"sequitur.seq_len"] == b"16"
    assert metadata[b"sequitur.special_ids"] == b'{"bos":null,"eos":256,"pad":256}'
    assert shard_name(3, 64) == "data-00003-of-00064.arrow"


def test_token_ids_are_unsigned() -> None:
    assert context_columns(8).field("input_ids").type == pa.list_(pa.uint32(), 8)


def test_writing_does_not_import_torch() -> None:
    modules = "sequitur.shards.writer, sequitur.shards.verify, sequitur.shards.views.show"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
