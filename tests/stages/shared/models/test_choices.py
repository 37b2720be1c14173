"""What computes a model is what the settings say, and of the rest what the machine decides."""

from typing import Any

import pytest

from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.sections import Embed
from sequitur.stages.shared.models import choices
from sequitur.stages.shared.models.choices import Choice, choose, decided, device_of, kind_of, settled


def chosen(settings: Embed, *, transformer: bool) -> tuple[str, str]:
    return choose(settings, transformer, decided(settings))[:2]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"precision": "int8", "backend": "torch"}, "embed.precision int8: only by OpenVINO"),
        ({"backend": "openvino", "device": "cuda"}, "embed.backend openvino: only for transformers on a CPU"),
    ],
    ids=["int8", "cuda"],
)
def test_settings_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        chosen(Embed(model="any", **{"device": "cpu", **settings}), transformer=True)


def test_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Embed(model="any", device="cpu")
    monkeypatch.setattr(choices, "openvino_is_installed", lambda: True)
    monkeypatch.setattr(choices, "computes_bfloat16", lambda _: False)
    assert chosen(settings, transformer=True) == ("openvino", "float32")
    monkeypatch.setattr(choices, "computes_bfloat16", lambda _: True)
    assert chosen(settings, transformer=True) == ("openvino", "bfloat16")
    assert chosen(settings, transformer=False) == ("torch", "float32")
    monkeypatch.setattr(choices, "openvino_is_installed", lambda: False)
    assert chosen(settings, transformer=True) == ("torch", "bfloat16")
    with pytest.raises(ModelError, match=r"pip install openvino nncf"):
        chosen(Embed(model="any", device="cpu", backend="openvino"), transformer=True)


def test_what_was_decided_elsewhere_is_kept_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, elsewhere = Embed(model="any"), Choice("openvino", "bfloat16", "cpu")
    monkeypatch.setattr(choices, "openvino_is_installed", lambda: False)
    with pytest.raises(ModelError, match=r"embed.backend openvino: .* pip install"):
        choose(settings, True, elsewhere)
    monkeypatch.setattr(choices, "computes_bfloat16", lambda _: True)
    assert settled(settings, elsewhere).device == "cpu"
    assert settled(settings, Choice("torch", "float32", "cuda")).device == "cuda"
    monkeypatch.setattr(choices, "computes_bfloat16", lambda _: False)
    with pytest.raises(ModelError, match="bfloat16, for which this machine has no instructions"):
        settled(settings, elsewhere)
    asked = Embed(model="any", device="cuda:1", precision="bfloat16")
    assert settled(asked, Choice("torch", "bfloat16", "cuda")) == asked


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert device_of(Embed(model="any")) == "cuda"
    assert device_of(Embed(model="any", device="cuda:1")) == "cuda:1"
    assert kind_of("cuda:1") == "cuda"
