"""Word vectors as a sentence-transformers directory, written and read without that library.

    modules.json                        StaticEmbedding, then Normalize
    config_sentence_transformers.json   no prompts, cosine
    1_Normalize/config.json
    tokenizer.json                      of the `tokenizers` library: WordPiece over the tokens
    model.safetensors                   embedding.weight, float32 [v, d]

`SentenceTransformer(directory, device="cpu")` loads it. What is read need not be what was written here: it is refused
unless the tokenizer but for its tokens, the modules and the shapes are those that are written.
"""

import json
from pathlib import Path
from typing import Any

from sequitur.text_core.vectors.model_words import WORD
from sequitur.text_core.vectors.word_means import CONTINUES, MAX_CHARACTERS, UNKNOWN
from sequitur.text_core.vectors.word_vectors import WordVectors

_WEIGHTS, _TOKENIZER, _MODULES = "model.safetensors", "tokenizer.json", "modules.json"
_ROWS = "embedding.weight"
_KINDS = ("StaticEmbedding", "Normalize")
_MODULE_FILES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"},
    {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
]
_SETTINGS = {
    "model_type": "SentenceTransformer",
    "prompts": {"query": "", "document": ""},
    "default_prompt_name": None,
    "similarity_fn_name": "cosine",
}
_NORMALIZE = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}

_TOKENIZER_SETTINGS: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Split", "pattern": {"Regex": WORD}, "behavior": "Removed", "invert": True},
    "post_processor": None,
    "decoder": None,
}
_MODEL = {
    "type": "WordPiece",
    "unk_token": UNKNOWN,
    "continuing_subword_prefix": CONTINUES,
    "max_input_chars_per_word": MAX_CHARACTERS,
}


class ForeignModelError(ValueError):
    """A directory that does not hold word vectors as they are written here."""


def save_sentence_transformer(word_vectors: WordVectors, directory: str | Path) -> None:
    """Write word vectors into a new directory, or over those that are there."""
    from safetensors.numpy import save_file

    path = Path(directory)
    (path / "1_Normalize").mkdir(parents=True, exist_ok=True)
    (path / _MODULES).write_text(json.dumps(_MODULE_FILES, indent=2))
    (path / "config_sentence_transformers.json").write_text(json.dumps(_SETTINGS, indent=2))
    (path / "1_Normalize" / "config.json").write_text(json.dumps(_NORMALIZE, indent=2))
    rows = {token: row for row, token in enumerate(word_vectors.tokens)}
    tokenizer = _TOKENIZER_SETTINGS | {"model": _MODEL | {"vocab": rows}}
    (path / _TOKENIZER).write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")
    save_file({_ROWS: word_vectors.vectors}, str(path / _WEIGHTS))


def read_sentence_transformer(directory: str | Path) -> WordVectors:
    """What `save_sentence_transformer` wrote.

    Raises:
        ForeignModelError: it is something else, or damaged.
        OSError: a file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(directory)
    kinds = [str(one.get("type")) for one in _items(_parsed(path / _MODULES))]
    if tuple(kind.rpartition(".")[2] for kind in kinds) != _KINDS:
        raise ForeignModelError(f"{path / _MODULES}: not {' and '.join(_KINDS)}, as word vectors have")
    tokens = _tokens(path / _TOKENIZER)
    try:
        with safe_open(str(path / _WEIGHTS), framework="numpy") as file:
            kind = file.get_slice(_ROWS).get_dtype()
            rows = file.get_tensor(_ROWS) if kind == "F32" else None
    except SafetensorError as error:
        raise ForeignModelError(f"{path / _WEIGHTS}: damaged, or without {_ROWS} ({error})") from error
    if rows is None or rows.ndim != 2 or len(rows) != len(tokens) or not rows.shape[1]:
        raise ForeignModelError(
            f"{path / _WEIGHTS}: {_ROWS} is not float32 with a row for each of {len(tokens)} tokens"
        )
    if rows[0].any():
        raise ForeignModelError(f"{path / _WEIGHTS}: the row of {UNKNOWN} is not zero")
    return WordVectors(tokens, rows)


def _tokens(path: Path) -> list[str]:
    """The token of each row."""
    content = _parsed(path)
    if not isinstance(content, dict) or not isinstance(model := content.get("model"), dict):
        raise ForeignModelError(f"{path}: not a tokenizer")
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or not all(type(row) is int for row in vocabulary.values()):
        raise ForeignModelError(f"{path}: holds no tokens with the number of a row each")
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    if [vocabulary[token] for token in tokens] != list(range(len(tokens))) or tokens[:1] != [UNKNOWN]:
        raise ForeignModelError(f"{path}: the rows of the tokens are not 0, that of {UNKNOWN}, 1, 2 and so on")
    if not _TOKENIZER_SETTINGS.items() <= content.items() or not _MODEL.items() <= model.items():
        raise ForeignModelError(f"{path}: not the tokenizer of word vectors")
    try:
        "".join(tokens).encode()
    except UnicodeEncodeError as error:
        raise ForeignModelError(f"{path}: holds tokens that are no text") from error
    return tokens


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ForeignModelError(f"{path}: damaged ({error})") from error


def _items(content: Any) -> list[dict[str, Any]]:
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
