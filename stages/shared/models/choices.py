"""What computes a model: on which device, by which library, in which numbers.

Where the settings leave it open the machine decides, once for a run: what it decided is part of the fingerprint, and a
run that is moved goes on as it began.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.sections import Embed

FITTED = "fitted"
MODEL = "model"  # directory of the artifact `vectors` that holds what was fitted or exported


class Choice(NamedTuple):
    """What computes a model, torch or openvino; in which numbers: float32, bfloat16 or int8; and on which device."""

    backend: str
    precision: str
    device: str


def decided(settings: Embed) -> Choice:
    """What this machine decides where a setting is `auto`: the device, and what is fastest there for a transformer at
    which the neighbours stay the same (benchmarks/encode.py has the figures).

    That is bfloat16 where the device computes in it, else float32. int8 loses more than 3 % of the ten nearest
    neighbours, so it has to be asked for.
    """
    device, backend, precision = device_of(settings), settings.backend, settings.precision
    if precision == "auto":
        precision = "bfloat16" if computes_bfloat16(settings) else "float32"
    if backend == "auto":
        backend = "openvino" if device == "cpu" and openvino_is_installed() else "torch"
    return Choice(backend, precision, kind_of(device))


def choose(settings: Embed, transformer: bool, decision: Choice) -> Choice:
    """What computes a model: as was decided, but what is no transformer by torch in float32.

    Raises:
        ModelError: the settings, or what was decided on another machine, ask for what there is not.
    """
    on_cpu = decision.device == "cpu"
    compiles = transformer and on_cpu and openvino_is_installed()
    backend, precision, _ = decision
    if not transformer and settings.precision == "auto":
        precision = "float32"
    if not transformer and settings.backend == "auto":
        backend = "torch"
    if backend == "openvino" and not compiles:
        what = "pip install openvino nncf" if transformer and on_cpu else "set it to auto"
        raise ModelError(f"embed.backend openvino: only for transformers on a CPU, and where it is installed; {what}")
    if precision == "int8" and (backend != "openvino" or find_spec("nncf") is None):
        raise ModelError("embed.precision int8: only by OpenVINO with nncf; pip install openvino nncf")
    if precision == "bfloat16" and not transformer:
        raise ModelError(f"embed.precision bfloat16: {settings.model} is no transformer; set it to auto")
    return Choice(backend, precision, decision.device)


def settled(settings: Embed, choice: Choice) -> Embed:
    """The settings with the device that was decided.

    Raises:
        ModelError: it would compute other numbers here than where it was decided.
    """
    if settings.device == "auto":
        settings = settings.model_copy(update={"device": choice.device})
    if (settings.precision, choice.precision) == ("auto", "bfloat16") and not computes_bfloat16(settings):
        raise ModelError(
            "embed.precision auto: the vectors of this run are computed in bfloat16, for which this machine has no "
            "instructions; go on where there are some, or set it to float32, which makes all vectors anew"
        )
    return settings


def device_of(settings: Embed) -> str:
    """The device that settings name, of a given model."""
    return device_named(settings.device)


def device_named(name: str) -> str:
    """The device that `embed.device` names; of `auto` a GPU where this machine has one."""
    if name != "auto":
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def kind_of(device: str) -> str:
    """`cuda` for `cuda:1`: which of several equal devices computes changes nothing."""
    return device.partition(":")[0]


def computes_bfloat16(settings: Embed) -> bool:
    """Whether the device has instructions for it; without them it is slower than float32."""
    import torch

    if device_of(settings).startswith("cuda"):
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if device_of(settings) != "cpu":
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # an older torch, which has no public word on it
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def openvino_is_installed() -> bool:
    return find_spec("openvino") is not None


def searches(name: str) -> str:
    """What kind of device searches exactly: the GPU that `embed.device` names, or `auto` finds, else the CPU."""
    return kind_of(gpu(name) or "cpu")


def gpu(name: str) -> str | None:
    """The GPU that `embed.device` names or `auto` finds on this machine; None where there is none."""
    if not (name == "auto" or name.startswith("cuda")):
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    return "cuda" if name == "auto" else name
