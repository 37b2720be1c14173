"""What a transformer is given: texts as tokens, cut to what it reads at a time, in batches of about one length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:  # batches are also made where no pipeline is installed
    from sequitur.pipeline.sections import Embed

# Tokens in a batch, padding included. On a CPU the activations of a small model then stay in the cache of a core: all
# back ends are slower by 5 to 20 % at 4,096 and beyond (all-MiniLM-L6-v2, AMD EPYC, 1 MiB of cache). A GPU wants many.
CPU_TOKENS, GPU_TOKENS = 1024, 2**16
# Characters in a piece of a text, and in all that is tokenised in one go: a tokenizer takes some hundred bytes of
# memory for each.
PIECE, BLOCK = 2**16, 2**19
UNLIMITED = 2**31
PROBES = ["Probe.", "A text, short and plain, of which the vector is known."]


class Reader(NamedTuple):
    """How a transformer reads: the special tokens around a text, the text before each text, and its tokens at most."""

    tokenizer: Any
    first: list[int]
    last: list[int]
    prompt: str
    tokens: int


def reader_of(model: Any) -> Reader | None:
    """How a sentence-transformers model with a fast tokenizer reads; None for one without."""
    tokenizer = model.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        return None
    probe = tokenizer(PROBES[0], return_special_tokens_mask=True)
    ids, text = probe["input_ids"], [at for at, special in enumerate(probe["special_tokens_mask"]) if not special]
    if not text:
        return None
    first, last = ids[: text[0]], ids[text[-1] + 1 :]
    prompt = model.prompts.get(model.default_prompt_name) or ""
    return Reader(tokenizer, first, last, prompt, (model.max_seq_length or UNLIMITED) - len(first) - len(last))


def chunks(reader: Reader, texts: Sequence[str], settings: Embed) -> tuple[np.ndarray, list[np.ndarray]]:
    """The chunks of all texts that the model is to see.

    Returns:
        int64 [c], the row of the text each is of, ascending; and int32 tokens of each, special ones left out.
    """
    cut = [_cut(ids, reader.tokens, settings.long_documents) for ids in _token_ids(reader, texts, settings)]
    rows = np.repeat(np.arange(len(texts)), [len(of_text) for of_text in cut])
    return rows, [chunk for of_text in cut for chunk in of_text]


def batches(lengths: np.ndarray, tokens: int, count: int | None = None) -> Iterator[np.ndarray]:
    """Rows in batches, the longest first: `count` of them, or as many as fill `tokens` when padded; one at least."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = count or max(1, tokens // int(max(1, lengths[order[start]])))
        yield order[start : start + size]
        start += size


def _token_ids(reader: Reader, texts: Sequence[str], settings: Embed) -> list[np.ndarray]:
    pieces = (
        (row, piece) for row, text in enumerate(texts) for piece in _pieces(reader.prompt + _seen(text, settings))
    )
    ids: list[list[np.ndarray]] = [[] for _ in texts]
    for block in _blocks(pieces):
        encoded = reader.tokenizer(
            [piece for _, piece in block], add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        for (row, _), piece in zip(block, encoded, strict=True):
            ids[row].append(np.array(piece, dtype=np.int32))
    return [np.concatenate(of_text) for of_text in ids]


def _blocks(pieces: Iterator[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    block: list[tuple[int, str]] = []
    characters = 0
    for row, piece in pieces:
        block.append((row, piece))
        characters += len(piece)
        if characters >= BLOCK:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _seen(text: str, settings: Embed) -> str:
    """What the model sees of a text: its start, or of first_last as much of its end."""
    most = settings.max_characters
    if len(text) <= most or settings.long_documents != "first_last":
        return text[:most]
    return f"{text[: most - most // 2]} {text[len(text) - most // 2 :]}"


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > PIECE:
        space = text.rfind(" ", start + PIECE // 2, start + PIECE)
        end = space if space >= 0 else start + PIECE
        yield text[start:end]
        start = end
    yield text[start:]


def _cut(ids: np.ndarray, most: int, long_documents: str) -> list[np.ndarray]:
    if len(ids) <= most or long_documents == "truncate":
        return [ids[:most]]
    if long_documents == "first_last":
        return [ids[:most], ids[-most:]]
    return [ids[start : start + most] for start in range(0, len(ids), most)]


def features(reader: Reader, chunks: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """A model's input, int64 [n, longest], padded at the end; the mask is zero there."""
    longest = max(1, *(len(reader.first) + len(chunk) + len(reader.last) for chunk in chunks))
    padding = reader.tokenizer.pad_token_id
    ids = np.full((len(chunks), longest), 0 if padding is None else padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, chunk in enumerate(chunks):
        whole = [*reader.first, *chunk.tolist(), *reader.last]
        ids[row, : len(whole)] = whole
        mask[row, : len(whole)] = 1
    features = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in reader.tokenizer.model_input_names:
        features["token_type_ids"] = np.zeros_like(ids)
    return features
