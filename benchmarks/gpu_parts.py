"""The parts of `benchmarks.gpu`: each takes what was asked for, its end by the clock, and where to name omissions."""

import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.gpu_encoding import Size, as_text, encode, made_chunks, random_bert, write_sentence_transformer
from benchmarks.loader import write_dataset, write_rows
from sequitur.graph_sort.exact_search import exact_neighbors
from sequitur.shards import ContextDataLoader, ContextDataset, ElasticBatchSampler
from sequitur.stages.shared.models.encoder_input import CPU_TOKENS, GPU_TOKENS

K, CHECKED = 20, 1000
PER_CENTRE, LATENT = 200, 32  # vectors of a centre, and dimensions of the mixture, as in benchmarks.neighbors
QUERIES = 8192  # that exact_neighbors scores at once
ROWS = 65_536  # made, or compared in float64, at once
SPARE = 32  # of the nearest by float64, beyond k: their order is by cosines rounded to float32
Made = TypeVar("Made")


def timed(work: Callable[[], Made], device: str) -> tuple[Made, float]:
    """What the work makes, and its seconds until the device has done it."""
    synchronize(device)
    started = time.perf_counter()
    made = work()
    synchronize(device)
    return made, time.perf_counter() - started


def synchronize(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def left(until: float) -> float:
    return until - time.monotonic()


def mixture(n: int, d: int, device: str, seed: int = 0) -> np.ndarray:
    """n unit vectors of d dimensions around seeded centres, made on the device: float16 in host memory."""
    generator = torch.Generator(device).manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    turn, centres = normal(LATENT, d), normal(n // PER_CENTRE + 1, LATENT)
    vectors = np.empty((n, d), dtype=np.float16)
    for begin in range(0, n, ROWS):
        size = min(ROWS, n - begin)
        home = torch.randint(len(centres), (size,), generator=generator, device=device)
        block = (centres[home] + normal(size, LATENT)) @ turn + normal(size, d)
        vectors[begin : begin + size] = torch.nn.functional.normalize(block).half().cpu().numpy()
    return vectors


def nearest(vectors: np.ndarray, rows: np.ndarray, device: str) -> np.ndarray:
    """The K nearest of some rows by cosines in float64, rounded to float32; ties go to the lowest id. int64 [q, K]"""
    queries = torch.from_numpy(vectors[rows]).to(device).double()
    own = torch.from_numpy(rows).to(device)[:, None]
    cosine = torch.empty(len(rows), 0, dtype=torch.float64, device=device)
    ids = torch.empty(len(rows), 0, dtype=torch.int64, device=device)
    for start in range(0, len(vectors), ROWS):
        block = torch.from_numpy(vectors[start : start + ROWS]).to(device).double()
        here = torch.arange(start, start + len(block), device=device).expand(len(rows), -1)
        cosine, ids = torch.cat([cosine, queries @ block.T], 1), torch.cat([ids, here], 1)
        cosine, at = cosine.topk(min(K + 1 + SPARE, cosine.shape[1]), dim=1)
        ids = ids.gather(1, at)
    ids, by_id = ids.sort(dim=1)
    rounded = cosine.gather(1, by_id).float().masked_fill(ids == own, -torch.inf)
    return ids.gather(1, rounded.sort(dim=1, descending=True, stable=True).indices[:, :K]).cpu().numpy()


class Step(NamedTuple):
    """A search that was timed: of how many queries, and its seconds."""

    queries: int
    seconds: float


def neighbors(known: Namespace, until: float, skipped: list[str]) -> dict[str, Any]:
    """The exact search of all neighbours, as far as the time goes."""
    n, device = known.vectors, known.device
    vectors, making = timed(lambda: mixture(n, known.dimensions, device), device)
    ids = np.arange(n, dtype=np.int64)
    exact_neighbors(vectors[:QUERIES], vectors[:QUERIES], ids[:QUERIES], K, device)  # compiles

    def search(queries: int) -> tuple[np.ndarray, Step]:
        found, seconds = timed(lambda: exact_neighbors(vectors, vectors[:queries], ids[:queries], K, device), device)
        print(f"neighbors: {queries:,} queries in {seconds:.1f} s", file=sys.stderr)
        return found.neighbor, Step(queries, seconds)

    found, first = search(min(n, QUERIES))
    last = first
    while last.queries < n:  # the more queries were timed, the better is known how many fit
        room = left(until) - first.seconds - last.seconds  # the check by float64 reads all vectors once, too
        slowest = each_query(first, last) + (0.05 * first.seconds / last.queries if last is not first else 0)
        fit = last.queries + int(max(0.0, room) / slowest)
        queries = n if fit >= n else min(fit, 8 * last.queries)
        if queries < min(n, 2 * last.queries):
            break
        found, last = search(queries)
    each = each_query(first, last)
    in_all = last.seconds + (n - last.queries) * each
    if last.queries < n:
        skipped.append(f"neighbors: all but {last.queries:,} of {n:,} queries; their time is scaled")
    sample = np.sort(np.random.default_rng(1).choice(last.queries, min(last.queries, CHECKED), replace=False))
    truth, mine = nearest(vectors, sample, device), found[sample]
    return {
        "neighbors_vectors": n,
        "neighbors_dimensions": known.dimensions,
        "neighbors_making_seconds": round(making, 2),
        "neighbors_queries": last.queries,
        "neighbors_queries_seconds": round(last.seconds, 3),
        "neighbors_scaled": last.queries < n,
        "neighbors_seconds": round(in_all, 3),
        "neighbors_fixed_seconds": round(max(0.0, in_all - n * each), 3),
        "neighbors_queries_per_second": round(n / in_all, 1),
        "neighbors_tflop_per_second": round(2 * n * n * known.dimensions / in_all / 1e12, 3),
        "neighbors_checked": len(sample),
        "neighbors_recall": round(float(np.mean([np.isin(*both).mean() for both in zip(truth, mine, strict=True)])), 6),
        "neighbors_equal_lists": round(float((truth == mine).all(axis=1).mean()), 4),
    }


def each_query(first: Step, last: Step) -> float:
    """Seconds that a query takes more, by two searches; by one, all of its seconds are its queries'."""
    if first.queries == last.queries:
        return last.seconds / last.queries
    return max(last.seconds - first.seconds, 1e-9) / (last.queries - first.queries)


def encoding(known: Namespace, until: float, skipped: list[str]) -> dict[str, Any]:
    """Texts and tokens a second of the plain module, and of our encoder and sentence-transformers' where that is."""
    size, device = Size(layers=known.layers), known.device
    chunks = made_chunks(known.texts, size.vocabulary, seed=2)
    tokens = np.array([len(chunk) + 2 for chunk in chunks])
    budget = CPU_TOKENS if device == "cpu" else GPU_TOKENS

    def of_module(dtype: torch.dtype, count: int | None) -> Callable[[int], Any]:
        model = random_bert(size, seed=3).to(device, dtype)
        return lambda texts: encode(model, chunks[:texts], budget, count)

    ways: dict[str, Callable[[], Callable[[int], Any]]] = {
        "module_bfloat16": lambda: of_module(torch.bfloat16, None),
        "module_float32": lambda: of_module(torch.float32, None),
        "module_float32_batches_of_32": lambda: of_module(torch.float32, 32),
    }
    figures: dict[str, Any] = {"encoding_layers": size.layers}
    vectors: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-") as scratch:
        try:
            texts = [as_text(chunk) for chunk in chunks]
            more, figures["encoding_sequitur_precision"] = with_sentence_transformers(
                size, texts, device, Path(scratch)
            )
            ways |= more
        except ModuleNotFoundError as missing:
            skipped.append(f"encoding: sentence-transformers, for {missing.name} is not installed")
        for number, (name, prepared) in enumerate(ways.items()):
            share = left(until) / (len(ways) - number)
            run, few = prepared(), -(-len(chunks) // 16)
            run(few)  # the first time the device's libraries choose their kernels
            _, seconds = timed(lambda: run(few), device)  # noqa: B023
            many = min(len(chunks), int(few * (share / max(seconds, 1e-9) - 2)))
            if many < few:
                skipped.append(f"encoding: {name}")
                continue
            vectors[name], seconds = timed(lambda: run(many), device)  # noqa: B023
            figures |= {
                f"encoding_{name}_texts": many,
                f"encoding_{name}_texts_per_second": round(many / seconds, 1),
                f"encoding_{name}_tokens_per_second": round(int(tokens[:many].sum()) / seconds),
            }
            print(f"encoding: {name} {many / seconds:,.0f} texts/s", file=sys.stderr)
    for name, other, ratio in (
        ("module_bfloat16", "module_float32", "encoding_module_bfloat16_vs_float32"),
        ("sequitur", "sentence_transformers", "encoding_vs_sentence_transformers"),
    ):
        if name in vectors and other in vectors:
            both = min(len(vectors[name]), len(vectors[other]))
            rates = [figures[f"encoding_{one}_texts_per_second"] for one in (name, other)]
            figures[ratio] = round(rates[0] / rates[1], 3)
            cosines = np.sum(vectors[name][:both] * vectors[other][:both], axis=1, dtype=np.float64)
            figures[f"{ratio}_least_cosine"] = round(float(cosines.min()), 5)
    return figures


def with_sentence_transformers(
    size: Size, texts: list[str], device: str, scratch: Path
) -> tuple[dict[str, Callable[[], Callable[[int], Any]]], str]:
    """Our encoder, as `embed` prepares and loads it, and `SentenceTransformer.encode` as it is; and in what numbers
    ours computes.

    Raises:
        ModuleNotFoundError: one of the libraries that they need is not installed.
    """
    import sentence_transformers

    from sequitur.pipeline.sections import Embed
    from sequitur.stages.shared.models import choices, encoders

    model = str(write_sentence_transformer(size, 3, scratch))
    settings = Embed(model=model, device=device, backend="torch")
    decision = choices.decided(settings)

    def ours() -> Callable[[int], Any]:
        (scratch / "prepared").mkdir()
        encoders.prepare(settings, scratch / "prepared", decision)
        encoder = encoders.load(settings, model, scratch / "prepared")
        return lambda many: encoder.encode(texts[:many])

    def theirs() -> Callable[[int], Any]:
        library = sentence_transformers.SentenceTransformer(model, device=device)
        return lambda many: library.encode(texts[:many], show_progress_bar=False)

    return {"sequitur": ours, "sentence_transformers": theirs}, decision.precision


class Mapped(Dataset[torch.Tensor]):
    """The rows of a mapped file, as one writes it for torch's DataLoader."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> torch.Tensor:
        return torch.from_numpy(self.rows[i].astype(np.int64))


def delivered(batches: Iterator[torch.Tensor], device: str, ahead: int) -> tuple[float, float, int]:
    """Copies all batches to the device.

    Returns:
        tokens a second after the first 1 + `ahead` batches, seconds until the first, and the sum of all ids.
    """
    started = begun = time.perf_counter()
    first, tokens = 0.0, 0
    total = torch.zeros((), dtype=torch.int64, device=device)
    for number, batch in enumerate(batches):
        ids = batch.to(device, non_blocking=True)
        total += ids.sum()
        if number == 0:
            synchronize(device)
            first = time.perf_counter() - started
        if number == ahead:
            synchronize(device)
            begun = time.perf_counter()
        tokens += ids.numel() if number > ahead else 0
    synchronize(device)
    return tokens / (time.perf_counter() - begun), first, int(total)


def loader(known: Namespace, until: float, skipped: list[str]) -> dict[str, Any]:
    """Tokens a second from shards to the device, beside torch's DataLoader over a mapped file."""
    row_bytes, pinned = 4 * known.context, known.device != "cpu"
    count = max(1, (known.megabytes << 20) // (1024 * row_bytes)) * 1024
    of_pass = count // known.batch
    rates: dict[str, list[float]] = {}
    firsts: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-") as scratch:
        rows = write_rows(Path(scratch) / "rows.bin", count, known.context)
        write_dataset(Path(scratch) / "shards", rows)

        def of_shards(seed: int, verify: Any = "lazy", workers: int = known.workers) -> Iterator[torch.Tensor]:
            dataset = ContextDataset(Path(scratch) / "shards", labels="none", verify=verify)
            sampler = ElasticBatchSampler.of(dataset, known.batch)
            sampler.set_epoch(seed)
            batches = ContextDataLoader(dataset, sampler, num_workers=workers, pin_memory=pinned)
            yield from (batch["input_ids"] for batch in batches)

        def of_file(seed: int) -> Iterator[torch.Tensor]:
            order = np.random.default_rng(seed).permutation(count)[: of_pass * known.batch]
            yield from DataLoader(
                Mapped(rows),
                batch_sampler=np.split(order, of_pass),
                num_workers=known.workers,
                pin_memory=pinned,
                multiprocessing_context="fork" if known.workers else None,  # so that the map is not copied
            )

        ways: dict[str, Callable[[int], Iterator[torch.Tensor]]] = {
            "sequitur": of_shards,
            "sequitur_unverified": lambda seed: of_shards(seed, verify="none"),
            "sequitur_without_workers": lambda seed: of_shards(seed, workers=0),
            "plain": of_file,
        }
        longest = 0.0
        for number in range(known.passes + 1):
            if number > 1 and left(until) < longest:
                skipped.append(f"loader: passes {number} to {known.passes} of {known.passes}")
                break
            started, sums = time.monotonic(), set()
            for name, batches in ways.items():
                rate, first, total = delivered(batches(number), known.device, min(2 * known.workers, of_pass // 2))
                sums.add(total)
                if number:
                    rates.setdefault(name, []).append(rate)
                    firsts.setdefault(name, []).append(first)
            if len(sums) > 1:
                raise ValueError(f"pass {number}: the loaders do not give the same ids")
            longest = max(longest, time.monotonic() - started)
    figures: dict[str, Any] = {f"loader_{name}": getattr(known, name) for name in ("context", "batch", "workers")}
    figures |= {"loader_rows": count, "loader_passes": len(rates["plain"])}
    for name in ways:
        rate = float(np.median(rates[name]))
        figures[f"loader_{name}_tokens_per_second"] = round(rate)
        figures[f"loader_{name}_gb_per_second"] = round(8 * rate / 1e9, 3)
        figures[f"loader_{name}_first_batch_seconds"] = round(float(np.median(firsts[name])), 3)
        print(f"loader: {name} {rate / 1e6:,.0f} million tokens/s", file=sys.stderr)
    ours, plain = (figures[f"loader_{name}_tokens_per_second"] for name in ("sequitur", "plain"))
    return figures | {"loader_vs_plain": round(ours / plain, 3)}
