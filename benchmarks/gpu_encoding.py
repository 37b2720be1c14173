"""A model of the size of all-MiniLM-L6-v2 for `benchmarks.gpu`: random weights, for only its time is measured.

`Bert` is a plain module of torch that computes what `BertModel` of transformers does (tests/test_gpu_benchmark.py
compares them), for machines without it. Its batches are those of `stages.shared.models.encoder_input`.
"""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from sequitur.stages.shared.models.encoder_input import Reader, batches, features

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PROBE = ["Probe", "A", "text", "short", "and", "plain", "of", "which", "the", "vector", "is", "known", ",", "."]
FIRST, LAST = [SPECIAL.index("[CLS]")], [SPECIAL.index("[SEP]")]
LONGEST = 256  # tokens that all-MiniLM-L6-v2 reads of a text


class Size(NamedTuple):
    """Of a BERT; by default that of all-MiniLM-L6-v2."""

    layers: int = 6
    width: int = 384
    heads: int = 12
    inner: int = 1536
    vocabulary: int = 30_522
    positions: int = 512


class Layer(nn.Module):
    """Attention, then two products, each added to what it was given, and normalised."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        self.query = nn.Linear(size.width, size.width)
        self.key = nn.Linear(size.width, size.width)
        self.value = nn.Linear(size.width, size.width)
        self.attended = nn.Linear(size.width, size.width)
        self.attended_norm = nn.LayerNorm(size.width, eps=1e-12)
        self.inner = nn.Linear(size.width, size.inner)
        self.outer = nn.Linear(size.inner, size.width)
        self.outer_norm = nn.LayerNorm(size.width, eps=1e-12)

    def forward(self, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            part(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        attended = scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(2)
        x = self.attended_norm(x + self.attended(attended))
        return self.outer_norm(x + self.outer(gelu(self.inner(x))))


class Bert(nn.Module):
    """Token ids and mask, int64 [n, l], to the mean of the last layer over each text's tokens, [n, width]."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.words = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Embedding(size.positions, size.width)
        self.types = nn.Embedding(2, size.width)
        self.norm = nn.LayerNorm(size.width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.layers))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.norm(self.words(input_ids) + self.positions(places) + self.types.weight[0])
        seen = attention_mask.bool()[:, None, None, :]
        for layer in self.layers:
            x = layer(x, seen)
        weight = attention_mask[:, :, None].to(x.dtype)
        return (x * weight).sum(1) / weight.sum(1)


def random_bert(size: Size, seed: int) -> Bert:
    """Weights as BERT begins with them."""
    torch.manual_seed(seed)
    model = Bert(size).eval()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.02)
    return model


def made_chunks(count: int, vocabulary: int, seed: int) -> list[np.ndarray]:
    """Token ids of made-up texts, without the special ones: int32, 6 to 254 of them, half below 90."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(4.5, 0.7, count).astype(int), 6, LONGEST - 2)
    reserved = len(SPECIAL) + len(PROBE)
    return [rng.integers(reserved, vocabulary, length, dtype=np.int32) for length in lengths]


def encode(model: Bert, chunks: Sequence[np.ndarray], tokens: int, count: int | None = None) -> np.ndarray:
    """Unit vectors [n, width], as our encoder computes them: batches by length, to the device, back as float32.

    Args:
        model: on its device.
        chunks: token ids of each text.
        tokens: in a batch, padding included.
        count: texts in a batch, instead.
    """
    reader = Reader(SimpleNamespace(pad_token_id=0, model_input_names=()), FIRST, LAST, "", LONGEST - 2)
    lengths = np.array([len(chunk) for chunk in chunks]) + 2
    device = model.types.weight.device
    vectors = np.empty((len(chunks), model.types.weight.shape[1]))
    for batch in batches(lengths, tokens, count):
        given = features(reader, [chunks[at] for at in batch])
        with torch.inference_mode():
            out = model(**{name: torch.from_numpy(ids).to(device) for name, ids in given.items()})
        vectors[batch] = out.float().cpu().numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_sentence_transformer(size: Size, seed: int, directory: Path) -> Path:
    """A model of this size with random weights and a word for each id, as sentence-transformers stores it.

    Raises:
        ModuleNotFoundError: sentence-transformers is not installed.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = [*SPECIAL, *PROBE]
    words += [f"w{number}" for number in range(len(words), size.vocabulary)]
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", *LAST), ("[CLS]", *FIRST))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.inner,
        max_position_embeddings=size.positions,
    )
    BertModel(config).save_pretrained(directory / "bert")
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(directory / "bert")
    bert = Transformer(str(directory / "bert"), max_seq_length=LONGEST)
    model = SentenceTransformer(modules=[bert, Pooling(size.width), Normalize()], device="cpu")
    model.save(str(directory / "model"), create_model_card=False)
    return directory / "model"


def as_text(chunk: np.ndarray) -> str:
    """Words of which the tokenizer of that model makes these ids."""
    return " ".join(f"w{number}" for number in chunk.tolist())
