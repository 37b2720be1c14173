"""Transformers compiled for the CPU by OpenVINO: exported once, stored, and put in the place of torch's.

sentence-transformers has such a back end, too, through `optimum-intel`, whose releases lag behind `transformers`;
the few calls that it comes to are made here.
"""

from __future__ import annotations

import inspect
import io
import logging
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch

FILE = "openvino_model.xml"  # beside it the weights, openvino_model.bin
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# Activations are rounded to int8 in groups of so many values of one token, so that no token's rounding depends on
# another's. Groups of 32 are slower, at about the same recall.
INT8_GROUP = "128"


def export(transformer: Any, precision: str, directory: Path) -> None:
    """Writes the network of a sentence-transformers `Transformer` as OpenVINO files.

    Args:
        precision: of int8 the weights are stored rounded, each row of a matrix by its own scale; else as they are.

    Raises:
        Exception: whatever torch and OpenVINO raise for a network that they cannot trace.
    """
    openvino = _openvino()
    network = transformer.auto_model.eval()
    taken = inspect.signature(network.forward).parameters
    names = [name for name in INPUTS if name in taken]
    # Two texts of different lengths: a mask without a zero would be traced as no mask.
    mask = torch.tensor([[1] * 8, [1] * 5 + [0] * 3])
    example = {name: mask if name == "attention_mask" else torch.zeros_like(mask) for name in names}
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about Python values that become constants: `prepare` tries the result
        traced = openvino.convert_model(_LastHiddenState(network), example_input=example)
    if precision == "int8":
        import nncf

        logging.getLogger("nncf").setLevel(logging.ERROR)
        with redirect_stdout(io.StringIO()):  # progress bars
            traced = nncf.compress_weights(traced, mode=nncf.CompressWeightsMode.INT8_SYM)
    openvino.save_model(traced, directory / FILE, compress_to_fp16=False)


def replace_network(transformer: Any, precision: str, directory: Path) -> None:
    """Puts the exported network in the place of the transformer's own, which is let go."""
    openvino = _openvino()
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,  # workers are processes, and all would be pinned to the same core
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": INT8_GROUP if precision == "int8" else "0",
    }
    compiled = openvino.Core().compile_model(directory / FILE, "CPU", hints)
    transformer.model = _Compiled(compiled, transformer.auto_model.config)


def _openvino() -> Any:
    # It reports its use to its maker unless this package is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class _LastHiddenState(torch.nn.Module):
    """A network of `transformers` as a function of tensors with names, to one tensor."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.network(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state


class _Compiled(torch.nn.Module):
    """A compiled network that is called as one of `transformers` is."""

    def __init__(self, compiled: Any, config: Any) -> None:
        super().__init__()
        self.compiled, self.config = compiled, config
        self.names = [name for name in INPUTS if any(name in port.get_names() for port in compiled.inputs)]

    def forward(self, **inputs: Any) -> dict[str, torch.Tensor]:
        given = {name: inputs[name].numpy() for name in self.names}
        # The result is the network's own memory, which the next call overwrites.
        hidden = self.compiled(given, share_inputs=True, share_outputs=True)[0]
        return {"last_hidden_state": torch.from_numpy(hidden).clone()}
